"""From files, environment and flags to one checked `Config`.

Precedence, later wins, key by key: defaults, `config.toml`, the repository's `oya.toml` as it
stands on the target branch, the environment (`OYA_SECTION__KEY`), command-line flags. Unknown keys
and wrong types are errors that name file, line and key; so is a value that this version cannot
honour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from oya_vcs.config.rules import like, meant, shown, words
from oya_vcs.config.sections import SECTIONS, USERS_OWN, Config, RepoConfig
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.oya_toml import Setting, from_environment, from_flags, from_toml

_WANTED = {
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "tuple[str, ...]": "a list of texts",
}


def load(
    config_file: Path | None,
    oya_toml: str | None,
    oya_toml_name: str,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
) -> Config:
    """The configuration out of all its sources, in their precedence.

    `config_file` must be there if it is given (see `user_config`). `oya_toml` is the text of the
    repository's file on the target branch, None where it has none; messages call it
    `oya_toml_name`. `flags` are `{"worker.slots": 8}`, None for a flag that was not given. Raises
    ConfigurationInvalid with everything that is wrong, one line each.
    """
    settings: list[Setting] = []
    if config_file is not None:
        settings += from_toml(_read(config_file), str(config_file))
    if oya_toml is not None:
        settings += from_toml(oya_toml, oya_toml_name)
    settings += from_environment(environ)
    settings += from_flags(flags)
    values: dict[str, dict[str, Any]] = {section: {} for section in ("checks", *SECTIONS)}
    problems: list[str] = []
    for setting in settings:
        wrong = _stranger(setting) or _misplaced(setting, oya_toml_name)
        if not wrong and setting.key and setting.section in values:
            value, wrong = _value(setting)
            values[setting.section][setting.key] = value
        if wrong:
            problems.append(f"{setting.place()}: {wrong}" + "." * (not wrong.endswith("?")))
    if problems:
        raise ConfigurationInvalid(
            "\n".join(problems),
            "The oya.toml that `oya-vcs init` writes holds every key, with what it may be.",
        )
    made = {section: kind(**values[section]) for section, kind in SECTIONS.items()}
    return Config(checks=values["checks"], **made)


def target_of(
    root: Path, config_file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> str:
    """The bookmark that lands, before its own oya.toml can be read: as the environment, the user's
    configuration or the oya.toml in the user's workspace (of which nothing else counts) say."""
    draft, named = root / "oya.toml", ""
    with suppress(ConfigurationInvalid, OSError):
        settings = from_toml(draft.read_text("utf-8", errors="replace"), str(draft))
        named = next((str(one.value) for one in settings if one.name == "repo.target"), "")
    ahead = load(config_file, None, "", environ, flags).repo.target
    return named if named and ahead == RepoConfig().target else ahead


def _stranger(setting: Setting) -> str:
    """What is wrong with a setting's section or key; empty where both are known."""
    section, key = setting.section, setting.key
    if not section and (key == "checks" or key in SECTIONS):
        return f"{key} must be a section, written [{key}]"
    if not section:
        homes = [f"[{name}]" for name, kind in SECTIONS.items() if key in _keys(kind)]
        return f"{key} stands in no section" + (f"; did you mean {words(homes)}?" if homes else "")
    if section == "checks":
        named = not key or re.fullmatch(r"[a-z0-9_-]+", key)
        return "" if named else f"checks.{key} must be named with a-z, 0-9, _ and - only"
    if section not in SECTIONS:
        if key and setting.document:
            return ""  # the section itself is a setting of its document, and is named once
        return f"[{section}] is no section{meant(section, [*SECTIONS, 'checks'])}"
    keys = _keys(SECTIONS[section])
    if key and key not in keys:
        return f"{setting.name} is no key{meant(key, keys)}"
    return ""


def _misplaced(setting: Setting, oya_toml_name: str) -> str:
    """What is wrong with where a setting stands; empty where it may stand there."""
    if setting.section not in USERS_OWN or setting.key or setting.source != oya_toml_name:
        return ""
    return f"[{setting.section}] counts in your own configuration only (~/.config/oya-vcs)"


def _value(setting: Setting) -> tuple[Any, str]:
    """The value of a known key in its type, and what is wrong with it."""
    if setting.section == "checks":
        kind, rule = "str", like(r"(?s).*\S.*", "a command")["rule"]
    else:
        found = next(f for f in fields(SECTIONS[setting.section]) if f.name == setting.key)
        kind, rule = str(found.type), found.metadata.get("rule", lambda _: "")
    value = setting.value if setting.typed else _from_text(kind, setting.value)
    if kind == "tuple[str, ...]" and isinstance(value, list | tuple):
        right = all(isinstance(part, str) for part in value)
        value = tuple(value)
    else:
        right = type(value).__name__ == kind
    if not right:
        return value, f"{setting.name} must be {_WANTED[kind]}, and is {shown(setting.value)}"
    wrong = rule(value)
    return value, f"{setting.name} {wrong}" if wrong else ""


def _from_text(kind: str, text: str) -> object:
    """Text of a variable or flag as the type of its key; the text itself where it is none."""
    try:
        if kind == "int":
            return int(text)
        if kind == "bool":
            return {"true": True, "false": False}.get(text, text)
        if kind == "tuple[str, ...]":
            if text.lstrip().startswith("["):
                import json  # noqa: PLC0415 - seldom needed; importing this is cheap

                return json.loads(text)
            import shlex  # noqa: PLC0415 - the same

            return shlex.split(text)
    except ValueError:
        return text
    return text


def _keys(kind: type) -> list[str]:
    """The keys of a section."""
    return [known.name for known in fields(kind)]


def _read(path: Path) -> str:
    """The text of a configuration file. Raises ConfigurationInvalid."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationInvalid(f"{path}:{line}: this is not UTF-8 text.") from None
    except OSError as error:
        raise ConfigurationInvalid(
            f"{path}: the configuration file cannot be read: {error.strerror}.",
            "Name another one with --config, or leave it out.",
        ) from None

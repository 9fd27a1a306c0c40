"""Configuration: one frozen value, read once from TOML and the environment. Only this module reads
`os.environ`.

Precedence, later wins, key by key: defaults, `config.toml`, the repository's `oya.toml` as it
stands on the target branch, the environment (`OYA_SECTION__KEY`), command-line flags. Unknown keys
and wrong types are errors that name file, line and key; so is a value that this version cannot
honour. This module knows what each key may be; what is done with it is known to those who are given
it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.oya_toml import Setting, from_environment, from_flags, from_toml

INTEGER_MAX = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact (RFC 8259, 6)."""

Rule = Callable[[Any], str]
"""What is wrong with a value of the right type, to be read after "section.key "; empty for
nothing."""


def _between(low: int, high: int = INTEGER_MAX) -> dict[str, Rule]:
    """A number's limits, both included."""
    most = f"to {high}" if high < INTEGER_MAX else "upwards"
    return {"rule": lambda v: "" if low <= v <= high else f"must be from {low} {most}, and is {v}"}


def _one_of(*now: str, later: Sequence[str] = ()) -> dict[str, Rule]:
    """The words a key may be; `later` are those that are documented and not available yet."""

    def rule(value: str) -> str:
        if value in now:
            return ""
        if value in later:
            return f'cannot be "{value}" in this version; use {_words(now)}'
        return f"must be {_words([*now, *later])}, and is {_shown(value)}{_meant(value, now)}"

    return {"rule": rule}


def _like(pattern: str, what: str) -> dict[str, Rule]:
    """The form of a text. Compiled when it is first asked for: importing this module is cheap."""
    return {
        "rule": lambda v: "" if re.fullmatch(pattern, v) else f"must be {what}, and is {_shown(v)}"
    }


def _address(value: str) -> str:
    """Where to listen: a name or number and a port, IPv6 in brackets."""
    form = re.fullmatch(r"(?:\[[\da-fA-F:.]+\]|[^\s:\[\]]+):(\d{1,5})", value, re.ASCII)
    if form and int(form[1]) < 2**16:
        return ""
    return f"must be an address and a port, as 127.0.0.1:7420, and is {_shown(value)}"


def _argv(value: tuple[str, ...]) -> str:
    """A command: empty for none, else a program and its arguments."""
    if value and not value[0].strip():
        return "must begin with a program, and begins with an empty text"
    return "must not hold a NUL character" if any("\0" in part for part in value) else ""


_REF = r"[^\s\x00-\x1f\x7f~^:?*\[\\-][^\s\x00-\x1f\x7f~^:?*\[\\]*"
_VARIABLE = _like(r"([A-Za-z_]\w*)?", "the name of an environment variable, or empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoConfig:
    """`[repo]`: the bookmark that lands, and the forge."""

    target: str = field(default="main", metadata=_like(_REF, "the name of a bookmark"))
    remote: str = field(default="", metadata=_like(f"({_REF})?", "the name of a remote, or empty"))
    forge: str = field(default="local", metadata=_one_of("local", later=["github"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """`[worker]`: how a bead is worked on. Limits are per attempt; `lease_ms` 0 allows silence."""

    kind: str = field(default="command", metadata=_one_of("command", later=["acp", "opencode"]))
    command: tuple[str, ...] = field(default=(), metadata={"rule": _argv})
    slots: int = field(default=4, metadata=_between(1, 1000))
    attempts_max: int = field(default=3, metadata=_between(1, 100))
    wall_ms_max: int = field(default=3_600_000, metadata=_between(1))
    lease_ms: int = field(default=30_000, metadata=_between(0))
    stop_ms: int = field(default=5_000, metadata=_between(1))
    output_bytes_max: int = field(default=50_000_000, metadata=_between(1))
    backoff_ms: int = field(default=1_000, metadata=_between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """`[queue]`: strategies for beads and for changes.

    `merge` "adaptive" leaves the number of changes tested at once to the queue, which in this
    version is always one, as with "serial".
    """

    strategy: str = field(
        default="fifo", metadata=_one_of("fifo", later=["lifo", "priority", "round_robin"])
    )
    merge: str = field(
        default="adaptive", metadata=_one_of("adaptive", "serial", later=["window", "batch"])
    )
    method: str = field(default="merge", metadata=_one_of("merge", later=["squash", "rebase"]))
    check_ms_max: int = field(default=1_800_000, metadata=_between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """`[web]`: the address of the page and the API. Loopback unless somebody says otherwise."""

    listen: str = field(default="127.0.0.1:7420", metadata={"rule": _address})


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubConfig:
    """`[github]`: how to reach and be reached by GitHub. Secrets are named here, never written."""

    api_url: str = field(
        default="https://api.github.com", metadata=_like(r"https?://\S+", "an http(s) address")
    )
    repo: str = field(default="", metadata=_like(r"([\w.-]+/[\w.-]+)?", "owner/name, or empty"))
    app_id: int = field(default=0, metadata=_between(0))
    private_key_file: str = ""
    token_env: str = field(default="", metadata=_VARIABLE)
    webhook_secret_env: str = field(default="OYA_GITHUB_WEBHOOK_SECRET", metadata=_VARIABLE)
    poll_ms: int = field(default=60_000, metadata=_between(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the composition root needs to know. `checks` maps a name to a shell command."""

    repo: RepoConfig = field(default_factory=RepoConfig)
    checks: Mapping[str, str] = field(default_factory=dict)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    queue: QueueConfig = field(default_factory=QueueConfig)
    web: WebConfig = field(default_factory=WebConfig)
    github: GithubConfig = field(default_factory=GithubConfig)


_SECTIONS: Mapping[str, type] = {
    "repo": RepoConfig,
    "worker": WorkerConfig,
    "queue": QueueConfig,
    "web": WebConfig,
    "github": GithubConfig,
}
_WANTED = {"int": "a whole number", "str": "text", "tuple[str, ...]": "a list of texts"}


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
    values: dict[str, dict[str, Any]] = {section: {} for section in ("checks", *_SECTIONS)}
    problems: list[str] = []
    for setting in settings:
        wrong = _stranger(setting)
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
    made = {section: kind(**values[section]) for section, kind in _SECTIONS.items()}
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
    if not section and (key == "checks" or key in _SECTIONS):
        return f"{key} must be a section, written [{key}]"
    if not section:
        homes = [f"[{name}]" for name, kind in _SECTIONS.items() if key in _keys(kind)]
        return f"{key} stands in no section" + (f"; did you mean {_words(homes)}?" if homes else "")
    if section == "checks":
        named = not key or re.fullmatch(r"[a-z0-9_-]+", key)
        return "" if named else f"checks.{key} must be named with a-z, 0-9, _ and - only"
    if section not in _SECTIONS:
        if key and setting.document:
            return ""  # the section itself is a setting of its document, and is named once
        return f"[{section}] is no section{_meant(section, [*_SECTIONS, 'checks'])}"
    keys = _keys(_SECTIONS[section])
    if key and key not in keys:
        return f"{setting.name} is no key{_meant(key, keys)}"
    return ""


def _value(setting: Setting) -> tuple[Any, str]:
    """The value of a known key in its type, and what is wrong with it."""
    if setting.section == "checks":
        kind, rule = "str", _like(r"(?s).*\S.*", "a command")["rule"]
    else:
        found = next(f for f in fields(_SECTIONS[setting.section]) if f.name == setting.key)
        kind, rule = str(found.type), found.metadata.get("rule", lambda _: "")
    value = setting.value if setting.typed else _from_text(kind, setting.value)
    if kind == "tuple[str, ...]" and isinstance(value, list | tuple):
        right = all(isinstance(part, str) for part in value)
        value = tuple(value)
    else:
        right = type(value).__name__ == kind
    if not right:
        return value, f"{setting.name} must be {_WANTED[kind]}, and is {_shown(setting.value)}"
    wrong = rule(value)
    return value, f"{setting.name} {wrong}" if wrong else ""


def _from_text(kind: str, text: str) -> object:
    """Text of a variable or flag as the type of its key; the text itself where it is none."""
    try:
        if kind == "int":
            return int(text)
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


def _meant(word: str, known: Sequence[str]) -> str:
    """`; did you mean x?` where the word resembles a known one."""
    import difflib  # noqa: PLC0415 - only for an error

    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _words(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return ", ".join(words[:-1]) + " or " * (len(words) > 1) + words[-1]


def _shown(value: object) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


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


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a daemon (`OYA_HOME`) and where each thing stands in it."""

    root: Path

    @property
    def journal(self) -> Path:
        """The record."""
        return self.root / "journal.db"

    @property
    def checkpoints(self) -> Path:
        """What a start reads instead of the whole record."""
        return self.root / "checkpoints"

    @property
    def workspaces(self) -> Path:
        """One folder a repository, one below it an attempt."""
        return self.root / "workspaces"

    @property
    def runs(self) -> Path:
        """One folder a process that was started, named by its execution key: its outcome survives
        the daemon."""
        return self.root / "runs"

    @property
    def logs(self) -> Path:
        """Output of workers and checks."""
        return self.root / "logs"

    @property
    def trash(self) -> Path:
        """Where removed workspaces wait for deletion."""
        return self.root / "trash"

    @property
    def checkouts(self) -> Path:
        """Clean checkouts in which checks run."""
        return self.root / "checkouts"

    @property
    def lock(self) -> Path:
        """Held by the one daemon of this home; names its pid."""
        return self.root / "daemon.lock"


def environment() -> Mapping[str, str]:
    """A copy of the process's environment, for those who start programs or look along PATH."""
    return dict(os.environ)


def default_home(environ: Mapping[str, str] | None = None) -> Home:
    """`OYA_HOME`, else `$XDG_STATE_HOME/oya-vcs`, else `~/.local/state/oya-vcs`."""
    env = os.environ if environ is None else environ
    if env.get("OYA_HOME"):
        return Home(Path(env["OYA_HOME"]).absolute())
    return Home(_xdg(env, "XDG_STATE_HOME", ".local/state") / "oya-vcs")


def tools_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where privately installed jj and git live: `$XDG_DATA_HOME/oya-vcs/tools`."""
    env = os.environ if environ is None else environ
    return _xdg(env, "XDG_DATA_HOME", ".local/share") / "oya-vcs" / "tools"


def user_config(environ: Mapping[str, str] | None = None) -> Path | None:
    """`$XDG_CONFIG_HOME/oya-vcs/config.toml` (default `~/.config`), None where there is none."""
    env = os.environ if environ is None else environ
    path = _xdg(env, "XDG_CONFIG_HOME", ".config") / "oya-vcs" / "config.toml"
    return path if path.exists() else None


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    """A base folder; a relative one is to be ignored (XDG Base Directory Specification 0.8)."""
    path = env.get(variable, "")
    return Path(path) if path.startswith("/") else Path.home() / default


def templates_folder() -> Path:
    """`templates/`: in the wheel inside the package, in a checkout beside it."""
    return _data("templates")


def _data(name: str) -> Path:
    """A folder that the build puts into the wheel (hatch_build.py)."""
    package = Path(__file__).resolve().parent
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name

"""docs/reference/CONFIGURATION.md: each key with its type, default and limits from `config/`, and
its meaning from the templates that `oya-vcs init` writes.

The page itself remembers since when there is a key: one that it does not have yet is of this
version.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from oya_vcs import __version__
from oya_vcs.config.sections import SECTIONS, USERS_OWN
from tests.reference.markdown import cell, code, page, table

TEMPLATES = Path(__file__).parents[2] / "templates"
TYPES = {"str": "text", "int": "number", "bool": "true or false", "tuple[str, ...]": "texts"}
IMPOSSIBLE: dict[str, Any] = {"str": "\0 ", "int": -1, "tuple[str, ...]": ("",)}
"""A value that no rule with limits accepts: its refusal says what they are."""
ABOUT = """\
# Configuration

Each key stands in `oya.toml` of a repository, which counts as it is on the target, or in your own
`~/.config/oya-vcs/config.toml` (`$XDG_CONFIG_HOME/oya-vcs`, or `--config FILE`); a repository's
comes before yours. `OYA_SECTION__KEY` in the environment comes before both: `OYA_WORKER__SLOTS=8`;
a list is given as JSON or TOML writes it. A key that is not known, or a value of another type, is
an error that names file, line and key.

`oya-vcs init` writes an `oya.toml` with all of them, commented out. Times are in milliseconds.

## `[checks]`

Any number of keys: the name of a check, and the shell command that it is. All must end with 0 in a
clean checkout of the exact commit that would land; without any, nothing lands.
"""


def written(before: str) -> str:
    """The page; `before` is the page as it stands."""
    since = dict(re.findall(r"^\| `(\w+\.\w+)` \|.*\| (\S+) \|$", before, re.MULTILINE))
    return page((*ABOUT.splitlines(), "", *_sections(since)))


def _sections(since: dict[str, str]) -> Iterator[str]:
    said = meanings()
    for name, section in SECTIONS.items():
        yield f"## `[{name}]`"
        yield ""
        yield from told(section)
        yield ""
        if name in USERS_OWN:
            yield "Counts in your own configuration only; a repository's is refused."
            yield ""
        rows = (_row(f"{name}.{key.name}", key, said, since) for key in fields(section))
        yield from table(("key", "type", "default", "what it is", "limits", "since"), rows)


def told(section: type) -> list[str]:
    """What a section is for, without its name and without where a number in it is from."""
    text = re.sub(r"^`\[\w+\]`: (\w)", _capital, inspect.getdoc(section) or "")
    return re.sub(r"\s\((?:REQUIREMENTS )?[A-Z]\d+: [^)]*\)", "", text).splitlines()


def _capital(found: re.Match[str]) -> str:
    return found[1].upper()


def _row(path: str, key: Field[Any], said: dict[str, str], since: dict[str, str]) -> list[str]:
    shown = json.dumps(list(key.default) if isinstance(key.default, tuple) else key.default)
    return [
        code(path),
        TYPES[str(key.type)],
        code(shown),
        cell(said[path]),
        cell(limits(key)),
        since.get(path, __version__),
    ]


def limits(key: Field[Any]) -> str:
    """What a value may be, in the words in which one is refused; empty where any may be."""
    rule = key.metadata.get("rule")
    if rule is None:
        return ""
    refusal = str(rule(IMPOSSIBLE[str(key.type)]))
    told = refusal.rpartition(", and ")[0].removeprefix("must ").removeprefix("be ")
    return f"empty{told}" if told.startswith(",") else told


def meanings() -> dict[str, str]:
    """What the templates say beside each key, by "section.key"."""
    said: dict[str, str] = {}
    section = path = ""
    for file in ("oya.toml", "config.toml"):
        for line in (TEMPLATES / file).read_text("utf-8").splitlines():
            key = re.fullmatch(r'(?:# )?(\w+) = ("[^"]*"|\[[^\]]*\]|\S+)\s*(?:# (.*))?', line)
            more = re.fullmatch(r"# {10,}(?:# )?(.*)", line)
            if heading := re.match(r"\[(\w+)\]", line):
                section, path = heading[1], ""
            elif key is not None:
                path = f"{section}.{key[1]}"
                said[path] = key[3] or ""
            elif more is not None and path:
                said[path] = f"{said[path]} {more[1]}".strip()
            else:
                path = ""
    return said

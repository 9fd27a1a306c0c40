"""Settings as somebody wrote them, each with its place: TOML text, environment variables, flags.

Every value is kept as it was written. What keys there are, their types and their limits are unknown
here (`config/`); no file is read and no environment either: both are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oya_vcs.errors import ConfigurationInvalid

_PREFIX = "OYA_"
_AT_LINE = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it stands.

    `section` is empty where a key stands outside any; `key` is empty for a section itself. `source`
    is a file, a variable or the command line; `document` is the file's text (else empty). `typed`
    is False for text that still has to be read as its key's type.
    """

    section: str
    key: str
    value: Any
    source: str
    document: str = ""
    typed: bool = True

    @property
    def name(self) -> str:
        """`section.key`, or the one of the two that there is."""
        return ".".join(filter(None, (self.section, self.key)))

    def place(self) -> str:
        """The source, and in a file the line of the key: what a message starts with."""
        path = tuple(filter(None, (self.section, self.key)))
        line = line_of(self.document, path) if self.document else 0
        return f"{self.source}:{line}" if line else self.source


def from_toml(text: str, name: str) -> list[Setting]:
    """Every setting of a TOML text. Raises ConfigurationInvalid with `name`, line and column where
    it is not TOML."""
    text = text.removeprefix("\ufeff")
    found: list[Setting] = []
    for section, table in _parse(text, name).items():
        if not isinstance(table, dict):
            found.append(Setting("", section, table, name, text))
            continue
        found.append(Setting(section, "", table, name, text))
        found.extend(Setting(section, key, value, name, text) for key, value in table.items())
    return found


def from_environment(environ: Mapping[str, str]) -> list[Setting]:
    """Every variable `OYA_SECTION__KEY`, sorted by name; names are read in lower case."""
    found: list[Setting] = []
    for variable, text in sorted(environ.items()):
        section, between, key = variable.removeprefix(_PREFIX).lower().partition("__")
        if variable.startswith(_PREFIX) and between:
            found.append(Setting(section, key, text, variable, typed=False))
    return found


def from_flags(flags: Mapping[str, object]) -> list[Setting]:
    """Every flag that was given: `{"worker.slots": 8}`. None is not given; text is read as its
    key's type."""
    found: list[Setting] = []
    for name, value in flags.items():
        section, _, key = name.partition(".")
        if value is not None:
            typed = not isinstance(value, str)
            found.append(Setting(section, key, value, "command line", typed=typed))
    return found


def line_of(text: str, path: tuple[str, ...]) -> int:
    """The line, from 1, on which the statement begins that gives this key or table; 0 where it
    cannot be told.

    tomllib gives no positions, so it is asked: a statement begins on a line that names the key,
    before which the text is a whole document without it, and after some of whose next lines it is
    one with it.
    """
    lines = text.split("\n")
    for start, line in enumerate(lines):
        if path[-1] not in line:
            continue
        before = _prefix(lines[:start])
        if before is None or _holds(before, path):
            continue
        for end in range(start + 1, len(lines) + 1):
            after = _prefix(lines[:end])
            if after is not None:
                if _holds(after, path):
                    return start + 1
                break
    return 0


def _parse(text: str, name: str) -> dict[str, Any]:
    """The document. Raises ConfigurationInvalid."""
    import tomllib  # noqa: PLC0415 - only those pay for it who have a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Newer Pythons carry lineno and colno; all of them end the message so.
        message = str(error)
        where = re.search(_AT_LINE, message)
        last = str(text.rstrip().count("\n") + 1)
        line, column = (where[1] or last, where[2]) if where else ("1", None)
        place = f"{name}:{line}" + (f":{column}" if column else "")
        raise ConfigurationInvalid(
            f"{place}: this is not TOML: {re.sub(_AT_LINE, '', message)}.",
            "Mend the line, or compare it with the file that `oya-vcs init` writes.",
        ) from None
    except RecursionError:
        raise ConfigurationInvalid(f"{name}: this is nested too deeply to be read.") from None


def _prefix(lines: list[str]) -> dict[str, Any] | None:
    """The document that these lines are, or None where they end in the middle of a statement."""
    try:
        return _parse("\n".join(lines), "")
    except ConfigurationInvalid:
        return None


def _holds(document: Any, path: tuple[str, ...]) -> bool:
    """Whether the document has a value at the path."""
    for part in path:
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True

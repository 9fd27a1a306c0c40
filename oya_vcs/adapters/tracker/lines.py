"""The lines of a beads file: bytes into JSON objects, and typed access to what is in one.

Whatever is wrong is noted with its line and reading goes on, so that a file is mended in one go.
What the fields mean is unknown here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oya_vcs.errors import InputInvalid

SHOWN_MAX = 20
"""Problems, and warnings, that are told one by one; the rest is counted."""

_MARKERS = tuple(mark * 7 for mark in (b"<", b"=", b">", b"|", b"%", b"+"))


class Notes:
    """What is wrong with a file and what is worth a warning, by line (0: the whole file)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []

    def refuse(self, line: int, text: str) -> None:
        """Note a problem: the file will be refused."""
        self._problems.append((line, text))

    def warn(self, line: int, text: str) -> None:
        """Note something that people should know."""
        self._warnings.append((line, text))

    def raise_problems(self) -> None:
        """Raise InputInvalid with every problem, if there is any."""
        if self._problems:
            raise InputInvalid(
                "\n".join(self._told(self._problems, "problem")),
                "Mend these lines of the beads file; nothing was taken from it.",
            )

    def warnings(self) -> tuple[str, ...]:
        """The warnings, by line."""
        return tuple(self._told(self._warnings, "warning"))

    def _told(self, notes: list[tuple[int, str]], what: str) -> list[str]:
        """The first notes as sentences with their places, and how many more there are."""
        told = [
            f"{self._path}:{line}: {text}." if line else f"{self._path}: {text}."
            for line, text in sorted(notes)[:SHOWN_MAX]
        ]
        more = len(notes) - SHOWN_MAX
        if more > 0:
            told.append(f"{self._path}: and {more} more {what}{'s' if more > 1 else ''}.")
        return told


class Fields:
    """One JSON object and its line. A field of the wrong type is a problem; null is no field."""

    __slots__ = ("_notes", "_prefix", "line", "raw")

    def __init__(self, line: int, raw: dict[str, Any], notes: Notes, prefix: str = "") -> None:
        self.line = line
        self.raw = raw
        self._notes = notes
        self._prefix = prefix

    def refuse(self, name: str, text: str) -> None:
        """Note what is wrong with a field."""
        self._notes.refuse(self.line, f"{self._prefix}{name} {text}")

    def warn(self, text: str) -> None:
        """Note something about the object that people should know."""
        self._notes.warn(self.line, text)

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.raw.get(name)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.refuse(name, f"must be text, and is {shown(value)}")
        return default

    def items(self, name: str) -> list[Any]:
        """A list of anything."""
        value = self.raw.get(name)
        if value is None or isinstance(value, list):
            return value or []
        self.refuse(name, f"must be a list, and is {shown(value)}")
        return []

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        found = self.items(name)
        wrong = next((value for value in found if not isinstance(value, str)), None)
        if wrong is None and None not in found:
            return found
        self.refuse(name, f"must be a list of texts, and holds {shown(wrong)}")
        return []

    def flag(self, name: str) -> bool | None:
        """A yes or no, None where there is neither."""
        value = self.raw.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(name, f"must be true or false, and is {shown(value)}")
        return None

    def inner(self, name: str) -> Fields:
        """An object in the object; an empty one where there is none."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, dict):
            self.refuse(name, f"must be an object, and is {shown(value)}")
            value = None
        return self.at(name, value or {})

    def at(self, name: str, raw: dict[str, Any]) -> Fields:
        """An object that stands in this one under a name."""
        return Fields(self.line, raw, self._notes, f"{self._prefix}{name}.")


def read_lines(path: Path, notes: Notes) -> Iterator[Fields]:
    """Every issue of the file, in its order.

    Empty lines and objects whose `_type` is not "issue" are passed over, and so is, with a warning,
    a last line without its newline that could be the beginning of a good one. Raises InputInvalid
    where there is no file to read.
    """
    content = _read(path)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.refuse(1, "the file is UTF-16, and must be UTF-8")
        return
    decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            text = line.decode()
            value = decode(text)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and _is_cut(line, error):
                notes.warn(number, "the last line is cut off, and was left out")
            else:
                notes.refuse(number, _unreadable(line, error))
            continue
        if not isinstance(value, dict):
            notes.refuse(number, f"a line must hold a JSON object, and holds {shown(value)}")
        elif "\\u" in text and _unspeakable(value):
            notes.refuse(number, "a text holds a NUL character or half of a surrogate pair")
        elif value.get("_type", "issue") == "issue":
            yield Fields(number, value, notes)


def shown(value: object) -> str:
    """A JSON value as messages show it: its kind, and itself where that is short."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read(path: Path) -> bytes:
    """The bytes of the file. Raises InputInvalid."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputInvalid(
            f"{path}: the beads file cannot be read: {said}.",
            "Name a file of JSON lines, such as .beads/issues.jsonl.",
        ) from None


def _refuse_constant(word: str) -> None:
    """Refuse what Python reads and JSON does not have: NaN and the infinities."""
    raise ValueError(f"there is no {word} in JSON")


def _is_cut(line: bytes, error: Exception) -> bool:
    """Whether the line could be the beginning of a good one: an object, wrong only at its end."""
    if isinstance(error, UnicodeDecodeError):
        return error.reason == "unexpected end of data"
    if not isinstance(error, json.JSONDecodeError) or not line.lstrip().startswith(b"{"):
        return False
    rest = error.doc[error.pos :].strip()
    if error.msg.startswith("Unterminated string"):
        return True
    if error.msg.startswith("Invalid \\uXXXX escape"):
        return re.fullmatch(r"u[\da-fA-F]{0,4}", rest) is not None
    return re.fullmatch(r"-|\.|[eE][+-]?|t|tru?|f|fa|fals?|n|nul?", rest) is not None or not rest


def _unreadable(line: bytes, error: Exception) -> str:
    """What is wrong with a line that cannot be read."""
    if line.startswith(_MARKERS):
        return "this is a conflict marker: the file must be merged first"
    if isinstance(error, UnicodeDecodeError):
        return f"the line is not UTF-8, from byte {error.start + 1}"
    if isinstance(error, json.JSONDecodeError):
        said = re.sub(r"( starting)? at$", "", error.msg)
        return f"the line is not JSON: {said}, at column {error.colno}"
    if isinstance(error, RecursionError):
        return "the line is nested too deeply"
    return f"the line is not JSON: {error}"


def _unspeakable(value: object) -> bool:
    """Whether a text in the value can be in no file name, argument or UTF-8 file."""
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, dict):
        return any(map(_unspeakable, value)) or any(map(_unspeakable, value.values()))
    return isinstance(value, list) and any(map(_unspeakable, value))

"""Writing into somebody's beads file: the values of a few fields, and not a byte besides.

The order of lines and fields, unknown fields, lines that are no beads, spaces and line ends stay. A
file that is not as it was read is left alone. Must not know what a status means.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from oya_vcs.core.ids import BeadId
from oya_vcs.errors import WorldFailed

Fields = Mapping[str, str]
"""The new values of fields, all of them texts."""
Mark = tuple[int, int, int]
"""When a file was last written (ns), its size and its inode: another one, another file."""

_BOM = "\ufeff"
_SPACE = " \t\n\r"


def mark_of(path: Path) -> Mark | None:
    """What the file at the path is now; None where there is none. Raises WorldFailed where there is
    something else, a link too: it could lead anywhere."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorldFailed(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(found.st_mode):
        message = f"{path} is no plain file, and is not followed."
        raise WorldFailed(message, hint="Put the file itself there, or name it in tracker.file.")
    return found.st_mtime_ns, found.st_size, found.st_ino


def write_fields(
    path: Path, mark: Mark, changes: Mapping[BeadId, Fields], lines: Mapping[BeadId, int]
) -> bool:
    """Give beads, each on its line, new values of fields; whether that was done. It is not where
    the file is not the one of the `mark` any more, before or while this is done.

    Whole or not at all, on disk before it is seen. Raises WorldFailed.
    """
    try:
        if mark_of(path) != mark:
            return False
        before = path.read_bytes()
        after = changed(before, {lines[bead]: (bead, new) for bead, new in changes.items()})
        return after != before and _replace(path, mark, before, after)
    except OSError as error:
        raise WorldFailed(f"{path} could not be written: {error.strerror}.") from error


def _replace(path: Path, mark: Mark, before: bytes, after: bytes) -> bool:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(after)
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.flush()
            os.fsync(file.fileno())
        if path.read_bytes() != before or mark_of(path) != mark:
            return False
        Path(name).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def changed(content: bytes, changes: Mapping[int, tuple[BeadId, Fields]]) -> bytes:
    """The content with new values on these lines (from 1). A line that does not hold its bead stays
    as it is."""
    lines = content.split(b"\n")
    for number, (bead, new) in changes.items():
        if number > len(lines):
            continue
        try:
            line = lines[number - 1].decode()
            members = _members(line)
            is_its_own = json.loads(line.removeprefix(_BOM)).get("id") == bead
        except (ValueError, IndexError, AttributeError):
            continue
        if is_its_own:
            lines[number - 1] = _edited(line, members, new).encode()
    return b"\n".join(lines)


class _Member(NamedTuple):
    """A member of an object: its key, where that begins and ends, and where its value does."""

    key: str
    start: int
    colon: int
    value: int
    end: int


def _members(line: str) -> list[_Member]:
    """The members of the one JSON object on a line; none where it holds no object."""
    decode = json.JSONDecoder().raw_decode
    found: list[_Member] = []
    at = _skip(line, len(line) - len(line.removeprefix(_BOM)))
    if line[at : at + 1] != "{":
        return []
    at = _skip(line, at + 1)
    while line[at] != "}":
        start = at
        key, colon = decode(line, at)
        value = _skip(line, _skip(line, colon) + 1)
        _, end = decode(line, value)
        found.append(_Member(key, start, colon, value, end))
        at = _skip(line, end)
        if line[at] == ",":
            at = _skip(line, at + 1)
    return found


def _skip(line: str, at: int) -> int:
    """The next place that is no white space."""
    while at < len(line) and line[at] in _SPACE:
        at += 1
    return at


def _edited(line: str, members: list[_Member], new: Fields) -> str:
    """The line with new values: in their places, the last where a key stands twice, which is the
    one that counts; behind the last member where there is none."""
    places = {one.key: (one.value, one.end) for one in members}
    first, tail = members[0], members[-1].end
    colon = line[first.colon : first.value]
    comma = line[first.end : members[1].start] if len(members) > 1 else ","
    more = "".join(
        f"{comma}{json.dumps(name)}{colon}{json.dumps(text)}"
        for name, text in new.items()
        if name not in places
    )
    pieces = [(tail, tail, more)]
    pieces += [(*places[name], json.dumps(text)) for name, text in new.items() if name in places]
    for begin, end, text in sorted(pieces, reverse=True):
        line = line[:begin] + text + line[end:]
    return line

"""Parts of logs, for people who look on while they grow. Knows a folder of logs, one folder a
bead; not who writes them. Blocks; reads no more than is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oya_vcs.core.ids import BeadId
from oya_vcs.errors import NotFound, WorldFailed

NAMES_MAX = 200
"""Logs of one bead that are listed: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes `offset` to `next` of the log `name`, which has `size`; `names` are all logs of the
    bead, oldest first."""

    name: str
    names: tuple[str, ...]
    offset: int
    next: int
    size: int
    content: bytes


def part_of(logs: Path, bead: BeadId, name: str, offset: int, limit: int) -> Part:
    """A part of a log (`name` empty: of the newest), from `offset` on, or counted from its end
    where that is negative. Raises NotFound, and WorldFailed where the disk refuses."""
    try:
        names = _names(logs / bead)
        if not names or (name and name not in names):
            what = f"no log {name!r}" if name else "no log yet"
            raise NotFound(f"Bead {bead} has {what}.", "Old logs are removed; `[logs]` says when.")
        name = name or names[-1]
        with (logs / bead / name).open("rb") as file:
            size = file.seek(0, 2)
            start = min(size, offset if offset >= 0 else max(0, size + offset))
            file.seek(start)
            content = file.read(limit)
    except FileNotFoundError as error:
        raise NotFound(f"The log {name} of bead {bead} is not there any more.") from error
    except OSError as error:
        raise WorldFailed(f"The logs of bead {bead} cannot be read: {error.strerror}.") from error
    end = start + len(content)
    return Part(name=name, names=names, offset=start, next=end, size=size, content=content)


def _names(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    found = [one for one in folder.iterdir() if one.suffix == ".log" and one.is_file()]
    newest = sorted(found, key=lambda one: (one.stat().st_mtime_ns, one.name))[-NAMES_MAX:]
    return tuple(one.name for one in newest)

"""What happened to one thing: the events about a bead, out of the record, a bounded part at a time.

The table has no index by subject (it would cost every append): a question looks at a part of the
rows, and says where to go on. Archived rows are not looked at. Decides nothing; blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from oya_vcs.journal.codec import decode
from oya_vcs.journal.driver import SqliteError, blame, open_read_only
from oya_vcs.journal.reader import open_reader, require
from oya_vcs.journal.schema import floor, high_water
from oya_vcs.ports import Recorded

ROWS_LOOKED_AT_MAX = 200_000
"""Rows that one question looks at: a tenth of a second, without Python."""

_ABOUT = """SELECT seq, at_ms, type, version, data FROM events
    WHERE seq > ? AND seq <= ? AND subject = ? ORDER BY seq LIMIT ?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Events, oldest first. `next` is the event to go on after, None at the end of the record;
    `archived_to` is the last one that is in an archive."""

    events: list[Recorded]
    next: int | None
    archived_to: int


def events_about(path: Path, subject: str, after: int, limit: int) -> Found:
    """Up to `limit` events about a subject, after one. Raises NotFound where there is no journal,
    WorldFailed where it cannot be read, and JournalCorrupt."""
    require(path)
    try:
        connection = open_read_only(path)
        try:
            last, archived_to = high_water(connection, path).seq, floor(connection).seq
            begin = max(after, archived_to)
            end = min(last, begin + ROWS_LOOKED_AT_MAX)
            asked = (begin, end, subject, limit)
            rows = connection.execute(_ABOUT, asked).fetchall()
        finally:
            connection.close()
    except SqliteError as error:
        blame(error, f"reading {path}")
    events = [
        Recorded(seq, at_ms, decode(kind.decode(), version, data))
        for seq, at_ms, kind, version, data in rows
    ]
    if len(events) == limit:
        end = events[-1].seq
    return Found(events=events, next=end if end < last else None, archived_to=archived_to)


def events_after(path: Path, after: int, limit: int) -> list[Recorded]:
    """Up to `limit` events after one, in order. Raises as `events_about` does."""
    with open_reader(path) as reader:
        return list(islice(reader.read(after), limit))

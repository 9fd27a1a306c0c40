"""Retention: the oldest rows move from the table into archives, and the chain stays whole.

For each archive: write it, sync it, rename it, read it back and verify it; then, in *one*
transaction, take its rows out of the table and record it in journal_meta. Killed anywhere, the
journal has every row: in the table, in a recorded archive, or (before the transaction) in both,
where the file counts for nothing and is written anew. The trigger that refuses DELETE is dropped
and made again inside that transaction, so that nobody ever sees the table without it.

The unique keys of archived rows stay behind in `archived_keys`, and a trigger refuses them as the
index did: what happened once cannot be recorded again because it was long ago.

Nothing is archived that the newest checkpoint does not cover, or a start would have to read
archives. The caller holds the home's lock. This module does not know what an event means.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import ConfigurationInvalid, JournalCorrupt, OyaError
from oya_vcs.journal.archive import SET_RECORD, Archived, check, folder_of, write
from oya_vcs.journal.driver import Connection, SqliteError, blame, open_read_only, open_writer
from oya_vcs.journal.lines import Raw
from oya_vcs.journal.reader import PAGE_ROWS, require
from oya_vcs.journal.schema import COLUMNS, NOT_DELETED, HighWater, checked_tail, floor

KEEP = 100_000
"""Rows that stay in the table where nothing else is asked for."""

ARCHIVE_ROWS = 100_000
"""Rows of one archive at most: reading a single event of the past unpacks no more than that."""

FREE_PART = 4
"""The database file is rewritten when more than a fourth of its pages hold nothing."""

_PAGE = (
    f"SELECT {COLUMNS} FROM events"  # noqa: S608 - constants
    f" WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE_ROWS}"
)
_KEYS = (
    """CREATE TABLE IF NOT EXISTS
        archived_keys(key TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TRIGGER IF NOT EXISTS events_keys_are_archived BEFORE INSERT ON events
        WHEN NEW.key IS NOT NULL AND EXISTS (SELECT 1 FROM archived_keys WHERE key = NEW.key)
        BEGIN SELECT RAISE(ABORT, 'the key is in an archive'); END""",
)
_KEEP_KEYS = (
    "INSERT INTO archived_keys SELECT key, seq FROM events"
    " WHERE seq BETWEEN ? AND ? AND key IS NOT NULL"
)
_DELETE = "DELETE FROM events WHERE seq BETWEEN ? AND ?"

Progress = Callable[[int, int], None]
"""Hears how many rows of how many are archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What compacting did, or would do: rows `first` to `last` archived (`last` < `first`: none).

    `archives` are the new files; `freed_bytes` is by how much the database file shrank.
    """

    first: int
    last: int
    archives: tuple[Archived, ...] = ()
    freed_bytes: int = 0

    @property
    def rows(self) -> int:
        """How many events."""
        return max(0, self.last - self.first + 1)


def plan(path: Path, *, before: int | None, keep: int | None, covered: int) -> Compaction:
    """What `compact` would archive: all before event `before`, or all but the last `keep` rows.

    `covered` is the sequence number of the newest valid checkpoint, 0 where there is none. Raises
    NotFound without a journal, JournalCorrupt for a damaged one, ConfigurationInvalid where the cut
    would go behind the checkpoint.
    """
    require(path)
    try:
        with closing(open_read_only(path)) as connection:
            mark, base = checked_tail(connection, path), floor(connection)
    except SqliteError as error:
        blame(error, f"reading {path}")
    last = before - 1 if before is not None else mark.seq - (KEEP if keep is None else keep)
    if last > max(covered, base.seq):
        raise ConfigurationInvalid(
            f"Events up to {last} cannot be archived: the newest valid checkpoint of {path.parent}"
            + (f" is of event {covered}." if covered else " is missing."),
            "Run `oya-vcs journal checkpoint`, then this command again; or keep more rows.",
        )
    return Compaction(first=base.seq + 1, last=max(last, base.seq))


def compact(path: Path, wanted: Compaction, progress: Progress | None = None) -> Compaction:
    """Archive what `plan` found, a file at a time, and shrink the database.

    Raises JournalCorrupt where a row does not verify, WorldFailed where the disk refuses; archives
    that were finished before stay, and the command can be given again. Blocks.
    """
    size = path.stat().st_size
    archives: list[Archived] = []
    first = wanted.first
    try:
        with closing(open_writer(path)) as connection:
            connection.text_factory = bytes
            base = floor(connection)
            for unfinished in folder_of(path).glob("*.new"):
                unfinished.unlink()
            while first <= wanted.last:
                last = min(wanted.last, first + ARCHIVE_ROWS - 1)
                archives.append(_archive(connection, path, base, last))
                base = HighWater(last, archives[-1].digest)
                first = last + 1
                if progress is not None:
                    progress(last - wanted.first + 1, wanted.rows)
            _shrink(connection, path)
    except SqliteError as error:
        blame(error, f"compacting {path}")
    return Compaction(
        first=wanted.first,
        last=wanted.last,
        archives=tuple(archives),
        freed_bytes=max(0, size - path.stat().st_size),
    )


def _archive(connection: Connection, path: Path, base: HighWater, last: int) -> Archived:
    folder, first = folder_of(path), base.seq + 1
    rows = _rows(connection, base.seq, last)
    made = write(folder, rows, first=first, last=last, before=base.digest)
    check(folder, made)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _KEYS:
            connection.execute(statement)
        connection.execute(_KEEP_KEYS, (first, last))
        connection.execute("DROP TRIGGER events_are_not_deleted")
        gone = connection.execute(_DELETE, (first, last)).rowcount
        connection.execute(NOT_DELETED)
        connection.execute(SET_RECORD, made.record())
        if gone != last - first + 1:
            message = f"Another program changed {path} while events {first} to {last} were archived"
            raise JournalCorrupt(f"{message}.", "Run `oya-vcs journal verify`.")
        connection.execute("COMMIT")
    except (SqliteError, OyaError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return made


def _rows(connection: Connection, after: int, last: int) -> Iterator[Raw]:
    seq = after
    while page := connection.execute(_PAGE, (seq, last)).fetchall():
        yield from page
        seq = page[-1][0]


def _shrink(connection: Connection, path: Path) -> None:
    """Give the room of the deleted rows back to the file system, where there is room to do it:
    for a moment the disk needs what stays twice more."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    room = shutil.disk_usage(path.parent).free
    if free * FREE_PART > pages and room > 3 * (pages - free) * page_bytes:
        connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

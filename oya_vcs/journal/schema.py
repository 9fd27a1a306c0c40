"""The journal's file: how it comes into being, and what must be true of it when it is opened.

`events` and `journal_meta` are public (docs/adr/0002-journal.md); any SQLite tool may read them.
The high-water mark in `journal_meta` is the seq and hash of the last row, written in the
transaction of that row: a tail that is cut off the table leaves the mark behind. Where the oldest
rows were archived (`compact.py`), the table begins behind the last archive.

This module does not append and does not know what an event is.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal.archive import fsync, records
from oya_vcs.journal.chain import ALGORITHM, GENESIS, follows
from oya_vcs.journal.driver import Connection, SqliteError, blame, open_writer

SCHEMA = 1
"""The version of the tables that this program writes, in journal_meta under `schema`."""

COLUMNS = "seq, at_ms, type, version, subject, key, data, hash"

WIDTH = 8
"""How many columns that is."""

NOT_DELETED = """CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"""
"""Refuses DELETE. `compact.py` takes it away and puts it back in one transaction."""

_TABLES = (
    """CREATE TABLE events(
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        type TEXT NOT NULL,
        version INTEGER NOT NULL,
        subject TEXT NOT NULL,
        key TEXT,
        data TEXT NOT NULL,
        hash BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX events_key ON events(key) WHERE key IS NOT NULL",
    "CREATE TABLE journal_meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    NOT_DELETED,
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
)

SET_HIGH_WATER = "INSERT OR REPLACE INTO journal_meta(name, value) VALUES ('high_water', ?)"
SET_MARKS = (
    "INSERT OR REPLACE INTO journal_meta(name, value) VALUES ('high_water', {}), ('beads', {})"
)
"""And for which event the tables of beads are right (`beads.py`), in one statement: the holes are
SQL for the two values."""

_RESTORE = (
    "Run `oya-vcs journal verify` to see the whole damage, then put back a copy of the home that"
    " verifies. Nothing is written to this journal as it is."
)


class HighWater(NamedTuple):
    """The last row that was committed: its seq (0: none yet) and its hash."""

    seq: int
    digest: bytes

    def text(self) -> str:
        """As it stands in journal_meta: `SEQ HEX`."""
        return f"{self.seq} {self.digest.hex()}"


def create(path: Path) -> None:
    """Make an empty journal that is on disk when this returns: file 0600, new folders 0700.

    It is made beside its place and renamed, so that an unfinished journal never stands under its
    name. Raises JournalCorrupt where only a write-ahead log without its journal is there.
    """
    orphan = path.with_name(f"{path.name}-wal")
    if orphan.exists():
        raise JournalCorrupt(
            f"{path} is missing, but its write-ahead log {orphan} is there.",
            f"Put {path.name} back beside it, or move the log away to begin an empty journal.",
        )
    _make_folder(path.parent)
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, new.with_name(f"{new.name}-wal"), new.with_name(f"{new.name}-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(open_writer(new)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.executemany(
                "INSERT INTO journal_meta VALUES (?, ?)",
                (
                    ("schema", str(SCHEMA)),
                    ("hash", ALGORITHM),
                    ("high_water", HighWater(0, GENESIS).text()),
                ),
            )
            connection.execute("COMMIT")
    except SqliteError as error:
        blame(error, f"making the journal {path}")
    fsync(new)
    new.rename(path)
    fsync(path.parent)


def high_water(connection: Connection, path: Path) -> HighWater:
    """The mark, after a look at the schema version. `connection` gives text as bytes.

    Raises JournalCorrupt for a file that is no journal, a newer one, or one without a mark, and
    SqliteError.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {b"events", b"journal_meta"} <= tables:
        raise JournalCorrupt(f"{path} is not a journal: it lacks its tables.", _RESTORE)
    meta = dict(connection.execute("SELECT name, value FROM journal_meta").fetchall())
    schema, algorithm = meta.get(b"schema", b""), meta.get(b"hash", b"")
    if schema != str(SCHEMA).encode() or algorithm != ALGORITHM.encode():
        raise JournalCorrupt(
            f"{path} has schema {schema.decode(errors='replace')!r} with hash"
            f" {algorithm.decode(errors='replace')!r}; this oya-vcs knows {SCHEMA} with"
            f" {ALGORITHM} only.",
            "Upgrade oya-vcs to the version that wrote this journal; nothing was changed.",
        )
    seq, _, digest = meta.get(b"high_water", b"").partition(b" ")
    try:
        return HighWater(int(seq), bytes.fromhex(digest.decode()))
    except ValueError as error:
        raise JournalCorrupt(f"{path} has no readable high-water mark.", _RESTORE) from error


def floor(connection: Connection) -> HighWater:
    """The row before the first of the table: the last that was archived, else none (seq 0).

    Raises JournalCorrupt for a record of an archive that cannot be read, and SqliteError.
    """
    archives = records(connection)
    if not archives:
        return HighWater(0, GENESIS)
    return HighWater(archives[-1].last, archives[-1].digest)


def checked_tail(connection: Connection, path: Path) -> HighWater:
    """The mark, after the last row was found to be the marked one and to follow the one before it.

    Raises JournalCorrupt naming the seq, and SqliteError.
    """
    mark = high_water(connection, path)
    tail = connection.execute(
        f"SELECT {COLUMNS} FROM events ORDER BY seq DESC LIMIT 2"  # noqa: S608 - a constant
    ).fetchall()
    base = floor(connection)
    last = tail[0] if tail else base
    before = tail[1] if len(tail) > 1 else base
    if last[0] != mark.seq:
        raise JournalCorrupt(
            f"{path} ends with event {last[0]}, but event {mark.seq} was committed last.", _RESTORE
        )
    if before[0] != max(mark.seq - 1, base.seq):
        raise JournalCorrupt(f"{path} lacks event {mark.seq - 1}.", _RESTORE)
    if last[-1] != mark.digest or (tail and not follows(before[-1], tuple(last[:-1]), last[-1])):
        raise JournalCorrupt(f"{path} does not verify at event {mark.seq}.", _RESTORE)
    return mark


def _make_folder(folder: Path) -> None:
    """Make what is missing of the folder, each part private and on disk in its parent."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)
        fsync(part.parent)

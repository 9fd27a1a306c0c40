"""One event by its unique key, at the cost of one look into an index: what the record has under an
execution key, a delivery, a bead.

A read-only connection of its own, opened at the first question and kept; each answer is a short
look at the database. This module does not know what a key means or who asks.
"""

from __future__ import annotations

import threading
from pathlib import Path

from oya_vcs.errors import Bug, JournalCorrupt
from oya_vcs.journal.archive import archived_seq, check_file, folder_of, holding, rows_of
from oya_vcs.journal.chain import GENESIS, follows
from oya_vcs.journal.codec import decode
from oya_vcs.journal.driver import Connection, SqliteError, blame, open_read_only
from oya_vcs.journal.lines import Raw
from oya_vcs.journal.schema import COLUMNS
from oya_vcs.ports import Recorded

_BEFORE = "SELECT before.hash FROM events AS before WHERE before.seq = now.seq - 1"
_FIND = f"SELECT {COLUMNS}, ({_BEFORE}) FROM events AS now WHERE key = ?"  # noqa: S608 - constants
_VERIFY = "Run `oya-vcs journal verify` to see the whole damage; nothing was changed."


class KeyLookup:
    """Looks keys up in one journal, from any thread, one question at a time. Blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def find(self, key: str) -> Recorded | None:
        """The event with this key that is on disk, or None.

        Raises JournalCorrupt, naming the sequence number, where the row does not verify or is not
        known to this version; WorldFailed where SQLite cannot read; Bug after `close`.
        """
        try:
            with self._lock:
                row = self._row(key)
        except SqliteError as error:
            blame(error, f"looking for the key {key!r} in {self._path}")
        if row is None:
            return None
        seq = row[0]
        try:
            return Recorded(seq, row[1], decode(row[2].decode(), row[3], row[6]))
        except JournalCorrupt as error:
            message = f"Event {seq} of {self._path} cannot be read: {error.message}"
            raise JournalCorrupt(message, error.hint) from error

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _row(self, key: str) -> Raw | None:
        if self._closed:
            raise Bug(f"The journal {self._path} was asked for a key after it was closed.")
        if self._connection is None:
            self._connection = open_read_only(self._path)
        found = self._connection.execute(_FIND, (key,)).fetchone()
        if found is None:
            archived = archived_seq(self._connection, key)
            return None if archived is None else self._archived(self._connection, archived[0])
        seq, before = found[0], GENESIS if found[0] == 1 else found[8]
        # The row before the first one of the table is in an archive: `verify` looks there.
        if before is not None and not follows(before, found[:7], found[7]):
            raise JournalCorrupt(
                f"Event {seq} of {self._path} does not verify: it was changed, or moved.", _VERIFY
            )
        row: Raw = found[:8]
        return row

    def _archived(self, connection: Connection, seq: int) -> Raw:
        """A row of an archive, found by going through it: slow, and rare, for it is long ago."""
        archive = holding(connection, seq)
        if archive is None:
            raise JournalCorrupt(f"Event {seq} of {self._path} is missing.", _VERIFY)
        check_file(folder_of(self._path), archive)
        return next(row for row in rows_of(folder_of(self._path), archive) if row[0] == seq)

"""Reading the journal, also from another process while the daemon writes.

The connection cannot write. Rows come in pages, each its own short look at the database, so that a
slow consumer does not keep the write-ahead log from being folded; an append-only table makes the
pages one whole. Rows that are not in the table any more are read from the archive that holds them,
also where they are archived in the middle of a reading. The hash chain is checked on the way, from
the first row asked for to the high-water mark that stood there when the reading began.

This module does not repair, does not skip, and does not know what an event means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from oya_vcs.errors import JournalCorrupt, NotFound
from oya_vcs.journal.archive import Archived, check_file, folder_of, holding, rows_of
from oya_vcs.journal.chain import GENESIS, continues
from oya_vcs.journal.codec import decode
from oya_vcs.journal.driver import Connection, SqliteError, blame, open_read_only
from oya_vcs.journal.lines import Raw
from oya_vcs.journal.schema import COLUMNS, floor, high_water
from oya_vcs.ports import Recorded

PAGE_ROWS = 1_000
"""Rows held in memory at a time."""

_PAGE = (
    f"SELECT {COLUMNS} FROM events"  # noqa: S608 - constants
    f" WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE_ROWS}"
)
_VERIFY = "Run `oya-vcs journal verify` to see the whole damage; nothing was changed."


class Reader:
    """A read-only view of one journal. One reading at a time; close it, or use it in `with`."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path = path
        self._connection = connection

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """Every event with `seq` greater than `after`, up to the last one when reading begins.

        Raises JournalCorrupt naming the sequence number where a row is damaged, missing or not
        known to this version; WorldFailed where SQLite cannot read.
        """
        for row in self.rows(after):
            try:
                event = decode(row[2].decode(), row[3], row[6])
            except JournalCorrupt as error:
                message = f"Event {row[0]} of {self.path} cannot be read: {error.message}"
                raise JournalCorrupt(message, error.hint) from error
            yield Recorded(row[0], row[1], event)

    def rows(self, after: int = 0) -> Iterator[Raw]:
        """As `read`, every column as it is stored and the data not decoded."""
        seq = after
        try:
            mark = high_water(self._connection, self.path)
            if after >= mark.seq:
                return
            digest = self._digest_of(after)
            while seq < mark.seq:
                page: Sequence[Raw] = self._connection.execute(_PAGE, (seq, mark.seq)).fetchall()
                in_table = bool(page) and page[0][0] == seq + 1
                for row in page if in_table else self._archived_after(seq):
                    if row[0] > mark.seq:
                        break
                    seq += 1
                    if row[0] != seq:
                        raise self._broken(seq, "is missing")
                    if not continues(digest, row):
                        raise self._broken(seq, "does not verify: it was changed, or moved")
                    digest = row[7]
                    yield row
            if digest != mark.digest:
                raise self._broken(seq, "is not the one that was committed last")
        except SqliteError as error:
            blame(error, f"reading {self.path} after event {seq}")

    def last_seq(self) -> int:
        """The sequence number of the last event on disk; 0 where there is none."""
        try:
            return high_water(self._connection, self.path).seq
        except SqliteError as error:
            blame(error, f"reading {self.path}")

    def archived_up_to(self) -> int:
        """The last event that is in an archive and not in the table; 0 where there is none."""
        try:
            return floor(self._connection).seq
        except SqliteError as error:
            blame(error, f"reading {self.path}")

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of row `seq` as it is stored; None where there is no such row. Raises
        JournalCorrupt where it is in an archive that cannot be read."""
        try:
            if not 0 < seq <= high_water(self._connection, self.path).seq:
                return None
            return self._digest_of(seq)
        except SqliteError as error:
            blame(error, f"reading {self.path} at event {seq}")

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _digest_of(self, seq: int) -> bytes:
        if seq <= 0:
            return GENESIS
        query = "SELECT hash FROM events WHERE seq = ?"
        found = self._connection.execute(query, (seq,)).fetchone()
        if found is not None:
            return bytes(found[0])
        archive = self._archive_of(seq)
        if archive.last == seq:
            return archive.digest
        return next(row[7] for row in rows_of(folder_of(self.path), archive) if row[0] == seq)

    def _archived_after(self, seq: int) -> Iterator[Raw]:
        """The rows behind `seq` of the archive that holds the next one, once its file was found to
        be the recorded one."""
        archive = self._archive_of(seq + 1)
        check_file(folder_of(self.path), archive)
        return (row for row in rows_of(folder_of(self.path), archive) if row[0] > seq)

    def _archive_of(self, seq: int) -> Archived:
        archive = holding(self._connection, seq)
        if archive is None:
            raise self._broken(seq, "is missing")
        return archive

    def _broken(self, seq: int, how: str) -> JournalCorrupt:
        return JournalCorrupt(f"Event {seq} of {self.path} {how}.", _VERIFY)


def open_reader(path: Path) -> Reader:
    """A reader of the journal. Raises NotFound where there is none, WorldFailed if unreadable."""
    require(path)
    try:
        return Reader(path, open_read_only(path))
    except SqliteError as error:
        blame(error, f"opening {path} for reading")


def require(path: Path) -> None:
    """Raises NotFound, with the next step, where there is no journal."""
    if not path.exists():
        raise NotFound(
            f"There is no journal at {path}.",
            "Run beads in this home (`oya-vcs run`), or name another home with --home.",
        )

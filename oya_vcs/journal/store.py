"""The journal's writer: many appends, one thread, one fsync for all that wait (group commit).

`append` encodes and takes the next sequence numbers, at once and in the order of calls. What is
appended in one turn of the event loop comes to the writer as a sheaf, chained (`sheaves.py`). The
writer thread takes the sheaves that have gathered, up to some `BATCH_ROWS`, commits them as one
transaction, and wakes the event loop once for the batch. Only then are the awaitables resolved, in
order. One append is never split over two transactions.

There is no way on after a failed write, commit or checkpoint: SQLite and the kernel may disagree
about what is on disk, and a retry that succeeds proves nothing. Every append that waits fails, and
so does every later one, until the file is opened anew and has proved its tail.

Everything that takes time beside the disk is done where it overlaps the sync of the batch before:
rows are encoded and chained on the event loop, joined by the writer before it acknowledges that
batch.

This module does not know what events mean, what time it is, or who reads.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from oya_vcs.core.events import Event
from oya_vcs.core.standing import BeadRow
from oya_vcs.errors import Bug, JournalCorrupt, JournalStopped, WorldFailed
from oya_vcs.journal import beads as tables
from oya_vcs.journal.archive import archived_seq
from oya_vcs.journal.asking import Asking
from oya_vcs.journal.codec import encode
from oya_vcs.journal.driver import (
    WRITE_WAIT_S,
    Connection,
    IntegrityError,
    SqliteError,
    abandon,
    blame,
    blamed,
    open_read_only,
    open_writer,
    rewrite_log,
)
from oya_vcs.journal.inbox import Inbox
from oya_vcs.journal.lookup import KeyLookup
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.schema import HighWater, checked_tail, create
from oya_vcs.journal.sheaves import Bound, Future, Refusal, Sheaves, Waiting, settle
from oya_vcs.journal.transaction import (
    HASH_BYTES,
    Append,
    Sheaf,
    Transaction,
    Writer,
    joined,
)
from oya_vcs.ports import Recorded

BATCH_ROWS = 512
"""Rows after which a transaction takes no further append (docs/adr/0002-journal.md)."""

IDLE_S = 0.2
"""Quiet time after which the write-ahead log is folded into the database."""

FOLD_ROWS = 16_384
FOLD_COMMITS = 256
"""Under load the log is folded after so many rows or commits, between two transactions.

After that the log begins anew in its old place, and a commit need not make its file longer, which
an fsync would have to wait for: with 256 instead of 2,048 a single commit takes a fifth less. The
fold itself then meets one commit of 256, which no p99 sees."""

_TIMES = range(-(2**63), 2**63)

HANDOVER_S = 0.000_4
"""How long a busy event loop may keep the interpreter lock from the writer (Python's default is
5 ms): a part of one fsync, so that a batch is on its way while the loop computes the next. Measured
with 64 producers and an fsync of 0.2 ms: 16.7 µs an event, against 25.6 µs with the default."""

_Batch = tuple[list[Waiting], Transaction]
"""What becomes one transaction."""


class SqliteJournal:
    """`ports.Journal` on one SQLite file. The caller holds the `HomeLock` of its folder.

    Opening makes the file where there is none, and raises JournalCorrupt (naming the sequence
    number) for one that does not verify at its end, is newer than this program, or is no journal;
    WorldFailed where the disk refuses. Opening, `read` and `close` block: call them off the loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        """Transactions committed since opening: rows / commits is the size of a group."""
        self._connection, self._writer, mark, self._keeps_beads = _opened(path)
        self._lookup = KeyLookup(path)
        self._asking = Asking(self._lookup.find)
        self._mark = mark
        """The last row that was committed."""
        self._inbox: Inbox[Bound] = Inbox()
        self._refusal: Refusal | None = None
        self._closed = False
        self._handing = threading.Lock()
        """Held where something is handed to the writer: nothing comes behind the end of the inbox,
        where nobody would ever answer it."""
        self._sheaves = Sheaves(mark, self._inbox, self._handing)
        self._ending = False
        """The writer has met the end of its inbox."""
        self._unfolded_rows = 0
        self._unfolded_commits = 0
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        sys.setswitchinterval(min(HANDOVER_S, sys.getswitchinterval()))
        self._thread.start()

    def append(
        self, at_ms: int, events: Sequence[Event], beads: Sequence[BeadRow] | None = None
    ) -> Awaitable[Sequence[Recorded]]:
        """Queue the events as one transaction, at once and in call order; resolved after the fsync.

        `beads` are the rows that the events changed; None gives the tables of beads up until the
        next `refill`. Must be called on an event loop, always from the same thread. No events at
        all is a barrier, resolved when everything before it is on disk. Raises Bug at once for an
        event that cannot be encoded and after `close`; through the awaitable WorldFailed (never
        retryable), Bug for a unique key that was there before, JournalCorrupt after damage was
        found. Each of the three ends the journal's life: later appends fail alike.
        """
        if at_ms not in _TIMES:
            raise Bug(f"Events of the time {at_ms} ms cannot be written: that is beyond 64 bits.")
        rows = [encode(event) for event in events]
        with self._handing:
            if self._closed:
                raise Bug(f"An append came after the journal {self.path} was closed.")
            if self._refusal is not None:
                future: Future = asyncio.get_running_loop().create_future()
                future.set_exception(self._refusal())
                return future
            keeps = self._keeps_beads and (beads is not None or not rows)
            self._keeps_beads = keeps
            return self._sheaves.add(Append(at_ms, rows, (beads or ()) if keeps else None), events)

    async def refill(self, beads: Iterable[BeadRow]) -> None:
        """Make the tables of beads anew with these rows, those of all appended events; nothing is
        done, and no row is drawn, where they are right already. Raises as `append` does."""
        if self._keeps_beads:
            return
        rows = list(beads)
        with self._handing:
            if self._closed:
                raise Bug(f"A refill came after the journal {self.path} was closed.")
            if self._refusal is not None:
                raise self._refusal()
            self._keeps_beads = True
            handed = self._sheaves.add(Append(0, (), rows, anew=True), ())
        await handed

    async def find(self, key: str) -> Recorded | None:
        """The event with this unique key, off the loop, as far as it is on disk; None without one.

        Raises JournalCorrupt where it is damaged, WorldFailed where SQLite cannot read.
        """
        return await self._asking.ask(key)

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """Every event with `seq` greater than `after` that was on disk when the first is asked for.

        Raises JournalCorrupt where the chain breaks, and the journal takes no more after that.
        """
        try:
            with open_reader(self.path) as reader:
                yield from reader.read(after)
        except JournalCorrupt as error:
            self.refuse(error)
            raise

    def refuse(self, error: JournalCorrupt) -> None:
        """Take no more from now on: damage was found, in whatever thread."""
        self._refusal = partial(JournalCorrupt, error.message, error.hint)

    def close(self) -> None:
        """Finish what was appended, fold the log, let go of the file. Idempotent; blocks."""
        with self._handing:
            if not self._closed:
                self._sheaves.bind()
                self._inbox.end()
            self._closed = True
        self._lookup.close()
        self._thread.join()

    # Below runs on the writer thread only.

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            if self._ending and self._refusal is None:
                self._connection.close()
            else:
                with suppress(SqliteError):
                    abandon(self._connection, self.path)
            if not self._ending:
                self._refuse_until_closed()
            self._inbox.close()

    def _serve(self) -> None:
        """Commit until the end of the inbox, or until the journal takes no more.

        What gathered while a batch was synced is made ready before the event loop hears of that
        batch: the loop is busy from then on, and the disk need not wait for it.
        """
        batch = self._next(wait=True)
        while batch is not None:
            refusal = self._refusal or self._commit(batch)
            following = None
            try:
                if refusal is None:
                    following = self._next(wait=False)
            finally:
                settle(batch[0], refusal)
            if refusal is not None:
                return
            if self._unfolded_rows >= FOLD_ROWS or self._unfolded_commits >= FOLD_COMMITS:
                self._fold()
            batch = following or self._next(wait=True)

    def _next(self, *, wait: bool) -> _Batch | None:
        """What waits, made ready, up to the size of a batch; None at the end, after a failure, and
        where nothing waits and it is not to be waited for."""
        sheaves: list[Sheaf] = []
        waiting: list[Waiting] = []
        rows = 0
        while rows < BATCH_ROWS and not self._ending and self._refusal is None:
            if self._inbox.is_empty and (waiting or not wait):
                break
            bound = self._inbox.get(IDLE_S if self._unfolded_commits else None)
            if bound is not None:
                sheaves.append(bound[0])
                waiting.extend(bound[1])
                rows += len(bound[0].hashes) // HASH_BYTES
            elif self._inbox.ended:
                self._ending = True
            else:
                self._fold()
        if not waiting:
            return None
        try:
            return waiting, joined(self._mark, sheaves)
        except BaseException:
            self._die(waiting)
            raise

    def _commit(self, batch: _Batch) -> Refusal | None:
        """One transaction, or the refusal that ends the journal's life."""
        waiting, transaction = batch
        if transaction.is_empty:
            return None
        try:
            self._writer.write(transaction)
        except IntegrityError:
            self._rollback()
            self._refusal = partial(Bug, self._culprit(waiting), "Nothing of the batch was kept.")
            return self._refusal
        except SqliteError as error:
            self._rollback()
            self._refusal = self._blamed(error)
            return self._refusal
        except BaseException:
            self._die(waiting)
            raise
        self._unfolded_rows += transaction.mark.seq - self._mark.seq
        self._unfolded_commits += 1
        self.commits += 1
        self._mark = transaction.mark
        return None

    def _die(self, waiting: Sequence[Waiting]) -> None:
        self._rollback()
        self._refusal = self._death()
        settle(waiting, self._refusal)

    def _death(self) -> Refusal:
        return partial(
            Bug,
            f"The writer of the journal {self.path} died after event {self._mark.seq}.",
            "Restart the daemon, and report this with its log: the traceback is there.",
        )

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            with suppress(SqliteError):
                self._connection.execute("ROLLBACK")

    def _blamed(self, error: SqliteError) -> Refusal:
        said = blamed(error, f"writing {self.path} after event {self._mark.seq}")
        if isinstance(said, JournalCorrupt):
            return partial(JournalCorrupt, said.message, said.hint)
        return partial(
            JournalStopped,
            f"{said.message} Event {self._mark.seq} is the last one acknowledged; the journal"
            " takes no more.",
            hint=(
                "See to the disk (space, health, permissions; another program that held the file"
                f" locked for {WRITE_WAIT_S:.0f} s), then start the daemon again: it reads the"
                " record and goes on from there."
            ),
            stderr=str(error),
            retryable=False,
        )

    def _culprit(self, batch: Sequence[Waiting]) -> str:
        """The sentence that names the unique key (or the row) that was there before."""
        seen: set[str] = set()
        find = "SELECT seq FROM events WHERE key = ?"
        for append, _, _ in batch:
            for name, _, _, key, _ in append.rows:
                if key is None:
                    continue
                with suppress(SqliteError):
                    row = self._connection.execute(find, (key,)).fetchone()
                    row = row or archived_seq(self._connection, key)
                    if row is not None or key in seen:
                        place = f"as event {row[0]}" if row else "in the same batch"
                        return f"A {name} with the key {key!r} is in the journal {place} already."
                seen.add(key)
        return f"Another program wrote to {self.path} after event {self._mark.seq}."

    def _fold(self) -> None:
        """Copy the write-ahead log into the database as far as no reader is in the way."""
        self._unfolded_rows = self._unfolded_commits = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except SqliteError as error:
            self._refusal = self._blamed(error)

    def _refuse_until_closed(self) -> None:
        if self._refusal is None:
            self._refusal = self._death()
        while (bound := self._inbox.get()) is not None:
            settle(bound[1], self._refusal)


def _opened(path: Path) -> tuple[Connection, Writer, HighWater, bool]:
    """A connection that may write, what writes on it, the mark, and whether the tables of beads are
    those of the mark.

    First, read-only, the proof: a broken file stays as it is.
    """
    try:
        if not path.exists():
            create(path)
        rewrite_log(path)
        with closing(open_read_only(path)) as connection:
            mark = checked_tail(connection, path)
            current = tables.are_current(connection, mark.seq)
        connection = open_writer(path)
        try:
            return connection, Writer(connection, keeps_beads=current), mark, current
        except BaseException:
            connection.close()
            raise
    except SqliteError as error:
        blame(error, f"opening the journal {path}")
    except OSError as error:
        raise WorldFailed(
            f"The journal {path} cannot be made: {error}.",
            hint="Give the daemon a home that it can write to, with --home or OYA_HOME.",
        ) from error

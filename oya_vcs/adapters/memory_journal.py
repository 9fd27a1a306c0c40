"""The record in memory: `ports.Journal` for tests and simulation, with a disk that can be made slow
or made to fail.

It keeps the promises of the real one (order, whole transactions, unique keys, the end after a
failure), and none about crashes. It does not encode: an event that cannot be written to a file
passes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from oya_vcs.core.beads import State
from oya_vcs.core.events import Event
from oya_vcs.core.ids import BeadId
from oya_vcs.core.standing import BeadRow
from oya_vcs.errors import Bug, OyaError, WorldFailed
from oya_vcs.ports import Recorded

_Append = tuple[
    asyncio.Future[Sequence[Recorded]], tuple[Recorded, ...], tuple[BeadRow, ...] | None
]


class MemoryJournal:
    """A journal that begins with `rows` (sequence numbers from 1, without a gap)."""

    def __init__(self, rows: Iterable[Recorded] = ()) -> None:
        self._rows = list(rows)
        self._keys = {row.event.unique: row for row in self._rows if row.event.unique is not None}
        self._next_seq = len(self._rows) + 1
        self._waiting: list[_Append] = []
        self.beads: dict[BeadId, BeadRow] | None = None
        """The row of each bead, as a new one, by the last event; None where none are kept."""
        self._held = False
        self._closed = False
        self._refusal: Callable[[], OyaError] | None = None

    def append(
        self, at_ms: int, events: Sequence[Event], beads: Sequence[BeadRow] | None = None
    ) -> Awaitable[Sequence[Recorded]]:
        """As the port says. Raises Bug through the awaitable for a unique key that is there."""
        if self._closed:
            raise Bug("An append came after the journal in memory was closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Recorded]] = loop.create_future()
        if self._refusal is not None:
            future.set_exception(self._refusal())
            return future
        rows = tuple(
            Recorded(seq, at_ms, event) for seq, event in enumerate(events, self._next_seq)
        )
        self._next_seq += len(rows)
        kept = beads if events else ()
        self._waiting.append((future, rows, None if kept is None else tuple(kept)))
        loop.call_soon(self._settle)
        return future

    async def refill(self, beads: Iterable[BeadRow]) -> None:
        """As the port says."""
        self._settle()
        if self.beads is None:
            self.beads = {row.id: row for row in beads}

    async def find(self, key: str) -> Recorded | None:
        """As the port says."""
        return self._keys.get(key)

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """Every event with `seq` greater than `after` that is settled when reading begins."""
        yield from self._rows[max(after, 0) :]

    def close(self) -> None:
        """Settle what waits and take no more. Idempotent."""
        self._held = False
        self._settle()
        self._closed = True

    def hold(self) -> None:
        """The disk hangs: appends wait, and nothing of them can be read."""
        self._held = True

    def release(self) -> None:
        """The disk works again: what waits is settled in order."""
        self._held = False
        self._settle()

    def fail(self, message: str = "The disk is full.") -> None:
        """The disk refuses from now on: every append that waits fails, and every later one."""
        self._refusal = partial(WorldFailed, message, retryable=False)
        self._held = False
        self._settle()

    def _settle(self) -> None:
        if self._held:
            return
        waiting, self._waiting = self._waiting, []
        for future, rows, beads in waiting:
            if self._refusal is None:
                self._keep(rows, beads)
            if future.done() or future.get_loop().is_closed():
                continue
            if self._refusal is None:
                future.set_result(rows)
            else:
                future.set_exception(self._refusal())

    def _keep(self, rows: tuple[Recorded, ...], beads: tuple[BeadRow, ...] | None) -> None:
        """Keep the transaction whole, or refuse it and everything after it."""
        keyed = [(row.event.unique, row) for row in rows if row.event.unique is not None]
        keys = [key for key, _ in keyed]
        twice = [key for at, key in enumerate(keys) if key in self._keys or key in keys[:at]]
        if twice:
            message = f"An event with the key {twice[0]!r} is in the journal already."
            self._refusal = partial(Bug, message)
            return
        self._keys.update(keyed)
        self._rows.extend(rows)
        if beads is None or self.beads is None:
            self.beads = None
            return
        landed = {row.id for row in beads if row.state == State.LANDED}
        for row in beads:
            needs = self.beads[row.id].needs if row.needs is None else row.needs
            left = () if row.id in landed else (one for one in needs or () if one not in landed)
            self.beads[row.id] = row._replace(needs=tuple(left), new=True)
        if landed:
            self._wait_no_more(landed)

    def _wait_no_more(self, landed: AbstractSet[BeadId]) -> None:
        """Take what landed out of the needs of all that waited for it."""
        beads = self.beads or {}
        for row in [one for one in beads.values() if not landed.isdisjoint(one.needs or ())]:
            left = tuple(need for need in row.needs or () if need not in landed)
            beads[row.id] = row._replace(waits=len(left), needs=left)

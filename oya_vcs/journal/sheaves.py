"""The way to the writer and back: what is appended on an event loop goes to it in sheaves, and what
became of them comes back to whoever waits.

What is appended in one turn of the loop is bound into one sheaf, which takes half the time of as
many sheaves of one. It is handed over at the turn's end, or when it has `SHEAF_ROWS`.

This module does not know of files, nor what a refusal says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby, repeat
from threading import Lock

from oya_vcs.core.events import Event
from oya_vcs.errors import OyaError
from oya_vcs.journal.inbox import Inbox
from oya_vcs.journal.schema import HighWater
from oya_vcs.journal.transaction import Append, Chain, Sheaf
from oya_vcs.ports import Recorded

SHEAF_ROWS = 32
"""Rows after which a sheaf does not wait for the end of the turn: about what is computed while the
sheaf before it is synced. Measured with 64 producers: 21.9 µs an event without sheaves, 18.9 with
32 rows in each, 23.1 with all of a turn in one, for then nothing is computed beside the sync."""

Future = asyncio.Future[Sequence[Recorded]]
Refusal = Callable[[], OyaError]
"""Makes the error with which the journal refuses; a new one for everybody who hears it."""

Waiting = tuple[Append, Future, tuple[Recorded, ...]]
"""An append on its way to the disk, who waits for it, and what he will get."""

Bound = tuple[Sheaf, Sequence[Waiting]]
"""A sheaf, and its appends."""


class Sheaves:
    """Takes appends on event loops of one thread, and hands sheaves to the writer."""

    def __init__(self, mark: HighWater, inbox: Inbox[Bound], handing: Lock) -> None:
        """Behind the row that the mark names. `handing` is held by whoever calls `add` or `bind`:
        nothing comes behind the end of the inbox, where nobody would ever answer it."""
        self._inbox = inbox
        self._handing = handing
        self._seq = mark.seq
        self._chain = Chain(mark)
        self._loose: list[Waiting] = []
        self._rows = 0

    def add(self, append: Append, events: Sequence[Event]) -> Future:
        """Number the append's rows, those of the events. Must be called on an event loop."""
        loop = asyncio.get_running_loop()
        future: Future = loop.create_future()
        seqs = range(self._seq + 1, self._seq + 1 + len(events))
        self._seq += len(events)
        loose = self._loose
        if not loose or loose[-1][1].get_loop() is not loop:
            loop.call_soon(self._turn_ends)
        loose.append((append, future, tuple(map(Recorded, seqs, repeat(append.at_ms), events))))
        self._rows += len(events)
        if self._rows >= SHEAF_ROWS:
            self.bind()
        return future

    def bind(self) -> None:
        """Hand over what was added and is in no sheaf yet."""
        waiting, self._loose = self._loose, []
        self._rows = 0
        if waiting:
            self._inbox.put((self._chain.bind([append for append, _, _ in waiting]), waiting))

    def _turn_ends(self) -> None:
        with self._handing:
            self.bind()


def settle(waiting: Sequence[Waiting], refusal: Refusal | None) -> None:
    """Hand the outcome to the event loops, one call for each run of appends of one loop. From any
    thread."""
    for loop, items in groupby(waiting, key=lambda item: item[1].get_loop()):
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(_resolve, list(items), refusal)


def _resolve(waiting: Sequence[Waiting], refusal: Refusal | None) -> None:
    for _, future, recorded in waiting:
        if future.done():  # its waiter was cancelled; the events are on disk all the same
            continue
        if refusal is None:
            future.set_result(recorded)
        else:
            future.set_exception(refusal())

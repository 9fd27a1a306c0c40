"""Keeps the journal open: one after another, while the disk comes and goes.

When the disk refuses the journal (full, gone, read-only, failing), this child of the tree ends with
JournalStopped. That is an outage and no crash: all above is stopped as if the process had been
killed, the state in memory is thrown away, and the whole tree starts again from the record when the
disk, asked every few seconds, is well. What could not be recorded is found by probes. Only a
journal that stopped is met like this; damage, bugs and locks end the daemon.

Knows no disk and no adapter: it is handed what opens a journal and what asks the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from oya_vcs.errors import Bug, JournalStopped, OyaError, WorldFailed
from oya_vcs.ports import Clock, Journal
from oya_vcs.runtime.seat import Seat

LOOK_MS = 3_000
"""Between two looks at a disk that is not well: seldom enough to write little to a sick disk, often
enough that nobody waits for it."""


class Record:
    """`open_journal` opens it; `ask` raises WorldFailed while the disk is not well; `say` hears
    full sentences for people. The journal of now sits in `journal`."""

    def __init__(
        self,
        *,
        open_journal: Callable[[], Awaitable[Journal]],
        ask: Callable[[], Awaitable[None]],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self.journal: Seat[Journal] = Seat()
        self._open = open_journal
        self._ask = ask
        self._clock = clock
        self._say = say
        self._failure: OyaError | None = None
        self._failed = asyncio.Event()

    def fail(self, journal: Journal, error: OyaError) -> None:
        """Say that this journal takes no more, and why: its life ends with that. Heard once."""
        if self.journal.now is not journal or self._failure is not None:
            return
        self._failure = error
        self._failed.set()
        if isinstance(error, JournalStopped):
            self._say(
                f"{error.message} Work is stopped. The daemon looks at the disk every"
                f" {LOOK_MS // 1_000} s and goes on by itself when it is well; Ctrl-C ends it."
            )

    async def run(self, ready: Callable[[], None]) -> None:
        """One journal's life, from the moment the disk is well. Raises why it takes no more, and
        what opening it raises."""
        waits = isinstance(self._failure, JournalStopped)
        journal = await (self._opened_when_well() if waits else self._open())
        self._failure = None
        self._failed.clear()
        try:
            with self.journal.held(journal):
                ready()
                await self._failed.wait()
                raise self._failure or Bug("The journal failed without a reason.")
        finally:
            await asyncio.to_thread(journal.close)

    async def _opened_when_well(self) -> Journal:
        told = ""
        while True:
            await self._clock.sleep(LOOK_MS)
            try:
                await self._ask()
                journal = await self._open()
            except WorldFailed as still:
                if still.message != told:
                    told = still.message
                    self._say(f"Not yet: {told}")
            else:
                self._say("The disk is well again: the daemon goes on from the record.")
                return journal

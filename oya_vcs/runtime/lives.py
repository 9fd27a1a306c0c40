"""One life of the daemon after another in one process, while the disk comes and goes.

When the disk refuses the journal (full, gone, read-only, failing), the life that used it ends as if
the process had been killed: effects under way are stopped, journal and files closed, the state in
memory thrown away. Then the disk is asked every few seconds whether it is well, and a new life
begins from the record, exactly as after a crash: what could not be recorded is found by probes.
Only a journal that stopped is met like this; damage, bugs and locks end the daemon.

Knows no journal, no disk and no adapter: it is handed what begins a life and what asks the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Generic, Self, TypeVar

from oya_vcs.errors import Bug, JournalStopped, OyaError, WorldFailed
from oya_vcs.ports import Clock

log = logging.getLogger(__name__)

LOOK_MS = 3_000
"""Between two looks at a disk that is not well: seldom enough to write little to a sick disk, often
enough that nobody waits for it."""

Life = TypeVar("Life")
Answer = TypeVar("Answer")


class Lives(Generic[Life]):
    """Use it in `async with`. `begin` makes a life and ends it; `ask` raises WorldFailed while the
    disk is not well; `say` hears full sentences for people."""

    def __init__(
        self,
        *,
        begin: Callable[[], AbstractAsyncContextManager[Life]],
        ask: Callable[[], Awaitable[None]],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._begin = begin
        self._ask = ask
        self._clock = clock
        self._say = say
        self._stack = AsyncExitStack()
        self._life: Life | None = None
        self._resuming = asyncio.Lock()

    @property
    def life(self) -> Life:
        """The one of now. Raises Bug between two lives, where nobody may act."""
        if self._life is None:
            raise Bug("The daemon was asked to act while its disk was not well.")
        return self._life

    async def through(self, act: Callable[[Life], Awaitable[Answer]]) -> Answer:
        """What `act` returns, begun anew in the next life where the journal stops under it: it must
        look at the record for what it has done before. Raises all but JournalStopped."""
        while True:
            async with self._resuming:
                life = self.life
            try:
                return await act(life)
            except JournalStopped as error:
                await self._resume(life, error)

    async def _resume(self, dead: Life, error: JournalStopped) -> None:
        async with self._resuming:
            if self._life is not dead:
                return
            self._say(
                f"{error.message} Work is stopped. The daemon looks at the disk every"
                f" {LOOK_MS // 1_000} s and goes on by itself when it is well; Ctrl-C ends it."
            )
            await self._end()
            told = ""
            while self._life is None:
                await self._clock.sleep(LOOK_MS)
                try:
                    await self._ask()
                    await self._start()
                except WorldFailed as still:
                    if still.message != told:
                        told = still.message
                        self._say(f"Not yet: {told}")
            self._say("The disk is well again: the daemon goes on from the record.")

    async def _start(self) -> None:
        self._life = await self._stack.enter_async_context(self._begin())

    async def _end(self) -> None:
        self._life = None
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            await stack.aclose()
        except OyaError as error:
            log.debug("the end of a life met %s", error.message)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._life = None
        await self._stack.__aexit__(kind, error, trace)

"""A clock that stands still until a test moves it: whoever sleeps is woken in the order of time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

ROUNDS = 30
"""Turns of the loop after which everything that can run without time passing has run."""


class SteppedClock:
    """`ports.Clock` by hand, in Unix milliseconds."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._order = count()
        self._sleeping: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """The time it was moved to."""
        return self._now_ms

    async def sleep(self, ms: int) -> None:
        """Wait until somebody has moved it so far."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self._now_ms + ms, next(self._order), woken))
        await woken

    async def advance(self, ms: int) -> None:
        """Move on by `ms`, stopping at each sleeper for what follows from its waking."""
        end = self._now_ms + ms
        await settle()
        while self._sleeping and self._sleeping[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleeping)
            if woken.done():
                continue
            self._now_ms = max(self._now_ms, at)
            woken.set_result(None)
            await settle()
        self._now_ms = end

    async def until(self, holds: Callable[[], object], *, step_ms: int = 20) -> None:
        """Move on little by little until it holds, leaving threads a moment at each step; the
        test's time limit is the deadline."""
        while not holds():
            await self.advance(step_ms)
            await asyncio.sleep(0.001)


async def settle() -> None:
    """Let everything run that can without time passing."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)

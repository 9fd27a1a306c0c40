"""Whose turn it is at the repository: a lock for the tasks of one event loop, in order of rank.

What ends work goes before what begins some, so that beads which are nearly landed do not wait
behind a hundred that start. Knows nothing of other processes (`repository.py` locks a file for
those) and nothing of what is done under it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oya_vcs.ports import Turn


class Turns:
    """One holder at a time; then the waiter of the lowest rank, and of those who waited longest."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: list[tuple[Turn, int, asyncio.Future[None]]] = []
        self._came = 0

    @asynccontextmanager
    async def taken(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for the turn and hold it until the block ends."""
        await self._take(turn)
        try:
            yield
        finally:
            self._hand_on()

    async def _take(self, turn: Turn) -> None:
        if not self._held:
            self._held = True
            return
        handed = asyncio.get_running_loop().create_future()
        self._came += 1
        heapq.heappush(self._waiting, (turn, self._came, handed))
        try:
            await handed
        except asyncio.CancelledError:
            if handed.done() and not handed.cancelled():
                self._hand_on()  # it was our turn already: somebody else's now
            raise

    def _hand_on(self) -> None:
        while self._waiting:
            handed = heapq.heappop(self._waiting)[2]
            if not handed.done():
                handed.set_result(None)
                return
        self._held = False

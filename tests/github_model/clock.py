"""The model's time: real, or moved by a test. Knows nothing of what waits for it."""

from __future__ import annotations

import asyncio
import heapq
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Unix milliseconds, and waiting."""

    def now_ms(self) -> int:
        """The time."""
        ...

    async def sleep(self, ms: int) -> None:
        """Wait."""
        ...


class RealClock:
    """The machine's."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ms / 1000):
                await asyncio.Event().wait()


class VirtualClock:
    """Stands still until a test moves it."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = now_ms
        self._order = count()
        self._sleeping: list[tuple[int, int, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep(self, ms: int) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self._now_ms + ms, next(self._order), woken))
        self._fell_asleep.set()
        await woken

    async def sleeper(self) -> None:
        """Wait until somebody sleeps."""
        if not any(not woken.done() for _, _, woken in self._sleeping):
            self._fell_asleep.clear()
            await self._fell_asleep.wait()

    def advance(self, ms: int) -> None:
        """Move on; whoever slept until then wakes at the loop's next turn."""
        self._now_ms += ms
        while self._sleeping and self._sleeping[0][0] <= self._now_ms:
            woken = heapq.heappop(self._sleeping)[2]
            if not woken.done():
                woken.set_result(None)


def iso(ms: int) -> str:
    """The time as GitHub writes it: whole seconds, UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def millis(text: str) -> int:
    """The time that `text` (ISO 8601) names. Raises ValueError."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)

"""The real clock, and one that a test moves by hand. The only places where time is asked for."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """`ports.Clock` over the machine's clock."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        """Return after `ms` milliseconds."""
        await asyncio.sleep(ms / 1000)


def stopwatch() -> float:
    """Seconds from an arbitrary start, for measuring how long something takes."""
    return time.perf_counter()


def own_time() -> float:
    """Seconds of processor time that this process has had: what a computation takes, whoever else
    is on the machine."""
    return time.process_time()


class ManualClock:
    """`ports.Clock` that stands still until somebody waits: sleeping moves it on at once."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """The time it was set to."""
        return self._now_ms

    async def sleep(self, ms: int) -> None:
        """Move on by `ms` and let everybody else run."""
        self._now_ms += ms
        await asyncio.sleep(0)

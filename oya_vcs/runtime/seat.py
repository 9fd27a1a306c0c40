"""The place of something that is started again and again: whoever needs it asks the seat, never
keeps what sat there.

A child that gives others something to stand on (the journal, the engine) holds a seat while it
lives. The next in the order of start takes what sits there, or waits for it. Knows nothing of what
it seats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Seat(Generic[T]):
    """Empty at first. All calls on one event loop."""

    def __init__(self) -> None:
        self._holder: T | None = None
        self._end: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def now(self) -> T | None:
        """Who sits here, or None."""
        return self._holder

    @contextmanager
    def held(self, holder: T) -> Iterator[None]:
        """Let it sit here while the block runs."""
        self._holder = holder
        self._changed.set()
        try:
            yield
        finally:
            self._holder = None
            self._changed.set()

    async def holder(self) -> T:
        """Who sits here, once somebody does. Raises what the seat was closed with."""
        while self._holder is None:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        return self._holder

    async def gone(self, holder: T) -> None:
        """Return when this one sits here no more."""
        while self._holder is holder:
            self._changed.clear()
            await self._changed.wait()

    async def closed(self) -> NoReturn:
        """Wait until nobody will sit here any more, and raise why."""
        while self._end is None:
            self._changed.clear()
            await self._changed.wait()
        raise self._end

    def close(self, end: BaseException) -> None:
        """Nobody will sit here again: whoever waits, and whoever comes, gets the error. The first
        one counts."""
        self._end = self._end or end
        self._changed.set()

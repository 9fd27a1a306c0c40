"""Many look-ups off the event loop for the price of one: who asks while a thread is looking is
answered by its next look, together with all others who have asked by then.

Going to a thread and back costs several times what the look itself does, and each look would have
to get past the loop to run at all. Knows neither the record nor what a key means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from oya_vcs.errors import OyaError

Answer = TypeVar("Answer")

ASKED_MAX = 512
"""Keys of one look, so that nobody waits long for others' answers."""


class Asking(Generic[Answer]):
    """Asks `find`, which blocks and may raise OyaError, in a thread. All calls on one loop."""

    def __init__(self, find: Callable[[str], Answer]) -> None:
        self._find = find
        self._waiting: list[tuple[str, asyncio.Future[Answer]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def ask(self, key: str) -> Answer:
        """What `find` returns for the key, or raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:ASKED_MAX], self._waiting[ASKED_MAX:]
            found = await asyncio.to_thread(self._all, [key for key, _ in asked])
            for (_, answer), one in zip(asked, found, strict=True):
                if answer.done():  # who asked does not wait any more
                    continue
                if isinstance(one, OyaError):
                    answer.set_exception(one)
                else:
                    answer.set_result(one)

    def _all(self, keys: Sequence[str]) -> list[Answer | OyaError]:
        return [self._one(key) for key in keys]

    def _one(self, key: str) -> Answer | OyaError:
        try:
            return self._find(key)
        except OyaError as error:
            return error

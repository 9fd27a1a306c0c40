"""What is on its way from the event loop to the writer's thread: a queue with one sender and one
receiver.

The receiver sleeps on a pipe and not on a lock (`queue.SimpleQueue`): the kernel takes the wake-up
by a pipe for a sender that is about to sleep itself, as the event loop is, and while the receiver
is awake nothing is written at all. With 64 producers that is a twelfth more events a second
(docs/adr/0002-journal.md).

This module does not know what it carries.
"""

from __future__ import annotations

import os
import select
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

_WAKE_BYTES = 64
"""Read from the pipe at once; there is seldom more than one."""


class Inbox(Generic[T]):
    """First in, first out, without a limit. `put` and `end` are called on any one thread at a time,
    `get` on one other."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._asleep = False
        self._there, self._here = os.pipe()
        os.set_blocking(self._here, False)  # it holds two bytes at most, and never fills
        self._poll = select.poll()
        self._poll.register(self._there, select.POLLIN)
        self.ended = False
        """Nothing more will be put."""

    def put(self, item: T) -> None:
        """Hand it over. Never waits."""
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        """Say that nothing more will be put."""
        self.ended = True
        self._wake()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits now."""
        return not self._items

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next one, when it comes. None where none has come within the time, and where none
        will: `ended` tells which."""
        while True:
            self._asleep = not self._items and not self.ended
            if self._items:  # looked at again behind the flag: whoever put it may have seen nobody
                self._asleep = False
                return self._items.popleft()
            if self.ended:
                return None
            if not self._poll.poll(None if timeout_s is None else timeout_s * 1_000):
                self._asleep = False
                return self._items.popleft() if self._items else None
            os.read(self._there, _WAKE_BYTES)

    def close(self) -> None:
        """Let go of the pipe. Nobody puts or gets after that."""
        os.close(self._there)
        os.close(self._here)

    def _wake(self) -> None:
        if self._asleep:
            self._asleep = False
            os.write(self._here, b"\0")

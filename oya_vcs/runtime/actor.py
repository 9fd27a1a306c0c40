"""An actor: state of its own, and a mailbox in front of it. One message at a time, in order.

The mailbox outlives the actor behind it: when the actor dies, the messages that wait stay where
they are, for the one that is started in its place. The message that it died of is the one in
question, and the answer is:

- **asked** (`ask`): its sender gets the error, and decides. Whoever asks is there to hear it, and a
  question that kills whom it is put to must not be put again by a machine.
- **told** (`tell`): it is delivered again, first of all, to the next one. Nobody waits for it, so
  nobody else could. What a message makes happen in the world is keyed, so that twice is once; a
  message that kills again and again makes the supervisor give up, loudly, and is not dropped.

Knows no clock and no supervisor: `run` is what a supervisor starts (`runtime/supervisor.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from oya_vcs.errors import Stopped

Message = TypeVar("Message")
Answer = TypeVar("Answer")

MAILBOX_MAX = 1_024
"""Messages that may wait; who sends another waits with it."""


class Actor(Generic[Message, Answer]):
    """`receive` handles one message and returns the answer to it; it is never called twice at
    once. All calls on one event loop."""

    def __init__(
        self,
        name: str,
        receive: Callable[[Message], Awaitable[Answer]],
        *,
        mailbox_max: int = MAILBOX_MAX,
    ) -> None:
        self.name = name
        self._receive = receive
        self._mail: deque[tuple[Message, asyncio.Future[Answer] | None]] = deque()
        self._room = asyncio.Semaphore(mailbox_max)
        self._come = asyncio.Event()
        self._closed = self._over = False
        """Whether it takes no more, and whether a life has ended so."""
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Messages that wait, the one in hand among them."""
        return len(self._mail)

    async def tell(self, message: Message) -> None:
        """Leave a message; returns when it is in the mailbox, which may be full. Raises Stopped."""
        await self._put(message, None)

    async def ask(self, message: Message) -> Answer:
        """Leave a message and wait for its answer. Raises what `receive` raised, and Stopped where
        the actor was stopped before it came to it."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        await self._put(message, answer)
        return await answer

    async def _put(self, message: Message, answer: asyncio.Future[Answer] | None) -> None:
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise self._gone()
        self._mail.append((message, answer))
        self._idle.clear()
        self._come.set()

    def _gone(self) -> Stopped:
        return Stopped(f"The {self.name} was stopped.")

    async def run(self, ready: Callable[[], None]) -> None:
        """Handle messages until `stop` or cancelled. Raises what `receive` raised, with the mailbox
        as the module's docstring says. One at a time; after a `stop` it takes messages again."""
        if self._over:
            self._closed = self._over = False
        ready()
        try:
            while self._mail or not self._closed:
                if self._mail:
                    await self._handle(*self._mail[0])
                else:
                    self._come.clear()
                    await self._come.wait()
        finally:
            self._over = self._closed

    async def _handle(self, message: Message, answer: asyncio.Future[Answer] | None) -> None:
        """The first message leaves the mailbox when it has been handled, not before."""
        if answer is not None and answer.done():  # nobody waits for it any more
            self._drop()
            return
        try:
            given = await self._receive(message)
        except BaseException as error:
            if answer is not None:
                self._drop()
                _refuse(answer, error, self.name)
            raise
        self._drop()
        if answer is not None and not answer.done():
            answer.set_result(given)

    def _drop(self) -> None:
        self._mail.popleft()
        self._room.release()
        if not self._mail:
            self._idle.set()

    async def stop(self) -> None:
        """Take no more, and return when every message that waits has been handled. Needs a `run`
        that handles them. Idempotent."""
        self._closed = True
        self._come.set()
        await self._idle.wait()

    def abandon(self) -> None:
        """Take no more, and let nobody wait in vain: whoever asked is told. For an actor that will
        not be started again."""
        self._closed = True
        while self._mail:
            _, answer = self._mail[0]
            self._drop()
            if answer is not None and not answer.done():
                answer.set_exception(self._gone())


def _refuse(answer: asyncio.Future[Answer], error: BaseException, name: str) -> None:
    if answer.done():
        return
    if isinstance(error, Exception):
        answer.set_exception(error)
    else:  # cancelled in the middle: whoever asked was not
        answer.set_exception(Stopped(f"The {name} was stopped while it worked on this."))

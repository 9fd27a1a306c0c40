"""An event loop whose time is a number: nothing waits, and nothing comes from outside.

Keeps asyncio's promise that what is ready runs in the order in which it became ready, for the
engine builds on it. What the promise leaves open is drawn from the dice: how long a thread takes,
and who comes first of those that wait for the same moment. Knows nothing of what it runs. One
callback at a time (`step`), so that a crash may fall between any two.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from itertools import count
from random import Random
from typing import Any

from oya_vcs.errors import OyaError

THREAD_S_MAX = 0.004
"""The longest that a thread takes."""
DEATH_TURNS_MAX = 20_000
"""Callbacks of a dead loop until its tasks count as gone."""

_Loop: Any = asyncio.AbstractEventLoop
"""Of its many methods those of sockets, programs and signals are not to be had here."""


class VirtualLoop(_Loop):  # type: ignore[misc]
    """Made for one life of a daemon; `turns` counts callbacks."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._now = 0.0
        self._order = count()
        self._ready: deque[tuple[asyncio.Handle, Callable[[], object]]] = deque()
        self._timers: list[tuple[float, float, int, asyncio.Handle, Callable[[], object]]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._dead = False
        self.turns = 0

    def step(self) -> bool:
        """Run one callback, after moving time on to the next timer where none is ready. False where
        there is nothing that could ever run. Raises what a callback raises."""
        if not self._ready:
            if not self._timers:
                return False
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                *_, handle, run = heapq.heappop(self._timers)
                self._ready.append((handle, run))
        handle, run = self._ready.popleft()
        if not handle.cancelled():
            self.turns += 1
            asyncio._set_running_loop(self)  # noqa: SLF001 - what it is for
            try:
                run()
            finally:
                asyncio._set_running_loop(None)  # noqa: SLF001 - the same
        return True

    def die(self) -> None:
        """End every task, as nobody who looks from outside could tell from SIGKILL: no timer and no
        thread comes to its end any more."""
        self._dead = True
        self._timers.clear()
        last = self.turns + DEATH_TURNS_MAX
        while self._tasks and self.turns < last:
            for task in tuple(self._tasks):
                task.cancel()
            while self._ready and self.turns < last:
                self.step()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        self._ready.clear()

    def waiting(self) -> list[str]:
        """Who waits, and where: a line a task, for a story that does not end."""
        lines = []
        for task in self._tasks:
            frames = task.get_stack(limit=1)
            places = [f"{one.f_code.co_qualname}:{one.f_lineno}" for one in frames]
            lines.append(f"{task.get_name()} waits in {' < '.join(places) or 'nothing'}")
        return lines

    # What asyncio asks of a loop.

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio says."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append((handle, _bound(callback, args, context)))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio says."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio says. A dead loop has no time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._dead:
            run = _bound(callback, args, context)
            entry = (when, self._dice.random(), next(self._order), handle, run)
            heapq.heappush(self._timers, entry)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """As asyncio says."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **named: Any) -> asyncio.Task[Any]:
        """As asyncio says."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **named)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """What a thread would do is done at one moment, and known at a later one."""
        del executor
        future = self.create_future()
        self.call_later(self._dice.random() * THREAD_S_MAX, self._work, future, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: Any) -> None:
        try:
            result = func(*args)
        except (OyaError, OSError) as error:
            self.call_later(self._dice.random() * THREAD_S_MAX, _settle, future, None, error)
        else:
            self.call_later(self._dice.random() * THREAD_S_MAX, _settle, future, result, None)

    def get_debug(self) -> bool:
        """As asyncio says."""
        return False

    def is_running(self) -> bool:
        """Whether a callback is being run."""
        return asyncio._get_running_loop() is self  # noqa: SLF001 - what it is for

    def is_closed(self) -> bool:
        """Whether it is dead."""
        return self._dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody asked for: of a life that is over, it means nothing."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked by handles: a cancelled one is left where it is until its time comes."""


def _bound(
    callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
) -> Callable[[], object]:
    within = copy_context() if context is None else context
    return lambda: within.run(callback, *args)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)

"""One door for everything that must happen once under a key: effects (the outbox) and what comes
from outside under a key of its own (`Engine.offer` with a delivery; later, requests to the daemon).

    key ─▶ under way? ─ yes ─▶ join it: one execution, one outcome or one error for all
             │ no
             ▼
          remembered, or in the record? ─ yes ─▶ that outcome; nothing runs
             │ no
             ▼
          run, as one that may have begun where the record has the intent and no outcome

The record is the truth: the journal's unique index of keys. The memory before it is bounded and may
forget anything. The same key with another input is refused. What a work *does*, how it looks for
traces of an earlier life, and that its outcome is on disk when it returns, is the work's own
business: this module knows no performer, no journal and no clock.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from oya_vcs.core.events import Event, Received, Requested
from oya_vcs.errors import Bug, InputInvalid, Stopped
from oya_vcs.ports import Recorded

REMEMBERED_MAX = 1_024
"""Outcomes kept in memory, the least recently used forgotten first: about a kilobyte each."""

SHOWN_MAX = 200
"""Characters of an input that an error shows."""

Find = Callable[[str], Awaitable[Recorded | None]]
"""The event with a unique key, from the record: `Journal.find`."""

Ended = Callable[[asyncio.Task[Event]], None]
"""Called with a task that is over, however it ended."""


class Spawn(Protocol):
    """Runs what is under way: `asyncio.create_task`, or `Supervisor.adopt`."""

    def __call__(self, work: Coroutine[Any, Any, Event], /, *, name: str) -> asyncio.Task[Event]:
        """The task that runs it."""
        ...


class Work(Protocol):
    """What is to happen once."""

    def __call__(self, *, begun: bool) -> Awaitable[Event]:
        """Do it, and return the event that settles the key, which is on disk then.

        `begun` says that an earlier life may have begun it: look for traces of that (probe) before
        anything is done.
        """
        ...


class _Past(NamedTuple):
    """What is known of a key: its input, and its outcome where there is one."""

    given: object
    outcome: Event | None


class Executor:
    """Runs each key once. All calls on one event loop."""

    def __init__(
        self,
        find: Find,
        *,
        remembered_max: int = REMEMBERED_MAX,
        spawn: Spawn = asyncio.create_task,
    ) -> None:
        self._find = find
        self._spawn = spawn
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[str, _Past] = OrderedDict()
        self._running: dict[str, tuple[object, asyncio.Task[Event]]] = {}

    async def execute(self, key: str, given: object, work: Work) -> Event:
        """The outcome of the key: the recorded one, that of the execution under way, or that of
        `work`, which runs only where there is neither.

        `given` is the input, by which two uses of a key are told apart. Cancelling the caller does
        not cancel the work: others may wait for it. Raises InputInvalid where the key was used with
        another input, naming both, and whatever the work raised; a work that failed is forgotten,
        and the next call runs again. Raises Stopped where the work was cancelled and its caller was
        not: only who is cancelled must believe that.
        """
        task, caller = self.begin(key, given, work), asyncio.current_task()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled() or (caller is not None and caller.cancelling()):
                raise
            raise Stopped(f"What the key {key!r} is for was stopped before its end.") from None

    def begin(
        self,
        key: str,
        given: object,
        work: Work,
        *,
        begun: bool | None = None,
        name: str = "",
        ended: Ended | None = None,
    ) -> asyncio.Task[Event]:
        """The task that gives the outcome, as `execute` does, or the one under way. `name` is for
        people; `ended` is called when the task is over and its key is free.

        `begun` is for a caller that knows from the record that the key is open: whether an earlier
        life may have begun it. None asks the record. Whoever cancels the task cancels it for all.
        """
        under_way = self._running.get(key)
        if under_way is not None:
            _require_same(key, under_way[0], given)
            if ended is not None:
                under_way[1].add_done_callback(ended)
            return under_way[1]
        run = self._run(key, given, work, begun=begun)
        task = self._spawn(run, name=name or f"key {key}")
        self._running[key] = (given, task)
        task.add_done_callback(partial(self._ended, key, ended))
        return task

    def _ended(self, key: str, ended: Ended | None, task: asyncio.Task[Event]) -> None:
        del self._running[key]
        if ended is not None:
            ended(task)

    async def _run(self, key: str, given: object, work: Work, *, begun: bool | None) -> Event:
        past = self._recall(key)
        if past is None and begun is None:
            past = await self._look_up(key)
        if past is not None:
            _require_same(key, past.given, given)
            if past.outcome is not None:
                self._remember(key, past)
                return past.outcome
        outcome = await work(begun=past is not None if begun is None else begun)
        self._remember(key, _Past(given, outcome))
        return outcome

    async def _look_up(self, key: str) -> _Past | None:
        intent = await self._find(key)
        match intent:
            case None:
                return None
            case Recorded(event=Received() as event):
                return _Past(event.content, event)
            case Recorded(event=Requested() as event):
                settled = await self._find(f"{key}:settled")
                return _Past(event.effect, None if settled is None else settled.event)
            case _:
                raise Bug(f"Event {intent.seq} has the key {key!r} and is not an intent.")

    def _recall(self, key: str) -> _Past | None:
        past = self._remembered.get(key)
        if past is not None:
            self._remembered.move_to_end(key)
        return past

    def _remember(self, key: str, past: _Past) -> None:
        self._remembered[key] = past
        self._remembered.move_to_end(key)
        while len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)


def _require_same(key: str, before: object, now: object) -> None:
    if before != now:
        raise InputInvalid(
            f"The key {key!r} was used with another input: first {_shown(before, now)}, now"
            f" {_shown(now, before)}.",
            "Give another key to another request; repeat a request as it was.",
        )


def _shown(given: object, other: object) -> str:
    """An input in an error, as far as it differs from the other one."""
    text = repr(given)
    if is_dataclass(given) and type(given) is type(other):
        values = [
            (one.name, getattr(given, one.name), getattr(other, one.name)) for one in fields(given)
        ]
        different = [f"{name}={mine!r}" for name, mine, theirs in values if mine != theirs]
        text = f"{type(given).__name__}({', '.join(different)})"
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"

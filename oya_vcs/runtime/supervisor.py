"""Keeps children running: starts them in order, starts again what failed, gives up when that does
not help.

A child is a name and a coroutine function that runs until it is told to stop; what it does is
nothing to its supervisor. Its failure is caught here and cancels nobody (`asyncio.TaskGroup` would
cancel its siblings); whom it takes with it says the strategy. A supervisor is a child of its parent
by its `run`, and gives up by raising. What is decided when a child fails is `core/supervision.py`.

    start   in order, each when the one before is ready; the first start is not tried again: what
            fails it, be it one that was ready and is no more, is raised as it is
    failure stop those whom it affects, last first; wait; start them again, first first
    stop    when `run` is cancelled: all children, last first, each with its own time for that

`adopt` takes in tasks that are started once and never again (an effect under way): they belong to
the tree, are stopped with it, and their failure is noted and affects nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from oya_vcs.core.supervision import (
    Fault,
    Limits,
    Node,
    Restarts,
    Status,
    Strategy,
    affected,
    fault_of,
    judge,
)
from oya_vcs.errors import Bug, GaveUp, OyaError
from oya_vcs.ports import Clock

log = logging.getLogger(__name__)

STOP_MS = 5_000
"""How long a child may take to stop where it does not say otherwise: that of Erlang's workers."""
NOTED_CHARS_MAX = 500
"""Characters of an error that a node keeps."""

Ready = Callable[[], None]
Run = Callable[[Ready], Coroutine[Any, Any, None]]
T = TypeVar("T")


async def _none() -> None:
    """Nothing has to be asked of a child that just stops when cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a supervisor keeps running. `run` is called for each of its lives, and calls what it is
    given when it does its work; it is stopped by cancellation, after `stop` has been asked (for one
    that has something to finish) or `stop_ms` have gone. Ending by itself is a failure."""

    name: str
    run: Run
    stop: Callable[[], Coroutine[Any, Any, None]] = _none
    stop_ms: int = STOP_MS
    tree: Callable[[], Node] | None = None
    """A supervisor's own tree."""


@dataclass(slots=True, eq=False)
class _Place:
    """A child and what became of it so far."""

    child: Child
    since_ms: int
    status: Status = Status.STOPPED
    task: asyncio.Task[None] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    recent: Restarts = ()
    lives: int = 0
    error: str = ""

    def become(self, status: Status, at_ms: int) -> None:
        self.status, self.since_ms = status, at_ms


@dataclass(frozen=True, slots=True)
class _Adopted:
    name: str
    since_ms: int


class Supervisor:
    """One node of the tree, and what stands below it. `say` hears a sentence whenever something
    failed."""

    def __init__(
        self,
        name: str,
        strategy: Strategy,
        children: Sequence[Child],
        *,
        clock: Clock,
        say: Callable[[str], None],
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self._strategy = strategy
        self._clock = clock
        self._say = say
        self._limits = limits or Limits()
        self._places = {one.name: _Place(one, clock.now_ms()) for one in children}
        self._exits: asyncio.Queue[tuple[_Place, asyncio.Task[None]]] = asyncio.Queue()
        self._revivals: dict[asyncio.Task[None], list[str]] = {}
        """Each with the children that it has yet to start."""
        self._adopted: dict[asyncio.Task[Any], _Adopted] = {}
        self._status = Status.STOPPED
        self._since_ms = clock.now_ms()
        self._error = ""

    def as_child(self, *, stop_ms: int) -> Child:
        """The supervisor as a child of another one; `stop_ms` is for all that is below it."""
        return Child(name=self.name, run=self.run, stop_ms=stop_ms, tree=self.tree)

    def tree(self) -> Node:
        """What is there now, as a value."""
        adopted = tuple(
            Node(name=one.name, status=Status.RUNNING, since_ms=one.since_ms)
            for one in self._adopted.values()
        )
        places = tuple(_node(place) for place in self._places.values())
        return Node(
            name=self.name,
            status=self._status,
            since_ms=self._since_ms,
            error=self._error,
            strategy=self._strategy,
            children=places + adopted,
        )

    async def run(self, ready: Ready) -> None:
        """Start the children and keep them running, until cancelled.

        Raises what failed the first start of a child; what no restart mends, as it is; and GaveUp
        where a child failed too often. All children are stopped before it raises.
        """
        self._become(Status.STARTING)
        try:
            for place in self._places.values():
                await self._first_start(place)
            self._become(Status.RUNNING)
            ready()
            while True:
                await self._bury(*await self._exits.get())
        except Exception:
            self._become(Status.FAILED)
            raise
        finally:
            ending = self._status is not Status.FAILED
            if ending:
                self._become(Status.STOPPING)
            await self._stop_all()
            if ending:
                self._become(Status.STOPPED)

    def adopt(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run this once, as part of the tree, and return its task."""
        task = asyncio.create_task(work, name=f"{self.name}/{name}")
        self._adopted[task] = _Adopted(name, self._clock.now_ms())
        task.add_done_callback(self._released)
        return task

    def _released(self, task: asyncio.Task[Any]) -> None:
        del self._adopted[task]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._error = _noted(f"{task.get_name()}: {_said(error)}")

    def _become(self, status: Status) -> None:
        self._status, self._since_ms = status, self._clock.now_ms()

    # Starting.

    def _launch(self, place: _Place) -> asyncio.Task[None]:
        place.become(Status.STARTING, self._clock.now_ms())
        place.lives += 1
        place.ready = asyncio.Event()
        run = place.child.run(partial(self._is_ready, place, place.ready))
        name = f"{self.name}/{place.child.name}"
        task = place.task = asyncio.create_task(run, name=name)
        task.add_done_callback(lambda ended: self._exits.put_nowait((place, ended)))
        return task

    def _is_ready(self, place: _Place, ready: asyncio.Event) -> None:
        if place.ready is ready:
            place.become(Status.RUNNING, self._clock.now_ms())
            ready.set()

    async def _start(self, place: _Place, beside: Iterable[asyncio.Task[None]] = ()) -> bool:
        """Start it, and return whether it got ready; where it did not, its end is in the queue, or
        that of one of those `beside` which nobody else looks after meanwhile."""
        task = self._launch(place)
        waiting = asyncio.ensure_future(place.ready.wait())
        try:
            await asyncio.wait({task, waiting, *beside}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return place.ready.is_set()

    async def _first_start(self, place: _Place) -> None:
        """Start it. Those that are up already may end meanwhile, and it may stand on one of them:
        to wait for it alone would be to wait forever."""
        up = [one.task for one in self._places.values() if one.task is not None]
        if await self._start(place, beside=up):
            return
        for one in self._places.values():
            if one.task is not None and one.task.done():
                error = _end_of(one.task)
                one.task = None
                one.error = _noted(_said(error))
                one.become(Status.FAILED, self._clock.now_ms())
                raise error

    # Failing.

    async def _bury(self, place: _Place, ended: asyncio.Task[None]) -> None:
        """See to one that ended, where nobody had told it to."""
        if place.task is not ended:
            return
        place.task = None
        error = _end_of(ended)
        place.error = _noted(_said(error))
        place.become(Status.WAITING, self._clock.now_ms())
        fault = fault_of(error)
        verdict = judge(place.recent, self._clock.now_ms(), fault, self._limits)
        if verdict is None:
            place.become(Status.FAILED, self._clock.now_ms())
            resigned = self._resigned(place, error, fault)
            raise resigned from (error if resigned is not error else error.__cause__)
        place.recent = verdict.restarts
        group = affected(self._strategy, tuple(self._places), place.child.name)
        if fault is Fault.CRASH:
            self._tell(place, group, error, verdict.wait_ms)
        group = self._taken_over(group)
        if not await self._halt(group):
            raise GaveUp(f"{self.name} cannot start {', '.join(group)} again: not all have ended.")
        left = list(group)
        reviving = asyncio.create_task(self._revive(left, verdict.wait_ms))
        self._revivals[reviving] = left
        reviving.add_done_callback(self._revivals.pop)

    def _resigned(self, place: _Place, error: Exception, fault: Fault) -> Exception:
        """What the parent is told."""
        if fault is not Fault.CRASH or place.child.tree is not None:
            return error
        limits, name = self._limits, f"{self.name}/{place.child.name}"
        log.error("%s failed for the last time", name, exc_info=error)
        again = f" {limits.restarts_max + 1} times within {limits.within_ms // 1_000} s"
        return GaveUp(
            f"{name} failed{again if limits.restarts_max else ''} and is given up:"
            f" {_noted(_said(error))}",
            "What was recorded is safe: run the command again to go on. Please report it.",
        )

    def _tell(self, place: _Place, group: tuple[str, ...], error: Exception, wait_ms: int) -> None:
        name = f"{self.name}/{place.child.name}"
        if isinstance(error, Bug) or not isinstance(error, OyaError):
            log.error("%s failed", name, exc_info=error)
        others = [one for one in group if one != place.child.name]
        more = f", and with it {', '.join(others)}" if others else ""
        self._say(
            f"{name} failed: {_noted(_said(error))} It is started again in {wait_ms} ms{more}."
        )

    def _taken_over(self, group: tuple[str, ...]) -> tuple[str, ...]:
        """The group, and whoever was to be started with one of it by a revival, which ends here."""
        wanted = set(group)
        for task, left in tuple(self._revivals.items()):
            if wanted & set(left):
                task.cancel()
                wanted |= set(left)
        return tuple(name for name in self._places if name in wanted)

    async def _revive(self, left: list[str], wait_ms: int) -> None:
        """Start those that are left, first first, after the wait; not the next where one is not
        ready, which is then in the queue."""
        await self._clock.sleep(wait_ms)
        while left and await self._start(self._places[left[0]]):
            del left[0]

    # Stopping.

    async def _halt(self, names: Sequence[str]) -> bool:
        """Stop those that run, last first; whether all have ended."""
        ended = [await self._stop(self._places[name]) for name in reversed(names)]
        return all(ended)

    async def _stop(self, place: _Place) -> bool:
        """Ask it to end, then cancel it; whether it has ended. One that has not is left behind, and
        logged: nobody can do more to it within this process."""
        task = place.task
        if task is None:
            return True
        place.become(Status.STOPPING, self._clock.now_ms())
        if not task.done():
            await self._end(task, place.child)
        place.task = None
        if not task.done():
            log.error("%s does not stop; it is left behind", task.get_name())
        elif not task.cancelled() and (error := task.exception()) is not None:
            place.error = _noted(_said(error))
            if fault_of(error) is Fault.CRASH:
                log.error("%s failed as it was to be stopped", task.get_name(), exc_info=error)
        place.become(Status.STOPPED, self._clock.now_ms())
        return task.done()

    async def _end(self, task: asyncio.Task[None], child: Child) -> None:
        """Return when it has ended, or its time for that is over. One that has ended by itself is
        not for here: nobody would be there to be asked, and who hears it is its next life."""
        limit = asyncio.ensure_future(self._clock.sleep(child.stop_ms))
        asking = asyncio.create_task(child.stop(), name=f"{task.get_name()} is asked to stop")
        asking.add_done_callback(_refused)
        try:
            first: set[asyncio.Future[Any]] = {task, asking, limit}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
            await asyncio.wait({task, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            limit.cancel()
            asking.cancel()

    async def _stop_all(self) -> None:
        for task in tuple(self._revivals):
            task.cancel()
        await asyncio.gather(*self._revivals, return_exceptions=True)
        await self._halt(tuple(self._places))
        while self._adopted:
            for task in tuple(self._adopted):
                task.cancel()
            await asyncio.gather(*self._adopted, return_exceptions=True)


def _end_of(task: asyncio.Task[None]) -> Exception:
    """What a child died of that nobody told to end."""
    if task.cancelled():
        return Bug(f"{task.get_name()} was cancelled from outside.")
    error = task.exception()
    if isinstance(error, Exception):
        return error
    if error is not None:
        raise error  # SystemExit and the like are nothing to mend
    return Bug(f"{task.get_name()} ended by itself.")


def _refused(asking: asyncio.Task[None]) -> None:
    """One that cannot finish what it had to is cancelled as any other."""
    error = None if asking.cancelled() else asking.exception()
    if error is not None:
        log.error("%s, and fails", asking.get_name(), exc_info=error)


def _said(error: BaseException) -> str:
    """An error in words."""
    return error.message if isinstance(error, OyaError) else f"{error!r}."


def _noted(text: str) -> str:
    return text if len(text) <= NOTED_CHARS_MAX else f"{text[:NOTED_CHARS_MAX]}…"


def _node(place: _Place) -> Node:
    below = place.child.tree() if place.child.tree is not None else None
    return Node(
        name=place.child.name,
        status=place.status,
        since_ms=place.since_ms,
        restarts=max(0, place.lives - 1),
        error=place.error or (below.error if below else ""),
        strategy=below.strategy if below else None,
        children=below.children if below else (),
    )

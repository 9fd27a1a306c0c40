"""The supervision tree of a daemon, and its life from start to end.

    universe           rest_for_one; restarts nothing but after an outage of the disk
    ├─ record          one_for_one:  journal, checkpointer
    ├─ control         rest_for_one: engine, outbox, reconciler, ticker
    └─ edges           one_for_one:  what the edges of the world need, and each effect under way

docs/ARCHITECTURE.md says what the crash of each costs. A tier that gives up ends the daemon: what
it could not mend by starting its children again, starting it again would not mend either.

Puts the parts together by their ports; which journal, which performers is `bootstrap`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from oya_vcs.core.events import Event
from oya_vcs.core.reconcile import Action
from oya_vcs.core.supervision import Limits, Node, Strategy
from oya_vcs.core.world import World
from oya_vcs.errors import Bug, Stopped
from oya_vcs.ports import Clock, Feed, Journal, Recorded
from oya_vcs.runtime.actor import Actor
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.control import Control
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.outbox import Ask, Gate, Outbox, always_well, as_it_is, no_gate
from oya_vcs.runtime.reconcile import Reconciler
from oya_vcs.runtime.record import Record
from oya_vcs.runtime.roster import Roster
from oya_vcs.runtime.supervisor import Child, Supervisor
from oya_vcs.runtime.ticker import Ticker

TIER_STOP_MS = 10_000
"""For record and control: the last checkpoint, and closing the journal, on a busy disk."""
EDGES_STOP_MS = 30_000
"""For the edges: workers that are stopped have `stop_ms`, and their reapers 18 s beyond that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a tree is made of. `begin` makes an engine's life from a journal and the executor,
    on the policies of the `roster`;
    `ask` raises WorldFailed while the disk is not well; `kill` ends programs that do not listen;
    `edges` are further children there."""

    clock: Clock
    say: Callable[[str], None]
    open_journal: Callable[[], Awaitable[Journal]]
    ask: Callable[[], Awaitable[None]]
    begin: Callable[[Journal, Executor], AbstractAsyncContextManager[Life]]
    checkpointer: Checkpointer
    roster: Roster
    kill: Callable[[], Awaitable[None]] | None = None
    feeds: Sequence[Feed] = ()
    gate: Gate = no_gate
    is_well: Ask = always_well
    clean: Callable[[Event], Event] = as_it_is
    show: Callable[[World], None] = lambda _world: None
    edges: Callable[[Door], Sequence[Child]] = lambda _door: ()


class Tree:
    """Use it in `async with`: it is up inside, and everything of it is gone after. Facts go in at
    the `door`."""

    def __init__(self, parts: Parts) -> None:
        clock, say = parts.clock, parts.say
        self.door = Door()
        self._kill = parts.kill
        self._edges = Supervisor(
            "edges", Strategy.ONE_FOR_ONE, parts.edges(self.door), clock=clock, say=say
        )
        self._record = Record(open_journal=parts.open_journal, ask=parts.ask, clock=clock, say=say)
        self._executor = Executor(self._find, spawn=self._edges.adopt)
        self._outbox = Outbox(
            performers=parts.roster.performer_of,
            executor=self._executor,
            offer=self.door.offer,
            clock=clock,
            gate=parts.gate,
            is_well=parts.is_well,
            clean=parts.clean,
        )
        reconciler = Reconciler(
            door=self.door,
            outbox=self._outbox,
            roster=parts.roster,
            say=say,
        )
        self._looks: Actor[int, list[Action]] = Actor("reconciler", reconciler.look)
        record = [
            Child(name="journal", run=self._record.run),
            Child(
                name="checkpointer",
                run=parts.checkpointer.run,
                stop=parts.checkpointer.finish,
            ),
        ]
        tiers = [
            Supervisor("record", Strategy.ONE_FOR_ONE, record, clock=clock, say=say),
            Supervisor(
                "control", Strategy.REST_FOR_ONE, self._control(parts), clock=clock, say=say
            ),
        ]
        self._universe = Supervisor(
            "universe",
            Strategy.REST_FOR_ONE,
            [
                *(tier.as_child(stop_ms=TIER_STOP_MS) for tier in tiers),
                self._edges.as_child(stop_ms=EDGES_STOP_MS),
            ],
            clock=clock,
            say=say,
            limits=Limits(restarts_max=0, waits_out=True),
        )
        self._up = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def _control(self, parts: Parts) -> list[Child]:
        """Each stands on those before it."""
        control = Control(
            record=self._record,
            begin=lambda journal: parts.begin(journal, self._executor),
            outbox=self._outbox,
            door=self.door,
            roster=parts.roster,
            feeds=parts.feeds,
            show=parts.show,
        )
        looks = self._looks
        ticker = Ticker(self.door, parts.clock, told=[looks])
        return [
            Child(name="engine", run=control.engine),
            Child(name="outbox", run=control.outbox),
            Child(name="reconciler", run=looks.run, stop=looks.stop, stop_ms=1_000),
            Child(name="ticker", run=ticker.run),
        ]

    async def _find(self, key: str) -> Recorded | None:
        journal = await self._record.journal.holder()
        return await journal.find(key)

    def nodes(self) -> Node:
        """The whole tree as it is now."""
        return self._universe.tree()

    async def unless_fallen(self, coming: Coroutine[Any, Any, Any]) -> None:
        """Return when what is waited for has come. Raises what the tree falls of meanwhile."""
        waiting = asyncio.ensure_future(coming)
        fallen = asyncio.ensure_future(self.door.closed())
        try:
            await asyncio.wait({waiting, fallen}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await fallen
        finally:
            waiting.cancel()
            fallen.cancel()

    async def __aenter__(self) -> Self:
        running = asyncio.create_task(self._universe.run(self._up.set), name="universe")
        running.add_done_callback(self._fallen)
        self._running = running
        up = asyncio.create_task(self._up.wait())
        try:
            await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._end(running)
            raise
        finally:
            up.cancel()
        if running.done():
            running.result()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is None:
            raise Bug("A tree that was not begun is to end.")
        await self._end(self._running)
        if error is None and not self._running.cancelled():
            self._running.result()

    async def _end(self, running: asyncio.Task[None]) -> None:
        """What is under way comes to its end first (`Outbox.close`), while the engine can record
        it; then the tree is stopped, edges first. A tree that fell by itself may have begun
        something in its last moments, after its edges were stopped."""
        if self.door.now is None:
            self.door.close(_STOPPING)
        await self._outbox.close(self._kill)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({running})
        self.door.close(_STOPPING)
        self._looks.abandon()

    def _fallen(self, running: asyncio.Task[None]) -> None:
        """Whoever waits at the door, or for the record, hears why nobody will come."""
        error = None if running.cancelled() else running.exception()
        self.door.close(error or _STOPPING)
        self._record.journal.close(error or _STOPPING)


_STOPPING = Stopped("The daemon is being stopped.")

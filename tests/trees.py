"""A whole daemon in memory, under its supervision tree: the real runtime and core over an outside,
a record and a clock that a test holds in its hand.

What survives a crash is the House's: the rows, the outside, the clock. What a crash costs is seen
in what was done there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.memory import Check, MemoryPerformer, Outside, Worker, new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import Key, WorkspaceName
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.standing import everything
from oya_vcs.core.supervision import Node
from oya_vcs.errors import Bug, JournalStopped, WorldFailed
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import replay
from oya_vcs.ports import Journal, Probe, Recorded, Report, Sight
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.daemon import Daemon
from oya_vcs.runtime.door import Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.outbox import Gate, no_gate
from oya_vcs.runtime.roster import Eyes, Roster, Served
from oya_vcs.runtime.supervisor import Child
from oya_vcs.runtime.tree import Parts, Tree
from tests.clocks import SteppedClock
from tests.daemons import REPO, all_well, writes_own_file

STEP_MS = 200
"""Time that an effect takes outside, so that a crash finds it in the middle."""


class SickJournal(MemoryJournal):
    """A journal whose disk can fill up."""

    def fill(self) -> None:
        """The disk is full from now on."""
        self.fail()
        self._refusal = lambda: JournalStopped("No room.")


@dataclass
class House:
    """What is outside, and what a tree in memory is made of."""

    outside: Outside = field(default_factory=lambda: new_outside({"a": "1"}))
    worker: Worker = writes_own_file
    check: Check = all_well
    clock: SteppedClock = field(default_factory=SteppedClock)
    slots: int = 2
    gate: Gate = no_gate
    lease_ms: int = 30_000
    rows: list[Recorded] = field(default_factory=list)
    journals: list[SickJournal] = field(default_factory=list)
    ill: list[str] = field(default_factory=list)
    """What the disk says at each look to come; nothing more: it is well."""
    looks: int = 0
    said: list[str] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    cut: Counter[str] = field(default_factory=Counter)
    """Effects that were cancelled in the middle, by kind."""
    hangs: set[str] = field(default_factory=set)
    """Beads whose worker never ends by itself."""
    dead: set[Key] = field(default_factory=set)
    """Runs whose process is gone."""
    folders: set[str] = field(default_factory=set)
    """Workspaces on disk that nobody knows."""
    edges: Sequence[Child] = ()

    async def open_journal(self) -> Journal:
        """The record, with all that was on disk."""
        if self.journals:
            self.rows = list(self.journals[-1].read())
        self.journals.append(SickJournal(self.rows))
        return self.journals[-1]

    async def ask(self) -> None:
        """The disk's answer."""
        self.looks += 1
        if self.ill:
            raise WorldFailed(self.ill.pop(0))

    @asynccontextmanager
    async def begin(self, journal: Journal, executor: Executor) -> AsyncIterator[Life]:
        """An engine over what is on record."""
        rows = list(journal.read())
        world = replay(rows)
        await journal.refill(everything(world))
        engine = Engine(
            world=world,
            journal=journal,
            clock=self.clock,
            policy=self.roster.policies,
            seq=len(rows),
            executor=executor,
        )
        self.engines.append(engine)
        self.checkpointer.watch(engine, 0)
        yield Life(engine=engine, resumed=len(world.open))

    def parts(self) -> Parts:
        """What the tree is made of."""
        self.checkpointer = Checkpointer(
            encode=snapshot.encode,
            write=lambda seq, _image: self.checkpoints.append(seq),
            clock=self.clock,
        )
        self.performer = SlowPerformer(self)
        served = Served(
            root=Path(),
            target="main",
            policy=Policy(repo=REPO, slots=self.slots, attempts_max=3, backoff_ms=100),
            performers=[self.performer],
            eyes=Eyes(runs=self.runs, folders=self.on_disk, listed=self.on_disk),
            lease_ms=self.lease_ms,
        )
        self.roster = Roster(served)
        return Parts(
            clock=self.clock,
            say=self.said.append,
            open_journal=self.open_journal,
            ask=self.ask,
            begin=self.begin,
            checkpointer=self.checkpointer,
            roster=self.roster,
            gate=self.gate,
            edges=lambda _door: self.edges,
        )

    async def runs(self, keys: Sequence[Key]) -> Mapping[Key, Sight]:
        """Their processes live as long as nobody says otherwise, and stand still where they
        hang."""
        return {
            key: Sight(key not in self.dead, 0 if bead in self.hangs else self.clock.now_ms())
            for key, bead in self.performer.running.items()
            if key in keys
        }

    async def on_disk(self) -> frozenset[WorkspaceName]:
        """The workspaces of the outside, and those that a test put there."""
        there = {*self.outside.workspaces, *self.folders}
        return frozenset(WorkspaceName(name) for name in there)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """It runs inside the block."""
        async with _ticking(self.clock), Tree(self.parts()) as tree:
            yield Daemon(tree, await tree.door.holder(), REPO)

    async def work(self, beads: Iterable[BeadSpec]) -> dict[str, str]:
        """Submit, work to rest, stop; the states of all beads then."""
        async with self.daemon() as daemon:
            await daemon.submit(list(beads))
            world = await daemon.rest()
        return {bead.id: str(bead.state) for bead in world.beads.values()}

    def recorded(self) -> list[e.Event]:
        """All that is on disk."""
        rows = self.journals[-1].read() if self.journals else self.rows
        return [row.event for row in rows]


@asynccontextmanager
async def _ticking(clock: SteppedClock) -> AsyncIterator[None]:
    """Time passes while the block runs, a little at a time, so that threads can keep up."""

    async def move() -> None:
        await clock.until(lambda: False, step_ms=20)

    moving = asyncio.create_task(move(), name="time")
    try:
        yield
    finally:
        moving.cancel()
        await asyncio.wait({moving})


class SlowPerformer(MemoryPerformer):
    """The outside in memory, where everything takes STEP_MS and can be cut off in the middle; a
    worker that was cut off is interrupted."""

    def __init__(self, house: House) -> None:
        super().__init__(house.outside, worker=house.worker, check=house.check)
        self._house = house
        self.running: dict[Key, str] = {}

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Take some time, then do it."""
        house = self._house
        assert key not in self.running, "the same effect twice at once"
        self.running[key] = effect.bead
        try:
            if isinstance(effect, f.RunWorker):
                self.outside.started[key] += 1
                await report(_spawned(key, effect))
                if effect.bead in house.hangs:
                    await asyncio.Event().wait()
            await house.clock.sleep(STEP_MS)
            if isinstance(effect, f.RunWorker):
                self.outside.started[key] -= 1
            return await super().do(key, effect, report)
        except asyncio.CancelledError:
            house.cut[type(effect).__name__] += 1
            raise
        finally:
            del self.running[key]

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        """What is still running cannot be told."""
        return Probe.UNKNOWN if key in self.running else await super().probe(key, effect)


def _spawned(key: Key, effect: f.RunWorker) -> e.WorkerSpawned:
    return e.WorkerSpawned(run=key, bead=effect.bead, attempt=effect.attempt, pid=1, started=1)


def kill(name: str) -> bool:
    """End the task of this name from outside; whether there was one."""
    for task in asyncio.all_tasks():
        if task.get_name() == name and not task.done():
            task.cancel()
            return True
    return False


def poison(daemon: Daemon) -> None:
    """Break the engine of now."""
    life = daemon._tree.door.now
    assert life is not None
    life.engine.end(Bug("Its state is not to be trusted."))


def nodes(node: Node, path: str = "") -> dict[str, Node]:
    """Every node of a tree, by its path below the root."""
    found = {path: node}
    for child in node.children:
        found |= nodes(child, f"{path}/{child.name}".lstrip("/"))
    return found

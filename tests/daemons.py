"""A daemon without a machine: the real core, engine and outbox over an outside world in memory.

`run_to_rest` is one life of the daemon. A `Kill` ends a life at a chosen boundary of a chosen
effect, as SIGKILL would: what the journal acknowledged and what the outside did survive, everything
else is gone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import Check, Files, MemoryPerformer, Outside, Work, Worker
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, Key, RepoId
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.standing import everything
from oya_vcs.core.world import World
from oya_vcs.errors import WorldFailed
from oya_vcs.journal.replay import replay
from oya_vcs.ports import Report
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.outbox import Outbox, of_one
from oya_vcs.runtime.ticker import Ticker

REPO = RepoId("repo-1")


class Killed(BaseException):
    """The daemon of this life is dead."""


@dataclass(slots=True)
class Kill:
    """Dies at the `at`-th boundary that this life comes to (0: never)."""

    at: int = 0
    seen: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def gate(self, _boundary: str, _effect: f.Effect) -> None:
        """Count, and die in time. A dead daemon never goes on."""
        self.seen += 1
        if self.at and self.seen >= self.at:
            self.dead.set()
            await asyncio.Event().wait()


def spec(name: str, *needs: str, **fields: object) -> BeadSpec:
    """A bead in short."""
    return BeadSpec(
        id=BeadId(name),
        title=f"Do {name}",
        needs=tuple(BeadId(need) for need in needs),
        **fields,  # type: ignore[arg-type]
    )


def writes_own_file(effect: f.RunWorker, _files: Files) -> Work:
    """A worker that writes one file, named after its bead."""
    return Work({f"{effect.bead}.txt": f"by attempt {effect.attempt}"})


def all_well(_files: Files) -> str:
    """A check that always passes."""
    return ""


@dataclass
class Daemon:
    """What lives across the lives of the daemon, and the policy of each."""

    outside: Outside
    worker: Worker = writes_own_file
    check: Check = all_well
    slots: int = 2
    attempts_max: int = 3
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    clock: ManualClock = field(default_factory=ManualClock)
    no_checks: bool = False
    setup: bool = False
    verify: bool = False
    rules: Rules = field(default_factory=Rules)
    refusals: Counter[type[f.Effect]] = field(default_factory=Counter)
    bend: Callable[[e.Event], e.Event] = lambda event: event
    """Changes what the outside says of an effect that it carried out."""
    watch: Callable[[Engine], None] = lambda _engine: None
    """Sees the engine of each life before it begins."""

    def refuse(self, kind: type[f.Effect], *, times: int) -> None:
        """Let the outside refuse this kind of effect so many times."""
        self.refusals[kind] = times

    async def run_to_rest(
        self,
        beads: Iterable[BeadSpec] = (),
        kill: Kill | None = None,
        facts: Iterable[e.Event] = (),
    ) -> World:
        """One life: replay, submit, work until nothing can happen or until killed. Returns the
        world."""
        kill = kill or Kill()
        rows = list(self.journal.read())
        world = replay(rows)
        policy = Policy(
            repo=REPO,
            slots=self.slots,
            attempts_max=self.attempts_max,
            backoff_ms=1_000,
            setup=self.setup,
            verify=self.verify,
            rules=self.rules,
        )
        engine = Engine(
            world=world, journal=self.journal, clock=self.clock, policy=policy, seq=len(rows)
        )
        performer = Refusing(self)
        outbox = Outbox(
            performers=of_one(REPO, [performer]),
            executor=engine.executor,
            offer=engine.offer,
            clock=self.clock,
            gate=kill.gate,
        )
        engine.listen(outbox)
        self.watch(engine)
        await self.journal.refill(everything(world))
        outbox.recover(world.open, world.stops)
        door = Door()
        ticking = asyncio.create_task(Ticker(door, self.clock).run(lambda: None))
        life = Life(engine=engine, resumed=0)
        try:
            with door.held(life):
                await self._live(engine, kill, beads, facts)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            await outbox.close(drain_ms=0)
        return world

    async def _live(
        self, engine: Engine, kill: Kill, beads: Iterable[BeadSpec], facts: Iterable[e.Event]
    ) -> None:
        world = engine.world
        if REPO not in world.repos:
            await engine.offer(e.RepoRegistered(repo=REPO, path="/memory", target="main"))
        for bead in beads:
            if (event := take_in(world, REPO, bead).event) is not None:
                await engine.offer(event)
        for fact in facts:
            await engine.offer(fact)
        await engine.offer(e.Ticked())
        await self._rest_or_die(engine, kill)

    async def _rest_or_die(self, engine: Engine, kill: Kill) -> None:
        settled = asyncio.create_task(engine.settled())
        dead = asyncio.create_task(kill.dead.wait())
        done, _ = await asyncio.wait({settled, dead}, return_when=asyncio.FIRST_COMPLETED)
        for task in (settled, dead):
            task.cancel()
        await asyncio.gather(settled, dead, return_exceptions=True)
        if settled in done:
            await settled


class Refusing(MemoryPerformer):
    """The outside in memory, which may refuse, or have no checks to run."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon.outside, worker=daemon.worker, check=daemon.check)
        self._daemon = daemon

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Refuse as often as the test said, then do as the outside does."""
        if self._daemon.refusals[type(effect)] > 0:
            self._daemon.refusals[type(effect)] -= 1
            raise WorldFailed("Refused.")
        event = self._daemon.bend(await super().do(key, effect, report))
        if self._daemon.no_checks and isinstance(event, e.ChecksFinished):
            return replace(event, reason=e.Reason.NO_CHECKS, detail="No checks.")
        return event


def states(world: World) -> dict[str, str]:
    """Every bead's state by its id."""
    return {bead.id: str(bead.state) for bead in world.beads.values()}

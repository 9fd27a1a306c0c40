"""One story: life after life of a daemon, until nothing more goes wrong and everything has come to
its end; and what must hold at every step of it.

Knows no product code by anything but its ports and its tree. The order in which things happen is
the loop's business, what goes wrong the plan's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import World as Known
from oya_vcs.errors import WorldFailed
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import digest, replay
from oya_vcs.ports import Journal, Recorded
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.daemon import Daemon
from oya_vcs.runtime.door import Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.roster import Roster, Served
from oya_vcs.runtime.tree import Parts, Tree
from oya_vcs.simulation.disk import Disk, SimulatedJournal
from oya_vcs.simulation.hands import Hands, World
from oya_vcs.simulation.loop import VirtualLoop
from oya_vcs.simulation.plan import Plan, Wrong

REPO = RepoId("simulated")
BEGIN_MS = 1_700_000_000_000
SILENT_S_MAX = 900.0
"""Virtual seconds without an event after which a life that has not come to rest hangs: twice what
the reconciler allows work to stand still (core/reconcile.py, STUCK_MS), and some."""
TURNS_MAX = 2_000_000
"""Callbacks of one life after which it turns in circles."""
LEASE_MS = 3_000
SICK_S = 1.5
"""How long a disk refuses, for each of `much`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a story came to: the rule that broke and how (empty: none), the digest of its trace,
    the trace itself, and its counts."""

    rule: str
    how: str
    digest: str
    trace: tuple[str, ...]
    events: int
    lives: int


@dataclass(slots=True)
class _Clock:
    """`ports.Clock` on the loop's time. `ahead_ms` is by how much somebody has set it."""

    begun_ms: int
    ahead_ms: int = 0

    def now_ms(self) -> int:
        """Unix time, as this machine has it."""
        loop = asyncio.get_running_loop()
        return self.begun_ms + int(loop.time() * 1_000) + self.ahead_ms

    async def sleep(self, ms: int) -> None:
        """As the port says."""
        await asyncio.sleep(ms / 1_000)


@dataclass(slots=True)
class Story:
    """Played once."""

    plan: Plan
    dice: Random = field(init=False)
    disk: Disk = field(init=False)
    world: World = field(init=False)
    told: list[Recorded] = field(default_factory=list)
    """What was told after a sync: this is acknowledged, and may never be missing."""
    shadow: Known = field(default_factory=Known)
    """What they add up to."""
    trace: list[str] = field(default_factory=list)
    wrongs: list[Wrong] = field(init=False)
    clock: _Clock = field(default_factory=lambda: _Clock(BEGIN_MS))
    lives: int = 0
    _due: int | None = None
    _taken: bool = False
    _tips: int = 1
    _told_s: float = 0.0
    _loop: VirtualLoop | None = None
    broken: tuple[str, str] | None = None
    """The first rule that did not hold, and how."""

    def __post_init__(self) -> None:
        self.dice = Random(self.plan.seed)  # noqa: S311 - what the seed is for
        self.disk = Disk(self.dice)
        self.world = World(self.plan, new_outside({"shared.txt": "first"}))
        self.wrongs = list(self.plan.wrongs)

    def play(self) -> Verdict:
        """From the first life to the last."""
        try:
            while not self.broken and not self._live():
                pass
        finally:
            if self._loop is not None:
                self._loop.die()
        if not self.broken:
            self._check_end()
        rule, how = self.broken or ("", "")
        named = sha256("\n".join(self.trace).encode()).hexdigest()
        return Verdict(rule, how, named, tuple(self.trace), len(self.told), self.lives)

    def note(self, line: str) -> None:
        """Write down what happened, when."""
        at = 0.0 if self._loop is None else self._loop.time()
        self.trace.append(f"{self.lives}:{at:09.4f} {line}")

    # One life.

    def _live(self) -> bool:
        """One life of the daemon; whether it was the last: it came to rest, and nothing more goes
        wrong."""
        self.lives += 1
        loop = self._loop = VirtualLoop(self.dice)
        self._told_s = 0.0
        self.note("a daemon starts")
        last = not self.wrongs
        if last:
            self.world.refusals = self.world.unsaid = 0
        task = loop.create_task(self._run(), name="daemon")
        while not task.done():
            if self._goes_wrong(loop):
                loop.die()
                self.clock.begun_ms += int(loop.time() * 1_000) + 1
                return False
            silent_s = loop.time() - self._told_s
            if not loop.step() or silent_s > SILENT_S_MAX or loop.turns > TURNS_MAX:
                self._broke("something hangs", "; ".join(loop.waiting()))
            if self.broken:
                return True
        loop.die()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if isinstance(error, WorldFailed) and self.disk.refusal:  # as it starts; told its user
                self.note(f"cannot start: {error}")
                self._mend()
                return False
            self._broke("the daemon falls", repr(error))
            return True
        self.clock.begun_ms += int(loop.time() * 1_000) + 1
        if not last and self.wrongs:  # what was to come later than everything else comes never
            self.wrongs.clear()
        return last

    async def _run(self) -> None:
        hands = Hands(self.world, self.dice)
        async with Tree(self._parts(hands)) as tree:
            daemon = Daemon(tree, await tree.door.holder(), REPO)
            await daemon.submit(self._beads())
            self._taken = True
            known = await daemon.rest()
            self._check_same("the state at rest", known)

    def _beads(self) -> list[BeadSpec]:
        return [
            BeadSpec(
                id=BeadId(one.name),
                title=f"Do {one.name}",
                needs=tuple(BeadId(need) for need in one.needs),
            )
            for one in self.plan.tasks
        ]

    def _parts(self, hands: Hands) -> Parts:
        policy = Policy(
            repo=REPO,
            slots=self.plan.slots,
            attempts_max=3,
            backoff_ms=1_000,
            merge=self.plan.merge,
            setup=self.plan.extras,
            verify=self.plan.extras,
        )
        served = Served(
            root=Path("/simulated"),
            target="main",
            policy=policy,
            performers=[hands],
            eyes=hands.eyes(),
            lease_ms=LEASE_MS,
        )
        roster = Roster(served)
        checkpointer = Checkpointer(encode=snapshot.encode, write=self.disk.keep, clock=self.clock)
        return Parts(
            clock=self.clock,
            say=lambda sentence: self.note(f"says: {sentence}"),
            open_journal=self._open,
            ask=self._ask,
            begin=partial(self._begin, roster, checkpointer),
            checkpointer=checkpointer,
            roster=roster,
            feeds=[self],
            is_well=self._is_well,
        )

    async def _open(self) -> Journal:
        journal = SimulatedJournal(self.disk)
        rows = list(journal.read())
        if rows[: len(self.told)] != self.told:
            found = f"{len(rows)} of {len(self.told)} are there, or one of them is another"
            self._broke("an acknowledged event is lost", found)
        self.told = rows
        self.shadow = replay(rows)
        return journal

    def _broke(self, rule: str, how: str) -> None:
        """Said, and not raised: whoever is being watched would catch it."""
        self.broken = self.broken or (rule, how)

    async def _ask(self) -> None:
        self.disk.require_well()

    async def _is_well(self) -> bool:
        return not self.disk.refusal

    @asynccontextmanager
    async def _begin(
        self, roster: Roster, checkpointer: Checkpointer, journal: Journal, executor: Executor
    ) -> AsyncIterator[Life]:
        """An engine from the checkpoint, where there is a whole one, and the rest."""
        since, onto = 0, Known()
        image = self.disk.image()
        if image is not None and image[0] <= len(self.told):
            since, onto = image[0], snapshot.decode(image[1])
        known = replay(journal.read(since), onto=onto)
        self._check_same(f"the state from the checkpoint at {since}", known, replay(journal.read()))
        engine = Engine(
            world=known,
            journal=journal,
            clock=self.clock,
            policy=roster.policies,
            seq=sum(1 for _ in journal.read()),
            executor=executor,
        )
        checkpointer.watch(engine, since)
        yield Life(engine=engine, resumed=len(known.open))

    # What goes wrong.

    def _goes_wrong(self, loop: VirtualLoop) -> bool:
        """Let happen what is due; whether the daemon dies of it."""
        if not self.wrongs or len(self.told) < self.wrongs[0].event:
            return False
        if self._due is None:
            self._due = loop.turns + self.wrongs[0].turns
        if loop.turns < self._due:
            return False
        wrong, self._due = self.wrongs.pop(0), None
        self.note(f"goes wrong: {wrong}")
        if wrong.kind == "power":
            self.disk.tear()
        if wrong.kind in {"kill", "power"}:
            self.disk.refusal = ""
            return True
        self._disturb(loop, wrong)
        return False

    def _disturb(self, loop: VirtualLoop, wrong: Wrong) -> None:
        match wrong.kind:
            case "eio" | "enospc":
                self.disk.refusal = f"The simulated disk refuses ({wrong.kind})."
                loop.call_later(SICK_S * wrong.much, self._mend)
            case "slow":
                self.disk.sync_ms = 200.0
                loop.call_later(SICK_S * wrong.much, self._mend)
            case "refuse":
                self.world.refusals += wrong.much
            case "unsaid":
                self.world.unsaid += wrong.much
            case "push":
                self.world.push(len(self.wrongs))
            case _:  # an hour, in one direction or the other
                self.clock.ahead_ms += 3_600_000 if wrong.much % 2 else -3_600_000

    def _mend(self) -> None:
        self.disk.refusal, self.disk.sync_ms = "", 2.0

    # What must hold.

    def publish(self, rows: Sequence[Recorded]) -> None:
        """A feed: hears what is acknowledged, and looks whether everything holds."""
        for row in rows:
            if row.seq != len(self.told) + 1:
                self._broke("events are told in order", f"event {row.seq}")
            self.told.append(row)
            apply(self.shadow, row.event, row.at_ms)
            self.note(f"{row.seq} {type(row.event).__name__} {row.event.subject}")
        self._told_s = asyncio.get_running_loop().time()
        self._check_outside()

    def _check_outside(self) -> None:
        outside = self.world.outside
        for tip in outside.tips[self._tips :]:
            if tip not in self.world.theirs and outside.tree(tip) not in self.world.passed:
                self._broke("only tested trees land", f"{tip} was not tested")
        self._tips = len(outside.tips)
        for bead, times in outside.landings.items():
            if times > 1:
                self._broke("a bead lands once", f"{bead} landed {times} times")
        for key, times in outside.started.items():
            if times > 1:
                self._broke("no effect is doubled", f"worker {key} was started {times} times")
        repo = self.shadow.repos.get(REPO)
        holders = [] if repo is None else list(repo.slots.values())
        if len(holders) != len(set(holders)) or len(holders) > self.plan.slots:
            self._broke("slots balance", f"{holders} of {self.plan.slots}")

    def _check_same(self, what: str, known: Known, other: Known | None = None) -> None:
        other = self.shadow if other is None else other
        now = max(known.now_ms, other.now_ms)
        known.now_ms = other.now_ms = now
        if digest(known) != digest(other):
            self._broke("replay gives the state", f"{what} is another")

    def _check_end(self) -> None:
        known = self.shadow
        if self._taken and len(known.beads) != len(self.plan.tasks):
            self._broke("an acknowledged event is lost", "a bead that was taken is unknown")
        for bead in known.beads.values():
            blocked = bead.state is State.PENDING and any(
                known.bead(one).state is not State.LANDED for one in bead.spec.needs
            )
            if bead.state not in TERMINAL and not blocked:
                self._broke("every bead comes to its end", f"{bead.id} is {bead.state}")
            if bead.state is State.LANDED and not self.world.outside.landings[bead.id]:
                found = any(isinstance(r.event, e.FoundLanded | e.LandedWith) for r in self.told)
                if not found:
                    self._broke("what landed is there", f"{bead.id} is not")
        if known.open:
            self._broke("every effect comes to its end", repr(list(known.open.values())))
        if known.repos[REPO].slots:
            self._broke("slots balance", f"at the end {known.repos[REPO].slots}")


def play(plan: Plan) -> Verdict:
    """Play a plan."""
    return Story(plan).play()

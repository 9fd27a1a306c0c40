"""The daemon as its user drives it: beads in, and wait until nothing more can be done.

Knows the tree and its door; who builds them is `bootstrap`'s business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.ids import RepoId
from oya_vcs.core.intake import Trial, new_bead, take_in
from oya_vcs.core.ordering import order
from oya_vcs.core.queue_words import Word
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.supervision import Node
from oya_vcs.core.wishes import Wish
from oya_vcs.core.world import World
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.queue_words import say
from oya_vcs.runtime.tree import Tree
from oya_vcs.runtime.wishes import Told, grant


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of submitted beads: how many were recorded, and what was not, and why."""

    count: int
    notes: tuple[str, ...]


async def granted(door: Door, wish: Wish) -> list[Told]:
    """What a person asks of beads (`runtime/wishes.py`); returns after the fsync. Raises NotFound,
    with nothing recorded, where a bead is not known."""
    return await door.ask(lambda life: grant(life.engine, wish))


async def heard(door: Door, word: Word) -> str:
    """What a person says to the merge queue (`runtime/queue_words.py`); returns what to tell them,
    after the fsync. Raises NotFound and InputInvalid, with nothing recorded."""
    return await door.ask(lambda life: say(life.engine, word))


def in_order(beads: Sequence[BeadSpec]) -> list[BeadSpec]:
    """The beads, each after what it needs and would rather see first."""
    by_id = {one.id: one for one in beads}
    needs = {one.id: [need for need in one.needs if need in by_id] for one in beads}
    prefers = {one.id: one.prefers for one in beads if one.prefers}
    return [by_id[one] for one in order(needs, prefers)]


async def recorded(engine: Engine, repo: RepoId, beads: Sequence[BeadSpec]) -> Taken:
    """Record beads of a repository that are new or revised, dependencies first, as one step;
    returns after the fsync. Raises InputInvalid, with nothing recorded, where an id belongs to
    another repository, or the beads would wait for each other."""
    taken: list[Taken] = []

    def judge(world: World) -> Sequence[e.Event]:
        intakes = [take_in(world, repo, bead) for bead in in_order(beads)]
        events = [intake.event for intake in intakes if intake.event is not None]
        trial = Trial(world)
        for event in events:
            trial.take(event)
        notes = tuple(intake.note for intake in intakes if intake.note)
        taken[:] = [Taken(len(events), notes)]
        return events

    await engine.ask(judge)
    return taken[0]


async def submitted(door: Door, repo: RepoId, beads: Sequence[BeadSpec]) -> Taken:
    """As `recorded`, at a daemon's door."""
    return await door.ask(lambda life: recorded(life.engine, repo, beads))


def adding(repo: RepoId, spec: BeadSpec, *, named: bool) -> Callable[[Engine], Awaitable[Bead]]:
    """What records one new bead (`core.intake.new_bead`) at an engine, and returns it after the
    fsync; at the next engine, where one ended under it, the same bead. Raises InputInvalid, with
    nothing recorded."""
    made: list[e.BeadAdded] = []

    def judge(world: World) -> Sequence[e.Event]:
        known = world.beads.get(made[0].bead) if made else None
        if known is not None and known.key == made[0].key:
            return []
        made[:] = [new_bead(world, repo, spec, named=named)]
        return made

    async def act(engine: Engine) -> Bead:
        await engine.ask(judge)
        return engine.world.bead(made[0].bead)

    return act


async def added(door: Door, repo: RepoId, spec: BeadSpec, *, named: bool) -> Bead:
    """As `adding`, at a daemon's door."""
    act = adding(repo, spec, named=named)
    return await door.ask(lambda life: act(life.engine))


class Daemon:
    """A running daemon, over all lives of its engine, and the one repository `repo` that its
    commands here are about. Made by `open_daemon`."""

    def __init__(self, tree: Tree, life: Life, repo: RepoId) -> None:
        """`life` is the first one."""
        self._tree = tree
        self._repo = repo
        self._life = life
        self.resumed = life.resumed
        """Effects that an earlier process left open."""
        self.notes: list[str] = []

    def tree(self) -> Node:
        """The supervision tree as it is now."""
        return self._tree.nodes()

    @property
    def world(self) -> World:
        """The state as of now; between two lives that of the last one."""
        self._life = self._tree.door.now or self._life
        return self._life.engine.world

    async def submit(self, beads: Sequence[BeadSpec]) -> int:
        """As `submitted`, of this repository; returns how many. What was not taken up, and why, is
        in `notes`."""
        taken = await submitted(self._tree.door, self._repo, beads)
        self.notes = list(taken.notes)
        return taken.count

    async def grant(self, wish: Wish) -> list[Told]:
        """As `granted`, at this daemon's door."""
        return await granted(self._tree.door, wish)

    async def rest(self) -> World:
        """Work until nothing more can be done; returns the state then."""

        async def settle(life: Life) -> World:
            await life.engine.offer(e.Ticked())
            await life.engine.settled(self._repo)
            return life.engine.world

        return await self._tree.door.through(settle)

"""Several repositories in one engine: each by its own policy, none in another's way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import MemoryPerformer, Outside, new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import decide
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core import policies as room
from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.core.intake import take_in
from oya_vcs.core.policies import Policies, concerned
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.ports import Sight
from oya_vcs.runtime import engine as engine_room
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.outbox import Outbox
from oya_vcs.runtime.roster import Eyes, Roster, Served, greet
from tests.daemons import all_well, spec, states, writes_own_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ONE, TWO = RepoId("one"), RepoId("two")


def policy(repo: RepoId, slots: int = 2, attempts_max: int = 3) -> Policy:
    """The policy of a repository."""
    return Policy(repo=repo, slots=slots, attempts_max=attempts_max, backoff_ms=1_000)


def served(repo: RepoId, outside: Outside, slots: int = 2) -> Served:
    """A repository in memory."""

    async def runs(_keys: Sequence[Key]) -> dict[Key, Sight]:
        return {}

    async def nothing() -> frozenset[WorkspaceName]:
        return frozenset()

    return Served(
        root=Path("/memory", repo),
        target="main",
        policy=policy(repo, slots),
        performers=[MemoryPerformer(outside, worker=writes_own_file, check=all_well)],
        eyes=Eyes(runs=runs, folders=nothing, listed=nothing),
        lease_ms=30_000,
    )


class Home:
    """An engine and an outbox on a roster, over a journal in memory."""

    def __init__(self, *of: Served) -> None:
        self.roster = Roster(*of)
        self.journal = MemoryJournal()
        clock = ManualClock()
        self.engine = Engine(
            world=World(), journal=self.journal, clock=clock, policy=self.roster.policies
        )
        self.outbox = Outbox(
            performers=self.roster.performer_of,
            executor=self.engine.executor,
            offer=self.engine.offer,
            clock=clock,
        )
        self.engine.listen(self.outbox)

    async def submit(self, repo: RepoId, name: str, *needs: str) -> None:
        """Take a bead in."""
        event = take_in(self.engine.world, repo, spec(name, *needs)).event
        assert event is not None
        await self.engine.offer(event)

    async def serve(self, one: Served) -> None:
        """Work on it from now on."""
        self.roster.serve(one)
        await greet(self.engine, one)


@asynccontextmanager
async def home(*of: Served) -> AsyncIterator[Home]:
    """Everybody is greeted, and nothing is under way at the end."""
    made = Home(*of)
    await made.journal.refill(())
    for one in of:
        await greet(made.engine, one)
    try:
        yield made
    finally:
        await made.outbox.close(drain_ms=0)


async def test_each_bead_is_worked_on_in_its_own_repository() -> None:
    """Two repositories, one engine: all beads land, each where it belongs and nowhere else."""
    here, there = new_outside({"a": "1"}), new_outside({"b": "1"})
    async with home(served(ONE, here), served(TWO, there)) as made:
        for number in range(4):
            await made.submit((ONE, TWO)[number % 2], f"x{number}")
        await made.engine.settled(ONE)
        await made.engine.settled(TWO)
        assert set(states(made.engine.world).values()) == {"landed"}
    assert set(here.commits[here.tips[-1]].files) == {"a", "x0.txt", "x2.txt"}
    assert set(there.commits[there.tips[-1]].files) == {"b", "x1.txt", "x3.txt"}


async def test_a_bead_that_waits_for_another_repository_starts_when_that_has_landed() -> None:
    """In the very step of the landing, with no tick in between."""
    here, there = new_outside({"a": "1"}), new_outside({"b": "1"})
    async with home(served(ONE, here), served(TWO, there)) as made:
        await made.submit(ONE, "first")
        await made.submit(TWO, "then", "first")
        await made.engine.settled(ONE)
        await made.engine.settled(TWO)
    events = [row.event for row in made.journal.read()]
    landed = next(at for at, one in enumerate(events) if isinstance(one, e.Landed))
    claims = [at for at, one in enumerate(events) if isinstance(one, e.AttemptClaimed)]
    assert len(claims) == 2
    assert claims[0] < landed < claims[1]
    assert not any(isinstance(one, e.Ticked) for one in events)


async def test_the_slots_of_one_repository_are_not_anothers() -> None:
    """With one slot each, two beads of each repository: never two at once in one, two overall."""
    async with home(
        served(ONE, new_outside({"a": "1"}), slots=1), served(TWO, new_outside({"b": "1"}), slots=1)
    ) as made:
        for name, repo in (("a", ONE), ("b", TWO), ("c", ONE), ("d", TWO)):
            await made.submit(repo, name)
        repos = made.engine.world.repos
        assert [len(repos[one].slots) for one in (ONE, TWO)] == [1, 1]
        await made.engine.settled(ONE)
        await made.engine.settled(TWO)


async def test_what_stands_aside_keeps_its_work_and_stops_nobody() -> None:
    """Nothing begins there, whatever is asked; nothing of it is lost or counted; the other goes on;
    and it goes on itself when it is back."""
    here = served(ONE, new_outside({"a": "1"}))
    async with home(here, served(TWO, new_outside({"b": "1"}))) as made:
        made.roster.set_aside(ONE, "It is gone.")
        await made.submit(ONE, "waits")
        await made.submit(TWO, "lands")
        await made.engine.offer(e.Ticked())
        await made.engine.settled(TWO)
        world = made.engine.world
        assert states(world) == {"waits": "ready", "lands": "landed"}
        assert made.roster.aside == {ONE: "It is gone."}
        await made.serve(here)
        await made.engine.offer(e.Ticked())
        await made.engine.settled(ONE)
        assert states(world)["waits"] == "landed"
        assert world.bead(BeadId("waits")).failures == 0
        assert made.roster.aside == {}


async def test_what_ends_in_a_repository_that_stands_aside_is_judged_by_its_own_numbers() -> None:
    """An attempt that fails after its repository was set aside is one of attempts_max, and not the
    end of its bead."""
    async with home(served(ONE, new_outside({"a": "1"}))) as made:
        made.engine.ignore(made.outbox)
        await made.submit(ONE, "b")
        made.roster.set_aside(ONE, "It is gone.")
        [(key, effect)] = made.engine.world.open.items()
        await made.engine.offer(
            e.EffectFailed(
                key=key, bead=effect.bead, kind=type(effect).__name__, workspace=None, message="No."
            )
        )
        bead = made.engine.world.bead(BeadId("b"))
        assert (bead.state, bead.failures) == (State.BACKING_OFF, 1)


async def test_open_effects_of_a_stranger_stay_open() -> None:
    """Of a repository that nobody works on nothing is taken up; of one that is, a kind that nobody
    carries out is our own mistake."""
    async with home(served(ONE, new_outside({"a": "1"}))) as made:
        effect = f.RemoveWorkspace(
            repo=TWO, bead=BeadId("b"), workspace=WorkspaceName("w"), round=1, kept_as=None
        )
        made.outbox.recover({f.effect_key(effect): effect})
        assert not made.outbox.under_way
        assert made.roster.performer_of(effect) is None
        bare = Served(
            root=Path(),
            target="main",
            policy=policy(TWO),
            performers=[],
            eyes=next(iter(made.roster)).eyes,
            lease_ms=0,
        )
        made.roster.serve(bare)
        with pytest.raises(Bug, match="RemoveWorkspace"):
            made.roster.performer_of(effect)


async def test_a_step_asks_only_the_repositories_that_it_concerns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With fifty repositories, a fact about one asks the policy of one: the cost of a step does not
    grow with their number. Time concerns all."""
    names = [RepoId(f"r{number}") for number in range(50)]
    engine = Engine(
        world=World(),
        journal=MemoryJournal(),
        clock=ManualClock(),
        policy=Policies(*map(policy, names)),
    )
    asked: list[RepoId] = []

    def counting(world: World, at_ms: int, by: Policy, about: Sequence[e.Event]) -> object:
        asked.append(by.repo)
        return decide.advance(world, at_ms, by, about)

    for name in names:
        await engine.offer(e.RepoRegistered(repo=name, path="/memory", target="main"))
    monkeypatch.setattr(engine_room, "advance", counting)
    event = take_in(engine.world, names[7], spec("b")).event
    assert event is not None
    await engine.offer(event)
    assert asked == [names[7]]
    await engine.offer(e.Ticked())
    assert asked[1:] == names


def test_policies_of_strangers_start_nothing() -> None:
    """One that was never worked on is idle; one set aside keeps its numbers and is idle; taken up
    again it is as before."""
    policies = Policies(policy(ONE, attempts_max=7))
    assert policies.of(TWO).idle
    assert [one.repo for one in policies] == [ONE]
    policies.set_aside(ONE)
    assert policies.of(ONE).idle
    assert policies.of(ONE).attempts_max == 7
    assert list(policies) == []
    policies.take(policy(ONE))
    assert [one.repo for one in policies] == [ONE]


def test_what_is_about_no_repository_concerns_none() -> None:
    """A delivery and a tick."""
    assert concerned(World(), [e.Received(delivery="d"), e.Ticked()]) == {}
    assert room.repo_of(World(), e.QueueResumed(repo=ONE)) == ONE

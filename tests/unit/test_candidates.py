"""What is kept of candidates is let go when their change leaves the queue, however it does."""

from __future__ import annotations

from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.decide import react
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, CommitId
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from tests.daemons import REPO, Daemon, Kill, spec, states


def dropped(daemon: Daemon) -> list[f.DropCandidates]:
    """What was asked for."""
    events = [row.event for row in daemon.journal.read()]
    effects = [event.effect for event in events if isinstance(event, e.Requested)]
    return [effect for effect in effects if isinstance(effect, f.DropCandidates)]


async def test_a_change_that_lands_needs_no_step_of_its_own() -> None:
    """The landing has let go."""
    daemon = Daemon(new_outside({"a": "1"}))
    world = await daemon.run_to_rest([spec("one"), spec("two")])
    assert states(world) == {"one": "landed", "two": "landed"}
    assert daemon.outside.pins == {}
    assert len(dropped(daemon)) == len(set(dropped(daemon)))


async def test_a_change_that_is_sent_back_or_fails_lets_go() -> None:
    """Each attempt's candidate is kept while it is tested and no longer."""
    daemon = Daemon(
        new_outside({"a": "1"}), check=lambda files: "bad" if "bad.txt" in files else ""
    )
    world = await daemon.run_to_rest([spec("bad")])
    assert states(world) == {"bad": "failed"}
    assert [effect.change for effect in dropped(daemon)] == ["bad.1", "bad.2", "bad.3"]
    assert daemon.outside.pins == {}


async def test_a_change_that_conflicts_leaves_nothing_pinned() -> None:
    """Whether it conflicted at once or after it had a candidate; each is let go at most once."""

    def worker(effect: f.RunWorker, files: Files) -> Work:
        return Work({"shared": files["shared"] + f" {effect.bead}"})

    daemon = Daemon(new_outside({"shared": "start"}), worker=worker)
    world = await daemon.run_to_rest([spec("one"), spec("two")])
    assert states(world) == {"one": "landed", "two": "landed"}
    assert daemon.outside.pins == {}
    assert len(dropped(daemon)) == len(set(dropped(daemon)))


async def test_letting_go_survives_deaths() -> None:
    """Killed every few boundaries, with checks that fail: in the end nothing is kept, and each was
    asked for once."""
    daemon = Daemon(
        new_outside({"a": "1"}), check=lambda files: "bad" if "bad.txt" in files else ""
    )
    for _ in range(30):
        await daemon.run_to_rest([spec("bad"), spec("good")], Kill(3))
    world = await daemon.run_to_rest([spec("bad"), spec("good")])
    assert states(world) == {"bad": "failed", "good": "landed"}
    assert len(dropped(daemon)) == len(set(dropped(daemon))) == 3
    assert (daemon.outside.pins, world.open) == ({}, {})


async def test_a_cancelled_change_lets_go() -> None:
    """Its bead is ended while the candidate waits to land."""
    daemon = Daemon(new_outside({"a": "1"}))
    daemon.refuse(f.Land, times=1)
    world = await daemon.run_to_rest([spec("one")])
    policy = Policy(repo=REPO, slots=1, attempts_max=3, backoff_ms=1)
    asked = _take(world, e.CancelRequested(bead=BeadId("one")), policy)
    assert [type(event).__name__ for event in asked] == ["BeadCancelled", "Requested"]
    (effect,) = world.open.values()
    assert isinstance(effect, f.DropCandidates)
    assert effect.change == "one.1"


def _take(world: World, fact: e.Event, policy: Policy) -> list[e.Event]:
    """One step of the core."""
    apply(world, fact, world.now_ms)
    made = []
    for decision in react(world, fact, world.now_ms, policy):
        apply(world, decision, world.now_ms)
        made.append(decision)
    return made


async def test_the_move_of_a_target_is_a_fact_that_changes_nothing_by_itself() -> None:
    """It is on record; what follows is the policy's."""
    daemon = Daemon(new_outside({"a": "1"}))
    moved = e.TargetMoved(repo=REPO, commit=CommitId("1" * 40))
    world = await daemon.run_to_rest([spec("one")], facts=[moved])
    assert states(world) == {"one": "landed"}
    assert moved in [row.event for row in daemon.journal.read()]
    assert moved.subject == REPO

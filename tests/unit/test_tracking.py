"""What follows from a tracker's file that changes, and what is written into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, CommitId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.tracking import Followed, Seen, Written, cancel_gone, follow, to_write
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.runtime.daemon import recorded
from tests.daemons import REPO, spec
from tests.unit.test_intake import home

ELSE = RepoId("another")
WORKED_ON = sorted(set(State) - {State.PENDING, State.READY, State.FAILED, State.LANDED})


def world_of(*beads: BeadSpec) -> World:
    """A home with two repositories, and these beads in the first."""
    world = World()
    for repo in (REPO, ELSE):
        apply(world, e.RepoRegistered(repo=repo, path=f"/{repo}", target="main"), 1)
    for one in beads:
        apply(world, added(one), 1)
    return world


def added(one: BeadSpec, repo: RepoId = REPO) -> e.BeadAdded:
    """The fact that it was added."""
    return e.BeadAdded(repo=repo, bead=one.id, key=spec_key(one), spec=one)


def followed(world: World, *beads: BeadSpec) -> Followed:
    """What follows, and that it can be folded."""
    found = follow(world, REPO, beads, name="FILE")
    for event in found.events:
        apply(world, event, 2)
    return found


def land(world: World, bead: str) -> None:
    """It has landed, by whatever way."""
    one = world.beads[BeadId(bead)]
    one.state, one.landed, one.since_ms = State.LANDED, CommitId("c" * 40), 5
    world.graph.finish(one.id)


def test_new_beads_are_taken_in_and_nothing_twice() -> None:
    """What is in the file and not on record is added, needs first; the second look adds nothing."""
    world = world_of()
    beads = [spec("a"), spec("b", "a")]
    assert [type(one) for one in followed(world, *beads).events] == [e.BeadAdded, e.BeadAdded]
    assert followed(world, *beads) == Followed((), (), ())


@pytest.mark.parametrize("state", [State.PENDING, State.READY, State.FAILED])
def test_a_bead_that_rests_gets_its_new_content(state: State) -> None:
    """Title, priority and needs, where nothing has begun or all attempts failed."""
    world = world_of(spec("a"), spec("b"))
    world.beads[BeadId("b")].state = state
    (event,) = followed(world, spec("a"), spec("b", "a", priority=0)).events
    assert isinstance(event, e.BeadRevised)
    bead = world.beads[BeadId("b")]
    assert (bead.spec.priority, bead.state) == (0, State.PENDING)
    assert world.graph.waits_for(bead.id) == ["a"]


@pytest.mark.parametrize("state", WORKED_ON)
def test_a_bead_that_is_worked_on_keeps_what_it_began_with(state: State) -> None:
    """Nothing is recorded; it is to be looked at again, and a person is told, unless it was a
    person who ended it."""
    world = world_of(spec("a"))
    world.beads[BeadId("a")].state = state
    found = followed(world, spec("a", priority=0))
    assert (found.events, found.later) == ((), ("a",))
    assert bool(found.notes) is (state is not State.CANCELLED)
    assert followed(world, spec("a")) == Followed((), (), ())


def test_what_landed_is_over_and_a_need_that_landed_is_no_change() -> None:
    """A file in which a landed bead is closed does not name it as a need any more: nothing follows
    for those that needed it, whatever they do now. A need that has not landed is one."""
    world = world_of(spec("a"), spec("b", "a"), spec("c", "a"))
    land(world, "a")
    world.beads[BeadId("b")].state = State.RUNNING
    assert followed(world, spec("a", priority=0), spec("b"), spec("c")) == Followed((), (), ())
    other = world_of(spec("a"), spec("b", "a"))
    (event,) = followed(other, spec("b")).events
    assert (type(event), other.beads[BeadId("b")].state) == (e.BeadRevised, State.READY)


def test_what_belongs_to_others_is_left_out() -> None:
    """An id of another repository, of a pull request, and what needs a bead that was left out."""
    world = world_of()
    apply(world, added(spec("theirs"), ELSE), 1)
    apply(world, replace(added(spec("pull")), pull=7), 1)
    found = followed(world, spec("theirs"), spec("pull"), spec("a", "nobody"), spec("b", "a"))
    assert (found.events, len(found.notes)) == ((), 4)
    assert "nobody" in found.notes[2]


def test_a_cycle_through_beads_of_other_files_is_left_out() -> None:
    """The file alone has none: `y` was added by hand and needs `x`, and so does the new `z`."""
    world = world_of(spec("x"), spec("y", "x"))
    found = followed(world, spec("x", "y"), spec("ok"))
    assert [one.bead for one in found.events] == ["ok"]  # type: ignore[attr-defined]
    assert "cycle" in found.notes[0]
    found = followed(world, spec("z", "y"), spec("x", "z"))
    assert [one.bead for one in found.events] == ["z"]  # type: ignore[attr-defined]


def test_turning_a_dependency_round_is_no_cycle() -> None:
    """Each is judged by what those before it have become."""
    world = world_of(spec("b"), spec("a", "b"))
    found = followed(world, spec("a"), spec("b", "a"))
    assert (len(found.events), found.notes) == (2, ())
    assert world.graph.waits_for(BeadId("b")) == ["a"]


async def test_an_import_that_closes_a_cycle_is_refused_and_breaks_nothing() -> None:
    """Through a bead that is not in the file: nothing is recorded, and the engine goes on."""
    journal, engine = await home()
    await recorded(engine, REPO, [spec("y", "fix-it")])
    rows = len(list(journal.read()))
    for wrong in ([spec("fix-it", "y")], [spec("new", "nobody")]):
        with pytest.raises(InputInvalid, match=r"cycle|nobody"):
            await recorded(engine, REPO, wrong)
    assert (len(list(journal.read())), engine.failure) == (rows, None)
    assert (await recorded(engine, REPO, [spec("later")])).count == 1


def test_what_is_closed_there_ends_here_once() -> None:
    """Of this repository, where it is not over, being ended, or somebody's pull request."""
    world = world_of(*(spec(name) for name in ("a", "over", "asked")))
    land(world, "over")
    world.beads[BeadId("asked")].cancelling = True
    apply(world, added(spec("theirs"), ELSE), 1)
    names = [BeadId(name) for name in ("a", "over", "asked", "theirs", "unknown")]
    (event,) = cancel_gone(world, REPO, names, name="FILE")
    assert (event.bead, event.why) == ("a", "closed in FILE")


@pytest.mark.parametrize(
    ("state", "status", "wanted"),
    [
        (State.LANDED, "open", Written("closed", f"Landed as {'c' * 40}")),
        (State.LANDED, "in_progress", Written("closed", f"Landed as {'c' * 40}")),
        (State.LANDED, "closed", None),
        (State.LANDED, "tombstone", None),
        (State.RUNNING, "open", Written("in_progress")),
        (State.TESTING, "open", Written("in_progress")),
        (State.RUNNING, "in_progress", None),
        (State.RUNNING, "blocked", None),
        (State.RUNNING, "closed", None),
        (State.FAILED, "in_progress", Written("open")),
        (State.CANCELLED, "in_progress", Written("open")),
        (State.FAILED, "open", None),
        (State.READY, "open", None),
        (State.PENDING, "in_progress", None),
        (State.PAUSED, "open", None),
    ],
)
def test_what_becomes_of_a_bead_is_its_status(state: State, status: str, wanted: Any) -> None:
    """By its state here and its status there; what was touched there since then is left alone."""
    world = world_of(spec("a"))
    bead = world.beads[BeadId("a")]
    bead.state, bead.landed, bead.since_ms = state, CommitId("c" * 40), 50
    for updated, counts in ((None, True), (50, True), (51, False)):
        found = to_write(world, REPO, {bead.id: Seen(status, updated)})
        assert found == ({bead.id: wanted} if wanted and counts else {})
    assert to_write(world, ELSE, {bead.id: Seen(status, None)}) == {}

"""People's own commits in the merge queue, on an outside in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.adapters.memory import Files, Outside, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.explain import explain
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, CommitId
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Rules
from oya_vcs.core.reconcile import Reschedule, freed
from oya_vcs.core.spec import spec_key
from oya_vcs.core.submissions import Submission, submit
from oya_vcs.core.wishes import Verb, Wish, judge
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid, NotFound
from oya_vcs.runtime.submissions import submission_of, told
from tests.daemons import REPO, Daemon, Kill, spec, states

MINE = BeadId("jj-qpvuntsmwqpt")


def mine(outside: Outside, files: Files, title: str = "Mine") -> Submission:
    """A commit of a person's on the target's tip, as it is submitted."""
    tip = outside.tips[-1]
    head = outside.commit({**outside.commits[tip].files, **files}, (tip,), title)
    return Submission(
        repo=REPO, name="qpvuntsmwqptllkkzz", head=head, title=title, body="Why.", who="uma"
    )


async def with_queue(daemon: Daemon) -> World:
    """The state of a daemon that knows its repository."""
    return await daemon.run_to_rest()


async def submitted(daemon: Daemon, wanted: Submission) -> World:
    """Submit, and work to rest."""
    world = await with_queue(daemon)
    return await daemon.run_to_rest(facts=submit(world, wanted).facts)


def the(world: World) -> Bead:
    """The bead of the submission."""
    return world.bead(MINE)


@pytest.fixture
def daemon() -> Daemon:
    """A daemon over a target with one file, whose checks fail where there is a file bad.txt."""
    outside = new_outside({"a": "1"})
    bad = "bad.txt must not be there"
    return Daemon(outside, check=lambda files: bad if "bad.txt" in files else "")


async def test_a_submitted_commit_lands_without_a_worker(daemon: Daemon) -> None:
    """`ChangeOpened` for that exact commit, tested, landed; no slot and no workspace is used."""
    wanted = mine(daemon.outside, {"mine.txt": "x"})
    world = await submitted(daemon, wanted)
    assert states(world) == {MINE: "landed"}
    tip = daemon.outside.commits[daemon.outside.tips[-1]]
    assert tip.files["mine.txt"] == "x"
    assert wanted.head in tip.parents
    events = [row.event for row in daemon.journal.read()]
    opened = [one for one in events if isinstance(one, e.ChangeOpened)]
    assert [one.head for one in opened] == [wanted.head]
    kinds = {type(one.effect) for one in events if isinstance(one, e.Requested)}
    assert kinds.isdisjoint({f.CreateWorkspace, f.RunWorker})
    message = world.changes[opened[0].change].message
    assert message.startswith(f"Land {MINE}: Mine\n\nWhy.\n\nOya-Bead: {MINE}\nOya-Change: ")
    assert told(world, the(world))["landed"] == daemon.outside.tips[-1]


async def test_what_fails_its_checks_comes_back_and_is_mended_and_submitted_again(
    daemon: Daemon,
) -> None:
    """The target is left alone, the reason is told, no worker takes it over; a newer commit of the
    same change is its next attempt."""
    world = await submitted(daemon, mine(daemon.outside, {"bad.txt": "x"}))
    assert states(world) == {MINE: "failed"}
    assert len(daemon.outside.tips) == 1
    back = told(world, the(world))
    assert back["over"]
    assert "bad.txt must not be there" in str(back["detail"])
    world = await submitted(daemon, mine(daemon.outside, {"good.txt": "x"}, "Better"))
    assert states(world) == {MINE: "landed"}
    assert (the(world).attempt, the(world).spec.title) == (2, "Better")


async def test_what_conflicts_comes_back_with_the_files(daemon: Daemon) -> None:
    """A commit that does not merge into what landed meanwhile is told with its paths."""
    wanted = mine(daemon.outside, {"a": "mine"})
    tip = daemon.outside.tips[-1]
    daemon.outside.move_target(daemon.outside.commit({"a": "theirs"}, (tip,), "theirs"))
    world = await submitted(daemon, wanted)
    assert the(world).reason is e.Reason.CONFLICT
    assert "\n  a\n" in the(world).detail


async def test_a_newer_commit_takes_the_place_of_one_that_waits(daemon: Daemon) -> None:
    """Only the newest lands, and it needs nobody's word more than the first one did."""
    await with_queue(daemon)
    await daemon.run_to_rest(facts=[e.QueuePaused(repo=REPO, by="uma", reason="wait")])
    old = mine(daemon.outside, {"old.txt": "x"})
    new = mine(daemon.outside, {"new.txt": "x"}, "Newer")
    world = await submitted(daemon, old)
    again = submit(world, new)
    assert [type(one) for one in again.facts] == [e.ChangeResubmitted]
    world = await daemon.run_to_rest(facts=[*again.facts, e.QueueResumed(repo=REPO, unpaused=True)])
    assert states(world) == {MINE: "landed"}
    files = daemon.outside.commits[daemon.outside.tips[-1]].files
    assert "new.txt" in files
    assert "old.txt" not in files
    change = the(world).change
    assert change is not None
    assert "Newer" in world.changes[change].message


async def test_the_same_commit_again_changes_nothing(daemon: Daemon) -> None:
    """Neither while it waits, nor after it landed; another commit of a landed change is new
    work."""
    wanted = mine(daemon.outside, {"mine.txt": "x"})
    world = await with_queue(daemon)
    await daemon.run_to_rest(facts=[e.QueuePaused(repo=REPO, by="uma", reason="wait")])
    world = await submitted(daemon, wanted)
    assert submit(world, wanted).facts == ()
    world = await daemon.run_to_rest(facts=[e.QueueResumed(repo=REPO, unpaused=True)])
    assert states(world) == {MINE: "landed"}
    assert submit(world, wanted).facts == ()
    later = submit(world, mine(daemon.outside, {"more.txt": "x"}))
    assert later.bead == f"{MINE}-2"
    assert len(later.facts) == 2


async def test_a_cancelled_submission_may_come_again(daemon: Daemon) -> None:
    """`bead cancel` takes it out of the queue; it is no worker's, so it is neither paused nor
    retried."""
    wanted = mine(daemon.outside, {"mine.txt": "x"})
    await with_queue(daemon)
    await daemon.run_to_rest(facts=[e.QueuePaused(repo=REPO, by="uma", reason="wait")])
    world = await submitted(daemon, wanted)
    for verb in (Verb.PAUSE, Verb.RETRY):
        refusal = judge(world, Wish(verb=verb, beads=(MINE,)))[0].refusal
        assert "a person's own commit" in refusal
    world = await daemon.run_to_rest(facts=[e.CancelRequested(bead=MINE, who="uma", why="no")])
    assert states(world) == {MINE: "cancelled"}
    assert "Submitted again" in explain(world, the(world))
    resumed = [*submit(world, wanted).facts, e.QueueResumed(repo=REPO, unpaused=True)]
    world = await daemon.run_to_rest(facts=resumed)
    assert states(world) == {MINE: "landed"}


async def test_a_commit_that_is_gone_comes_back_and_no_worker_gets_it(daemon: Daemon) -> None:
    """Where the world refuses to open its change request, its author is told."""
    daemon.refuse(f.OpenChange, times=99)
    world = await submitted(daemon, mine(daemon.outside, {"mine.txt": "x"}))
    assert states(world) == {MINE: "failed"}
    assert the(world).detail == "Refused."
    assert the(world).slot is None


@pytest.mark.parametrize("at", range(1, 12))
async def test_killed_anywhere_it_lands_once(daemon: Daemon, at: int) -> None:
    """At each boundary of each effect that a submission takes."""
    wanted = mine(daemon.outside, {"mine.txt": "x"})
    world = await with_queue(daemon)
    await daemon.run_to_rest(kill=Kill(at), facts=submit(world, wanted).facts)
    world = await daemon.run_to_rest()
    assert states(world) == {MINE: "landed"}
    assert len(daemon.outside.tips) == 2


async def test_an_orphaned_submission_is_no_workers_either(daemon: Daemon) -> None:
    """Where nothing is under way that could open its change request, its author hears of it."""
    world = await with_queue(daemon)
    for fact in submit(world, mine(daemon.outside, {"mine.txt": "x"})).facts:
        apply(world, fact, 1)
    facts = freed(Reschedule(MINE, "Nothing was under way."), 2, world)
    assert [type(one) for one in facts] == [e.BeadFailed]


async def test_what_cannot_be_submitted_is_refused_with_the_reason(daemon: Daemon) -> None:
    """An unknown repository; one that is being taken in, is landing, or leaves; a name that is
    taken."""
    wanted = mine(daemon.outside, {"mine.txt": "x"})
    with pytest.raises(NotFound, match="not one of this home's"):
        submit(World(), wanted)
    world = await with_queue(daemon)
    for fact in submit(world, wanted).facts:
        apply(world, fact, 1)
    newer = replace(wanted, head=CommitId("f" * 40))
    with pytest.raises(InputInvalid, match="being taken in"):
        submit(world, newer)
    apply(world, e.CancelRequested(bead=MINE), 2)
    with pytest.raises(InputInvalid, match="being cancelled"):
        submit(world, wanted)
    taken = spec(MINE)
    with pytest.raises(InputInvalid, match="a person's own commit"):
        take_in(world, REPO, taken)


async def test_another_beads_name_is_not_taken(daemon: Daemon) -> None:
    """A bead of a file that is called so keeps its name."""
    world = await daemon.run_to_rest([spec(MINE)])
    assert submit(world, mine(daemon.outside, {"x": "y"})).bead == f"{MINE}-2"


@pytest.mark.parametrize(
    "change",
    [{"head": ""}, {"change": 7}, {"priority": -1}, {"priority": "high"}, {"repo": None}],
)
async def test_a_request_of_another_form_is_refused(
    daemon: Daemon, change: dict[str, object]
) -> None:
    """Whatever a client says, the record gets a commit, a name and a priority."""
    world = await with_queue(daemon)
    fields: dict[str, object] = {"repo": REPO, "change": "qpv", "head": "a" * 40, "title": "T"}
    assert submission_of(world, fields).priority == 2
    with pytest.raises(InputInvalid):
        submission_of(world, {**fields, **change})


def test_where_no_worker_is_named_beads_wait_and_say_so() -> None:
    """People's own commits land there all the same."""
    world = World()
    apply(world, e.RepoRegistered(repo=REPO, path="/r", target="main", rules=Rules()), 0)
    bead = spec("b1")
    apply(world, e.BeadAdded(repo=REPO, bead=bead.id, key=spec_key(bead), spec=bead), 0)
    assert "oya.toml names none" in explain(world, world.bead(bead.id))

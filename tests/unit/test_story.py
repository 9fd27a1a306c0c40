"""The bead's way to the target, told as short stories on an outside world in memory."""

from __future__ import annotations

from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId
from oya_vcs.journal.replay import digest, replay
from tests.daemons import REPO, Daemon, spec, states, writes_own_file


async def test_beads_land_in_an_order_that_respects_their_dependencies() -> None:
    """A diamond lands whole; what a bead needs is on the target before the bead starts."""
    daemon = Daemon(new_outside({"a": "1"}))
    world = await daemon.run_to_rest(
        [spec("top"), spec("left", "top"), spec("right", "top"), spec("end", "left", "right")]
    )
    assert states(world) == dict.fromkeys(["top", "left", "right", "end"], "landed")
    landed = [row.event.bead for row in daemon.journal.read() if isinstance(row.event, e.Landed)]
    assert landed[0] == "top"
    assert landed[-1] == "end"
    tip = daemon.outside.tips[-1]
    assert set(daemon.outside.commits[tip].files) == {
        "a",
        *(f"{name}.txt" for name in ("top", "left", "right", "end")),
    }


async def test_every_tree_that_was_ever_on_the_target_was_tested() -> None:
    """MERGE_QUEUE promise 1, read from the outside: after the first, only tested trees."""
    daemon = Daemon(new_outside({"a": "1"}))
    await daemon.run_to_rest([spec(f"b{n}") for n in range(6)])
    outside = daemon.outside
    assert len(outside.tips) == 7
    assert all(outside.tree(tip) in outside.tested for tip in outside.tips[1:])


async def test_the_second_edit_of_a_line_goes_back_to_a_worker_with_the_conflict() -> None:
    """Two beads change one file; the second conflicts, is told what conflicts, and lands after."""
    told: list[str] = []

    def worker(effect: f.RunWorker, files: Files) -> Work:
        told.append(effect.feedback)
        return Work({"shared": files["shared"] + f" {effect.bead}"})

    daemon = Daemon(new_outside({"shared": "start"}), worker=worker)
    world = await daemon.run_to_rest([spec("one"), spec("two")])
    assert states(world) == {"one": "landed", "two": "landed"}
    final = daemon.outside.commits[daemon.outside.tips[-1]].files["shared"]
    assert final == "start one two"
    assert [bool(feedback) for feedback in told] == [False, False, True]
    assert "shared" in told[2]
    assert not daemon.outside.workspaces


async def test_a_failing_check_leaves_the_target_alone_and_its_dependents_say_why() -> None:
    """A bead whose check fails is tried attempts_max times, then fails; what needs it waits and
    says so."""
    daemon = Daemon(
        new_outside({"a": "1"}),
        check=lambda files: "bad.txt must not be there" if "bad.txt" in files else "",
    )
    world = await daemon.run_to_rest([spec("bad"), spec("after", "bad"), spec("good")])
    assert states(world) == {"bad": "failed", "after": "pending", "good": "landed"}
    assert len(daemon.outside.tips) == 2
    bead = world.bead(BeadId("bad"))
    assert bead.attempt == 3
    assert bead.reason is e.Reason.CHECK_FAILED
    assert "bad.txt must not be there" in bead.detail
    assert explain(world, world.bead(BeadId("after"))) == "Waits for bad (failed) to land."


async def test_a_failed_bead_can_be_retried_and_lands() -> None:
    """`bead retry` gives new attempts; with the fault gone the bead lands and unblocks its
    dependents."""
    daemon = Daemon(
        new_outside({"a": "1"}),
        worker=lambda effect, files: Work(reason=e.Reason.WORKER_FAILED, detail="No."),
    )
    world = await daemon.run_to_rest([spec("flaky"), spec("after", "flaky")])
    assert states(world) == {"flaky": "failed", "after": "pending"}
    daemon.worker = writes_own_file
    await daemon.journal.append(daemon.clock.now_ms(), [e.BeadRetried(bead=BeadId("flaky"))])
    world = await daemon.run_to_rest()
    assert states(world) == {"flaky": "landed", "after": "landed"}


async def test_a_worker_that_asks_for_later_is_tried_later_without_losing_an_attempt() -> None:
    """Exit 75 does not count against attempts_max."""
    calls: list[int] = []

    def worker(effect: f.RunWorker, files: Files) -> Work:
        calls.append(effect.attempt)
        if len(calls) <= 4:
            return Work(reason=e.Reason.WORKER_DEFERRED, detail="Not now.")
        return writes_own_file(effect, files)

    daemon = Daemon(new_outside({"a": "1"}), worker=worker, attempts_max=1)
    world = await daemon.run_to_rest([spec("later")])
    assert states(world) == {"later": "landed"}
    assert calls == [1, 2, 3, 4, 5]


async def test_nothing_to_land_is_a_failure_unless_the_bead_allows_it() -> None:
    """INTERFACES: no change at all = failed, unless allow_empty; then it counts as landed
    already."""
    daemon = Daemon(new_outside({"a": "1"}), worker=lambda effect, files: Work())
    world = await daemon.run_to_rest([spec("idle"), spec("look", allow_empty=True)])
    assert states(world) == {"idle": "failed", "look": "landed"}
    assert world.bead(BeadId("idle")).reason is e.Reason.NOTHING_TO_LAND


async def test_a_gone_target_pauses_the_queue_and_says_so() -> None:
    """TargetBlocked: nothing is lost, the wait is explained, and the next run goes on."""
    daemon = Daemon(new_outside({"a": "1"}))
    outside = daemon.outside
    was = outside.target

    def worker(effect: f.RunWorker, files: Files) -> Work:
        outside.target = None
        return writes_own_file(effect, files)

    daemon.worker = worker
    world = await daemon.run_to_rest([spec("one")])
    bead = world.bead(BeadId("one"))
    assert bead.state is State.QUEUED
    assert explain(world, bead) == "The merge queue is paused: The target is gone."
    outside.target = was
    await daemon.journal.append(daemon.clock.now_ms(), [e.QueueResumed(repo=REPO)])
    assert states(await daemon.run_to_rest()) == {"one": "landed"}


async def test_a_gone_target_costs_no_bead_an_attempt_and_is_waited_for() -> None:
    """WorkspaceBlocked: what had not started is ready, says what it waits for, and lands in the
    next run with its one attempt; nothing spins meanwhile."""
    daemon = Daemon(new_outside({"a": "1"}), attempts_max=1)
    outside = daemon.outside
    was, outside.target = outside.target, None
    beads = [spec("one"), spec("two"), spec("three"), spec("after", "one")]
    world = await daemon.run_to_rest(beads)
    assert states(world) == {
        **dict.fromkeys(["one", "two", "three"], "ready"),
        "after": "pending",
    }
    claims = _claims(daemon)
    assert len(claims) == 2  # one a slot, and then it was known
    for claim in claims:
        bead = world.bead(claim.bead)
        assert (bead.attempt, bead.failures, bead.workspace) == (1, 0, None)
        assert explain(world, bead) == "Waits: the target is gone."
    assert not world.workspaces
    assert not world.repos[REPO].slots
    again = await daemon.run_to_rest()
    assert states(again) == states(world)
    assert _claims(daemon) == claims
    outside.target = was
    world = await daemon.run_to_rest(facts=[e.QueueResumed(repo=REPO)])
    assert states(world) == dict.fromkeys(["one", "two", "three", "after"], "landed")
    assert digest(replay(daemon.journal.read())) == digest(world)


async def test_somebody_moves_the_target_during_the_checks_and_the_candidate_is_rebuilt() -> None:
    """Promise 2: the result is stale, never merged anyway; the other person's commit stays."""
    daemon = Daemon(new_outside({"a": "1"}))
    outside = daemon.outside
    moved: list[str] = []

    def check(files: Files) -> str:
        if not moved and outside.target is not None:
            theirs = outside.commit(
                {**outside.commits[outside.target].files, "theirs": "x"},
                (outside.target,),
                "theirs",
            )
            outside.move_target(theirs)
            moved.append(theirs)
        return ""

    daemon.check = check
    world = await daemon.run_to_rest([spec("one")])
    assert states(world) == {"one": "landed"}
    assert set(outside.commits[outside.tips[-1]].files) == {"a", "theirs", "one.txt"}
    assert world.changes[world.bead(BeadId("one")).change].round == 2  # type: ignore[index]


async def test_replay_gives_the_same_state_byte_for_byte() -> None:
    """REQUIREMENTS A5: live state and replayed state have one digest."""
    daemon = Daemon(new_outside({"a": "1"}))
    world = await daemon.run_to_rest([spec("one"), spec("two", "one"), spec("three")])
    replayed = replay(daemon.journal.read())
    replayed.now_ms = world.now_ms
    assert digest(replayed) == digest(world)


async def test_running_again_on_finished_beads_does_nothing() -> None:
    """The same input again adds no row."""
    beads = [spec("one"), spec("two", "one")]
    daemon = Daemon(new_outside({"a": "1"}))
    await daemon.run_to_rest(beads)
    before = len(list(daemon.journal.read()))
    world = await daemon.run_to_rest(beads)
    assert states(world) == {"one": "landed", "two": "landed"}
    assert len(list(daemon.journal.read())) == before


async def test_never_more_attempts_at_once_than_slots() -> None:
    """Slots bound what runs: read from the journal, claim by claim."""
    daemon = Daemon(new_outside({"a": "1"}), slots=3)
    await daemon.run_to_rest([spec(f"b{n}") for n in range(12)])
    busy: set[int] = set()
    for row in daemon.journal.read():
        if isinstance(row.event, e.AttemptClaimed):
            assert row.event.slot not in busy
            busy.add(row.event.slot)
            assert len(busy) <= 3
        elif isinstance(row.event, e.WorkerFinished):
            busy.discard({b.bead: b.slot for b in _claims(daemon)}[row.event.bead])


def _claims(daemon: Daemon) -> list[e.AttemptClaimed]:
    return [row.event for row in daemon.journal.read() if isinstance(row.event, e.AttemptClaimed)]

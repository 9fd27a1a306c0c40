"""Batches, stacks, priorities, gates and limits of time, told as conversations."""

from __future__ import annotations

from math import log2

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.merge.gates import frozen_until, span_of
from oya_vcs.core.merge.lifecycle import Gates
from oya_vcs.core.reconcile import Observed, Reschedule, reconcile
from tests.merging import Scene


def run_out(talk: Scene) -> int:
    """Let every test end as the files say; returns how many there were."""
    count = 0
    while checks := [key for key, one in talk.pending.items() if isinstance(one, f.RunChecks)]:
        talk.carry_out(checks[0])
        talk.settle()
        count += 1
    return count


def test_n_green_ones_land_as_one() -> None:
    """One test, one move of the target."""
    talk = Scene(rules=MergeRules(batch_max=8))
    talk.submit(*(f"b{n}" for n in range(8)))
    assert run_out(talk) == 1
    assert len(talk.landed) == 8
    assert len(talk.here.outside.tips) == 2


def test_what_is_tested_together_is_judged_by_what_it_stands_on() -> None:
    """No member of a batch says which checks count for those behind it, or for itself."""
    talk = Scene(rules=MergeRules(batch_max=8))
    tip = talk.here.outside.tips[-1]
    talk.submit("a", "b", "c")
    asked = [one for one in talk.pending.values() if isinstance(one, f.RunChecks)]
    assert [one.base for one in asked] == [tip]


@pytest.mark.parametrize("bad", range(8))
def test_one_bad_of_eight_is_found_and_seven_land(bad: int) -> None:
    """In at most 2 * log2(8) more tests."""
    talk = Scene(rules=MergeRules(batch_max=8))
    talk.here.bad.add(f"b{bad}")
    talk.submit(*(f"b{n}" for n in range(8)))
    assert run_out(talk) <= 1 + 2 * log2(8)
    assert len(talk.landed) == 7
    assert talk.state(f"b{bad}") == "failed"


def test_of_a_bad_pair_exactly_one_lands() -> None:
    """Each is well alone, both together are not: the first one lands."""
    talk = Scene(rules=MergeRules(batch_max=2))
    talk.here.clashes.append({"a.txt", "b.txt"})
    talk.submit("a", "b")
    run_out(talk)
    assert talk.landed == ["a"]
    assert talk.state("b") == "failed"


def test_a_batch_has_a_limit_and_one_priority() -> None:
    """Three of one priority and two of another, at most two a batch: never mixed."""
    talk = Scene(rules=MergeRules(batch_max=2, window_max=4))
    talk.submit("a", "b", "c")
    talk.submit("x", "y", priority=1)
    assert talk.testing[0] == "a+b"
    held = [set(group.changes) for group in talk.queue.chain]
    assert held == [{"a.1", "b.1"}, {"c.1"}, {"x.1", "y.1"}]


def test_changes_of_two_priorities_never_share_a_test() -> None:
    """Though there is room, and both wait."""
    talk = Scene(rules=MergeRules(batch_max=3))
    talk.submit("head")
    talk.submit("a")
    talk.submit("b", priority=3)
    talk.passes("head")
    assert talk.testing == ["a"]


def test_taking_out_a_member_starts_the_others_again() -> None:
    """B is rejected: A and C are tested without it."""
    talk = Scene(rules=MergeRules(batch_max=3))
    talk.submit("a", "b", "c")
    assert talk.testing == ["a+b+c"]
    change = talk.change("b")
    talk.take(e.ChangeRejected(bead=change.bead, change=change.id, by="ann", note="Not so."))
    talk.settle()
    assert talk.testing == ["a+c"]
    assert "Not so." in talk.change("b").detail
    run_out(talk)
    assert talk.landed == ["c", "a"]


def test_a_timeout_is_a_failure() -> None:
    """The checks that do not end in time fail; what they say later counts no more."""
    talk = Scene(rules=MergeRules(test_ms_max=60_000))
    talk.submit("a", "b")
    late = talk._check_of("a")
    talk.wait(59_000)
    assert talk.testing == ["a"]
    talk.wait(2_000)
    assert talk.change("a").reason is e.Reason.CHECK_TIMEOUT
    assert talk.testing == ["b"]
    talk.carry_out(late)
    assert talk.state("a") == "failed"


def test_checks_that_nobody_begins_fail_in_time_and_begun_ones_do_not() -> None:
    """A dispatch that never happens has a reason of its own."""
    talk = Scene(rules=MergeRules(dispatch_ms_max=10_000))
    talk.submit("a", "b")
    talk.wait(11_000)
    assert talk.change("a").reason is e.Reason.CHECK_NOT_STARTED
    change = talk.change("b")
    assert change.candidate is not None
    talk.take(e.ChecksStarted(bead=change.bead, change=change.id, candidate=change.candidate))
    talk.wait(60_000)
    assert talk.testing == ["b"]


def test_the_urgent_one_is_next_but_never_takes_the_place_of_what_is_tested() -> None:
    """Order: testing before queued, then priority, then age."""
    talk = Scene()
    talk.submit("a", "b")
    talk.submit("u", priority=0)
    assert talk.testing == ["a"]
    talk.passes("a")
    assert talk.testing == ["u"]


def test_a_priority_that_is_raised_counts_with_the_old_time_of_arrival() -> None:
    """By an approval that names one."""
    talk = Scene()
    talk.submit("a", "b", "c")
    change = talk.change("c")
    talk.take(
        e.ChangeApproved(bead=change.bead, change=change.id, head=change.head, by="ann", priority=0)
    )
    talk.passes("a")
    assert talk.testing == ["c"]


def stacked(talk: Scene) -> None:
    """B stands on A; C on nothing."""
    talk.submit("a", "c")
    b = BeadId("b")
    talk.submit("b")
    queue, change = talk.queue, talk.change("b")
    assert change.bead == b
    queue.leave(change.id)
    queue.join(change.id, 2, [talk.change("a").id])


def test_a_stack_goes_bottom_up() -> None:
    """B waits, saying so, until A is in the window, then is tested on top of it."""
    talk = Scene(rules=MergeRules(window_max=1))
    talk.submit("head")
    stacked(talk)
    assert talk.says("b") == "Waits for what it stands on: a.1."
    talk.passes("head", "a", "c")
    assert talk.testing == ["b"]


def test_what_stands_on_one_that_leaves_leaves_with_the_reason() -> None:
    """A fails: B goes back to its worker too; C lands."""
    talk = Scene(rules=MergeRules(window_max=1))
    talk.submit("head")
    stacked(talk)
    talk.passes("head")
    talk.fails("a")
    assert talk.change("b").reason is e.Reason.PREDECESSOR_LEFT
    talk.passes("c")
    assert talk.landed == ["head", "c"]


def test_a_pause_lets_what_runs_end_and_nothing_begin_or_land() -> None:
    """It has a reason, survives a new run, and ends by a person's word only."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("a", "b")
    talk.take(e.QueuePaused(repo=talk.repo, by="ann", reason="Release."))
    talk.passes("a")
    assert talk.landed == []
    assert talk.says("b") == "The merge queue is paused: Release."
    talk.take(e.QueueResumed(repo=talk.repo))
    talk.settle()
    assert talk.landed == []
    talk.take(e.QueueResumed(repo=talk.repo, unpaused=True))
    talk.settle()
    assert talk.landed == ["a"]


def test_a_freeze_lets_tests_go_on_and_nothing_land_until_its_end() -> None:
    """What has passed lands by itself when the time has come."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("a", "b")
    until_ms = talk.now_ms + 60_000
    talk.take(e.QueueFrozen(repo=talk.repo, by="ann", until_ms=until_ms, reason="Holiday."))
    talk.passes("a", "b")
    assert talk.landed == []
    assert "nothing lands now: Holiday." in talk.says("a")
    talk.wait(61_000)
    assert sorted(talk.landed) == ["a", "b"]


def test_a_closed_tree_takes_up_the_urgent_only_and_never_stops_a_finished_one() -> None:
    """Above priority 1: what is being tested lands; then the urgent one, then nobody."""
    talk = Scene()
    talk.submit("a", "b")
    talk.submit("u", priority=1)
    talk.take(e.TreeClosed(repo=talk.repo, by="ann", above=1, reason="Red."))
    talk.passes("a")
    assert talk.landed == ["a"]
    assert talk.testing == ["u"]
    assert talk.says("b") == "The tree is closed above priority 1: Red."
    talk.passes("u")
    assert talk.testing == []
    talk.take(e.TreeClosed(repo=talk.repo, by="ann", above=None, reason=""))
    talk.settle()
    assert talk.testing == ["b"]


def test_weekly_freezes_go_over_the_end_of_the_week() -> None:
    """From Friday 16:00 to Monday 08:00 UTC; one that touches it makes it longer."""
    friday_1559 = 1_699_631_940_000  # 2023-11-10 15:59:00 UTC
    spans = (span_of("Fri 16:00 - Mon 08:00"), span_of("Mon 08:00 - Mon 09:00"))
    rules = MergeRules(freezes=spans)
    assert frozen_until(Gates(), rules, friday_1559) == friday_1559
    monday_0900 = friday_1559 + 60_000 + (64 + 1) * 3_600_000
    assert frozen_until(Gates(), rules, friday_1559 + 60_000) == monday_0900
    assert frozen_until(Gates(), rules, monday_0900) == monday_0900
    with pytest.raises(ValueError, match="someday"):
        span_of("someday")


def test_checks_of_a_candidate_that_was_given_up_are_stopped() -> None:
    """They hold up others; how they end says nothing of the change."""
    talk = Scene(rules=MergeRules(window_max=2))
    talk.submit("a", "b")
    stale = talk._check_of("b")
    talk.fails("a")
    assert [one.key for one in talk.of(e.StopRequested)] == [stale]  # type: ignore[attr-defined]
    talk.fails("b")
    assert talk.state("b") == "failed"


def test_who_waits_in_the_window_is_no_orphan() -> None:
    """The reconciler leaves alone what has nothing under way because it waits for those ahead, and
    frees what should be checked and is not."""
    talk = Scene(rules=MergeRules(window_max=2, batch_max=2))
    talk.submit("a", "b", "c", "d")
    beads = tuple(talk.world.beads)
    sight = Observed(at_ms=talk.now_ms, carried={}, folders=frozenset(), listed=None)

    def rescheduled() -> list[str]:
        actions = reconcile(talk.world, talk.repo, sight, beads)
        return [one.bead for one in actions if isinstance(one, Reschedule)]

    assert rescheduled() == []
    talk.passes("d")
    assert rescheduled() == []
    talk.world.open.clear()
    assert rescheduled() == ["b"]

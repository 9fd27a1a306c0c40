"""What moves while a change waits: its head, its branch, the target (docs/MERGE_QUEUE.md).

Nobody tells the queue of the target: it finds out where it builds and where it lands.
"""

from __future__ import annotations

import pytest

from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import InputInvalid
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open


def test_a_push_after_the_approval_ends_it(town: Open) -> None:
    """With one notice; the next one is tested at once; approved as it is now it lands."""
    here = town()
    here.workers.finish("a", "b")
    older = here.ci.candidate("a")
    here.people.push_to("a", {"more.txt": "more"})
    here.ci.tests("b")
    here.queue.says("a", "Waits for an approval")
    assert here.queue.counts(e.ApprovalDropped) == 1
    here.ci.answers(older, None)
    here.queue.lands()
    with pytest.raises(InputInvalid, match="is at"):
        here.people.approve("a", at=CommitId("0" * 40))
    here.people.approve("a")
    here.ci.passes("b", "a")
    here.queue.lands("b", "a")
    here.main.holds("a.txt", "b.txt", "more.txt")


def test_a_change_that_was_closed_leaves_and_the_next_one_begins(town: Open) -> None:
    """In the same step; its test counts no more."""
    here = town()
    here.workers.finish("a", "b")
    older = here.ci.candidate("a")
    here.people.close("a")
    here.ci.tests("b")
    here.ci.answers(older, None)
    here.queue.sends_back("a", e.Reason.CLOSED)
    here.ci.passes("b")
    here.queue.lands("b")


def test_a_change_for_another_branch_does_not_land_here(town: Open) -> None:
    """Its approval ends; it can be approved again when it is for this branch again."""
    here = town()
    here.workers.finish("a", "b")
    here.people.retarget("a", "release")
    here.ci.tests("b")
    assert here.queue.counts(e.ApprovalDropped) == 1
    with pytest.raises(InputInvalid, match="release"):
        here.people.approve("a")
    here.people.retarget("a", "main")
    here.people.approve("a")
    here.ci.passes("b", "a")
    here.queue.lands("b", "a")


@WITH_AND_WITHOUT_REMOTE
def test_a_push_to_the_target_during_the_test_means_build_and_test_again(
    town: Open, *, alone: bool
) -> None:
    """On what is there now."""
    here = town(alone=alone)
    here.workers.finish("a")
    theirs = here.olga.pushes()
    here.ci.passes("a")
    here.queue.lands()
    here.ci.tests("a")
    here.ci.passes("a")
    here.queue.lands("a")
    assert here.main.parents[0] == theirs
    here.main.holds("a.txt", "theirs")


def test_what_a_force_push_took_from_the_target_never_comes_back(town: Open) -> None:
    """The queue waits and says why and what to do; then B lands without A, which stays landed."""
    here = town()
    first = here.main.tip
    here.workers.finish("a", "b")
    here.ci.passes("a")
    here.olga.sets_main_to(first)
    here.ci.passes("b")
    assert here.main.tip == first
    here.queue.says("b", "has what `main` at origin")
    here.people.take_what_the_remote_has()
    here.people.resume()
    here.ci.passes("b")
    here.queue.lands("a", "b")
    here.main.holds("b.txt")


def test_what_is_taken_from_a_target_without_remote_never_comes_back_either(town: Open) -> None:
    """There nothing is in doubt: B is built and tested again on what is there now."""
    here = town(alone=True)
    first = here.main.tip
    here.workers.finish("a", "b")
    here.ci.passes("a")
    here.olga.sets_main_to(first)
    here.ci.passes("b", "b")
    here.queue.lands("a", "b")
    here.main.holds("b.txt")


def test_a_target_that_is_gone_makes_the_queue_wait(town: Open) -> None:
    """With the reason; it is not made again by us. When it is back, the change lands."""
    here = town()
    first = here.main.tip
    here.workers.finish("a")
    here.olga.deletes_main()
    here.ci.passes("a")
    here.queue.says("a", "There is no branch `main` at origin")
    here.queue.lands()
    here.olga.sets_main_to(first)
    here.people.resume()
    here.ci.runs_all()
    here.queue.lands("a")


@WITH_AND_WITHOUT_REMOTE
def test_a_change_that_was_merged_by_hand_is_found_landed(town: Open, *, alone: bool) -> None:
    """Its checks pass on the target, which is not moved again for it."""
    here = town(alone=alone)
    here.workers.finish("first", "a")
    here.olga.merges("a")
    here.ci.passes("first", "first", "a")
    here.queue.lands("first", "a")
    assert here.queue.change("a").reason is e.Reason.ALREADY_LANDED
    here.main.moved(times=2)


def test_a_push_in_the_moment_of_landing_lands_what_was_approved(town: Open) -> None:
    """The landing was asked for when somebody pushed: it is not taken back, and nothing of the push
    lands."""
    here = town()
    here.workers.finish("a")
    tested = here.ci.candidate("a").candidate
    here.ci.reports("a")
    here.people.push_to("a", {"more.txt": "more"})
    here.queue.lands("a")
    assert here.main.tip == tested
    here.main.holds("a.txt")


def test_a_push_in_the_moment_before_lands_nothing(town: Open) -> None:
    """The test of what it was passes after the push."""
    here = town()
    here.workers.finish("a")
    older = here.ci.candidate("a")
    here.people.push_to("a", {"more.txt": "more"})
    here.ci.answers(older, None)
    here.queue.lands()
    here.main.moved(times=0)

"""Who is next (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from oya_vcs.core import events as e
from tests.scenarios.conftest import Open


def test_what_has_passed_lands_before_what_is_tested_and_that_before_what_waits(
    town: Open,
) -> None:
    """However urgent those are that come later."""
    here = town(window=2)
    here.workers.finish("a", "b", "c")
    here.ci.passes("b")
    here.workers.finish("urgent", priority=0)
    here.ci.tests("a")
    here.ci.passes("a")
    here.queue.lands("b", "a")
    here.ci.tests("urgent", "urgent+c")


def test_the_second_is_tested_on_top_of_the_first(town: Open) -> None:
    """Its candidate stands on that of the first."""
    here = town(window=2)
    here.workers.finish("a", "b")
    a, b = here.queue.change("a"), here.queue.change("b")
    assert b.base == a.candidate
    here.ci.tests("a", "a+b")


def test_a_failed_head_does_not_block(town: Open) -> None:
    """The next one is taken up at once, and lands."""
    here = town()
    here.workers.finish("a", "b")
    here.ci.fails("a")
    here.ci.tests("b")
    here.ci.passes("b")
    here.queue.lands("b")


def test_a_priority_may_be_raised_while_a_change_waits(town: Open) -> None:
    """It is next then."""
    here = town()
    here.workers.finish("a", "b", "c")
    here.people.approve("c", priority=0)
    here.ci.tests("a")
    here.ci.passes("a", "c", "b")
    here.queue.lands("a", "c", "b")


def test_a_closed_tree_never_stops_what_is_being_tested(town: Open) -> None:
    """It lands; the next one waits until the tree is open."""
    here = town()
    here.workers.finish("a", "b")
    here.people.close_tree(above=1, why="Red.")
    here.ci.passes("a")
    here.queue.lands("a")
    here.ci.tests()
    here.queue.says("b", "The tree is closed above priority 1: Red.")
    here.people.open_tree()
    here.ci.passes("b")
    here.queue.lands("a", "b")


def test_a_conflict_at_the_head_is_noticed_once_and_the_next_goes_on(town: Open) -> None:
    """It goes back with the file's name; the target has what landed."""
    here = town()
    here.workers.finish("a", writes={"same": "a"})
    here.workers.finish("b", writes={"same": "b"})
    here.workers.finish("c")
    here.ci.passes("a")
    here.queue.sends_back("b", e.Reason.CONFLICT)
    assert "same" in here.queue.change("b").detail
    assert here.queue.counts(e.CandidateConflicted) == 1
    here.ci.tests("c")
    here.ci.passes("c")
    here.queue.lands("a", "c")
    here.main.holds("same", "c.txt")

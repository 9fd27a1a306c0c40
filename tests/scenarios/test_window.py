"""The window: each candidate on top of the one before (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from oya_vcs.core import events as e
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open


@WITH_AND_WITHOUT_REMOTE
def test_three_green_ones_land_in_the_time_of_one_test(town: Open, *, alone: bool) -> None:
    """What was tested on top of each other lands so: nothing is tested again."""
    here = town(alone=alone, window=3)
    began = here.clock.minutes
    here.workers.finish("a", "b", "c")
    here.ci.tests("a", "a+b", "a+b+c")
    here.clock.passes(minutes=10)
    here.ci.passes("a", "b", "c")
    here.queue.lands("a", "b", "c")
    here.main.holds("a.txt", "b.txt", "c.txt")
    assert here.clock.minutes - began == 10
    assert here.queue.counts(e.ChecksFinished) == 3


def test_the_head_fails_and_those_behind_start_again_without_it(town: Open) -> None:
    """They were built on it."""
    here = town(window=3)
    here.workers.finish("a", "b", "c")
    here.ci.fails("a")
    here.ci.tests("b", "b+c")
    here.ci.passes("b", "c")
    here.queue.lands("b", "c")
    here.main.holds("b.txt", "c.txt")


def test_the_middle_fails_and_only_what_is_behind_it_starts_again(town: Open) -> None:
    """A goes on as it is; B's verdict stands when A has landed."""
    here = town(window=3)
    here.workers.finish("a", "b", "c")
    going_on = here.ci.candidate("a")
    here.ci.fails("b")
    here.ci.tests("a", "a+c")
    assert here.ci.candidate("a") == going_on
    here.queue.says("b", "It failed its checks on top of a.1")
    here.ci.passes("a")
    here.queue.sends_back("b", e.Reason.CHECK_FAILED)
    here.ci.passes("c")
    here.queue.lands("a", "c")


def test_the_last_is_green_before_the_others_and_waits(town: Open) -> None:
    """It says for whom, and is not tested again."""
    here = town(window=3)
    here.workers.finish("a", "b", "c")
    here.ci.passes("c")
    here.queue.lands()
    here.queue.says("c", "has passed and waits for a.1, b.1")
    here.ci.passes("a", "b")
    assert sorted(here.scene.landed) == ["a", "b", "c"]
    assert here.queue.counts(e.ChecksFinished) == 3
    here.main.moved(times=2)


def test_the_remote_refuses_the_head_and_everything_behind_is_built_anew(town: Open) -> None:
    """The head is held with the remote's words; the others land without it; when the rule is gone
    it lands too."""
    here = town(window=2)
    here.main.refuses("a.txt", saying="Nothing called a, please.")
    here.workers.finish("a", "b")
    here.ci.passes("a")
    here.queue.says("a", "Nothing called a, please.")
    here.ci.tests("b")
    here.ci.passes("b")
    here.queue.lands("b")
    here.main.refuses_nothing()
    here.people.resume()
    here.ci.passes("a")
    here.queue.lands("b", "a")


def test_a_push_by_somebody_else_resets_the_window_and_our_own_landing_does_not(
    town: Open,
) -> None:
    """Who stands on what landed goes on; on what is there besides, all are built anew."""
    here = town(window=3)
    here.workers.finish("a", "b", "c")
    standing = here.ci.candidate("c")
    here.ci.passes("a")
    here.ci.tests("b", "b+c")
    assert here.ci.candidate("c") == standing
    here.olga.pushes()
    here.ci.passes("b")
    here.queue.lands("a")
    here.ci.tests("b", "b+c")
    assert here.ci.candidate("c") != standing
    here.ci.passes("b", "c")
    here.queue.lands("a", "b", "c")


def test_the_window_halves_with_a_failure_and_grows_with_a_landing(town: Open) -> None:
    """From 4 to 2, then 3 and 4, and no further."""
    here = town(window=4, adaptive=True)
    here.workers.finish("a", "b", "c", "d", "e", "f", "g")
    here.ci.tests("a", "a+b", "a+b+c", "a+b+c+d")
    here.ci.fails("a")
    here.ci.tests("b", "b+c")
    here.ci.passes("b")
    here.ci.tests("c", "c+d", "c+d+e")
    here.ci.passes("c")
    here.ci.tests("d", "d+e", "d+e+f", "d+e+f+g")
    here.ci.passes("d")
    here.ci.tests("e", "e+f", "e+f+g")


def test_what_stands_on_a_failed_one_leaves_with_the_reason(town: Open) -> None:
    """What does not stand on it lands."""
    here = town(window=3)
    here.workers.finish("a")
    here.workers.stack("b", on="a")
    here.workers.finish("c")
    here.ci.fails("a")
    here.queue.sends_back("b", e.Reason.PREDECESSOR_LEFT)
    here.ci.passes("c")
    here.queue.lands("c")


def test_a_fluke_is_forgiven_where_the_one_behind_passes(town: Open) -> None:
    """Both land by one move: the tree that passed is the tree that lands."""
    here = town(window=2, flaky_depth=1)
    here.workers.finish("a", "b")
    here.ci.fails("a")
    here.queue.says("a", "may show that it was a fluke")
    here.ci.passes("b")
    assert sorted(here.scene.landed) == ["a", "b"]
    here.main.moved(times=1)

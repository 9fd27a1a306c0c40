"""Several changes under one test (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from math import log2

import pytest

from oya_vcs.core import events as e
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open

EIGHT = tuple(f"b{number}" for number in range(8))


@WITH_AND_WITHOUT_REMOTE
def test_eight_green_ones_land_as_one(town: Open, *, alone: bool) -> None:
    """One test, one move of the target."""
    here = town(alone=alone, batch=8)
    here.workers.finish(*EIGHT)
    here.ci.tests("+".join(EIGHT))
    assert here.ci.runs_all() == 1
    assert sorted(here.scene.landed) == sorted(EIGHT)
    here.main.moved(times=1)
    here.main.holds(*(f"{name}.txt" for name in EIGHT))


@pytest.mark.parametrize("bad", ["b0", "b5"])
def test_one_bad_of_eight_is_found_and_seven_land(town: Open, bad: str) -> None:
    """In at most 2 log2(8) more tests."""
    here = town(batch=8)
    here.ci.finds_bad(bad)
    here.workers.finish(*EIGHT)
    assert here.ci.runs_all() <= 1 + 2 * log2(8)
    here.queue.sends_back(bad, e.Reason.CHECK_FAILED)
    here.main.holds(*(f"{name}.txt" for name in EIGHT if name != bad))


def test_of_a_bad_pair_exactly_one_lands(town: Open) -> None:
    """Each is well alone."""
    here = town(batch=2)
    here.ci.finds_bad_together("a", "b")
    here.workers.finish("a", "b")
    here.ci.runs_all()
    here.queue.lands("a")
    here.queue.sends_back("b", e.Reason.CHECK_FAILED)
    here.main.holds("a.txt")


def test_a_batch_has_a_limit_and_one_priority(town: Open) -> None:
    """Three of one priority and one of another, two a batch at most: never mixed."""
    here = town(batch=2)
    here.workers.finish("a", "b", "c")
    here.workers.finish("other", priority=3)
    here.ci.tests("a+b")
    here.ci.passes("b")
    here.ci.tests("c")
    here.ci.passes("c")
    here.ci.tests("other")


def test_taking_out_a_member_starts_the_others_again(town: Open) -> None:
    """What was being tested with it counts no more."""
    here = town(batch=3)
    here.workers.finish("a", "b", "c")
    older = here.ci.candidate("c")
    here.people.reject("b", "Not so.")
    here.ci.tests("a+c")
    here.ci.answers(older, None)
    here.queue.lands()
    here.ci.runs_all()
    here.main.holds("a.txt", "c.txt")


def test_a_test_that_does_not_end_in_time_fails_the_batch(town: Open) -> None:
    """It is cut in two like any other that fails."""
    here = town(batch=2, test_minutes_max=30)
    here.workers.finish("a", "b")
    here.clock.passes(minutes=31)
    here.ci.tests("a")
    here.ci.passes("a")
    here.ci.passes("b")
    here.queue.lands("a", "b")
    here.main.moved(times=2)

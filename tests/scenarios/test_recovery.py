"""What is left after a crash is enough (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core import pulls as p
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open

ELSEWHERE = (
    *(f.SetUpWorkspace, f.VerifyResult),
    *(p.AskPermission, p.Reply, p.TellStatus, p.TryPull),
)
"""Kinds of effect that nobody asks for here: no commands are configured, and there is no GitHub."""


@pytest.mark.parametrize("kind", [kind for kind in f.EFFECTS if kind not in ELSEWHERE])
def test_dead_after_any_effect_before_anybody_heard_of_it(town: Open, kind: type[f.Effect]) -> None:
    """The next life finds out that it was done: the same target, each landed once."""
    here = town(window=2)
    here.ci.finds_bad("b")
    here.workers.are_given("a", "b", "c")
    here.daemon.works_on(dies_after=kind)
    assert sorted(here.scene.landed) == ["a", "c"]
    here.main.holds("a.txt", "c.txt")
    here.queue.sends_back("b", e.Reason.CHECK_FAILED)
    assert here.main.pins == []


def test_a_landing_that_nobody_heard_of_and_somebody_took_back_is_not_made_again(
    town: Open,
) -> None:
    """The daemon dies when it has landed, and the remote is set back before the next life: that one
    says so, and waits for its user's word."""
    here = town()
    first = here.main.tip
    here.workers.finish("a")
    here.ci.reports("a")
    here.daemon.dies_after(f.Land, then=lambda: here.olga.sets_main_to(first))
    assert here.main.tip == first
    here.queue.says("a", "has what `main` at origin")
    here.people.take_what_the_remote_has()
    here.people.resume()
    here.ci.runs_all()
    here.queue.lands("a")


@WITH_AND_WITHOUT_REMOTE
def test_dead_before_and_after_every_single_effect(town: Open, *, alone: bool) -> None:
    """It takes longer, and comes to the same."""
    here = town(alone=alone, window=2)
    here.workers.are_given("a", "b")
    here.daemon.works_on(always=True)
    assert sorted(here.scene.landed) == ["a", "b"]
    here.main.holds("a.txt", "b.txt")
    assert here.main.pins == []


def test_what_is_heard_twice_late_and_out_of_order_changes_nothing(town: Open) -> None:
    """Answers, approvals and ends of what is over."""
    here = town()
    here.workers.finish("a", "b")
    asked = here.ci.candidate("a")
    here.people.approve("a")
    here.people.approve("a")
    here.ci.passes("a")
    here.ci.answers(asked, e.Reason.CHECK_FAILED)
    here.ci.answers(asked, None)
    here.people.close("a")
    here.people.push_to("a", {"more.txt": "more"})
    here.ci.passes("b")
    here.queue.lands("a", "b")
    here.main.holds("a.txt", "b.txt")
    here.main.moved(times=2)


def test_the_record_alone_gives_the_queue_back(town: Open) -> None:
    """In the middle of it: a window under test, a verdict that hangs, one that waits."""
    here = town(window=3)
    here.workers.finish("a", "b", "c", "d")
    here.ci.fails("b")
    here.ci.passes("c")
    said = {name: here.scene.says(name) for name in "abcd"}
    here.daemon.dies()
    here.ci.tests("a", "a+c+d")
    assert {name: here.scene.says(name) for name in "abcd"} == said
    here.ci.passes("a", "d")
    assert sorted(here.scene.landed) == ["a", "c", "d"]


def test_only_our_own_refs_are_removed(town: Open) -> None:
    """What another home keeps for a change of the same name, and what somebody named like it,
    stays."""
    here = town()
    theirs = ["refs/oya/candidates/ffffff/a.1/kept", "refs/oya/kept/a.1"]
    for ref in theirs:
        here.place.ground.git("update-ref", ref, here.main.tip)
    here.workers.finish("a", "b")
    here.ci.fails("a")
    here.ci.passes("b")
    assert here.main.pins == theirs[:1]
    assert here.place.ground.git("for-each-ref", "--format=%(refname)", theirs[1]) == theirs[1]


@WITH_AND_WITHOUT_REMOTE
def test_two_queues_on_one_target_stay_out_of_each_others_way(town: Open, *, alone: bool) -> None:
    """Daemons with a home each: what one lands, the other finds, and builds anew on it; every tree
    was tested, and each change landed once."""
    here = town(alone=alone, window=2)
    there = town(home="other", window=2)
    here.workers.finish("a", "b")
    there.workers.finish("x", "y")
    here.ci.passes("a")
    there.ci.passes("x")
    there.queue.lands()
    there.ci.passes("x")
    here.ci.passes("b")
    here.queue.lands("a")
    here.ci.passes("b")
    there.ci.passes("y", "y")
    here.queue.lands("a", "b")
    there.queue.lands("x", "y")
    here.main.holds("a.txt", "b.txt", "x.txt", "y.txt")
    here.main.moved(times=4)
    assert here.main.pins == []

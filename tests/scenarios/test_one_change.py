"""One change, from its request to its end (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open


@WITH_AND_WITHOUT_REMOTE
def test_a_green_change_lands_as_it_was_tested(town: Open, *, alone: bool) -> None:
    """The commit that was tested is the one that lands, once; nothing of the queue's is left."""
    here = town(alone=alone)
    here.workers.finish("a")
    tested = here.ci.candidate("a").candidate
    here.ci.passes("a")
    here.queue.lands("a")
    assert here.main.tip == tested
    here.main.moved(times=1)
    assert here.main.pins == []


def test_a_merge_has_the_base_and_the_head_as_its_parents(town: Open) -> None:
    """In this order."""
    here = town()
    base = here.main.tip
    here.workers.finish("a")
    here.ci.passes("a")
    assert here.main.parents == (base, here.queue.change("a").head)


def test_a_failing_check_leaves_the_target_alone_and_names_the_job(town: Open) -> None:
    """With what the job said."""
    here = town()
    before = here.main.tip
    here.workers.finish("a")
    here.ci.fails("a", job="lint", says="E501 line too long")
    here.queue.sends_back("a", e.Reason.CHECK_FAILED)
    assert "lint" in here.queue.change("a").detail
    assert "E501 line too long" in here.queue.change("a").detail
    assert here.main.tip == before


def test_the_first_of_several_checks_that_fails_decides(town: Open) -> None:
    """What the others say of the same candidate changes nothing."""
    here = town()
    here.workers.finish("a")
    asked = here.ci.candidate("a")
    here.ci.fails("a", job="lint")
    here.ci.answers(asked, None, job="test")
    here.queue.sends_back("a", e.Reason.CHECK_FAILED)
    here.queue.lands()


def test_a_late_result_of_an_older_candidate_is_ignored(town: Open) -> None:
    """B was tested on top of A, which failed: what that test says now is about nothing."""
    here = town(window=2)
    here.workers.finish("a", "b")
    older = here.ci.candidate("b")
    here.ci.fails("a")
    here.ci.answers(older, None)
    here.queue.lands()
    here.ci.tests("b")
    here.ci.passes("b")
    here.queue.lands("b")
    here.main.holds("b.txt")


def test_a_test_that_does_not_end_in_time_fails(town: Open) -> None:
    """And what it says afterwards counts no more."""
    here = town(test_minutes_max=30)
    here.workers.finish("a")
    asked = here.ci.candidate("a")
    here.clock.passes(minutes=29)
    here.ci.tests("a")
    here.clock.passes(minutes=2)
    here.queue.sends_back("a", e.Reason.CHECK_TIMEOUT)
    here.ci.answers(asked, None)
    here.queue.lands()


def test_a_test_that_passed_while_the_daemon_was_down_counts(town: Open) -> None:
    """It is found, not run again: by now it would fail."""
    here = town()
    here.workers.finish("a")
    here.daemon.dies_after(f.RunChecks)
    here.ci.finds_bad("a")
    assert here.ci.runs_all() == 1
    here.queue.lands("a")


def test_a_change_that_was_taken_out_is_built_anew(town: Open) -> None:
    """Its worker hears why; the test of what it was says nothing of what it is."""
    here = town(attempts=2)
    here.workers.finish("a")
    older = here.ci.candidate("a")
    here.people.reject("a", "Use tabs.")
    assert "Use tabs." in here.place.told["a"][1]
    here.ci.answers(older, None)
    here.queue.lands()
    here.ci.passes("a")
    here.queue.lands("a")
    here.main.moved(times=1)


@WITH_AND_WITHOUT_REMOTE
def test_a_change_that_changes_nothing_any_more_is_found_landed(town: Open, *, alone: bool) -> None:
    """Two workers made the same: the second has nothing to land, and neither hangs nor fails."""
    here = town(alone=alone)
    here.workers.finish("a", writes={"same": "x"})
    here.workers.finish("b", writes={"same": "x"})
    here.ci.passes("a", "b")
    here.queue.lands("a", "b")
    assert here.queue.change("b").reason is e.Reason.ALREADY_LANDED
    here.main.moved(times=1)


def test_a_rebase_leaves_out_what_is_there_already(town: Open) -> None:
    """Of two commits somebody else made one meanwhile: the other one lands, by its author."""
    here = town(method="rebase")
    here.workers.finish("first")
    here.workers.commit("a", ("Wanda", {"a.txt": "a"}), ("Theo", {"theirs": "by hand"}))
    here.olga.pushes("theirs")
    here.ci.passes("first", "first")
    before = here.main.tip
    here.ci.passes("a")
    here.queue.lands("first", "a")
    assert here.main.parents == (before,)
    assert here.main.message.startswith("By Wanda")
    here.main.holds("first.txt", "theirs", "a.txt")


def test_a_squash_is_by_the_first_author_and_names_the_others(town: Open) -> None:
    """One commit on the base."""
    here = town(method="squash")
    base = here.main.tip
    here.workers.commit("a", ("Wanda", {"a.txt": "1"}), ("Theo", {"a.txt": "2"}))
    here.ci.passes("a")
    assert here.main.parents == (base,)
    assert "Co-authored-by: Theo <theo@example.org>" in here.main.message
    assert here.main.author == "Wanda <wanda@example.org>"

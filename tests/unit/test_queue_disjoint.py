"""Changes that share no path land without waiting for one another (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.decide.changes import PATHS_MAX
from oya_vcs.core.merge import MergeRules, Stage
from tests.merging import Scene


def scene(width: int = 3, **more: int) -> Scene:
    """A queue that takes the word of a test for all that share no path below it."""
    rules = MergeRules(window_max=width, disjoint=True)
    return Scene(rules=replace(rules, **more))  # type: ignore[arg-type]


def landings(talk: Scene) -> int:
    """How often the target was moved by us."""
    asked = [one.effect for one in talk.of(e.Requested) if isinstance(one, e.Requested)]
    return sum(isinstance(one, f.Land) for one in asked)


def told(talk: Scene, name: str) -> None:
    """The test of this change's candidate fails; nothing that is asked for is done."""
    key, change = talk._check_of(name), talk.change(name)
    assert change.candidate is not None
    failed = e.ChecksFinished(
        key=key,
        bead=change.bead,
        change=change.id,
        candidate=change.candidate,
        reason=e.Reason.CHECK_FAILED,
        check="test",
        detail="No.",
    )
    talk.carry_out(key, failed)


def test_a_green_one_does_not_wait_for_the_slow_ones_that_it_holds() -> None:
    """A and B are still being tested; main+A+B+C passed, and that is the tree that lands, by one
    move. The tests that nobody waits for are stopped."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.passes("c")
    assert talk.landed == ["c", "a", "b"]
    assert landings(talk) == 1
    assert talk.files == {"README", "a.txt", "b.txt", "c.txt"}
    stopped = {one.bead for one in talk.of(e.StopRequested) if isinstance(one, e.StopRequested)}
    assert stopped == {"a", "b"}


def test_one_that_shares_a_path_stands_in_the_way_of_those_on_top_of_it() -> None:
    """B may have written over what A did, so no test of a tree with B speaks for A's: not B's, and
    not that of C, which is green. When A has passed, C lands, and B on C's word."""
    talk = scene()
    talk.submit("a", "b", "c")
    assert [talk.change(name).paths for name in "abc"] == [("a.txt",), ("b.txt",), ("c.txt",)]
    talk.change("b").paths = ("a.txt", "b.txt")
    talk.passes("c")
    assert talk.landed == []
    assert "waits for a.1, b.1." in talk.says("c")
    talk.passes("a")
    assert talk.landed == ["c", "a", "b"]
    assert landings(talk) == 1


def test_who_has_passed_covers_what_is_below_for_all_on_top() -> None:
    """B passed and speaks for A; that C touches A's path again is no matter, C has passed too."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.change("c").paths = ("a.txt",)
    talk.passes("c")
    assert talk.landed == []
    talk.passes("b")
    assert talk.landed == ["c", "a", "b"]


@pytest.mark.parametrize("paths", [None, ()])
def test_of_whom_nothing_is_known_nothing_is_taken_for_granted(
    paths: tuple[str, ...] | None,
) -> None:
    """A candidate with more paths than are recorded, or of an older version's journal."""
    talk = scene(2)
    talk.submit("a", "b")
    talk.change("a").paths = paths
    talk.passes("b")
    assert talk.landed == []
    talk.passes("a")
    assert talk.landed == ["b", "a"]


def test_what_is_recorded_of_a_candidate_is_bounded() -> None:
    """No more paths than `PATHS_MAX`, and none at all where nobody wants to know."""
    talk = scene(2)
    talk.submit("a", writes={f"{n}": "x" for n in range(PATHS_MAX + 1)})
    talk.submit("b", writes={f"b/{n}": "x" for n in range(PATHS_MAX)})
    assert talk.change("a").paths is None
    assert len(talk.change("b").paths or ()) == PATHS_MAX
    plain = Scene()
    plain.submit("a")
    assert plain.change("a").paths is None


def test_a_bad_one_still_holds_up_those_on_top_of_it() -> None:
    """Each candidate on top of a bad change fails with it: nothing lands on anybody's word."""
    talk = scene(2)
    talk.submit("a", "b")
    talk.fails("b")
    assert talk.landed == []
    talk.fails("a")
    assert talk.testing == ["b"]
    talk.passes("b")
    assert talk.landed == ["b"]


def test_a_result_that_comes_while_it_lands_changes_nothing() -> None:
    """A's own test fails, or never ends, when the target is already on its way to main+A+B."""
    for late in (True, False):
        talk = scene(2, test_ms_max=10_000)
        talk.submit("a", "b")
        talk.carry_out(talk._check_of("b"))
        assert talk.change("a").stage is Stage.MERGING
        assert "which has passed" in talk.says("a")
        if late:
            told(talk, "a")
        else:
            talk.now_ms += 20_000
            talk.take(e.Ticked())
        talk.crash()
        talk.settle()
        assert talk.landed == ["b", "a"]
        assert not talk.of(e.ChecksExpired)


def test_a_check_that_cannot_be_run_does_not_hold_what_is_landing() -> None:
    """The machine refuses A's checks when main+A+B is on its way: both land."""
    talk = scene(2)
    talk.submit("a", "b")
    key = talk._check_of("a")
    talk.carry_out(talk._check_of("b"))
    refused = e.EffectFailed(
        key=key, bead=talk.change("a").bead, kind="RunChecks", workspace=None, message="Full."
    )
    talk.carry_out(key, refused)
    assert not talk.of(e.ChangeHeld)
    talk.settle()
    assert talk.landed == ["b", "a"]


def test_somebody_pushes_in_the_moment_of_landing() -> None:
    """What was to land on one test's word is built and tested again, each for itself."""
    talk = scene(2)
    talk.submit("a", "b")
    talk.carry_out(talk._check_of("b"))
    talk.push()
    talk.settle()
    assert talk.landed == []
    assert talk.testing == ["a", "a+b"]
    talk.passes("b")
    assert talk.landed == ["b", "a"]


def test_a_failed_one_is_no_fluke_on_the_word_of_one_far_behind() -> None:
    """Flaky depth 1: A failed, B is being tested, C passed: B alone can tell of A."""
    talk = scene(3, flaky_depth=1)
    talk.submit("a", "b", "c")
    talk.fails("a")
    talk.passes("c")
    assert talk.landed == []
    talk.passes("b")
    assert sorted(talk.landed) == ["a", "b", "c"]

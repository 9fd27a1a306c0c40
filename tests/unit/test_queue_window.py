"""The merge queue's window, told as conversations (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.merge import MergeRules
from tests.merging import Scene


def scene(width: int = 3, *, flaky_depth: int = 0) -> Scene:
    """A queue with a window of this width."""
    return Scene(rules=MergeRules(window_max=width, flaky_depth=flaky_depth))


def test_each_is_tested_on_top_of_the_one_before() -> None:
    """main+A, main+A+B, main+A+B+C at once; the fourth waits for room."""
    talk = scene()
    talk.submit("a", "b", "c", "d")
    assert talk.testing == ["a", "a+b", "a+b+c"]
    assert talk.says("d") == "Waits in the merge queue at place 4."


def test_three_green_ones_land_in_the_time_of_one_test() -> None:
    """Nothing is tested again when those ahead land: what was tested is what lands."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.passes("a", "b", "c")
    assert talk.landed == ["a", "b", "c"]
    assert talk.files == {"README", "a.txt", "b.txt", "c.txt"}
    assert len(talk.of(e.ChecksFinished)) == 3


def test_the_one_behind_waits_for_those_ahead() -> None:
    """C green before A and B waits, says for whom, and lands with them without another test."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.passes("c")
    assert talk.landed == []
    assert "has passed and waits for a.1, b.1" in talk.says("c")
    talk.passes("a")
    assert talk.landed == ["a"]
    talk.passes("b")
    assert sorted(talk.landed) == ["a", "b", "c"]
    assert (
        len(
            [
                one
                for one in talk.of(e.Requested)
                if isinstance(one, e.Requested) and isinstance(one.effect, f.Land)
            ]
        )
        == 2
    )


def test_the_head_fails_and_those_behind_start_again_without_it() -> None:
    """Only what was built on it starts again; it goes back with the log's tail."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.fails("a", said="assert 1 == 2")
    assert talk.state("a") == "failed"
    assert "assert 1 == 2" in talk.change("a").detail
    assert talk.testing == ["b", "b+c"]
    talk.passes("b", "c")
    assert talk.landed == ["b", "c"]
    assert "a.txt" not in talk.files


def test_the_middle_fails_and_only_those_behind_start_again() -> None:
    """A goes on as it is; C is built on A; B's verdict waits for A to land, and stands."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.fails("b")
    assert talk.testing == ["a", "a+c"]
    assert talk.says("b").startswith("It failed its checks on top of a.1, and waits for them")
    assert talk.state("b") == "queued"
    talk.passes("a")
    assert talk.state("b") == "failed"
    talk.passes("c")
    assert talk.landed == ["a", "c"]


def test_a_verdict_on_a_failed_base_is_forgotten() -> None:
    """B failed on top of A; A fails itself: B is tried again without it, before later ones."""
    talk = scene()
    talk.submit("a", "b", "c")
    talk.fails("b")
    talk.fails("a")
    assert talk.testing == ["c", "c+b"]
    talk.passes("c", "b")
    assert talk.landed == ["c", "b"]


def test_a_conflict_with_one_ahead_is_held_and_confirmed_when_that_one_lands() -> None:
    """B changes what A changes: it waits aside while A is tested, then goes back to a worker."""
    talk = scene()
    talk.submit("a", writes={"same": "a"})
    talk.submit("b", writes={"same": "b"})
    talk.submit("c")
    assert talk.testing == ["a", "a+c"]
    assert talk.says("b").startswith("It does not merge on top of a.1, and waits for them")
    talk.passes("a", "c")
    assert talk.landed == ["a", "c"]
    assert talk.state("b") == "failed"
    assert talk.change("b").reason is e.Reason.CONFLICT
    assert "same" in talk.change("b").detail


def test_a_conflict_with_one_ahead_is_released_when_that_one_leaves() -> None:
    """The conflict was with A, which failed: B lands."""
    talk = scene()
    talk.submit("a", writes={"same": "a"})
    talk.submit("b", writes={"same": "b"})
    talk.fails("a")
    assert talk.testing == ["b"]
    talk.passes("b")
    assert talk.landed == ["b"]


def test_the_forge_refuses_the_head_and_everything_behind_is_reset() -> None:
    """A landing that the world refuses for good holds that change; the others go on without it."""
    talk = scene()
    talk.submit("a", "b")
    key = talk._check_of("a")
    talk.carry_out(key)
    land = next(key for key, one in talk.pending.items() if isinstance(one, f.Land))
    bead = talk.change("a").bead
    talk.carry_out(
        land, e.EffectFailed(key=land, bead=bead, kind="Land", workspace=None, message="No.")
    )
    talk.settle()
    assert talk.says("a") == "Held in the merge queue until the next run: No."
    assert talk.testing == ["b"]
    talk.passes("b")
    talk.take(e.QueueResumed(repo=talk.repo))
    talk.settle()
    talk.passes("a")
    assert talk.landed == ["b", "a"]


def test_a_push_by_somebody_resets_the_window_and_our_own_landing_does_not() -> None:
    """Promise 2: noticed at once where a fact says so, at the landing where none does."""
    talk = scene()
    talk.submit("a", "b")
    talk.take(e.TargetMoved(repo=talk.repo, commit=talk.push()))
    talk.settle()
    assert talk.change("a").round == 2
    talk.passes("a")
    assert talk.change("b").round == 2
    talk.push("more")
    talk.passes("b")
    assert talk.landed == ["a"]
    talk.passes("b")
    assert talk.landed == ["a", "b"]
    assert {"theirs", "more", "a.txt", "b.txt"} <= talk.files


def test_a_force_push_backwards_never_brings_back_what_it_took() -> None:
    """The target goes back behind A: B lands on the old tip, and A, which had landed, stays so."""
    talk = scene()
    first = talk.here.outside.target
    assert first is not None
    talk.submit("a", "b")
    talk.passes("a")
    talk.here.outside.move_target(first)
    talk.passes("b")
    talk.passes("b")
    assert talk.files == {"README", "b.txt"}
    assert talk.state("a") == "landed"


def test_the_window_grows_by_a_landing_and_halves_by_a_failure() -> None:
    """Adaptive: from the ceiling, 8 → 4 → 2 at two failures, then one more for each landing."""
    talk = Scene(rules=MergeRules(window_max=8, adaptive=True))
    talk.submit(*(f"b{n:02}" for n in range(20)))
    assert len(talk.testing) == 8
    talk.fails("b00")
    assert len(talk.testing) == 4
    talk.fails("b01")
    assert len(talk.testing) == 2
    talk.passes("b02")
    assert len(talk.testing) == 3
    talk.passes("b03")
    assert len(talk.testing) == 4
    for name in ("b04", "b05", "b06", "b07"):
        talk.passes(name)
    assert len(talk.testing) == 8
    talk.passes("b08")
    assert len(talk.testing) == 8


def test_the_window_is_never_below_one() -> None:
    """However often it fails, one is tested."""
    talk = Scene(rules=MergeRules(window_max=2, adaptive=True))
    talk.submit("a", "b", "c", "d")
    for name in ("a", "b", "c"):
        talk.fails(name)
    assert talk.testing == ["d"]


def test_a_fluke_is_forgiven_where_the_one_behind_passes() -> None:
    """Flaky depth 1: A fails, B on top of it passes: both land, for main+A+B was tested."""
    talk = scene(flaky_depth=1)
    talk.submit("a", "b", "c")
    talk.fails("a")
    assert "may show that it was a fluke" in talk.says("a")
    talk.passes("b")
    assert talk.landed == ["b", "a"]
    assert talk.testing == ["c"]


def test_a_failure_that_the_one_behind_confirms_is_none() -> None:
    """Flaky depth 1: A fails and B on top of it too: A leaves, B is tested without it."""
    talk = scene(flaky_depth=1)
    talk.submit("a", "b", "c")
    talk.fails("a")
    talk.fails("b")
    assert talk.state("a") == "failed"
    assert talk.testing == ["b", "b+c"]

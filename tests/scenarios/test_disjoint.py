"""`disjoint`: a green test speaks for all below it that share no path (docs/MERGE_QUEUE.md)."""

from __future__ import annotations

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from tests.scenarios.conftest import WITH_AND_WITHOUT_REMOTE, Open


@WITH_AND_WITHOUT_REMOTE
def test_nobody_waits_for_the_slow_test_of_another(town: Open, *, alone: bool) -> None:
    """The head's test takes all day. The one behind, in other files, is green and lands now, and
    the head with it, as the tree of both that was tested; nothing is tested again."""
    here = town(alone=alone, window=2, disjoint=True)
    here.workers.finish("slow", writes={"a.md": "a", "README": "hello, all"})
    here.workers.finish("quick", writes={"b.py": "b"})
    here.ci.tests("slow", "slow+quick")
    assert here.queue.change("slow").paths == ("README", "a.md")
    assert here.queue.change("quick").paths == ("b.py",)
    here.clock.passes(minutes=1)
    here.ci.passes("quick")
    here.queue.lands("quick", "slow")
    here.main.moved(times=1)
    here.main.holds("a.md", "b.py")
    assert here.queue.counts(e.ChecksFinished) == 1


def test_who_writes_to_the_same_file_waits_and_says_so(town: Open) -> None:
    """The test of both says nothing of the head's own words there: they are not in that tree."""
    here = town(window=2, disjoint=True)
    here.workers.finish("head", writes={"a ü": "1\n"})
    here.workers.commit("behind", ("Ann", {"a ü": "1\n", "other": "x"}))
    here.queue.change("behind").paths = ("a ü", "other")
    here.ci.passes("behind")
    here.queue.lands()
    here.queue.says("behind", "waits for head.1 (both head.1 and it touch a ü)")
    here.ci.passes("head")
    assert sorted(here.scene.landed) == ["behind", "head"]


def test_a_daemon_that_dies_does_not_forget_the_paths(town: Open) -> None:
    """The candidate was built and nobody heard of it: found again, it has its paths; and dead after
    the landing, both have landed once."""
    here = town(window=2, disjoint=True)
    here.workers.are_given("a", "b")
    here.scene.settle(f.BuildCandidate)
    here.daemon.dies_after(f.BuildCandidate)
    assert [here.queue.change(one).paths for one in "ab"] == [("a.txt",), ("b.txt",)]
    here.ci.reports("b")
    here.daemon.dies_after(f.Land)
    here.queue.lands("b", "a")
    here.main.moved(times=1)


def test_a_moved_file_is_two_paths(town: Open) -> None:
    """Where it was, and where it is; a change that touches neither is known not to."""
    here = town(disjoint=True)
    here.workers.commit("a", ("Ann", {"README": "", "moved": "hello"}))
    assert here.queue.change("a").paths == ("README", "moved")

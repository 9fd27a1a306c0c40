"""The CI: which checks count, for which commit, and what becomes of those that do not come."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import Listener


@pytest.mark.chaos
async def test_the_first_of_several_that_fails_ends_it(oya: Listener, hub: Hub) -> None:
    """The others are not waited for; the one that failed is named."""
    hub.repo.rules.clear()
    hub.protects(checks=("test", "lint"))
    hub.ci.jobs, hub.ci.way = ["test", "lint"], Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        await hub.ci.fails("lint")
        await oya.until(lambda: "Check 'lint' failed" in oya.status(pull))
        assert [run.name for run in hub.ci.waiting()] == ["test"]


@pytest.mark.chaos
async def test_what_passes_without_being_required_counts_for_nothing(
    oya: Listener, hub: Hub
) -> None:
    """A ruleset requires one check; another one fails, and it lands."""
    hub.repo.rules.clear()
    hub.protects(checks=("build",), ruleset=True)
    hub.ci.jobs, hub.ci.way = ["build", "test"], Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        await hub.ci.fails("test")
        assert not pull.merged
        await hub.ci.passes("build")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_where_no_check_is_required_nothing_lands(oya: Listener, hub: Hub) -> None:
    """A gate that nobody set is not an open one; the status says how to set it."""
    hub.repo.rules.clear()
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "No checks are required, so nothing can land" in oya.status(pull))
        assert not pull.merged


@pytest.mark.chaos
async def test_a_check_that_never_comes_is_waited_for_so_long_and_no_longer(
    oya: Listener, hub: Hub
) -> None:
    """It fails with the time as the reason, and a success of the head alone lands nothing."""
    hub.ci.way = Ci.NEVER
    async with oya.listens(queue__test_ms_max=2_000):
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "The checks did not end in time." in oya.status(pull))
        assert "What failed" not in oya.status(pull)  # it says no more than that
        await hub.ci.checks(pull.head_sha, "success")
        assert not pull.merged


@pytest.mark.chaos
async def test_a_fluke_is_tried_again_by_word_or_shown_by_what_is_behind_it(
    oya: Listener, hub: Hub
) -> None:
    """With a depth of one, what failed lands with what passes on top of it."""
    hub.ci.way = Ci.HELD
    async with oya.listens(queue__merge="window", queue__window_max=2, queue__flaky_depth=1):
        first, second = [await hub.alice.opens({f"{one}.txt": one}) for one in "ab"]
        oya.later()
        hub.bob.comments(first, "@oya r+")
        hub.bob.comments(second, "@oya r+")
        await oya.until(lambda: len(hub.ci.built) == 2)
        await oya.until(lambda: len(hub.ci.waiting()) == 2)
        below, above = hub.ci.built
        await hub.ci.fails(sha=below)
        await oya.until(
            lambda: (
                any("it was a fluke" in oya.status(one) for one in (first, second))
                or hub.ci.waiting()
            )
        )
        await hub.ci.passes(sha=above)
        await oya.until(lambda: first.merged and second.merged)
        assert await hub.target() == above


@pytest.mark.chaos
async def test_a_result_that_is_late_counts_for_its_own_commit_only(
    oya: Listener, hub: Hub
) -> None:
    """The candidate that was given up passes, the one in its place fails: it has failed."""
    hub.ci.way = Ci.HELD
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(hub.ci.waiting)
        await hub.ann.pushes_to("main", {"b.txt": "B"})
        await hub.ci.passes()
        await oya.until(lambda: len(hub.ci.built) == 2)
        old, new = hub.ci.built
        await hub.ci.checks(old, "success")
        assert not pull.merged
        await oya.until(hub.ci.waiting)
        await hub.ci.fails(sha=new)
        await oya.until(lambda: "failed" in oya.status(pull))
        await hub.ci.checks(old, "success")
        assert not pull.merged

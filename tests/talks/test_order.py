"""Several in line: who is first, who stands on whom, and who is in nobody's way."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import Listener


async def test_a_failed_head_stops_nobody_behind_it(oya: Listener, hub: Hub) -> None:
    """Of three the first is bad and the second conflicts with the third: the bad one is told which
    job failed and what it said, one of the two lands and the other is told the file."""
    async with oya.listens():
        bad = await hub.alice.opens({"bad.txt": "bad"})
        one = await hub.alice.opens({"README": "One.\n"})
        two = await hub.alice.opens({"README": "Two.\n"})
        oya.later()
        for pull in (bad, one, two):
            hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "Check 'test' failed" in oya.status(bad))
        assert "It ended with failure." in oya.status(bad)
        assert "`@oya retry` tries it again" in oya.status(bad)
        await oya.until(lambda: one.merged or two.merged)
        lands, stays = (one, two) if one.merged else (two, one)
        await oya.until(lambda: "These files conflict: README." in oya.status(stays))
        await oya.until(lambda: "landed" in oya.status(lands))
        assert not stays.merged
        assert "bad.txt" not in await hub.files()


@pytest.mark.chaos
async def test_the_tree_is_closed_and_opened_again(oya: Listener, hub: Hub) -> None:
    """Nothing but the urgent lands while it is closed, with the reason in the status."""
    async with oya.listens():
        pull = await hub.alice.opens({"a.txt": "A"})
        urgent = await hub.alice.opens({"b.txt": "B"})
        oya.later()
        await oya.hears(hub.bob.comments(pull, "@oya treeclosed=0 the disk is full"), "")
        oya.later()
        hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "the disk is full" in oya.status(pull))
        hub.bob.comments(urgent, "@oya r+ p=0")
        await oya.until(lambda: urgent.merged)
        assert not pull.merged
        oya.later()
        hub.bob.comments(urgent, "@oya treeopen")
        await oya.until(lambda: pull.merged)


@pytest.mark.chaos
async def test_three_that_are_green_land_together(oya: Listener, hub: Hub) -> None:
    """A window of three: each tested on top of the one before, and all land as tested."""
    hub.ci.way = Ci.HELD
    async with oya.listens(queue__merge="window", queue__window_max=3):
        pulls = [await hub.alice.opens({f"{one}.txt": one}) for one in "abc"]
        oya.later()
        for pull in pulls:
            hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: len(hub.ci.waiting()) == 3)
        await hub.ci.passes()
        await oya.until(lambda: all(pull.merged for pull in pulls))
        assert len(hub.ci.built) == 3
        assert await hub.target() == hub.ci.built[-1]


@pytest.mark.chaos
async def test_one_bad_of_four_in_a_batch_is_found_and_the_others_land(
    oya: Listener, hub: Hub
) -> None:
    """Four are tested together, then halves, until the bad one is alone: no more than twice the
    logarithm of tests beside the first."""
    async with oya.listens(queue__merge="batch", queue__batch_max=4):
        names = ["a.txt", "b.txt", "bad.txt", "d.txt"]
        pulls = {name: await hub.alice.opens({name: name}) for name in names}
        first = pulls["a.txt"]
        oya.later()
        await oya.hears(hub.bob.comments(first, "@oya treeclosed=0 until all are here"), "closed")
        for pull in pulls.values():
            hub.bob.comments(pull, "@oya r+")
            await oya.until(lambda pull=pull: "until all are here" in oya.status(pull))
        oya.later()
        hub.bob.comments(first, "@oya treeopen")
        good = [pull for name, pull in pulls.items() if name != "bad.txt"]
        await oya.until(lambda: all(pull.merged for pull in good))
        await oya.until(lambda: "Check 'test' failed" in oya.status(pulls["bad.txt"]))
        assert set(names) - {"bad.txt"} <= set(await hub.files())
        assert len(hub.ci.built) <= 1 + 2 * 2


@pytest.mark.chaos
async def test_the_window_grows_with_what_lands_and_shrinks_with_what_fails(
    oya: Listener, hub: Hub
) -> None:
    """By itself: half after a failure, one more after each landing."""
    async with oya.listens(queue__window_max=4) as daemon:
        pace = next(iter(daemon.world.repos.values())).queue.pace
        bad = await hub.alice.opens({"bad.txt": "bad"})
        good = await hub.alice.opens({"good.txt": "good"})
        oya.later()
        hub.bob.comments(bad, "@oya r+")
        await oya.until(lambda: "failed" in oya.status(bad))
        assert pace.window == 2
        hub.bob.comments(good, "@oya r+")
        await oya.until(lambda: good.merged)
        await oya.until(lambda: pace.window == 3)


@pytest.mark.chaos
async def test_who_is_in_a_hurry_goes_first(oya: Listener, hub: Hub) -> None:
    """A priority that is raised while two wait behind one that is tested."""
    hub.ci.way = Ci.HELD
    async with oya.listens(queue__merge="serial"):
        first, second, third = [await hub.alice.opens({f"{one}.txt": one}) for one in "abc"]
        oya.later()
        for pull in (first, second, third):
            hub.bob.comments(pull, "@oya r+")
            await oya.until(lambda pull=pull: oya.answers(pull))
        oya.later()
        await oya.hears(hub.bob.comments(third, "@oya p=0"), "priority is 0")
        await oya.until(hub.ci.waiting)
        hub.ci.way = Ci.GREEN
        await oya.passes_all()
        await oya.until(lambda: second.merged and third.merged)
        landed = [(await hub.repo.bare.commit(one)).parents[1] for one in hub.ci.built]
        assert landed == [first.head_sha, third.head_sha, second.head_sha]

"""Several in line: who is first, who stands on whom, and who is in nobody's way."""

from __future__ import annotations

import pytest

from tests.github_model.conversation import Hub
from tests.github_model.tiny_ci import Way as Ci
from tests.talks.listener import ONE_WAY, Listener


async def test_a_failed_head_stops_nobody_behind_it(oya: Listener, hub: Hub) -> None:
    """Of three the first is bad and the second conflicts with the third: the bad one is told which
    job failed, one of the two lands and the other is told the file, each once."""
    async with oya.listens():
        bad = await hub.alice.opens({"bad.txt": "bad"})
        one = await hub.alice.opens({"README": "One.\n"})
        two = await hub.alice.opens({"README": "Two.\n"})
        oya.later()
        for pull in (bad, one, two):
            hub.bob.comments(pull, "@oya r+")
        await oya.until(lambda: "failed" in oya.status(bad))
        await oya.until(lambda: one.merged or two.merged)
        lands, stays = (one, two) if one.merged else (two, one)
        await oya.until(lambda: "README" in oya.status(stays))
        await oya.until(lambda: "landed" in oya.status(lands))
        assert not stays.merged
        assert "bad.txt" not in await hub.files()


@ONE_WAY
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


@ONE_WAY
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

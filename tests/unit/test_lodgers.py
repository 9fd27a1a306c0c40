"""Parts of the tree that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.core.supervision import Node, Status
from oya_vcs.errors import GaveUp
from oya_vcs.runtime.lodgers import Lodgers
from oya_vcs.runtime.supervisor import Child, Ready


class Guest:
    """A child that runs until it is told to stop, or to fail so many times."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.lives = 0
        self.ended = 0
        self.running = asyncio.Event()

    async def run(self, ready: Ready) -> None:
        """Live."""
        self.lives += 1
        ready()
        if self.lives <= self.fails:
            raise ValueError("No.")
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.clear()
            self.ended += 1

    @property
    def child(self) -> Child:
        """It, as a part of the tree."""
        return Child(name="poller", run=self.run)


def lodgers() -> tuple[Lodgers, list[str]]:
    """None yet, and what is said of them."""
    said: list[str] = []
    return Lodgers("github", clock=ManualClock(), say=said.append), said


@asynccontextmanager
async def up(house: Lodgers) -> AsyncIterator[None]:
    """They are part of a running tree."""
    ready = asyncio.Event()
    running = asyncio.create_task(house.run(ready.set))
    await ready.wait()
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def never(error: BaseException) -> None:
    """Nobody gives up here."""
    raise AssertionError(error)


def names(node: Node) -> list[str]:
    """What stands right below."""
    return [one.name for one in node.children]


async def test_they_come_and_go_while_the_tree_runs() -> None:
    """Who was taken in before it is up runs when it is; each is seen with what is below it; one
    that leaves has ended when it has left, the other does not notice; with the tree all end."""
    house, _ = lodgers()
    early, late = Guest(), Guest()
    house.take("early", [early.child], never)
    assert early.lives == 0
    async with up(house):
        house.take("late", [late.child], never)
        await early.running.wait()
        await late.running.wait()
        tree = house.tree()
        assert names(tree) == ["early", "late"]
        assert [names(one) for one in tree.children] == [["poller"], ["poller"]]
        assert tree.children[0].status is Status.RUNNING
        await house.leave("early")
        await house.leave("nobody")
        assert (early.ended, late.ended) == (1, 0)
        assert names(house.tree()) == ["late"]
    assert (early.ended, late.ended, early.lives, late.lives) == (1, 1, 1, 1)


async def test_who_has_not_left_is_there_in_the_next_life_of_the_tree() -> None:
    """After an outage the tree starts again, and they with it; not those who left meanwhile."""
    house, _ = lodgers()
    stays, leaves = Guest(), Guest()
    for name, guest in (("stays", stays), ("leaves", leaves)):
        house.take(name, [guest.child], never)
    async with up(house):
        await leaves.running.wait()
    await house.leave("leaves")
    async with up(house):
        await stays.running.wait()
    assert (stays.lives, leaves.lives) == (2, 1)


async def test_one_that_gives_up_takes_nobody_with_it() -> None:
    """It is started again as any part; where that does not help, it is gone, and who took it in
    hears of it; its neighbour lives on, and another may have its name."""
    house, said = lodgers()
    mended, broken, well = Guest(fails=3), Guest(fails=99), Guest()
    gone = asyncio.get_running_loop().create_future()
    async with up(house):
        house.take("well", [well.child], never)
        house.take("mended", [mended.child], never)
        house.take("broken", [broken.child], gone.set_result)
        error = await asyncio.wait_for(gone, 30)
        assert isinstance(error, GaveUp)
        assert broken.lives == 4
        await asyncio.wait_for(mended.running.wait(), 30)
        assert mended.lives == 4
        assert (well.lives, well.ended) == (1, 0)
        assert names(house.tree()) == ["well", "mended"]
        broken.fails = 0
        house.take("broken", [broken.child], never)
        await asyncio.wait_for(broken.running.wait(), 30)
    assert any("broken/poller failed" in one for one in said)


async def test_what_is_adopted_ends_with_the_tree() -> None:
    """As an effect under way does."""
    house, _ = lodgers()
    async with up(house):
        task = house.adopt(asyncio.Event().wait(), name="enter")
        assert names(house.tree()) == ["enter"]
    assert task.cancelled()

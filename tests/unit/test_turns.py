"""Whose turn it is at a repository."""

from __future__ import annotations

import asyncio

from oya_vcs.adapters.jj.turns import Turns
from oya_vcs.ports import Turn


class Queue:
    """Tasks that wait for a turn that the test holds, and the order in which they had theirs."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.had: list[str] = []

    async def wait(self, name: str, turn: Turn) -> None:
        async with self.turns.taken(turn):
            self.had.append(name)
            await asyncio.sleep(0)

    async def begin(self, name: str, turn: Turn) -> asyncio.Task[None]:
        """A task that has asked for its turn."""
        task = asyncio.create_task(self.wait(name, turn))
        await asyncio.sleep(0)
        return task


async def test_who_ends_work_goes_before_who_begins_some() -> None:
    """By rank, and by arrival within a rank; one holder at a time."""
    queue = Queue()
    async with queue.turns.taken(Turn.REST):
        tasks = [
            await queue.begin("make 1", Turn.REST),
            await queue.begin("make 2", Turn.REST),
            await queue.begin("collect", Turn.RESULT),
            await queue.begin("land 1", Turn.LANDING),
            await queue.begin("land 2", Turn.LANDING),
        ]
        assert queue.had == []
    await asyncio.gather(*tasks)
    assert queue.had == ["land 1", "land 2", "collect", "make 1", "make 2"]


async def test_a_waiter_that_is_cancelled_passes_its_turn_on() -> None:
    """Before the turn came to it, and in the very moment in which it came."""
    queue = Queue()
    async with queue.turns.taken(Turn.REST):
        early = await queue.begin("early", Turn.LANDING)
        late = await queue.begin("late", Turn.RESULT)
        last = await queue.begin("last", Turn.REST)
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
    late.cancel()  # handed to it just now, and not yet running
    await asyncio.gather(late, return_exceptions=True)
    await last
    assert queue.had == ["last"]
    await queue.wait("after", Turn.REST)
    assert queue.had == ["last", "after"]

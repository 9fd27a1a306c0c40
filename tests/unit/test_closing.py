"""The end of an outbox: what does not listen is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from oya_vcs.adapters.memory import MemoryPerformer, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, Key, WorkspaceName
from oya_vcs.ports import Recorded, Report
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.outbox import DRAIN_MS, KILL_MS, Outbox, of_one
from tests.clocks import SteppedClock
from tests.daemons import REPO, all_well, writes_own_file

CREATE = f.CreateWorkspace(
    bead=BeadId("one"), repo=REPO, attempt=1, workspace=WorkspaceName("one-1")
)

Closing = tuple[asyncio.Task[None], SteppedClock]


class Deaf(MemoryPerformer):
    """What it does goes on, whoever cancels it, until it is let go."""

    def __init__(self) -> None:
        super().__init__(new_outside({"a": "1"}), worker=writes_own_file, check=all_well)
        self.go = asyncio.Event()

    async def do(self, _key: Key, _effect: f.Effect, _report: Report) -> e.Event:
        """Wait to be let go."""
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                continue
        raise asyncio.CancelledError


async def _nothing_is_found(_key: str) -> Recorded | None:
    return None


async def _taken(_event: e.Event) -> None:
    return


async def _hangs() -> None:
    await asyncio.Event().wait()


async def _fails() -> None:
    raise OSError("No process table.")


@asynccontextmanager
async def _closing(kill: Callable[[], Awaitable[None]]) -> AsyncIterator[Closing]:
    """The end of an outbox with an effect under way that does not listen, just begun."""
    performer, clock = Deaf(), SteppedClock()
    outbox = Outbox(
        performers=of_one(REPO, [performer]),
        executor=Executor(_nothing_is_found),
        offer=_taken,
        clock=clock,
    )
    outbox.recover({Key("k"): CREATE})
    await clock.advance(0)
    closing = asyncio.create_task(outbox.close(kill))
    try:
        yield closing, clock
    finally:
        performer.go.set()
        closing.cancel()
        await asyncio.wait({closing})
        await outbox.drain()


async def test_a_kill_that_hangs_takes_no_longer_than_one_that_did_not_help() -> None:
    """Both have KILL_MS together, and then the end goes on."""
    async with _closing(_hangs) as (closing, clock):
        await clock.advance(DRAIN_MS + KILL_MS - 1)
        assert not closing.done()
        await clock.advance(1)
        assert closing.done()
        await closing


async def test_a_kill_that_fails_is_heard_of() -> None:
    """As an error of the end, after all had their time."""
    async with _closing(_fails) as (closing, clock):
        await clock.advance(DRAIN_MS + KILL_MS)
        with pytest.raises(OSError, match="No process table"):
            await closing

"""A daemon in memory that goes on beside its test, so that the test can act in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import World
from oya_vcs.runtime.engine import Engine
from tests.daemons import Daemon, Kill, states


class Life:
    """One life of the daemon."""

    def __init__(self, engine: Engine, task: asyncio.Task[World]) -> None:
        self.engine = engine
        self._task = task

    async def until(self, is_so: Callable[[World], object]) -> None:
        """Let the daemon work until it is so; fail where it rests before."""
        while not is_so(self.engine.world):
            assert not self._task.done(), states(self._task.result())
            await asyncio.sleep(0)

    async def rest(self) -> World:
        """The state at the end of this life."""
        return await self._task


@asynccontextmanager
async def life(daemon: Daemon, *beads: BeadSpec, kill: Kill | None = None) -> AsyncIterator[Life]:
    """Begin a life with these beads; it ends with the block, as by SIGKILL."""
    begun: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
    daemon.watch = begun.set_result
    task = asyncio.create_task(daemon.run_to_rest(beads, kill=kill))
    try:
        yield Life(await begun, task)
    finally:
        daemon.watch = lambda _engine: None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""Workers of paused beads stand still.

Whether one does follows from the state alone, and is looked up whenever a pause begins or ends: in
whatever order that is heard, the last look is right. Nothing of it has to outlive the daemon, for
no worker does.

Knows neither processes nor how they are stopped: it is handed what freezes a run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from oya_vcs.core.beads import State
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.events import BeadPaused, BeadResumed, EffectFailed, WorkerFinished
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.world import World
from oya_vcs.errors import OyaError
from oya_vcs.ports import Recorded

log = logging.getLogger(__name__)

Freeze = Callable[[Key, bool], Awaitable[None]]
"""Stops a run in its tracks (True), or lets it go on. One that is yet to begin waits."""


class Freezer:
    """A `ports.Feed`. `world` gives the state of now."""

    def __init__(self, world: Callable[[], World], freeze: Freeze) -> None:
        self._world = world
        self._freeze = freeze
        self._tasks: set[asyncio.Future[None]] = set()

    def publish(self, rows: Sequence[Recorded]) -> None:
        """See to each bead whose pause began or ended; nothing is kept of a run that is over, also
        where its bead was cancelled in its pause."""
        for row in rows:
            if isinstance(row.event, BeadPaused | BeadResumed):
                self._start(self._see_to(row.event.bead))
            elif isinstance(row.event, WorkerFinished | EffectFailed):
                self._start(self._freeze(row.event.key, False))  # noqa: FBT003 - a state

    def look_again(self) -> None:
        """See to every worker that runs: a pause may have been recorded and never heard of."""
        for effect in tuple(self._world().open.values()):
            if isinstance(effect, RunWorker):
                self._start(self._see_to(effect.bead))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _see_to(self, bead: BeadId) -> None:
        world = self._world()
        for key, effect in tuple(world.open.items()):
            if effect.bead == bead and isinstance(effect, RunWorker):
                await self._freeze(key, world.bead(bead).state is State.PAUSED)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OyaError):
            log.warning("A worker could not be paused or resumed: %s", error.message)
        elif error is not None:
            log.error("pausing a worker met a bug", exc_info=error)

"""The one that knows that time passes: tells the engine when something is due, and others to look.

Knows the door and some mailboxes; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from oya_vcs.core.decide import is_due
from oya_vcs.core.events import Ticked
from oya_vcs.ports import Clock
from oya_vcs.runtime.actor import Actor
from oya_vcs.runtime.door import Door

TICK_MS = 100
"""Between two looks at what is due: a tenth of the second in which a ready bead is dispatched."""
LOOK_MS = 1_000
"""Between two looks of the others (REQUIREMENTS B4)."""


class Ticker:
    """Each of `told` gets the time (Unix, ms) every LOOK_MS, unless it still has the last one."""

    def __init__(self, door: Door, clock: Clock, told: Sequence[Actor[int, Any]] = ()) -> None:
        self._door = door
        self._clock = clock
        self._told = told

    async def run(self, ready: Callable[[], None]) -> None:
        """Tick until cancelled."""
        ready()
        looked_ms = self._clock.now_ms()
        while True:
            now_ms = self._clock.now_ms()
            if self._is_due(now_ms):
                await self._door.offer(Ticked())
            if not 0 <= now_ms - looked_ms < LOOK_MS:
                looked_ms = now_ms
                for actor in self._told:
                    if not len(actor):
                        await actor.tell(now_ms)
            await self._clock.sleep(TICK_MS)

    def _is_due(self, now_ms: int) -> bool:
        life = self._door.now
        if life is None:
            return False
        world = life.engine.world
        return any(is_due(world, policy, now_ms) for policy in life.engine.policies)

"""Hooks that observe: told of what is on record, one after the other, while nobody waits for them.

At most once: what is in the line when the daemon ends is told to nobody, and so is the oldest where
more happens than they can take. Knows neither what a hook is nor how it is run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from oya_vcs.core.happenings import Happening, happening
from oya_vcs.core.world import World
from oya_vcs.errors import OyaError
from oya_vcs.ports import Recorded
from oya_vcs.runtime.roster import Roster
from oya_vcs.runtime.supervisor import Ready

LINE_MAX = 1_000
"""Happenings that wait; a hook that takes a second is a quarter of an hour behind then."""


class Observing:
    """A feed of every life's engine, and the child that tells the hooks."""

    def __init__(self, roster: Roster, say: Callable[[str], None]) -> None:
        """`say` hears what became of a hook that did not end well."""
        self._roster = roster
        self._say = say
        self._world: Callable[[], World] | None = None
        self._line: deque[tuple[int, Happening]] = deque()
        self._more = asyncio.Event()
        self._dropped = 0

    def watch(self, world: Callable[[], World]) -> None:
        """Read the state of this life from now on."""
        self._world = world

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Let what hooks are to hear of wait in line. Where a repository has no hook for it, it
        costs the look."""
        if self._world is None:
            return
        world = self._world()
        for row in rows:
            told = happening(world, row.event)
            served = None if told is None else self._roster.of(told.repo)
            if told is None or served is None or told.hook not in served.observed:
                continue
            self._line.append((row.seq, told))
            if len(self._line) > LINE_MAX:
                self._line.popleft()
                self._dropped += 1
        if self._line:
            self._more.set()

    async def run(self, ready: Ready) -> None:
        """A child: tells one after the other, until cancelled."""
        ready()
        while True:
            await self._more.wait()
            while self._line:
                await self._tell(*self._line.popleft())
            self._more.clear()

    async def _tell(self, seq: int, told: Happening) -> None:
        if self._dropped:
            self._say(f"{self._dropped} happenings were not told to hooks, which are too slow.")
            self._dropped = 0
        served = self._roster.of(told.repo)
        if served is None or served.observe is None:
            return
        try:
            said = await served.observe(told, seq)
        except OyaError as error:
            said = error.message
        if said:
            about = f" about {told.bead}" if told.bead else ""
            self._say(f"The hook {told.hook}{about} did not end well: {said}")

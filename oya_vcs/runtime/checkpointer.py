"""Takes a checkpoint now and then, so that the next start reads the end of the journal only.

Knows when one is due, and that it must not cost the loop more than the encoding; not what a
checkpoint looks like or where it is kept: it is handed two functions. A checkpoint that cannot be
written is logged and tried again at the next turn: the record does not depend on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt, OyaError, WorldFailed
from oya_vcs.ports import Clock
from oya_vcs.runtime.engine import Engine

log = logging.getLogger(__name__)

EVERY_MS = 60_000
"""Time after which a checkpoint is due, where anything happened (REQUIREMENTS A4)."""
EVERY_EVENTS = 10_000
"""Events after which one is due. With more beads than that, one event a bead: encoding costs the
size of the state, and so an event never pays for more than a fixed part of it."""
LOOK_MS = 1_000
"""How often it is looked whether one is due."""


class Checkpointer:
    """Takes checkpoints of the state of the engine that it was told to `watch` last.

    `encode` runs on the loop, where nothing can change the state meanwhile; `write` (seq, bytes) in
    a thread, when that event is on disk.
    """

    def __init__(
        self,
        *,
        encode: Callable[[World], bytes],
        write: Callable[[int, bytes], object],
        clock: Clock,
    ) -> None:
        self._engine: Engine | None = None
        self._encode = encode
        self._write = write
        self._clock = clock
        self._seq = self._tried = 0
        self._at_ms = clock.now_ms()
        self._writing: asyncio.Task[object] | None = None
        self._taking = asyncio.Lock()

    def watch(self, engine: Engine, seq: int) -> None:
        """Take them of this engine from now on. `seq` is the event of the newest one there is."""
        self._engine = engine
        self._seq = self._tried = seq
        self._at_ms = self._clock.now_ms()

    async def run(self, ready: Callable[[], None]) -> None:
        """Take one whenever it is due, until cancelled; none of an engine that has failed."""
        ready()
        while True:
            await self._clock.sleep(LOOK_MS)
            if self._is_due():
                with suppress(OyaError):  # the engine tells whoever waits for it
                    await self.take()

    async def finish(self) -> None:
        """Take the last one, of all that is on record."""
        with suppress(OyaError):  # as above
            await self.take()

    async def take(self) -> bool:
        """Take one now; returns whether there is one of the state as it was at the call.

        False in the middle of a step, and where it could not be written (which is logged). Raises
        what made the engine fail.
        """
        async with self._taking:
            if self._writing is not None:  # its taker was cancelled, and the thread went on
                await asyncio.wait({self._writing})
            engine = self._engine
            if engine is None:
                return False
            if self._seq == engine.seq:
                return True
            captured = await engine.capture(self._encode)
            if captured is None:
                return False
            seq, image = captured
            self._tried, self._at_ms = seq, self._clock.now_ms()
            self._writing = asyncio.create_task(asyncio.to_thread(self._write, seq, image))
            try:
                await asyncio.shield(self._writing)
            except (WorldFailed, JournalCorrupt) as error:
                log.warning("%s %s", error.message, error.hint)
                return False
            self._seq = seq
            return True

    def _is_due(self) -> bool:
        if self._engine is None or self._engine.failure is not None:
            return False
        events = self._engine.seq - self._tried
        return events >= max(EVERY_EVENTS, len(self._engine.world.beads)) or (
            events > 0 and self._clock.now_ms() - self._at_ms >= EVERY_MS
        )

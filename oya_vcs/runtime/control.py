"""The middle of the tree: the engine, and the outbox that carries out what it decides.

Each is a child that a supervisor starts (`runtime/supervisor.py`), the second after the first and
again whenever the first is started again. The world is a value: an engine that died is replaced by
one that reads checkpoint and tail. What was being carried out goes on meanwhile, for it is not the
engine's: it hands its outcome in at the door when that is open again.

Knows neither where the state comes from nor what performs an effect: it is handed both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from oya_vcs.core.world import World
from oya_vcs.errors import JournalStopped, OyaError, Stopped, WorldFailed
from oya_vcs.ports import Feed, Journal
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.outbox import Outbox
from oya_vcs.runtime.record import Record
from oya_vcs.runtime.roster import Roster, greet
from oya_vcs.runtime.seat import Seat


class Control:
    """`begin` makes an engine from the record, as a life, and ends what belongs to it; the `roster`
    says what is worked on; `feeds` hear of each event, and `show` is handed each life's state at
    its beginning."""

    def __init__(
        self,
        *,
        record: Record,
        begin: Callable[[Journal], AbstractAsyncContextManager[Life]],
        outbox: Outbox,
        door: Door,
        roster: Roster,
        feeds: Sequence[Feed] = (),
        show: Callable[[World], None] = lambda _world: None,
    ) -> None:
        self._record = record
        self._begin = begin
        self._outbox = outbox
        self._door = door
        self._roster = roster
        self._feeds = feeds
        self._show = show
        self._loaded: Seat[Life] = Seat()

    async def engine(self, ready: Callable[[], None]) -> None:
        """A child: one engine's life. Raises what it dies of: JournalStopped where the disk refused
        to be read or written."""
        journal = await self._record.journal.holder()
        try:
            async with self._begin(journal) as life:
                await self._live(life, journal, ready)
        except OyaError as error:
            stopped = _stopped(error)
            await self._ask(journal, stopped)
            if stopped is error:
                raise
            raise stopped from error

    async def _ask(self, journal: Journal, error: OyaError) -> None:
        """Tell the record where the journal takes no more, be it why the engine died or not."""
        if isinstance(error, JournalStopped):
            self._record.fail(journal, error)
            return
        try:
            await journal.append(0, ())
        except OyaError as refusal:
            self._record.fail(journal, refusal)

    async def _live(self, life: Life, journal: Journal, ready: Callable[[], None]) -> None:
        for feed in self._feeds:
            life.engine.listen(feed)
        self._show(life.engine.world)
        orphaned = asyncio.create_task(self._record.journal.gone(journal))
        orphaned.add_done_callback(lambda _: life.engine.end(_STOPPED))
        try:
            with self._loaded.held(life):
                ready()
                await life.engine.ended()
        finally:
            life.engine.end(_STOPPED)
            orphaned.cancel()

    async def outbox(self, ready: Callable[[], None]) -> None:
        """A child: takes up what is open, and holds the door open while it listens to the engine.

        Nothing comes in while it takes up, and what is with the journal is waited for: an effect is
        in the state before it is on disk, and nothing is done before it is.
        """
        life = await self._loaded.holder()
        while life.engine.in_flight:
            await life.engine.flush()
        life.engine.listen(self._outbox)
        try:
            world = life.engine.world
            self._outbox.recover(world.open, world.stops)
            for served in self._roster:
                await greet(life.engine, served)
            with self._door.held(life):
                ready()
                await asyncio.Event().wait()
        finally:
            life.engine.ignore(self._outbox)


_STOPPED = Stopped("The engine was stopped, or its journal closed.")


def _stopped(error: OyaError) -> OyaError:
    """An engine that could not read its record has lost its disk as one that could not write."""
    if isinstance(error, WorldFailed) and not isinstance(error, JournalStopped):
        return JournalStopped(error.message, hint=error.hint, stderr=error.stderr)
    return error

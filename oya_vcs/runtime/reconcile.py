"""Looks at the outside every second, compares it with the record, and hands on what follows.

Writes no state itself: it offers facts, and asks the outbox to stop or take up. It remembers what
it saw last, for progress is a difference between two looks, and tells people once what is nobody's.
Knows neither processes nor jj: it is handed eyes. What follows is `core/reconcile.py`'s to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial

from oya_vcs.core.beads import State
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.core.reconcile import (
    Action,
    Carrying,
    Observed,
    Replace,
    Report,
    Reschedule,
    Stop,
    TakeUp,
    freed,
    patience_ms,
    reconcile,
    stopped,
    worked_on,
)
from oya_vcs.core.world import World
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Sight
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.outbox import Carried, Outbox, Phase
from oya_vcs.runtime.roster import Names, Roster, Served

log = logging.getLogger(__name__)

LIST_MS = 60_000
"""How often jj is asked for its workspaces: a call takes 20 ms, and nobody waits for the answer."""


@dataclass(slots=True)
class _Seen:
    """What is remembered of an effect under way."""

    carried: Carried
    mark: Hashable
    progress_ms: int
    dead_ms: int | None = None


class Reconciler:
    """Looks at every repository of the `roster`, one after the other; `say` hears sentences for
    people. Its `look` is what an actor does with the time that the ticker tells it."""

    def __init__(
        self, *, door: Door, outbox: Outbox, roster: Roster, say: Callable[[str], None]
    ) -> None:
        self._door = door
        self._outbox = outbox
        self._roster = roster
        self._say = say
        self._lookouts: dict[RepoId, Lookout] = {}

    async def look(self, at_ms: int) -> list[Action]:
        """Look once everywhere, and hand on what follows; returns that. An action that fails is
        logged, and stops no other."""
        before, self._lookouts = self._lookouts, {}
        actions: list[Action] = []
        for served in self._roster:
            lookout = before.get(served.repo)
            if lookout is None or lookout.served is not served:
                lookout = Lookout(
                    door=self._door, outbox=self._outbox, served=served, say=self._say
                )
            self._lookouts[served.repo] = lookout
            actions += await lookout.look(at_ms)
        return actions


class Lookout:
    """The same, at one repository, `served` as it is."""

    def __init__(
        self,
        *,
        door: Door,
        outbox: Outbox,
        served: Served,
        say: Callable[[str], None],
    ) -> None:
        self.served = served
        self._door = door
        self._outbox = outbox
        self._repo = served.repo
        self._eyes = served.eyes
        self._lease_ms = served.lease_ms
        self._say = say
        self._seen: dict[Key, _Seen] = {}
        self._life: Life | None = None
        self._worked_on: frozenset[BeadId] = frozenset()
        self._folders: Names = frozenset()
        self._listed: Names = frozenset()
        self._listed_ms = 0
        self._told: set[str] = set()

    async def look(self, at_ms: int) -> list[Action]:
        """Look once, and hand on what follows; returns that. An action that fails is logged, and
        stops no other."""
        life = self._door.now
        if life is None:
            return []
        observed = await self._observe(at_ms, life.engine.world)
        if self._door.now is not life:
            return []
        world = life.engine.world
        suspects = sorted(self._worked_on) if self._life is life else tuple(world.beads)
        actions = reconcile(world, self._repo, observed, suspects)
        self._life, self._worked_on = life, worked_on(world, self._repo)
        if any(isinstance(action, TakeUp) for action in actions):
            await life.engine.flush()  # nothing is begun that is in the state and not yet on disk
        doing = [self._hand_on(life, action, at_ms) for action in actions]
        for action, ended in zip(
            actions, await asyncio.gather(*doing, return_exceptions=True), strict=True
        ):
            if ended is not None:
                log.error("%s could not be carried out", action, exc_info=ended)
        self._told &= {action.name for action in actions if isinstance(action, Report)}
        return actions

    def _ours(self) -> dict[Key, Carried]:
        """What is under way in this repository."""
        under_way = self._outbox.under_way.items()
        return {key: one for key, one in under_way if one.effect.repo == self._repo}

    async def _observe(self, at_ms: int, world: World) -> Observed:
        workers = [k for k, one in self._ours().items() if isinstance(one.effect, RunWorker)]
        sights: Mapping[Key, Sight] = {}
        folders = listed = before = frozenset[WorkspaceName]()
        try:
            sights = await self._eyes.runs(workers)
            before, folders = self._folders, await self._eyes.folders()
            if not 0 <= at_ms - self._listed_ms < LIST_MS:
                listed = await self._eyes.listed()
        except WorldFailed as error:
            log.debug("the outside could not be seen: %s", error.message)
        self._folders = folders
        both: Names | None = None
        if listed:
            # What is there at two looks in a row is no workspace on its way in or out.
            both, self._listed, self._listed_ms = listed & self._listed, listed, at_ms
        carried = {}
        for key, one in self._ours().items():
            bead = world.beads.get(one.effect.bead)
            paused = bead is not None and bead.state is State.PAUSED
            carried[key] = self._carrying(key, one, sights.get(key), at_ms, paused=paused)
        self._seen = {key: seen for key, seen in self._seen.items() if key in carried}
        return Observed(at_ms=at_ms, carried=carried, folders=folders & before, listed=both)

    def _carrying(
        self, key: Key, carried: Carried, sight: Sight | None, at_ms: int, *, paused: bool
    ) -> Carrying:
        """A worker that is paused stands still because it was told to: its clock does, too."""
        sight = sight or Sight(None, None)
        seen = self._seen.get(key)
        if seen is None or seen.carried is not carried:
            seen = self._seen[key] = _Seen(carried, sight.mark, at_ms)
        if paused or sight.mark != seen.mark or at_ms < seen.progress_ms:  # the clock was set back
            seen.mark, seen.progress_ms = sight.mark, at_ms
        doing = carried.phase is Phase.DOING
        if sight.alive is not False or not doing:
            seen.dead_ms = None
        elif seen.dead_ms is None or at_ms < seen.dead_ms:
            seen.dead_ms = at_ms
        return Carrying(
            progress_ms=seen.progress_ms,
            dead_ms=seen.dead_ms,
            patience_ms=patience_ms(carried.effect, self._lease_ms) if doing else 0,
            leaving=carried.replaced or carried.stop is not None,
        )

    async def _hand_on(self, life: Life, action: Action, at_ms: int) -> None:
        match action:
            case TakeUp(key):
                world = life.engine.world
                effect = world.open.get(key)
                if effect is not None:
                    self._outbox.recover({key: effect}, world.stops)
            case Replace(key, why):
                if self._outbox.replace(key):
                    self._say(why)
            case Stop():
                self._say(action.why)
                await life.engine.ask(partial(stopped, action))
            case Reschedule():
                self._say(action.why)
                await life.engine.ask(partial(freed, action, at_ms))
            case Report(name, why):
                if name not in self._told:
                    self._told.add(name)
                    self._say(f"{why} Nothing of it is touched.")

"""Follows the beads files of the repositories that a daemon works on, where configurations say so:
a file that changed is read again, and what became of beads is written back.

Polls: a look at a file costs a stat. Must not know what follows from what is read
(`core/tracking.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.tracker import BeadsFile, read_beads
from oya_vcs.adapters.tracker.writing import Fields, Mark, mark_of, write_fields
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.core.events import Event
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.tracking import (
    GONE,
    Followed,
    Seen,
    Written,
    cancel_gone,
    follow,
    to_write,
)
from oya_vcs.core.world import World
from oya_vcs.errors import OyaError
from oya_vcs.ports import Clock
from oya_vcs.runtime.daemon import in_order
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.supervisor import Ready

LOOK_MS = 1_000
"""Between two looks at a file. One is written back to only where it was the same at two."""
STEP_BEADS_MAX = 200
"""Of one file in one step, so that no other step waits for a large one."""


@dataclass(frozen=True, slots=True)
class _File:
    """What a file says, its beads each after what it needs. Made in a thread: 10,000 beads take a
    while."""

    content: BeadsFile
    beads: Sequence[BeadSpec]
    seen: Mapping[BeadId, Seen]
    gone: Sequence[BeadId]


def _read(path: Path, known: Collection[BeadId], now_ms: int) -> _File:
    """Raises InputInvalid."""
    file = read_beads(path, known=known, now_ms=now_ms, followed=True)
    statuses = file.statuses
    return _File(
        content=file,
        beads=in_order(file.beads),
        seen={bead: Seen(status, file.updated_ms.get(bead)) for bead, status in statuses.items()},
        gone=[bead for bead, status in statuses.items() if status in GONE],
    )


@dataclass(slots=True)
class _Followed:
    """A file as it was last seen: `seen_at` is the event that its beads were last compared at."""

    mark: Mark | None = None
    file: _File | None = None
    due_ms: int | None = None
    later: bool = False
    seen_at: int = -1
    said: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Trackers:
    """Follows the files of all `plans`; `say` hears each sentence once."""

    plans: Callable[[], Mapping[RepoId, Plan]]
    say: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    _known: dict[RepoId, _Followed] = field(default_factory=dict)

    async def run(self, door: Door, ready: Ready) -> None:
        """A child: looks again and again, until cancelled."""
        ready()
        while True:
            await self.look(door)
            await self.clock.sleep(LOOK_MS)

    async def look(self, door: Door) -> None:
        """Look once at the file of every repository that is worked on and has one to follow."""
        followed = {repo: plan for repo, plan in self.plans().items() if plan.config.tracker.live}
        for repo in self._known.keys() - followed.keys():
            del self._known[repo]
        for repo, plan in followed.items():
            known = self._known.setdefault(repo, _Followed())
            said: list[str] = []
            try:
                await self._look_at(door, repo, plan, known, said)
            except OyaError as error:
                if (await door.holder()).engine.failure is not None:
                    raise
                said.append(" ".join(filter(None, (error.message, error.hint))))
            for text in said:
                if text not in known.said:
                    self.say(text)
            known.said = frozenset(said)

    async def _look_at(
        self, door: Door, repo: RepoId, plan: Plan, known: _Followed, said: list[str]
    ) -> None:
        settings = plan.config.tracker
        path, now_ms = plan.root / settings.file, self.clock.now_ms()
        mark = await asyncio.to_thread(mark_of, path)
        is_settled = mark is not None and mark == known.mark
        is_due = known.due_ms is not None and known.due_ms <= now_ms
        if not is_settled or is_due:
            known.mark, known.file, known.due_ms, known.seen_at = mark, None, None, -1
            if mark is None:
                return
            beads = (await door.holder()).engine.world.beads
            known.file = await asyncio.to_thread(_read, path, beads.keys(), now_ms)
            due = (at for at in known.file.content.deferred.values() if at > now_ms)
            known.due_ms = min(due, default=None)
        file = known.file
        if file is None:
            said += known.said
            return
        said += file.content.warnings
        seq = (await door.holder()).engine.seq
        if seq == known.seen_at:
            said += known.said
            return
        name = f"{settings.file} ({plan.root})"
        if not is_settled or is_due or known.later:
            gone = file.gone if settings.cancel_closed else ()
            known.later, notes = await self._follow(door, repo, file, name, gone)
            said += notes
        if settings.write_back and is_settled and mark is not None:
            await self._write_back(door, repo, plan, file, mark)
        known.seen_at = seq if is_settled else -1

    async def _follow(
        self, door: Door, repo: RepoId, file: _File, name: str, gone: Sequence[BeadId]
    ) -> tuple[bool, list[str]]:
        """Record what follows, a part of the file at a time; whether there is more to follow later,
        and the notes. Raises what the door is closed with."""
        later, notes = False, list[str]()
        for part in _parts(file.beads):
            found = await self._recorded(door, partial(follow, repo=repo, beads=part, name=name))
            notes += found.notes
            later = later or bool(found.later)

        def ended(world: World) -> Followed:
            return Followed(tuple(cancel_gone(world, repo, gone, name=name)), (), ())

        if gone:
            await self._recorded(door, ended)
        return later, notes

    async def _recorded(self, door: Door, judge: Callable[[World], Followed]) -> Followed:
        """What a judgement finds, at the moment of the step that records it."""
        found: list[Followed] = []

        def ask(world: World) -> Sequence[Event]:
            found[:] = [judge(world)]
            return found[0].events

        async def act(life: Life) -> None:
            await life.engine.ask(ask)

        await door.ask(act)
        return found[0]

    async def _write_back(
        self, door: Door, repo: RepoId, plan: Plan, file: _File, mark: Mark
    ) -> None:
        world = (await door.holder()).engine.world
        wanted = to_write(world, repo, file.seen)
        if not wanted:
            return
        now = datetime.fromtimestamp(self.clock.now_ms() / 1_000, UTC)
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        changes = {bead: _fields(one, stamp) for bead, one in wanted.items()}
        path = plan.root / plan.config.tracker.file
        await asyncio.to_thread(write_fields, path, mark, changes, file.content.lines)


def _fields(one: Written, stamp: str) -> Fields:
    """What is written for a status, in the dialect of bd and br."""
    fields = {"status": one.status, "updated_at": stamp}
    return fields | ({"closed_at": stamp, "close_reason": one.reason} if one.reason else {})


def _parts(beads: Sequence[BeadSpec]) -> Iterable[Sequence[BeadSpec]]:
    """The beads in their order, so many at a time as one step may be about."""
    return (beads[at : at + STEP_BEADS_MAX] for at in range(0, len(beads), STEP_BEADS_MAX))

"""Follows the operation logs of the repositories that are worked on, and puts on record what others
did in them.

Each operation once and in order, however many come at once: what the folder of operation heads
tells of is only a reason to look, and the log is read from there back to what the record knows.
Decides nothing itself (`core/op_log.py`: which are not known, `core/views.py`: what they moved,
`core/following.py`: what follows), and must not know jj. An error of the world costs a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from oya_vcs.core.following import Seen, following
from oya_vcs.core.ids import OperationId, RepoId
from oya_vcs.core.op_log import Operation, Step, Unclear, tips, unseen
from oya_vcs.core.operations import Head, OperationSeen, OperationsPassed, Passing
from oya_vcs.core.views import (
    Difference,
    View,
    against_all,
    against_any,
    conflicts,
    difference,
    foremost,
)
from oya_vcs.core.world import World
from oya_vcs.errors import JournalStopped, WorldFailed
from oya_vcs.ports import Operations
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.supervisor import Ready

LOOK_MS = 2_000
"""Between two looks at every folder, whatever was heard of it; no program is started for one."""
LOG_FIRST, LOG_MAX = 8, 8_192
"""How far back the log is read at first, and at most; four times as far at each try."""
EACH_MAX = 1_000
"""Operations of others that are looked at one by one. Where more come at once (the daemon was
away), the repository is compared with how it was: each costs two short runs of jj."""
STEP_MAX = 16
"""Operations that are put on record at once."""
OURS_MAX = 1_000
"""Operations of our own after which the record learns how far all is known: a start reads no
further back."""

REST_S = 0.2
"""Between two looks of which the first found only our own operations. Many workers make many of
them; each look is a run of jj."""

Stirred = Callable[[Collection[Path], int], AsyncGenerator[frozenset[Path], None]]
"""Folders that something has happened in, again and again; ends when it is to be begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A repository whose operations are followed. `lands_here` says that its own bookmark is what
    is landed on, not one at a remote."""

    repo: RepoId
    operations: Operations
    lands_here: bool


@dataclass(slots=True)
class _Memory:
    """How far all is known: the record stands at `record`, and `known` is `ours` operations of our
    own further, where the heads were `listed`. `views` are what is shown there; `told` is the last
    error. Nothing is looked at before `rest_until_s` (the loop's time)."""

    record: tuple[Head, ...] = ()
    known: tuple[Head, ...] = ()
    ours: int = 0
    listed: frozenset[OperationId] = frozenset()
    views: Mapping[OperationId, View | None] = field(default_factory=dict)
    rest_until_s: float = 0.0
    told: str = ""

    def forget(self, record: tuple[Head, ...]) -> None:
        """Know what the record knows, and nothing more."""
        self.record = self.known = record
        self.ours, self.listed = 0, frozenset()


@dataclass(slots=True, eq=False, kw_only=True)
class Watching:
    """The follower of all logs. `places` are the repositories of now; `say` hears sentences."""

    door: Door
    places: Callable[[], Iterable[Watched]]
    stirred: Stirred
    say: Callable[[str], None]
    _memories: dict[RepoId, _Memory] = field(default_factory=dict)
    _looks: dict[RepoId, asyncio.Task[None]] = field(default_factory=dict)
    _again: set[RepoId] = field(default_factory=set)

    async def run(self, ready: Ready) -> None:
        """A child: follows until cancelled, in each of its lives. Raises what a look failed of, if
        that is no error of the world."""
        ready()
        try:
            while True:
                watched = self._folders()
                self._stir(watched.values())
                async with aclosing(self.stirred(tuple(watched), LOOK_MS)) as stirred:
                    async for folders in stirred:
                        if self._folders() != watched:
                            break
                        self._stir(
                            one for at, one in watched.items() if not folders or at in folders
                        )
        finally:
            looks = list(self._looks.values())
            self._looks.clear()
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    def _folders(self) -> Mapping[Path, Watched]:
        return {one.operations.folder: one for one in self.places()}

    def _stir(self, watched: Iterable[Watched]) -> None:
        """Let each be looked at, once at a time; one that is being looked at, once more after
        that. Raises what an earlier look failed of."""
        for one in watched:
            look = self._looks.get(one.repo)
            if look is not None and not look.done():
                self._again.add(one.repo)
                continue
            if look is not None:
                look.result()
            self._looks[one.repo] = asyncio.create_task(self._look_on(one))

    async def _look_on(self, one: Watched) -> None:
        while True:
            self._again.discard(one.repo)
            await self.look(one)
            if one.repo not in self._again:
                return

    async def look(self, one: Watched) -> None:
        """Put on record what is not known of the repository's log, to its heads of now. An error of
        the world is said, once, and the next look tries again."""
        memory = self._memories.setdefault(one.repo, _Memory())
        try:
            while await self._go_on(one, memory):
                pass
            memory.told = ""
        except JournalStopped:
            raise
        except WorldFailed as error:
            if error.message != memory.told:
                self.say(f"What others do in {one.repo} is not seen now: {error.message}")
            memory.told = error.message

    async def _go_on(self, one: Watched, memory: _Memory) -> bool:
        """One look at the heads, and what is behind them; whether there may be more."""
        known = (await self._world()).repos.get(one.repo)
        if known is None:
            return False
        if memory.record != known.seen:
            memory.forget(known.seen)
        loop = asyncio.get_running_loop()
        if loop.time() < memory.rest_until_s:
            await asyncio.sleep(memory.rest_until_s - loop.time())
        listed = await one.operations.heads()
        if not listed or listed == memory.listed:
            return False
        told = await self._take_in(one, memory, listed)
        memory.listed = listed
        memory.rest_until_s = 0.0 if told else loop.time() + REST_S
        return True

    async def _take_in(
        self, one: Watched, memory: _Memory, listed: Collection[OperationId]
    ) -> bool:
        """Know everything up to these heads; whether anything was put on record for it."""
        if not memory.known:
            newest = {each.id: each for each in await one.operations.log(listed, 1)}
            await self._pass(one, memory, tips(newest, listed), Passing.FIRST)
            return True
        log, found = await self._unseen(one, memory.known, listed)
        heads = tips(log, listed)
        if isinstance(found, Unclear):
            why = Passing.ABANDONED if found is Unclear.LOST else Passing.MANY
            await self._compare(one, memory, heads, why)
        elif sum(not _is_quiet(step.operation) for step in found) > EACH_MAX:
            await self._compare(one, memory, heads, Passing.MANY)
        else:
            before = memory.record
            for first in range(0, len(found), STEP_MAX):
                await self._tell(one, memory, found[first : first + STEP_MAX])
            memory.known = heads
            return memory.record != before
        return True

    async def _world(self) -> World:
        return (await self.door.holder()).engine.world

    async def _unseen(
        self, one: Watched, known: Sequence[Head], heads: Collection[OperationId]
    ) -> tuple[dict[OperationId, Operation], tuple[Step, ...] | Unclear]:
        most = LOG_FIRST
        while True:
            log = {each.id: each for each in await one.operations.log(heads, most)}
            found = unseen(log, known, heads)
            if found is not Unclear.MORE or most >= LOG_MAX:
                return log, found
            most *= 4

    async def _tell(self, one: Watched, memory: _Memory, steps: Sequence[Step]) -> None:
        """Put some operations on record, one after another."""
        seen: list[Seen] = []
        since, ours = memory.record, memory.ours
        for step in steps:
            ours += 1
            event: Seen | None = await self._told(one, memory, step, since)
            if event is None and ours >= OURS_MAX:
                event = OperationsPassed(
                    repo=one.repo, why=Passing.OURS, since=since, heads=step.known
                )
            if event is not None:
                seen.append(event)
                since, ours = step.known, 0
        await self._offer(one, seen)
        memory.record, memory.known, memory.ours = since, steps[-1].known, ours

    async def _told(
        self, one: Watched, memory: _Memory, step: Step, since: tuple[Head, ...]
    ) -> OperationSeen | None:
        """The fact of an operation; None for one of our own, which only takes its place. One of
        ours that joins what others did beside it is told where that moved anything."""
        operation = step.operation
        if _is_quiet(operation):
            return None
        found = await self._difference(one, memory, operation.parents, operation.id)
        moved, beyond = foremost(found or Difference({}))
        if operation.ours and not moved:
            return None
        return OperationSeen(
            repo=one.repo,
            operation=operation.id,
            by=operation.by,
            description=operation.description,
            ended_ms=operation.ended_ms,
            movements=moved,
            beyond=beyond,
            since=since,
            heads=step.known,
        )

    async def _difference(
        self,
        one: Watched,
        memory: _Memory,
        before: Sequence[OperationId],
        after: OperationId,
    ) -> Difference | None:
        """What an operation moved against all of some earlier ones; None where that is
        forgotten."""
        views, changed = await asyncio.gather(
            self._views(one, memory, [after, *before]),
            asyncio.gather(*(one.operations.changed(each, after) for each in before)),
        )
        now = views[after]
        found = []
        for each, change in zip(before, changed, strict=True):
            was = views[each]
            if now is None or was is None or change is None:
                return None
            found.append(difference(was, now, change))
        return against_all(found) if found else None

    async def _views(
        self, one: Watched, memory: _Memory, operations: Sequence[OperationId]
    ) -> Mapping[OperationId, View | None]:
        """What is shown at some operations; what the last one asked for is remembered, for the next
        one stands on it."""
        missing = [each for each in operations if each not in memory.views]
        found = await asyncio.gather(*(one.operations.view(each) for each in missing))
        known = {**memory.views, **dict(zip(missing, found, strict=True))}
        memory.views = {each: known[each] for each in operations}
        return memory.views

    async def _compare(
        self, one: Watched, memory: _Memory, heads: tuple[Head, ...], why: Passing
    ) -> None:
        """Put on record what is not as it was when all was known."""
        before = [head.operation for head in memory.known]
        every = [await self._difference(one, memory, before, head.operation) for head in heads]
        found = [each for each in every if each is not None]
        if len(found) < len(every):
            await self._pass(one, memory, heads, Passing.FORGOTTEN)
        else:
            await self._pass(one, memory, heads, why, against_any(found))

    async def _pass(
        self,
        one: Watched,
        memory: _Memory,
        heads: tuple[Head, ...],
        why: Passing,
        moved: Difference | None = None,
    ) -> None:
        """Know everything up to the heads from now on; without a difference (`moved`), only which
        bookmarks are conflicted."""
        if moved is None:
            view = await one.operations.view(heads[0].operation)
            moved = conflicts(view or View())
        movements, beyond = foremost(moved)
        event = OperationsPassed(
            repo=one.repo,
            why=why,
            movements=movements,
            beyond=beyond,
            since=memory.record,
            heads=heads,
        )
        await self._offer(one, [event])
        memory.forget(heads)

    async def _offer(self, one: Watched, seen: Sequence[Seen]) -> None:
        """Hand the facts in; where the record does not stand where they begin, they are dropped,
        and the next look begins there."""
        if not seen:
            return
        if one.lands_here:
            judge = partial(following, repo=one.repo, seen=tuple(seen))
            await self.door.through(lambda life: life.engine.ask(judge))
        else:
            await self.door.offer(*seen)


def _is_quiet(operation: Operation) -> bool:
    """Whether it is nobody else's, nor joins what others did."""
    return operation.ours and len(operation.parents) == 1

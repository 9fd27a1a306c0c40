"""Commands that change the record of a home and start no work: what people ask of beads while no
daemon runs, a workspace given up.

Composes as `bootstrap` does, over its pieces. Must not run workers or land anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import open_repository
from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.bootstrap import programs_of, read_record, workspaces_of
from oya_vcs.config import Home, environment, tools_folder
from oya_vcs.core import events as e
from oya_vcs.core.ids import RepoId, WorkspaceName
from oya_vcs.core.policy import Policy
from oya_vcs.core.queue_words import Word, hear
from oya_vcs.core.standing import everything
from oya_vcs.core.wishes import Wish, find_bead
from oya_vcs.core.world import Workspace, World
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import require
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime import queue_words, wishes
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.outbox import Outbox
from oya_vcs.runtime.wishes import Told


@asynccontextmanager
async def _record_of(home: Home) -> AsyncIterator[tuple[World, SqliteJournal, int]]:
    """The record of a home, for a command that starts no work: the state, and the number of its
    last event. Raises Locked and NotFound."""
    require(home.journal)
    with HomeLock(home.lock):
        journal = await asyncio.to_thread(SqliteJournal, home.journal)
        try:
            restored = await asyncio.to_thread(read_record, home)
            await journal.refill(everything(restored.world))
            yield restored.world, journal, restored.seq
        finally:
            await asyncio.to_thread(journal.close)


def _idle(world: World, seq: int, journal: SqliteJournal, repo: RepoId) -> Engine:
    """An engine that takes facts and starts nothing."""
    policy = Policy(repo=repo, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    return Engine(world=world, journal=journal, clock=SystemClock(), policy=policy, seq=seq)


async def grant(home: Home, wish: Wish) -> list[Told]:
    """Record what a person asks of beads, where no daemon has the home; the next one does what
    follows. Raises NotFound, with nothing recorded, for an unknown bead, and Locked."""
    async with _record_of(home) as (world, journal, seq):
        repo = find_bead(world, wish.beads[0]).repo
        return await wishes.grant(_idle(world, seq, journal, repo), wish, live=False)


async def say(home: Home, word: Word) -> str:
    """Record what a person says to a merge queue, where no daemon has the home; the next one does
    what follows. Raises NotFound, InputInvalid and Locked."""
    async with _record_of(home) as (world, journal, seq):
        repo = hear(world, word).repo
        return await queue_words.say(_idle(world, seq, journal, repo), word)


async def discard(
    home: Home, names: Collection[WorkspaceName]
) -> Mapping[WorkspaceName, Workspace]:
    """Pin and remove kept workspaces, and do nothing else; returns every workspace as it is then.

    Raises Locked where a daemon has the home.
    """
    async with _record_of(home) as (world, journal, last):
        seq = last
        chosen = [world.workspaces[name] for name in names]
        for repo in sorted({one.repo for one in chosen}):
            here = [one for one in chosen if one.repo == repo]
            seq = await _discard_in(world, seq, journal, home, here)
        return world.workspaces


async def _discard_in(
    world: World, seq: int, journal: SqliteJournal, home: Home, chosen: Sequence[Workspace]
) -> int:
    """Discard workspaces of one repository; returns the number of the last event then."""
    repo = world.repos[chosen[0].repo]
    environ = environment()
    tools = find_tools(tools_folder(), environ)
    repository = await open_repository(
        Path(repo.path), workspaces=home.workspaces, programs=programs_of(home, tools, environ)
    )
    await repository.prepare()
    engine = _idle(world, seq, journal, repo.id)
    outbox = Outbox(
        performers=[workspaces_of(home, repository, repo.target)],
        executor=engine.executor,
        offer=engine.offer,
        clock=SystemClock(),
        repo=repo.id,
    )
    engine.listen(outbox)
    facts = [e.WorkspaceDiscarded(bead=one.bead, workspace=one.name) for one in chosen]
    await engine.offer(*facts)
    await outbox.drain()
    return engine.seq

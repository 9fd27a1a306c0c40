"""Commands that change the record of a home and start no work: what people ask of beads and queues
while no daemon runs.

Composes as `bootstrap` does, over its pieces. Must not run workers or land anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.bootstrap import read_record
from oya_vcs.config import Home
from oya_vcs.core.beads import Bead
from oya_vcs.core.events import RepoRegistered
from oya_vcs.core.ids import RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.queue_words import Word, hear
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.standing import everything
from oya_vcs.core.wishes import Wish, find_bead
from oya_vcs.core.world import World
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import require
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime import queue_words, submissions, wishes
from oya_vcs.runtime.daemon import Taken, adding, recorded
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.wishes import Told


@asynccontextmanager
async def record_of(
    home: Home, *, begin: bool = False
) -> AsyncIterator[tuple[World, SqliteJournal, int]]:
    """The record of a home, for a command that starts no work: the state, and the number of its
    last event. With `begin` a home that has none gets one. Raises Locked and NotFound."""
    if not begin:
        require(home.journal)
    with HomeLock(home.lock):
        journal = await asyncio.to_thread(SqliteJournal, home.journal)
        try:
            restored = await asyncio.to_thread(read_record, home)
            await journal.refill(everything(restored.world))
            yield restored.world, journal, restored.seq
        finally:
            await asyncio.to_thread(journal.close)


def idle(world: World, seq: int, journal: SqliteJournal, repo: RepoId) -> Engine:
    """An engine that takes facts and starts nothing."""
    policy = Policy(repo=repo, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    return Engine(world=world, journal=journal, clock=SystemClock(), policy=policy, seq=seq)


async def grant(home: Home, wish: Wish) -> list[Told]:
    """Record what a person asks of beads, where no daemon has the home; the next one does what
    follows. Raises NotFound, with nothing recorded, for an unknown bead, and Locked."""
    async with record_of(home) as (world, journal, seq):
        repo = find_bead(world, wish.beads[0]).repo
        return await wishes.grant(idle(world, seq, journal, repo), wish, live=False)


async def say(home: Home, word: Word) -> str:
    """Record what a person says to a merge queue, where no daemon has the home; the next one does
    what follows. Raises NotFound, InputInvalid and Locked."""
    async with record_of(home) as (world, journal, seq):
        repo = hear(world, word).repo
        return await queue_words.say(idle(world, seq, journal, repo), word)


async def add(home: Home, repo: RepoId, spec: BeadSpec, *, named: bool) -> Bead:
    """Record one new bead of a repository that is on record, where no daemon has the home. Raises
    Locked, and InputInvalid with nothing recorded."""
    async with record_of(home) as (world, journal, seq):
        return await adding(repo, spec, named=named)(idle(world, seq, journal, repo))


async def submit(home: Home, fields: Mapping[str, object]) -> dict[str, object]:
    """Record what a person submits, where no daemon has the home; the next one takes it up. Raises
    NotFound, InputInvalid and Locked."""
    async with record_of(home) as (world, journal, seq):
        wanted = submissions.submission_of(world, fields)
        engine = idle(world, seq, journal, wanted.repo)
        return await submissions.take(engine, wanted, live=False)


async def take(home: Home, fact: RepoRegistered, beads: Sequence[BeadSpec]) -> Taken:
    """Record a repository and beads of it, where no daemon has the home; the next one works on
    them. Raises Locked, and InputInvalid with no bead recorded."""
    async with record_of(home, begin=True) as (world, journal, seq):
        engine = idle(world, seq, journal, fact.repo)
        if fact.repo not in world.repos:
            await engine.offer(fact)
        return await recorded(engine, fact.repo, beads)

"""A plan becomes a running daemon: the record is taken, the tree is put together, and it runs until
the block ends."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from oya_vcs import __version__
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.control import ControlSocket
from oya_vcs.adapters.jj import JjRepository, open_repository
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process.children import watched_by_descriptor
from oya_vcs.adapters.process.upkeep import Upkeep
from oya_vcs.adapters.reaper.quiet import cleaned, quiet
from oya_vcs.adapters.reaper.redaction import literals
from oya_vcs.bootstrap.edges import forge_of, setup_of, spaces_of, upkeep_of, workers_of
from oya_vcs.bootstrap.github_settings import is_on_github
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.config import (
    Home,
)
from oya_vcs.core.ids import RepoId
from oya_vcs.core.standing import everything
from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt, WorldFailed
from oya_vcs.journal.disk import require_well
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.proof import Proof
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.restart import Restored, keep, restore
from oya_vcs.journal.snapshot import encode
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Answer, Feed, Journal, Site
from oya_vcs.runtime import queue_words, wishes
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.daemon import Daemon, granted, heard
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.freezing import Freeze, Freezer
from oya_vcs.runtime.outbox import Gate, no_gate
from oya_vcs.runtime.reconcile import Eyes
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs.runtime.sweep import sweep
from oya_vcs.runtime.tree import Parts, Tree

if TYPE_CHECKING:
    from oya_vcs.bootstrap.github import Hub

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_daemon(
    plan: Plan,
    *,
    feeds: Sequence[Feed] = (),
    gate: Gate = no_gate,
    show: Callable[[World], None] = lambda _world: None,
    say: Callable[[str], None] = log.warning,
) -> AsyncIterator[Daemon]:
    """Take the home, read the record, take up what a dead daemon left, and run until the block
    ends. `show` is handed the state at the beginning of each life, `say` sentences for people.

    While the disk refuses the journal the daemon waits, and goes on by itself
    (`runtime/record.py`). On the way out programs are stopped, everything else may come to its end
    (B6: within 25 s), and a checkpoint is taken; what was not finished stays open in the record and
    is taken up by the next daemon. Raises Locked where another daemon has the home, and, inside or
    at the end, what the tree fell of.
    """
    answers: dict[str, Answer] = {"about": _about}
    async with AsyncExitStack() as held:
        held.enter_context(HomeLock(plan.home.lock))
        held.enter_context(quiet(literals(plan.secrets)))
        held.enter_context(watched_by_descriptor())
        tree = Tree(await _parts(plan, feeds, gate, show, say, answers, held))
        answers["tree"] = partial(_drawn, tree)
        answers |= wishes.answers(partial(granted, tree.door))
        answers |= queue_words.answers(partial(heard, tree.door))
        async with tree:
            yield Daemon(tree, await tree.door.holder())


async def _about(_fields: Mapping[str, object]) -> object:
    """Who answers."""
    return {"pid": os.getpid(), "version": __version__}


async def _drawn(tree: Tree, _fields: Mapping[str, object]) -> object:
    """The supervision tree."""
    return msgspec.to_builtins(tree.nodes())


async def _hear(
    home: Home, answers: Mapping[str, Answer], say: Callable[[str], None], ready: Ready
) -> None:
    """A child: hears commands. A file system without sockets costs them, not the work."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(ControlSocket(home.socket, answers))
        except WorldFailed as error:
            say(f"{error.message} {error.hint}")
        ready()
        await asyncio.Event().wait()


async def _parts(
    plan: Plan,
    feeds: Sequence[Feed],
    gate: Gate,
    show: Callable[[World], None],
    say: Callable[[str], None],
    answers: Mapping[str, Answer],
    held: AsyncExitStack,
) -> Parts:
    home, clock = plan.home, SystemClock()
    repository = await open_repository(
        plan.root, workspaces=home.workspaces, programs=plan.programs
    )
    await repository.prepare()
    hub = await _hub(plan, repository, held)

    async def ask() -> None:
        await asyncio.to_thread(require_well, home.root)
        await repository.prepare()

    checkpointer = Checkpointer(
        encode=encode, write=partial(keep, home.journal, home.checkpoints), clock=clock
    )
    runner = ReaperRunner(home.runs, clock, plan.secrets)
    upkeep = upkeep_of(plan, runner)
    workspaces = spaces_of(plan, repository)
    return Parts(
        clock=clock,
        say=say,
        open_journal=partial(asyncio.to_thread, SqliteJournal, home.journal),
        ask=ask,
        begin=partial(_begin, plan, repository.id, checkpointer, upkeep, runner.freeze),
        checkpointer=checkpointer,
        performers=(
            workspaces,
            setup_of(plan, runner),
            workers_of(plan, runner),
            await forge_of(plan, repository, runner, hub),
        ),
        repo=repository.id,
        eyes=Eyes(runs=runner.sights, folders=workspaces.folders, listed=workspaces.listed),
        lease_ms=plan.config.worker.lease_ms,
        kill=runner.kill,
        feeds=feeds,
        gate=gate,
        is_well=partial(_is_well, home),
        clean=partial(cleaned, literals(plan.secrets)),
        show=show,
        edges=lambda door: [
            Child(name="socket", run=partial(_hear, home, answers, say)),
            Child(name="upkeep", run=partial(_keep_up, upkeep)),
            Child(name="sweep", run=partial(_sweep, repository.id, workspaces, door)),
            *([] if hub is None else _github(plan, hub, door, say)),
        ],
    )


async def _hub(plan: Plan, repository: JjRepository, held: AsyncExitStack) -> Hub | None:
    if not is_on_github(plan.config):
        return None
    from oya_vcs.bootstrap.github import open_hub  # noqa: PLC0415 - slow to import, seldom needed

    return await open_hub(plan, repository, held)


def _github(plan: Plan, hub: Hub, door: Door, say: Callable[[str], None]) -> Sequence[Child]:
    """What GitHub speaks to, and what asks it."""
    from oya_vcs.bootstrap.web import web_of  # noqa: PLC0415 - slow to import, seldom needed

    poller = Child(name="poller", run=partial(hub.poll, door))
    return [*web_of(plan, door, say, hub.hear), poller]


@asynccontextmanager
async def _begin(
    plan: Plan,
    repo: RepoId,
    checkpointer: Checkpointer,
    upkeep: Upkeep,
    freeze: Freeze,
    journal: Journal,
    executor: Executor,
) -> AsyncIterator[Life]:
    """An engine's life: the state from checkpoint and tail, and the proof of what is before it."""
    restored = await asyncio.to_thread(read_record, plan.home)
    await journal.refill(everything(restored.world))
    engine = Engine(
        world=restored.world,
        journal=journal,
        clock=SystemClock(),
        policy=plan.policy,
        seq=restored.seq,
        executor=executor,
    )
    checkpointer.watch(engine, restored.since)
    upkeep.watch(restored.world.open)
    engine.listen(upkeep)
    freezer = Freezer(lambda: engine.world, freeze)
    engine.listen(freezer)
    freezer.look_again()
    loop = asyncio.get_running_loop()

    def damaged(error: JournalCorrupt) -> None:
        loop.call_soon_threadsafe(engine.end, error)

    proof = Proof(plan.home.journal, restored.since, damaged)
    try:
        yield Life(
            engine=engine,
            repo=repo,
            root=plan.root,
            target=plan.config.repo.target,
            resumed=sum(one.repo == repo for one in restored.world.open.values()),
        )
    finally:
        await asyncio.to_thread(proof.close)


async def _sweep(repo: RepoId, site: Site, door: Door, ready: Ready) -> None:
    """A child: removes what is left of workspaces, now and every hour."""

    async def state() -> World:
        return (await door.holder()).engine.world

    ready()
    await sweep(state=state, repo=repo, site=site, offer=door.offer, clock=SystemClock())


async def _keep_up(upkeep: Upkeep, ready: Ready) -> None:
    """A child: removes what runs that are over left."""
    ready()
    await upkeep.run()


def read_record(home: Home) -> Restored:
    """The state that the record of a home adds up to. Raises NotFound and JournalCorrupt."""
    with open_reader(home.journal) as reader:
        return restore(reader, home.checkpoints)


async def _is_well(home: Home) -> bool:
    try:
        await asyncio.to_thread(require_well, home.root)
    except WorldFailed:
        return False
    return True

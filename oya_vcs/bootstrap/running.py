"""A plan becomes a running daemon: the record is taken, the tree is put together, and it runs until
the block ends."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from oya_vcs import __version__
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.control import ControlSocket
from oya_vcs.adapters.jj import JjRepository, root_of
from oya_vcs.adapters.process.children import watched_by_descriptor
from oya_vcs.adapters.process.upkeep import Upkeep
from oya_vcs.adapters.reaper.quiet import Hidden, cleaned, quiet
from oya_vcs.bootstrap.edges import upkeep_of
from oya_vcs.bootstrap.github_settings import is_on_github
from oya_vcs.bootstrap.page import Page
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.bootstrap.serving import Workshop
from oya_vcs.bootstrap.watching import watching_of
from oya_vcs.bootstrap.web import WebServer
from oya_vcs.config import (
    Home,
    LogsConfig,
    WebConfig,
)
from oya_vcs.core.budget import may_use
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import RepoId
from oya_vcs.core.standing import everything
from oya_vcs.core.usage import Usage
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
from oya_vcs.runtime import queue_words, submissions, wishes
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.daemon import Daemon, granted, heard
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.freezing import Freezer
from oya_vcs.runtime.looks import Looks
from oya_vcs.runtime.observing import Observing
from oya_vcs.runtime.outbox import Gate, no_gate
from oya_vcs.runtime.roster import Roster
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs.runtime.sweep import sweep
from oya_vcs.runtime.tree import Parts, Tree

if TYPE_CHECKING:
    from oya_vcs.bootstrap.github import Hub

log = logging.getLogger(__name__)

WEB_STOP_MS = 8_000
"""Requests under way have five seconds to end in."""


@asynccontextmanager
async def open_daemon(
    plan: Plan,
    *,
    feeds: Sequence[Feed] = (),
    gate: Gate = no_gate,
    show: Callable[[World], None] = lambda _world: None,
    say: Callable[[str], None] = log.warning,
) -> AsyncIterator[Daemon]:
    """Take the home, read the record, take up what a dead daemon left, and work on the plan's
    repository until the block ends. `show` is handed the state at the beginning of each life, `say`
    sentences for people.

    While the disk refuses the journal the daemon waits, and goes on by itself
    (`runtime/record.py`). On the way out programs are stopped, everything else may come to its end
    (B6: within 25 s), and a checkpoint is taken; what was not finished stays open in the record and
    is taken up by the next daemon. Raises Locked where another daemon has the home, and, inside or
    at the end, what the tree fell of.
    """
    shop = Workshop(plan.home, Hidden(plan.secrets))
    async with AsyncExitStack() as held:
        held.enter_context(taken(shop))
        repository = await shop.repository(plan)
        page = page_of(shop, "run", plan.config.web)
        web = WebServer(plan.config.web.listen, say=say, routes=page.routes)
        hub = await _hub(plan, repository, web, say, held)
        gateway = held.enter_context(shop.entered(plan.config.gateway, plan.environ, say))
        frame = Frame(
            shop=shop,
            roster=Roster(await shop.serve(plan, hub)),
            logs=plan.config.logs,
            say=say,
            kind="run",
            web=web,
            page=page,
            more=lambda door: [*gateway, *([] if hub is None else [_poller(hub, door)])],
        )

        async def ask() -> None:
            await asyncio.to_thread(require_well, plan.home.root)
            await repository.prepare()

        parts = replace(parts_of(frame), ask=ask, feeds=(*feeds, page), gate=gate, show=show)
        frame.answers["github"] = partial(_heard_of, plan, hub, web)
        async with planted(frame, parts) as tree:
            yield Daemon(tree, await tree.door.holder(), plan.repo)


def page_of(shop: Workshop, kind: str, web: WebConfig) -> Page:
    """The page of a daemon of this kind."""
    return Page(
        shop.home,
        kind=kind,
        web=web,
        repositories=shop.repositories,
        hide=shop.hidden.add,
    )


@contextmanager
def taken(shop: Workshop) -> Iterator[None]:
    """The home is ours while the block runs, what is logged holds no secret, and children are
    waited for. Raises Locked."""
    with HomeLock(shop.home.lock), quiet(shop.hidden), watched_by_descriptor():
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every daemon is put together from, whatever it works on. `kind` is the command that it
    is: `run` or `up`; `answers` are what it answers, and may grow until it runs; `more` are further
    children at its edges, beside the web server."""

    shop: Workshop
    roster: Roster
    logs: LogsConfig
    say: Callable[[str], None]
    kind: str
    web: WebServer
    page: Page
    more: Callable[[Door], Sequence[Child]] = lambda _door: ()
    answers: dict[str, Answer] = field(default_factory=dict)


@asynccontextmanager
async def planted(frame: Frame, parts: Parts) -> AsyncIterator[Tree]:
    """The tree of the parts, up, and answering for itself while the block runs."""
    tree = Tree(parts)
    frame.page.drawn = tree.nodes
    frame.answers["about"] = partial(_about, frame.kind)
    frame.answers["tree"] = partial(_drawn, tree)
    frame.answers["web"] = frame.web.standing
    frame.answers["web.link"] = partial(_link, frame)
    frame.answers.update(wishes.answers(partial(granted, tree.door)))
    frame.answers.update(queue_words.answers(partial(heard, tree.door)))
    frame.answers.update(submissions.answers(tree.door, frame.roster))
    frame.answers.update(Looks(frame.roster, root_of).answers)
    async with tree:
        yield tree


async def _about(kind: str, _fields: Mapping[str, object]) -> object:
    """Who answers."""
    return {"pid": os.getpid(), "version": __version__, "kind": kind}


async def _link(frame: Frame, _fields: Mapping[str, object]) -> object:
    """A link to the page that lets one browser act, once; empty, with the reason, where nothing is
    served."""
    return {"link": frame.page.link(frame.web.address), "error": frame.web.error}


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


def parts_of(frame: Frame) -> Parts:
    """What every daemon's tree is made of."""
    shop, home, clock = frame.shop, frame.shop.home, SystemClock()
    checkpointer = Checkpointer(
        encode=encode, write=partial(keep, home.journal, home.checkpoints), clock=clock
    )
    upkeep = upkeep_of(home, frame.logs, shop.runner)
    observing = Observing(frame.roster, frame.say)
    return Parts(
        clock=clock,
        say=frame.say,
        open_journal=partial(asyncio.to_thread, SqliteJournal, home.journal),
        ask=partial(asyncio.to_thread, require_well, home.root),
        begin=partial(_begin, frame, checkpointer, upkeep, observing),
        checkpointer=checkpointer,
        roster=frame.roster,
        feeds=(frame.page,),
        kill=shop.runner.kill,
        is_well=partial(_is_well, home),
        clean=lambda outcome: cleaned(shop.hidden.literals, outcome),
        edges=partial(_edges, frame, upkeep, observing),
    )


def _edges(frame: Frame, upkeep: Upkeep, observing: Observing, door: Door) -> Sequence[Child]:
    """What every daemon has at its edges, and what this one has besides."""
    return [
        Child(name="socket", run=partial(_hear, frame.shop.home, frame.answers, frame.say)),
        Child(name="upkeep", run=partial(_keep_up, upkeep)),
        Child(name="sweep", run=partial(_sweep, frame.roster, door)),
        Child(name="hooks", run=observing.run),
        Child(name="watcher", run=watching_of(frame.roster, door, frame.say).run),
        Child(name="web", run=partial(frame.web.run, door), stop_ms=WEB_STOP_MS),
        Child(name="page", run=frame.page.run),
        *frame.more(door),
    ]


async def _hub(
    plan: Plan,
    repository: JjRepository,
    web: WebServer,
    say: Callable[[str], None],
    held: AsyncExitStack,
) -> Hub | None:
    """GitHub, where changes are pull requests there, with a desk for its webhooks."""
    if not is_on_github(plan.config):
        return None
    from oya_vcs.bootstrap import github  # noqa: PLC0415 - slow to import, seldom needed

    wire = github.open_wire(plan.config.github, held)
    hub = await github.open_hub(plan, repository, wire)
    github.open_desk(plan, hub.read, hub.hear, web.reception, say)
    return hub


async def _heard_of(
    plan: Plan, hub: Hub | None, web: WebServer, _fields: Mapping[str, object]
) -> object:
    """What is heard of GitHub, and how."""
    if hub is None:
        return []
    return [{"repo": plan.repo, **hub.standing(webhooks=plan.repo in web.reception)}]


def _poller(hub: Hub, door: Door) -> Child:
    return Child(name="poller", run=partial(hub.poll, door))


@asynccontextmanager
async def _begin(
    frame: Frame,
    checkpointer: Checkpointer,
    upkeep: Upkeep,
    observing: Observing,
    journal: Journal,
    executor: Executor,
) -> AsyncIterator[Life]:
    """An engine's life: the state from checkpoint and tail, and the proof of what is before it."""
    home = frame.shop.home
    restored = await asyncio.to_thread(read_record, home)
    await journal.refill(everything(restored.world))
    engine = Engine(
        world=restored.world,
        journal=journal,
        clock=SystemClock(),
        policy=frame.roster.policies,
        seq=restored.seq,
        executor=executor,
    )
    if frame.shop.entrance is not None:
        frame.shop.entrance.allow = partial(_may_use, engine)
    checkpointer.watch(engine, restored.since)
    upkeep.watch(restored.world.open)
    engine.listen(upkeep)
    freezer = Freezer(lambda: engine.world, frame.shop.runner.freeze)
    engine.listen(freezer)
    freezer.look_again()
    observing.watch(lambda: engine.world)
    engine.listen(observing)
    loop = asyncio.get_running_loop()

    def damaged(error: JournalCorrupt) -> None:
        loop.call_soon_threadsafe(engine.end, error)

    proof = Proof(home.journal, restored.since, damaged)
    try:
        resumed = sum(frame.roster.of(one.repo) is not None for one in restored.world.open.values())
        yield Life(engine=engine, resumed=resumed)
    finally:
        await asyncio.to_thread(proof.close)


def _may_use(engine: Engine, work: RunWorker, used: Usage) -> str:
    """Why the gateway is to let a worker use no more; empty where it may."""
    budget = engine.policies.of(work.repo).rules.budget
    return may_use(engine.world, work, used, budget, SystemClock().now_ms())


async def _sweep(roster: Roster, door: Door, ready: Ready) -> None:
    """A child: removes what is left of workspaces, now and every hour."""

    async def state() -> World:
        return (await door.holder()).engine.world

    def places() -> Iterable[tuple[RepoId, Site]]:
        return [(one.repo, one.site) for one in roster if one.site is not None]

    ready()
    await sweep(state=state, places=places, offer=door.offer, clock=SystemClock())


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

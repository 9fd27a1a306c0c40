"""The composition root: what the user asked for becomes a running daemon. Alone in naming concrete
classes.

`find_plan` looks at everything and changes nothing, so that bad input is refused before a file is
touched; `open_daemon` builds and runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters import jj
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.command import CommandWorkers, relative_program, require_program
from oya_vcs.adapters.jj import JjRepository, Programs, find_root, open_repository
from oya_vcs.adapters.local import ChecksAt, LocalForge
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.config import (
    Config,
    Home,
    environment,
    load,
    target_of,
    tools_folder,
    user_config,
)
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.graph import order
from oya_vcs.core.ids import BeadId, CommitId, RepoId, WorkspaceName
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import Repo, Workspace, World
from oya_vcs.errors import ConfigurationInvalid, InputInvalid, NotFound
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.reader import require
from oya_vcs.journal.replay import replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Feed
from oya_vcs.runtime.engine import Engine, tick
from oya_vcs.runtime.outbox import Gate, Outbox, no_gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a daemon needs to know, found without changing anything."""

    home: Home
    root: Path
    tools: Tools
    config: Config
    checks_at: ChecksAt
    environ: Mapping[str, str]

    @property
    def programs(self) -> Programs:
        """jj and git, with a private home for their configuration."""
        return _programs(self.home, self.tools, self.environ)

    @property
    def policy(self) -> Policy:
        """What the core may see of the configuration."""
        return Policy(
            repo=JjRepository.name_of(self.root),
            slots=self.config.worker.slots,
            attempts_max=self.config.worker.attempts_max,
            backoff_ms=self.config.worker.backoff_ms,
        )


def _programs(home: Home, tools: Tools, environ: Mapping[str, str]) -> Programs:
    return Programs(
        jj=tools.jj,
        git=tools.git,
        path=environ.get("PATH", ""),
        home=home.root / "jj",
        user={key: environ[key] for key in _USER_CONFIG if key in environ},
    )


_USER_CONFIG = ("HOME", "XDG_CONFIG_HOME", "JJ_CONFIG")
"""Where jj looks for its user's configuration, from which we take the author's name."""


async def find_plan(
    home: Home,
    repo: Path,
    *,
    config_file: Path | None,
    flags: Mapping[str, object],
    working: bool = True,
) -> Plan:
    """Look at tools, repository and configuration. Changes nothing.

    `working` False is for commands that start no work: they need neither checks nor a worker.

    Raises NotFound without a jj repository, and ConfigurationInvalid (with the mend) for anything
    that would stop the work: no usable jj or git, a home within the repository, wrong keys, no
    checks, no worker, a worker program that is not there.
    """
    environ = environment()
    root = find_root(repo)
    tools = find_tools(tools_folder(), environ)
    file = config_file or user_config()
    repository = await open_repository(
        root, workspaces=home.workspaces, programs=_programs(home, tools, environ)
    )
    await asyncio.to_thread(_require_home_outside, home, repository)
    target = target_of(root, file, environ, flags)
    tip = await jj.tip(repository, target)
    text = await jj.file_at(repository, tip, "oya.toml")

    def configured(text: str | None) -> Config:
        return load(file, text, f"oya.toml (on {target})", environ, flags)

    config = configured(text)
    if config.repo.target != target:
        message = f"oya.toml on {target} names another target, {config.repo.target!r}."
        raise ConfigurationInvalid(message, "Make [repo] target the same in oya.toml on both.")
    if working:
        _require_checks(config, repository.root, target, committed=text is not None)
        await _require_worker(config, repository, tip, environ)
    return Plan(
        home=home,
        root=repository.root,
        tools=tools,
        config=config,
        checks_at=lambda text: configured(text).checks,
        environ=environ,
    )


def _require_home_outside(home: Home, repository: JjRepository) -> None:
    around = jj.workspace_around(repository, home.root)
    if around is not None:
        raise ConfigurationInvalid(
            f"The home {home.root} lies in {around}, a workspace of the repository itself: jj "
            "would commit the journal and every other workspace with the files there.",
            "Name a folder outside the repository with --home or OYA_HOME, or leave both out.",
        )


def _require_checks(config: Config, root: Path, target: str, *, committed: bool) -> None:
    if config.checks:
        return
    what = "has no [checks]" if committed else "is not there"
    message = f"No checks are configured: oya.toml on {target} {what}, so nothing may land."
    hint = "Run `oya-vcs init`, name your tests under [checks], and commit the file."
    if (root / "oya.toml").is_file() and not committed:
        hint = f"Commit oya.toml and move {target} to that commit: it counts as it stands there."
    raise ConfigurationInvalid(message, hint)


async def _require_worker(
    config: Config, repository: JjRepository, tip: CommitId, environ: Mapping[str, str]
) -> None:
    require_program(config.worker.command, environ.get("PATH", ""))
    program = relative_program(config.worker.command)
    if program and not await jj.is_program_at(repository, tip, program):
        raise ConfigurationInvalid(
            f"The worker's program {program} is not an executable file on "
            f"{config.repo.target}, which is what a workspace holds.",
            "Commit it there with its executable bit, or give an absolute path.",
        )


@dataclass(slots=True)
class Daemon:
    """A running daemon of one repository. Made by `open_daemon`."""

    engine: Engine
    repo: RepoId
    root: Path
    target: str
    resumed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The state as of now."""
        return self.engine.world

    async def submit(self, beads: Sequence[BeadSpec]) -> int:
        """Record beads that are new or revised, dependencies first, as one step; returns how many,
        after the fsync.

        What was not taken up, and why, is added to `notes`. Raises InputInvalid, with nothing
        recorded, where an id belongs to another repository.
        """
        by_id = {one.id: one for one in beads}
        needs = {one.id: [need for need in one.needs if need in by_id] for one in beads}
        intakes = [take_in(self.world, self.repo, by_id[one]) for one in order(needs)]
        self.notes += [intake.note for intake in intakes if intake.note]
        events = [intake.event for intake in intakes if intake.event is not None]
        if events:
            await self.engine.offer(*events)
        return len(events)

    async def rest(self) -> World:
        """Work until nothing more can be done; returns the state then."""
        await self.engine.offer(e.Ticked())
        await self.engine.settled()
        return self.world


@asynccontextmanager
async def open_daemon(
    plan: Plan, *, feeds: Sequence[Feed] = (), gate: Gate = no_gate
) -> AsyncIterator[Daemon]:
    """Take the home, read the record, take up what a dead daemon left, and run until the block
    ends.

    On the way out workers are stopped and waited for; what they had not finished stays open in the
    record and is taken up by the next daemon. Raises Locked where another daemon has the home.
    """
    with HomeLock(plan.home.lock):
        journal = await asyncio.to_thread(SqliteJournal, plan.home.journal)
        try:
            async with _running(plan, journal, feeds, gate) as daemon:
                yield daemon
        finally:
            await asyncio.to_thread(journal.close)


@asynccontextmanager
async def _running(
    plan: Plan, journal: SqliteJournal, feeds: Sequence[Feed], gate: Gate
) -> AsyncIterator[Daemon]:
    clock = SystemClock()
    world = await asyncio.to_thread(lambda: replay(journal.read()))
    engine = Engine(world=world, journal=journal, clock=clock, policy=plan.policy)
    repository = await open_repository(
        plan.root, workspaces=plan.home.workspaces, programs=plan.programs
    )
    await repository.prepare()
    outbox = Outbox(
        performers=_performers(plan, repository),
        offer=engine.offer,
        clock=clock,
        repo=repository.id,
        gate=gate,
    )
    for feed in (outbox, *feeds):
        engine.listen(feed)
    left_open = {key: one for key, one in world.open.items() if one.repo == repository.id}
    daemon = Daemon(
        engine=engine, repo=repository.id, root=plan.root, target=plan.config.repo.target
    )
    daemon.resumed = len(left_open)
    outbox.recover(left_open)
    await _greet(daemon)
    ticking = asyncio.create_task(tick(engine, clock), name="ticker")
    try:
        yield daemon
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await outbox.close()


@asynccontextmanager
async def _record_of(home: Home) -> AsyncIterator[tuple[World, SqliteJournal]]:
    """The record of a home, for a command that starts no work. Raises Locked and NotFound."""
    require(home.journal)
    with HomeLock(home.lock):
        journal = await asyncio.to_thread(SqliteJournal, home.journal)
        try:
            yield await asyncio.to_thread(lambda: replay(journal.read())), journal
        finally:
            await asyncio.to_thread(journal.close)


def _idle(world: World, journal: SqliteJournal, repo: RepoId) -> Engine:
    """An engine that takes facts and starts nothing."""
    policy = Policy(repo=repo, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    return Engine(world=world, journal=journal, clock=SystemClock(), policy=policy)


def find_bead(world: World, name: BeadId) -> Bead:
    """The bead of that name. Raises NotFound, with the way to all of them."""
    found = world.beads.get(name)
    if found is None:
        message = f"There is no bead {name!r} in this home."
        raise NotFound(message, "`oya-vcs bead list` lists all of them; --home names another home.")
    return found


async def retry(home: Home, name: BeadId) -> Bead:
    """Give a failed bead new attempts; the next run takes it up. Raises NotFound, Locked where a
    daemon has the home, and InputInvalid for a bead that has not failed."""
    async with _record_of(home) as (world, journal):
        bead = find_bead(world, name)
        if bead.state is not State.FAILED:
            message = f"Bead {name} is {bead.state}; only a failed one can be retried."
            raise InputInvalid(message, "`oya-vcs bead list --state failed` lists those.")
        await _idle(world, journal, bead.repo).offer(e.BeadRetried(bead=name))
        return bead


async def discard(
    home: Home, names: Collection[WorkspaceName]
) -> Mapping[WorkspaceName, Workspace]:
    """Pin and remove kept workspaces, and do nothing else; returns every workspace as it is then.

    Raises Locked where a daemon has the home.
    """
    async with _record_of(home) as (world, journal):
        chosen = [world.workspaces[name] for name in names]
        for repo in sorted({one.repo for one in chosen}):
            here = [one for one in chosen if one.repo == repo]
            await _discard_in(world, journal, home, world.repos[repo], here)
        return world.workspaces


async def _discard_in(
    world: World, journal: SqliteJournal, home: Home, repo: Repo, chosen: Sequence[Workspace]
) -> None:
    environ = environment()
    tools = find_tools(tools_folder(), environ)
    repository = await open_repository(
        Path(repo.path), workspaces=home.workspaces, programs=_programs(home, tools, environ)
    )
    await repository.prepare()
    engine = _idle(world, journal, repo.id)
    outbox = Outbox(
        performers=[_workspaces(home, repository, repo.target)],
        offer=engine.offer,
        clock=SystemClock(),
        repo=repo.id,
    )
    engine.listen(outbox)
    facts = [e.WorkspaceDiscarded(bead=one.bead, workspace=one.name) for one in chosen]
    await engine.offer(*facts)
    await outbox.drain()


async def _greet(daemon: Daemon) -> None:
    """Register the repository, and let a queue that was paused look again."""
    known = daemon.world.repos.get(daemon.repo)
    if known is None or known.target != daemon.target:
        event = e.RepoRegistered(repo=daemon.repo, path=str(daemon.root), target=daemon.target)
        await daemon.engine.offer(event)
    if known is not None and (known.queue.paused or known.queue.held):
        await daemon.engine.offer(e.QueueResumed(repo=daemon.repo))


def _performers(
    plan: Plan, repository: JjRepository
) -> tuple[JjWorkspaces, CommandWorkers, LocalForge]:
    home, config = plan.home, plan.config
    runner = ReaperRunner(home.runs, SystemClock())
    workspaces = _workspaces(home, repository, config.repo.target)
    workers = CommandWorkers(
        runner, settings=config.worker, logs=home.logs, runs=home.runs, environ=plan.environ
    )
    forge = LocalForge(
        repository,
        runner,
        target=config.repo.target,
        checks_at=plan.checks_at,
        checkouts=home.checkouts,
        logs=home.logs,
        check_ms_max=config.queue.check_ms_max,
        environ=plan.environ,
    )
    return workspaces, workers, forge


def _workspaces(home: Home, repository: JjRepository, target: str) -> JjWorkspaces:
    folder = home.workspaces / repository.id
    return JjWorkspaces(repository, folder=folder, trash=home.trash, target=target)

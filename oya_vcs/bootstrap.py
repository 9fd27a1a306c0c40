"""The composition root: what the user asked for becomes a running daemon. Alone in naming concrete
classes.

`find_plan` looks at everything and changes nothing, so that bad input is refused before a file is
touched; `open_daemon` builds and runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from oya_vcs import __version__
from oya_vcs.adapters import jj
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.command import (
    CommandWorkers,
    relative_program,
    require_program,
    unboxed,
)
from oya_vcs.adapters.control import ControlSocket
from oya_vcs.adapters.jj import JjRepository, Programs, find_root, open_remote, open_repository
from oya_vcs.adapters.local import ChecksAt, LocalForge, checks_that_fit
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process.children import watched_by_descriptor
from oya_vcs.adapters.process.upkeep import Upkeep
from oya_vcs.adapters.reaper.quiet import cleaned, quiet
from oya_vcs.adapters.reaper.redaction import literals
from oya_vcs.adapters.sandbox import Bubblewrap, find_sandbox
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.config import (
    Config,
    Home,
    QueueConfig,
    environment,
    load,
    target_of,
    tools_folder,
    user_config,
)
from oya_vcs.config.secrets import secret_values
from oya_vcs.core.ids import CommitId, RepoId
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.merge.gates import span_of
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.queues import Strategy
from oya_vcs.core.standing import everything
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, JournalCorrupt, WorldFailed
from oya_vcs.journal.disk import require_well
from oya_vcs.journal.lock import HomeLock
from oya_vcs.journal.proof import Proof
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.restart import Restored, keep, restore
from oya_vcs.journal.snapshot import encode
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Answer, Feed, Journal, Remote
from oya_vcs.runtime import queue_words, wishes
from oya_vcs.runtime.checkpointer import Checkpointer
from oya_vcs.runtime.daemon import Daemon, granted, heard
from oya_vcs.runtime.door import Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.freezing import Freeze, Freezer
from oya_vcs.runtime.outbox import Gate, no_gate
from oya_vcs.runtime.reconcile import Eyes
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs.runtime.tree import Parts, Tree

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a daemon needs to know, found without changing anything."""

    home: Home
    repo: RepoId
    root: Path
    tools: Tools
    config: Config
    checks_at: ChecksAt
    environ: Mapping[str, str]
    checks_fitting: int = 1
    """Checks that the machine can run at once."""
    sandbox: Bubblewrap | None = None

    @property
    def secrets(self) -> Sequence[str]:
        """What no log and no record may hold."""
        return secret_values(self.environ, self.config.worker.env)

    @property
    def programs(self) -> Programs:
        """jj and git, with a private home for their configuration."""
        return programs_of(self.home, self.tools, self.environ)

    @property
    def policy(self) -> Policy:
        """What the core may see of the configuration."""
        return Policy(
            repo=self.repo,
            slots=self.config.worker.slots,
            attempts_max=self.config.worker.attempts_max,
            backoff_ms=self.config.worker.backoff_ms,
            rules=Rules(
                strategy=Strategy(self.config.queue.strategy),
                age_ms=self.config.queue.age_ms,
                tokens_max=self.config.queue.tokens_max,
                tokens_per_s=self.config.queue.tokens_per_s,
                sticky_ms=self.config.queue.sticky_ms,
            ),
            merge=rules_of(self.config.queue, self.checks_fitting),
        )


def programs_of(home: Home, tools: Tools, environ: Mapping[str, str]) -> Programs:
    """jj and git with a private home, and where the user's own configuration is."""
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
        root, workspaces=home.workspaces, programs=programs_of(home, tools, environ)
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
    closed = {"the repository": repository.root, "the home of oya-vcs": home.root}
    sandbox = find_sandbox(config.worker, environ, closed, home.root)
    if working:
        await _remote(config, repository, environ)
        _require_checks(config, repository.root, target, committed=text is not None)
        await _require_worker(config, repository, tip, environ)
        if sandbox is not None:
            await sandbox.require(config.worker.command, environ)
    return Plan(
        home=home,
        repo=repository.id,
        root=repository.root,
        tools=tools,
        config=config,
        checks_at=lambda text: configured(text).checks,
        environ=environ,
        checks_fitting=await asyncio.to_thread(checks_that_fit),
        sandbox=sandbox,
    )


def _require_home_outside(home: Home, repository: JjRepository) -> None:
    around = jj.workspace_around(repository, home.root)
    if around is not None:
        raise ConfigurationInvalid(
            f"The home {home.root} lies in {around}, a workspace of the repository itself: jj "
            "would commit the journal and every other workspace with the files there.",
            "Name a folder outside the repository with --home or OYA_HOME, or leave both out.",
        )


async def _remote(
    config: Config, repository: JjRepository, environ: Mapping[str, str]
) -> Remote | None:
    """The remote that holds the target, where one is configured. Raises ConfigurationInvalid where
    the repository has none of that name."""
    name = config.repo.remote
    return await open_remote(repository, name, environ) if name else None


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
    with HomeLock(plan.home.lock), quiet(literals(plan.secrets)), watched_by_descriptor():
        tree = Tree(await _parts(plan, feeds, gate, show, say, answers))
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
) -> Parts:
    home, clock = plan.home, SystemClock()
    repository = await open_repository(
        plan.root, workspaces=home.workspaces, programs=plan.programs
    )
    await repository.prepare()

    async def ask() -> None:
        await asyncio.to_thread(require_well, home.root)
        await repository.prepare()

    checkpointer = Checkpointer(
        encode=encode, write=partial(keep, home.journal, home.checkpoints), clock=clock
    )
    runner = ReaperRunner(home.runs, clock, plan.secrets)
    upkeep = _upkeep(plan, runner)
    workspaces = workspaces_of(home, repository, plan.config.repo.target)
    return Parts(
        clock=clock,
        say=say,
        open_journal=partial(asyncio.to_thread, SqliteJournal, home.journal),
        ask=ask,
        begin=partial(_begin, plan, repository.id, checkpointer, upkeep, runner.freeze),
        checkpointer=checkpointer,
        performers=(workspaces, _workers(plan, runner), await _forge(plan, repository, runner)),
        repo=repository.id,
        eyes=Eyes(runs=runner.sights, folders=workspaces.folders, listed=workspaces.listed),
        lease_ms=plan.config.worker.lease_ms,
        kill=runner.kill,
        feeds=feeds,
        gate=gate,
        is_well=partial(_is_well, home),
        clean=partial(cleaned, literals(plan.secrets)),
        show=show,
        edges=[
            Child(name="socket", run=partial(_hear, home, answers, say)),
            Child(name="upkeep", run=partial(_keep_up, upkeep)),
        ],
    )


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


async def _keep_up(upkeep: Upkeep, ready: Ready) -> None:
    """A child: removes what runs that are over left."""
    ready()
    await upkeep.run()


def _upkeep(plan: Plan, runner: ReaperRunner) -> Upkeep:
    return Upkeep(
        runs=plan.home.runs,
        logs=plan.home.logs,
        limits=plan.config.logs,
        live=lambda: runner.live,
        clock=SystemClock(),
    )


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


def _workers(plan: Plan, runner: ReaperRunner) -> CommandWorkers:
    home = plan.home
    return CommandWorkers(
        runner,
        settings=plan.config.worker,
        logs=home.logs,
        runs=home.runs,
        environ=plan.environ,
        box=unboxed if plan.sandbox is None else plan.sandbox.around,
    )


async def _forge(plan: Plan, repository: JjRepository, runner: ReaperRunner) -> LocalForge:
    home, repo, queue = plan.home, plan.config.repo, plan.config.queue
    return LocalForge(
        repository,
        runner,
        target=repo.target,
        checks_at=plan.checks_at,
        checkouts=home.checkouts,
        logs=home.logs,
        check_ms_max=queue.check_ms_max,
        environ=plan.environ,
        checks_slots=queue.checks_slots or plan.checks_fitting,
        checks_parallel=queue.checks_parallel,
        remote=await _remote(plan.config, repository, plan.environ),
    )


def rules_of(queue: QueueConfig, checks_fitting: int) -> MergeRules:
    """How changes are tested and landed; `checks_fitting` is how many checks the machine can run at
    once."""
    slots = queue.checks_slots or checks_fitting
    width = queue.window_max or max(1, slots // queue.checks_parallel)
    return MergeRules(
        window_max=width if queue.merge in {"window", "adaptive"} else 1,
        batch_max=queue.batch_max if queue.merge in {"batch", "adaptive"} else 1,
        adaptive=queue.merge == "adaptive",
        flaky_depth=queue.flaky_depth,
        method=queue.method,
        approval=queue.approval,
        test_ms_max=queue.test_ms_max,
        freezes=tuple(map(span_of, queue.freeze)),
    )


def workspaces_of(home: Home, repository: JjRepository, target: str) -> JjWorkspaces:
    """The performer for the workspaces of a repository in a home."""
    folder = home.workspaces / repository.id
    return JjWorkspaces(repository, folder=folder, trash=home.trash, target=target)

"""The adapters of a plan: each concrete class with its settings, and nothing that runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oya_vcs.adapters.agents.command import CommandWorkers, unboxed
from oya_vcs.adapters.agents.programs import relative_program
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.farewell import Farewell
from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.local import Gates, LocalForge
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process.upkeep import Upkeep
from oya_vcs.adapters.setup import SetupCommand
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.bootstrap.insisting import insist
from oya_vcs.bootstrap.plan import Plan, find_remote
from oya_vcs.config import (
    Home,
    LogsConfig,
)
from oya_vcs.ports import Box, Performer, Remote

if TYPE_CHECKING:
    from oya_vcs.bootstrap.gateway import Entrance
    from oya_vcs.bootstrap.github import Hub


def workers_of(plan: Plan, runner: ReaperRunner, entrance: Entrance | None) -> Performer:
    """Who carries out attempts, by `[worker] kind`; `entrance` leads to their models (None: they
    get there as they like)."""
    home, box = plan.home, _box_of(plan)
    if entrance is not None and plan.sandbox and plan.config.worker.network == "gateway":
        box = replace(plan.sandbox, bridge=entrance.bridge).around
    return CommandWorkers(
        runner,
        settings=plan.config.worker,
        logs=home.logs,
        runs=home.runs,
        environ=plan.environ,
        box=box,
        grants=None if entrance is None else entrance.passes,
        server=plan.config.opencode,
    )


def _box_of(plan: Plan) -> Box:
    """What workers, and the setups of their workspaces, are put into."""
    return unboxed if plan.sandbox is None else plan.sandbox.around


async def forge_of(
    plan: Plan,
    repository: JjRepository,
    runner: ReaperRunner,
    hub: Hub | None = None,
    gates: Gates | None = None,
) -> Performer:
    """The forge on this machine, with the remote that is landed at, if one is; or with a hub, that
    on GitHub."""
    local = partial(_local_forge, plan, repository, runner, gates)
    if hub is not None:
        from oya_vcs.bootstrap.github import forge_at  # noqa: PLC0415 - heavy, and seldom needed

        return await forge_at(plan, repository, hub, local)
    return local(await insist(partial(find_remote, plan.config, repository, plan.environ)))


def _local_forge(
    plan: Plan,
    repository: JjRepository,
    runner: ReaperRunner,
    gates: Gates | None,
    remote: Remote | None,
) -> LocalForge:
    home, repo, queue = plan.home, plan.config.repo, plan.config.queue
    return LocalForge(
        repository,
        runner,
        target=repo.target,
        checks_at=plan.judged_by,
        checkouts=home.checkouts,
        logs=home.logs,
        check_ms_max=queue.check_ms_max,
        environ=plan.environ,
        checks_slots=queue.checks_slots or plan.checks_fitting,
        checks_parallel=queue.checks_parallel,
        remote=remote,
        gates=gates,
    )


def workspaces_of(
    home: Home,
    repository: JjRepository,
    target: str,
    *,
    sparse: bool = False,
    always: tuple[str, ...] = (),
) -> JjWorkspaces:
    """The performer for the workspaces of a repository in a home."""
    return JjWorkspaces(
        repository,
        folder=home.workspaces / repository.id,
        trash=home.trash,
        target=target,
        sparse=sparse,
        always=always,
    )


def spaces_of(plan: Plan, repository: JjRepository) -> JjWorkspaces:
    """The same as a plan wants them: whole or sparse."""
    config = plan.config
    program = relative_program(config.worker.command)
    return workspaces_of(
        plan.home,
        repository,
        config.repo.target,
        sparse=config.workspace.show == "files",
        always=(*config.workspace.always, *filter(None, [program])),
    )


def setup_of(plan: Plan, runner: ReaperRunner) -> SetupCommand:
    """What prepares a workspace before its worker starts, and looks at it when that has ended."""
    return SetupCommand(
        runner,
        plan.prepared,
        plan.config.worker,
        runs=plan.home.runs,
        logs=plan.home.logs,
        environ=plan.environ,
        box=_box_of(plan),
    )


def farewell_of(plan: Plan, runner: ReaperRunner, spaces: JjWorkspaces) -> Performer:
    """Who makes and removes workspaces: with the hook before a removal, where there is one."""
    if not plan.farewell:
        return spaces
    return Farewell(
        spaces,
        runner,
        plan.farewell,
        folder=plan.home.workspaces / plan.repo,
        runs=plan.home.runs,
        logs=plan.home.logs,
        environ=plan.environ,
        box=_box_of(plan),
        wall_ms_max=plan.config.hooks.wall_ms_max,
    )


def upkeep_of(home: Home, limits: LogsConfig, runner: ReaperRunner) -> Upkeep:
    """What removes the folders and logs of runs that are over."""
    return Upkeep(
        runs=home.runs,
        logs=home.logs,
        limits=limits,
        live=lambda: runner.live,
        clock=SystemClock(),
    )

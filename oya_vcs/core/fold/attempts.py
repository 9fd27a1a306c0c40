"""Folds of attempts: claims, workspaces, workers, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.fold import usage
from oya_vcs.core.fold.moves import (
    free_slot,
    keep,
    take_slot,
    to_ready,
)
from oya_vcs.core.world import Keep, Refusals, Tenant, Workspace, World
from oya_vcs.errors import Bug


def _attempt_claimed(world: World, event: e.AttemptClaimed) -> None:
    bead = world.bead(event.bead)
    repo = world.repos[bead.repo]
    if event.slot in repo.slots:
        message = f"{bead.id} claimed slot {event.slot}, which {repo.slots[event.slot]} holds."
        raise Bug(message)
    repo.claims += 1
    tenant = repo.tenants.setdefault(bead.spec.tenant, Tenant())
    tenant.turn = repo.claims
    if event.tokens is not None:
        tenant.tokens, tenant.at_ms = event.tokens, world.now_ms
    repo.ready.remove(bead.id)
    take_slot(repo, bead, event.slot)
    usage.attempt_begun(world, bead)
    bead.attempt, bead.workspace, bead.chosen = event.attempt, event.workspace, event.why
    bead.base = bead.commit = bead.tree = bead.change = bead.pid = None
    world.workspaces[event.workspace] = Workspace(
        name=event.workspace,
        repo=bead.repo,
        bead=bead.id,
        attempt=event.attempt,
        since_ms=world.now_ms,
    )
    world.of_bead.setdefault(bead.id, []).append(event.workspace)


def _workspace_created(world: World, event: e.WorkspaceCreated) -> None:
    world.workspaces[event.workspace].path = event.path
    world.bead(event.bead).base = event.base


def _workspace_blocked(world: World, event: e.WorkspaceBlocked) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    usage.tried(world, bead)
    bead.workspace = None
    del world.workspaces[event.workspace]
    world.of_bead[bead.id].remove(event.workspace)
    world.repos[bead.repo].queue.paused = event.detail
    to_ready(world, bead)


def _worker_spawned(world: World, event: e.WorkerSpawned) -> None:
    bead = world.bead(event.bead)
    bead.pid = event.pid
    usage.work_began(world, bead)


def _worker_finished(world: World, event: e.WorkerFinished) -> None:
    bead = world.bead(event.bead)
    bead.pid = None
    bead.session = event.session or bead.session
    if event.usage is not None:
        usage.use(world, bead, event.usage)
    usage.work_ended(world, bead, counted=event.reason is not e.Reason.INTERRUPTED)
    usage.failed(world, bead, event.reason)
    world.repos[bead.repo].refused.pop(bead.slot, None)  # type: ignore[arg-type]  # None: no slot
    free_slot(world, bead)


def _stop_requested(world: World, event: e.StopRequested) -> None:
    """The first reason stands: what ends the effect may have heard of it already."""
    if not isinstance(world.open.get(event.key), f.STOPPABLE):
        raise Bug(f"{event.bead} has nothing open under {event.key} that could be stopped.")
    world.stops.setdefault(event.key, event.reason)


def _result_collected(world: World, event: e.ResultCollected) -> None:
    bead = world.bead(event.bead)
    bead.commit, bead.tree = event.commit, event.tree


def _result_refused(world: World, event: e.ResultRefused | e.ResultVerified) -> None:
    usage.failed(world, world.bead(event.bead), event.reason)


def _workspace_removed(world: World, event: e.WorkspaceRemoved) -> None:
    workspace = keep(world, event.workspace, Keep.REMOVED)
    workspace.pinned = event.pinned
    names = world.of_bead[event.bead]
    names.remove(event.workspace)


def _effect_failed(world: World, event: e.EffectFailed) -> None:
    if event.bead not in world.beads:  # a pull request that nobody approved yet
        return
    bead = world.bead(event.bead)
    if event.kind in _BEGINNINGS and bead.slot is not None:
        refused = world.repos[bead.repo].refused.setdefault(bead.slot, Refusals())
        refused.count += 1
        refused.at_ms = world.now_ms
    if event.kind == f.RemoveWorkspace.__name__ and event.workspace is not None:
        keep(world, event.workspace, Keep.KEPT).detail = event.message
    elif event.kind == f.BuildCandidate.__name__:
        world.repos[world.bead(event.bead).repo].queue.building = None


_BEGINNINGS = frozenset(
    kind.__name__ for kind in (f.CreateWorkspace, f.SetUpWorkspace, f.RunWorker)
)
"""The effects without which no attempt begins in a slot."""


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.AttemptClaimed: _attempt_claimed,
    e.WorkspaceCreated: _workspace_created,
    e.WorkspaceBlocked: _workspace_blocked,
    e.WorkerSpawned: _worker_spawned,
    e.WorkerFinished: _worker_finished,
    e.StopRequested: _stop_requested,
    e.ResultCollected: _result_collected,
    e.ResultRefused: _result_refused,
    e.ResultVerified: _result_refused,
    e.WorkspaceRemoved: _workspace_removed,
    e.EffectFailed: _effect_failed,
}


def _removal_begun(world: World, effect: f.RemoveWorkspace) -> None:
    keep(world, effect.workspace, Keep.REMOVING).removals = effect.round


BEGUN: Mapping[type[f.Effect], Callable[..., None]] = {f.RemoveWorkspace: _removal_begun}
"""What a decision to begin an effect changes at once."""

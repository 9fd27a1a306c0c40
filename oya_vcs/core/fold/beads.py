"""Folds of what becomes of beads: added, revised, waiting, failed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.fold.moves import (
    close_change,
    free_slot,
    keep_workspaces,
    promote,
    to_ready,
)
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import Repo, World


def _repo_registered(world: World, event: e.RepoRegistered) -> None:
    known = world.repos.get(event.repo)
    if known is None:
        world.repos[event.repo] = Repo(id=event.repo, path=event.path, target=event.target)
    else:
        known.target = event.target


def _bead_added(world: World, event: e.BeadAdded) -> None:
    world.beads[event.bead] = Bead(
        repo=event.repo,
        spec=event.spec,
        key=event.key,
        state=State.PENDING,
        since_ms=world.now_ms,
    )
    world.graph.add(event.bead, event.spec.needs)
    promote(world, event.bead)


def _bead_revised(world: World, event: e.BeadRevised) -> None:
    bead = world.bead(event.bead)
    bead.spec, bead.key = event.spec, event.key
    world.repos[bead.repo].ready.remove(bead.id)
    _drop_timer(world, bead.id)
    world.graph.replace(bead.id, event.spec.needs)
    _start_over(world, bead)


def _bead_retried(world: World, event: e.BeadRetried) -> None:
    _start_over(world, world.bead(event.bead))


def _start_over(world: World, bead: Bead) -> None:
    bead.failures = bead.deferrals = 0
    bead.reason, bead.detail = None, ""
    promote(world, bead.id)


def _bead_backed_off(world: World, event: e.BeadBackedOff) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    bead.until_ms = event.until_ms
    bead.reason, bead.detail = event.reason, event.detail
    if event.counted:
        bead.failures += 1
        bead.feedback = event.detail
    elif event.reason is e.Reason.WORKER_DEFERRED:
        bead.deferrals += 1
    heapq.heappush(world.timers, (event.until_ms, bead.id))
    keep_workspaces(world, bead, event.detail)


def _bead_readied(world: World, event: e.BeadReadied) -> None:
    bead = world.bead(event.bead)
    if world.timers and world.timers[0][1] == bead.id:
        heapq.heappop(world.timers)
    to_ready(world, bead)


def _drop_timer(world: World, bead: BeadId) -> None:
    world.timers = [timer for timer in world.timers if timer[1] != bead]
    heapq.heapify(world.timers)


def _bead_failed(world: World, event: e.BeadFailed) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    bead.failures += 1
    bead.reason, bead.detail = event.reason, event.detail
    if bead.change is not None:
        close_change(world, bead.change, event.reason, event.detail)
    keep_workspaces(world, bead, event.detail)


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.RepoRegistered: _repo_registered,
    e.BeadAdded: _bead_added,
    e.BeadRevised: _bead_revised,
    e.BeadRetried: _bead_retried,
    e.BeadBackedOff: _bead_backed_off,
    e.BeadReadied: _bead_readied,
    e.BeadFailed: _bead_failed,
}

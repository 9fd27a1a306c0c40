"""Folds of what becomes of beads: added, revised, waiting, paused, failed, cancelled."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import replace

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.fold import usage
from oya_vcs.core.fold.changes import amend
from oya_vcs.core.fold.moves import (
    close_change,
    free_slot,
    keep_workspaces,
    promote,
    to_ready,
)
from oya_vcs.core.ids import BeadId
from oya_vcs.core.merge import Stage
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.world import Repo, World


def _repo_registered(world: World, event: e.RepoRegistered) -> None:
    known = world.repos.get(event.repo)
    if known is None:
        world.repos[event.repo] = Repo(id=event.repo, path=event.path, target=event.target)
    elif known.target != event.target:
        known.target = event.target
        known.queue.tip = None
        for one in known.queue.members:
            change = world.changes[one]
            if change.target:
                amend(world, change, replace(change.amended or change.pins, target=event.target))
    repo = world.repos[event.repo]
    if event.rules is not None:
        repo.total, repo.rules = event.slots, event.rules


def _bead_added(world: World, event: e.BeadAdded) -> None:
    world.beads[event.bead] = Bead(
        repo=event.repo,
        spec=event.spec,
        key=event.key,
        state=State.PENDING,
        since_ms=world.now_ms,
        by_hand=bool(event.pull or event.author),
    )
    world.graph.add(event.bead, event.spec.needs)
    promote(world, event.bead)


def _bead_revised(world: World, event: e.BeadRevised) -> None:
    bead = world.bead(event.bead)
    bead.spec, bead.key = event.spec, event.key
    world.repos[bead.repo].ready.remove(bead.id)
    _drop_timers(world)
    world.graph.replace(bead.id, event.spec.needs)
    _start_over(world, bead)


def _bead_retried(world: World, event: e.BeadRetried) -> None:
    _start_over(world, world.bead(event.bead))


def _start_over(world: World, bead: Bead) -> None:
    bead.failures = bead.deferrals = 0
    usage.start_over(bead)
    bead.reason, bead.detail = None, ""
    bead.cancelling, bead.asked = False, ""
    promote(world, bead.id)


def _bead_backed_off(world: World, event: e.BeadBackedOff) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    usage.tried(world, bead)
    world.repos[bead.repo].ready.remove(bead.id)
    bead.until_ms = event.until_ms
    bead.reason, bead.detail = event.reason, event.detail
    if event.counted:
        bead.failures += 1
        if event.reason is not e.Reason.SLOT_BUSY:  # it says nothing about the work
            bead.feedback = event.detail
    elif event.reason is e.Reason.WORKER_DEFERRED:
        bead.deferrals += 1
    if bead.state is State.BACKING_OFF:
        heapq.heappush(world.timers, (event.until_ms, bead.id))
    keep_workspaces(world, bead, event.detail)


def _bead_readied(world: World, event: e.BeadReadied) -> None:
    bead = world.bead(event.bead)
    _drop_timers(world)
    to_ready(world, bead)


def _bead_paused(world: World, event: e.BeadPaused) -> None:
    """It leaves the line of those that wait, and goes on at once when it is resumed."""
    bead = world.bead(event.bead)
    bead.asked = _words(event)
    usage.work_ended(world, bead)
    world.repos[bead.repo].ready.remove(bead.id)
    _drop_timers(world)


def _bead_resumed(world: World, event: e.BeadResumed) -> None:
    bead = world.bead(event.bead)
    bead.asked = ""
    if bead.pid is not None:
        usage.work_began(world, bead)
    promote(world, event.bead)


def _cancel_requested(world: World, event: e.CancelRequested) -> None:
    bead = world.bead(event.bead)
    bead.cancelling, bead.asked = True, _words(event)
    change = world.changes.get(bead.change) if bead.change is not None else None
    if change is not None and change.stage not in {*OVER, Stage.MERGING}:
        world.repos[bead.repo].queue.leave(change.id)


def _bead_cancelled(world: World, event: e.BeadCancelled) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    usage.tried(world, bead)
    world.repos[bead.repo].ready.remove(bead.id)
    _drop_timers(world)
    bead.cancelling, bead.pid = False, None
    bead.reason, bead.detail = e.Reason.CANCELLED, f"Cancelled{bead.asked}."
    if bead.change is not None and world.changes[bead.change].stage is not Stage.FAILED:
        close_change(world, bead.change, e.Reason.CANCELLED, bead.detail)
    keep_workspaces(world, bead, bead.detail)


def _words(event: e.CancelRequested | e.BeadPaused) -> str:
    """Who asked, and why, to stand behind a verb: ` by uma (too slow)`."""
    by = f" by {event.who}" if event.who else ""
    return f"{by} ({event.why.strip()})" if event.why.strip() else by


def _drop_timers(world: World) -> None:
    """A bead that backs off no more leaves its timer to lie until it is the next: dropping it then
    costs no look at the others. So the next one always counts."""
    while world.timers and not _counts(world, *world.timers[0]):
        heapq.heappop(world.timers)


def _counts(world: World, until_ms: int, bead_id: BeadId) -> bool:
    bead = world.bead(bead_id)
    return bead.state is State.BACKING_OFF and bead.until_ms == until_ms


def _bead_failed(world: World, event: e.BeadFailed) -> None:
    bead = world.bead(event.bead)
    free_slot(world, bead)
    usage.tried(world, bead)
    world.repos[bead.repo].ready.remove(bead.id)
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
    e.BeadPaused: _bead_paused,
    e.BeadResumed: _bead_resumed,
    e.CancelRequested: _cancel_requested,
    e.BeadCancelled: _bead_cancelled,
}

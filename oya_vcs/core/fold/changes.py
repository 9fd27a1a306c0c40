"""Folds of change requests and of the merge queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.fold.moves import (
    close_change,
    promote,
)
from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge import Change, MergeQueue, Stage
from oya_vcs.core.world import World


def _change_opened(world: World, event: e.ChangeOpened) -> None:
    bead = world.bead(event.bead)
    bead.change = event.change
    world.changes[event.change] = Change(
        id=event.change,
        repo=bead.repo,
        bead=event.bead,
        attempt=event.attempt,
        head=event.head,
    )


def _change_queued(world: World, event: e.ChangeQueued) -> None:
    world.repos[world.bead(event.bead).repo].queue.join(event.change)


def _candidate_built(world: World, event: e.CandidateBuilt) -> None:
    change = world.changes[event.change]
    change.stage, change.reason = Stage.TESTING, None
    change.base, change.candidate, change.tree = event.base, event.commit, event.tree


def _candidate_redundant(world: World, event: e.CandidateRedundant) -> None:
    change = world.changes[event.change]
    change.stage, change.reason = Stage.TESTING, e.Reason.ALREADY_LANDED
    change.base, change.candidate, change.tree = event.base, event.base, event.tree


def _found_landed(world: World, event: e.FoundLanded) -> None:
    _merged(world, event.change, event.commit)


def _landed(world: World, event: e.Landed) -> None:
    _merged(world, event.change, event.commit)


def _merged(world: World, change_id: ChangeId, commit: CommitId) -> None:
    change = world.changes[change_id]
    change.stage = Stage.MERGED
    world.repos[change.repo].queue.leave(change_id)
    bead = world.bead(change.bead)
    bead.landed = commit
    bead.reason, bead.detail, bead.feedback = None, "", ""
    for unblocked in world.graph.finish(bead.id):
        promote(world, unblocked)


def _landing_stale(world: World, event: e.LandingStale) -> None:
    _put_back(world, event.change)


def _target_blocked(world: World, event: e.TargetBlocked) -> None:
    _put_back(world, event.change).paused = event.detail


def _put_back(world: World, change_id: ChangeId) -> MergeQueue:
    change = world.changes[change_id]
    change.stage = Stage.PENDING
    queue = world.repos[change.repo].queue
    queue.put_back(change_id)
    return queue


def _change_held(world: World, event: e.ChangeHeld) -> None:
    change = world.changes[event.change]
    change.stage, change.reason, change.detail = Stage.PENDING, event.reason, event.detail
    world.repos[change.repo].queue.hold(change.id, event.detail)


def _bead_reworked(world: World, event: e.BeadReworked) -> None:
    bead = world.bead(event.bead)
    bead.failures += 1
    bead.feedback = event.feedback
    bead.reason, bead.detail = event.reason, event.feedback
    close_change(world, event.change, event.reason, event.feedback)


def _queue_resumed(world: World, event: e.QueueResumed) -> None:
    world.repos[event.repo].queue.resume()


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.ChangeOpened: _change_opened,
    e.ChangeQueued: _change_queued,
    e.CandidateBuilt: _candidate_built,
    e.CandidateRedundant: _candidate_redundant,
    e.Landed: _landed,
    e.LandingStale: _landing_stale,
    e.TargetBlocked: _target_blocked,
    e.BeadReworked: _bead_reworked,
    e.ChangeHeld: _change_held,
    e.FoundLanded: _found_landed,
    e.QueueResumed: _queue_resumed,
}


def _building_begun(world: World, effect: f.BuildCandidate) -> None:
    change = world.changes[effect.change]
    change.round = effect.round
    world.repos[change.repo].queue.start(change.id)


def _landing_begun(world: World, effect: f.Land) -> None:
    world.changes[effect.change].stage = Stage.MERGING


BEGUN: Mapping[type[f.Effect], Callable[..., None]] = {
    f.BuildCandidate: _building_begun,
    f.Land: _landing_begun,
}
"""What a decision to begin an effect changes at once."""

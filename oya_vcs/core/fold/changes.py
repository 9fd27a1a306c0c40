"""Folds of change requests: what becomes of each, from its opening to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import usage
from oya_vcs.core.fold.moves import (
    close_change,
    promote,
)
from oya_vcs.core.fold.pulls import landing, tie
from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge import Change, MergeQueue, Stage
from oya_vcs.core.merge.adaptive import learnt
from oya_vcs.core.merge.lifecycle import OVER, Landing, Pins
from oya_vcs.core.world import World

LANDINGS_MAX = 50
"""Landings that a queue remembers, to tell a worker what landed meanwhile."""


STOPPED = frozenset({e.Reason.SUPERSEDED, e.Reason.CANCELLED, e.Reason.PAUSED})
"""Checks that we ended ourselves say nothing of what they checked."""


def queue_of(world: World, change: Change) -> MergeQueue:
    """The merge queue that the change is in, or was."""
    return world.repos[change.repo].queue


# --- Coming ---------------------------------------------------------------------------------------


def _change_opened(world: World, event: e.ChangeOpened) -> None:
    bead = world.bead(event.bead)
    bead.change = event.change
    usage.succeeded(world.repos[bead.repo])
    if event.number:
        tie(world, bead, event.number, event.head)
    world.changes[event.change] = Change(
        id=event.change,
        repo=bead.repo,
        bead=event.bead,
        attempt=event.attempt,
        head=event.head,
    )


def _change_queued(world: World, event: e.ChangeQueued) -> None:
    change = world.changes[event.change]
    change.head_tree, change.target, change.message = event.tree, event.target, event.message
    change.priority, change.joined_ms = event.priority, world.now_ms
    queue = queue_of(world, change)
    queue.join(change.id, event.priority, event.after)
    if not event.approved:
        queue.await_approval(change.id)


def _change_approved(world: World, event: e.ChangeApproved) -> None:
    change = world.changes.get(event.change)
    if change is None or change.stage in OVER or change.head != event.head:
        return
    queue = queue_of(world, change)
    if event.priority is not None:
        change.priority = event.priority
        queue.prioritize(change.id, event.priority)
    if change.withdrawn is not None:
        change.withdrawn = None
        if change.exit is None and change.amended is None:
            queue.leaving.remove(change.id)
    if change.id in queue.unapproved:
        change.reason, change.detail = None, ""
        queue.put_back(change.id)


# --- What others do to it -------------------------------------------------------------------------


def _change_rejected(world: World, event: e.ChangeRejected) -> None:
    _to_leave(world, event.change, e.Reason.REJECTED, event.note)


def _change_closed(world: World, event: e.ChangeClosed) -> None:
    _to_leave(world, event.change, e.Reason.CLOSED, f"Closed by {event.by}.")


def _approval_withdrawn(world: World, event: e.ApprovalWithdrawn) -> None:
    change = world.changes.get(event.change)
    if change is None or change.stage in OVER:
        return
    queue = queue_of(world, change)
    if change.id not in queue.unapproved:
        change.withdrawn = event.reason
        if change.id not in queue.leaving:
            queue.leaving.append(change.id)


def _to_leave(world: World, change_id: ChangeId, reason: e.Reason, detail: str) -> None:
    change = world.changes.get(change_id)
    if change is not None and change.stage not in OVER and change.exit is None:
        change.exit, change.detail = reason, detail
        leaving = queue_of(world, change).leaving
        if change_id not in leaving:
            leaving.append(change_id)


def _change_amended(world: World, event: e.ChangeAmended) -> None:
    change = world.changes.get(event.change)
    if change is None or change.stage in OVER:
        return
    now = Pins(head=event.head, tree=event.tree, target=event.target, message=event.message)
    amend(world, change, now)


def amend(world: World, change: Change, now: Pins) -> None:
    """The change is this now. Where that is what is approved, nothing is to be done (any more)."""
    leaving = queue_of(world, change).leaving
    change.amended = None if now == change.pins else now
    if change.amended is not None and change.id not in leaving:
        leaving.append(change.id)
    elif change.amended is None and change.id in leaving and not change.leaves:
        leaving.remove(change.id)


def _approval_dropped(world: World, event: e.ApprovalDropped) -> None:
    change = world.changes[event.change]
    now = change.amended or change.pins
    queue = queue_of(world, change)
    queue.await_approval(change.id)
    queue.leaving.remove(change.id)
    change.forget_candidate()
    change.head, change.head_tree = now.head, now.tree
    change.target, change.message = now.target, now.message
    change.amended = change.withdrawn = None
    change.reason = event.reason


# --- Candidates -----------------------------------------------------------------------------------


def _candidate_built(world: World, event: e.CandidateBuilt) -> None:
    if (change := _built(world, event, event.commit)) is not None:
        change.paths = event.paths


def _candidate_redundant(world: World, event: e.CandidateRedundant) -> None:
    if (change := _built(world, event, event.base)) is not None:
        change.reason = e.Reason.ALREADY_LANDED


def _built(
    world: World, event: e.CandidateBuilt | e.CandidateRedundant, candidate: CommitId
) -> Change | None:
    change = _answered(world, event)
    if change is not None:
        change.stage, change.base = Stage.TESTING, event.base
        change.candidate, change.tree = candidate, event.tree
    return change


def _candidate_conflicted(world: World, event: e.CandidateConflicted) -> None:
    change = _answered(world, event)
    if change is not None:
        change.conflict, change.files = event.base, event.files


def _answered(
    world: World, event: e.CandidateBuilt | e.CandidateRedundant | e.CandidateConflicted
) -> Change | None:
    """The change whose candidate was asked for, with what it was tried on; None where it is not in
    the window any more."""
    change = world.changes[event.change]
    queue = queue_of(world, change)
    if queue.building == change.id:
        queue.building = None
    if change.onto is None:
        queue.tip = event.base
    if not queue.in_flight(change.id):
        bead = world.bead(change.bead)
        bead.state = State.QUEUED if bead.state is State.TESTING else bead.state
        return None
    return change


def _checks_started(world: World, event: e.ChecksStarted) -> None:
    change = world.changes[event.change]
    if event.candidate == change.candidate:
        change.started = True


def _checks_finished(world: World, event: e.ChecksFinished) -> None:
    _judged(world, event.change, event.candidate, event.reason, event.check, event.detail)


def _checks_expired(world: World, event: e.ChecksExpired) -> None:
    words = "The checks did not end in time."
    if event.reason is e.Reason.CHECK_NOT_STARTED:
        words = "Nobody began the checks in time."
    _judged(world, event.change, event.candidate, event.reason, "", words)


def _judged(
    world: World,
    change_id: ChangeId,
    candidate: CommitId,
    reason: e.Reason | None,
    check: str,
    said: str,
) -> None:
    """Promise 4: only for the candidate that it was asked for, and only the first time. One that
    lands on the word of another's test has no more use for its own."""
    change = world.changes[change_id]
    if change.stage is Stage.MERGING:
        return
    if change.candidate != candidate or change.asked_ms is None or change.passed is not None:
        return
    if reason in STOPPED:
        return
    change.passed = reason is None
    pace, took_ms = queue_of(world, change).pace, world.now_ms - change.asked_ms
    pace.test_ms = pace.test_ms + (took_ms - pace.test_ms) // 4 if pace.test_ms else took_ms
    if reason is not None:
        change.why, change.check, change.said = reason, check, said


# --- The window -----------------------------------------------------------------------------------


def _change_joined(world: World, event: e.ChangeJoined) -> None:
    change = world.changes[event.change]
    change.forget_candidate()
    queue_of(world, change).enter(change.id, joins=True)


def _batch_split(world: World, event: e.BatchSplit) -> None:
    queue = queue_of(world, world.changes[event.change])
    group = next(group for group in queue.chain if event.change in group.changes)
    world.changes[group.changes[-1]].forget_candidate()
    queue.split(event.change)


def _change_suspected(world: World, event: e.ChangeSuspected) -> None:
    change = world.changes[event.change]
    change.stage = Stage.PENDING
    queue_of(world, change).suspect(change.id, event.reason)


def _change_held(world: World, event: e.ChangeHeld) -> None:
    change = world.changes[event.change]
    queue = queue_of(world, change)
    if change.stage is Stage.MERGING:
        _not_merging(world, queue)
    change.forget_candidate()
    change.reason, change.detail = event.reason, event.detail
    queue.hold(change.id, event.detail)


# --- The end --------------------------------------------------------------------------------------


def _landed(world: World, event: e.Landed) -> None:
    queue = queue_of(world, world.changes[event.change])
    queue.tip = event.commit
    _merged(world, event.change, event.base, event.commit)


def _landed_with(world: World, event: e.LandedWith) -> None:
    _merged(world, event.change, world.changes[event.change].base, event.commit)


def _found_landed(world: World, event: e.FoundLanded) -> None:
    _merged(world, event.change, None, event.commit)


def _merged(world: World, change_id: ChangeId, base: CommitId | None, commit: CommitId) -> None:
    change = world.changes[change_id]
    change.stage = Stage.MERGED
    queue = queue_of(world, change)
    queue.landed(change_id)
    queue.pace.failing_ppm = learnt(queue.pace.failing_ppm, failed=False)
    if base is not None:
        queue.pace.recent.append(Landing(change.bead, base, commit))
        del queue.pace.recent[:-LANDINGS_MAX]
    bead = world.bead(change.bead)
    bead.landed = commit
    bead.reason, bead.detail, bead.feedback = None, "", ""
    for unblocked in world.graph.finish(bead.id):
        promote(world, unblocked)


def _landing_stale(world: World, event: e.LandingStale) -> None:
    queue = queue_of(world, world.changes[event.change])
    _not_merging(world, queue)
    queue.tip = event.found


def _target_blocked(world: World, event: e.TargetBlocked) -> None:
    change = world.changes[event.change]
    queue = queue_of(world, change)
    if change.stage is Stage.MERGING:
        _not_merging(world, queue)
    if queue.building == event.change:
        queue.building = None
    back = [one for one in queue.flying() if world.changes[one].stage is not Stage.MERGING]
    for one in reversed(back):
        world.changes[one].forget_candidate()
        queue.put_back(one)
    queue.paused = event.detail


def _not_merging(world: World, queue: MergeQueue) -> None:
    """What was on its way into the target is not: it is to be built and tested again."""
    for one in queue.flying():
        if world.changes[one].stage is Stage.MERGING:
            world.changes[one].forget_candidate()


def _bead_reworked(world: World, event: e.BeadReworked) -> None:
    bead = world.bead(event.bead)
    bead.failures += 1
    bead.feedback = event.feedback
    bead.reason, bead.detail = event.reason, event.feedback
    close_change(world, event.change, event.reason, event.feedback)


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.ChangeOpened: _change_opened,
    e.ChangeQueued: _change_queued,
    e.ChangeApproved: _change_approved,
    e.ChangeRejected: _change_rejected,
    e.ChangeClosed: _change_closed,
    e.ChangeAmended: _change_amended,
    e.ApprovalWithdrawn: _approval_withdrawn,
    e.ApprovalDropped: _approval_dropped,
    e.CandidateBuilt: _candidate_built,
    e.CandidateRedundant: _candidate_redundant,
    e.CandidateConflicted: _candidate_conflicted,
    e.ChecksStarted: _checks_started,
    e.ChecksFinished: _checks_finished,
    e.ChecksExpired: _checks_expired,
    e.ChangeJoined: _change_joined,
    e.BatchSplit: _batch_split,
    e.ChangeSuspected: _change_suspected,
    e.ChangeHeld: _change_held,
    e.Landed: _landed,
    e.LandedWith: _landed_with,
    e.FoundLanded: _found_landed,
    e.LandingStale: _landing_stale,
    e.TargetBlocked: _target_blocked,
    e.BeadReworked: _bead_reworked,
}


def _building_begun(world: World, effect: f.BuildCandidate) -> None:
    change = world.changes[effect.change]
    queue = queue_of(world, change)
    change.forget_candidate()
    change.round, change.onto = effect.round, effect.onto
    queue.enter(change.id)
    queue.building = change.id


def _testing_begun(world: World, effect: f.RunChecks) -> None:
    change = world.changes[effect.change]
    change.asked_ms = world.now_ms
    for group in queue_of(world, change).chain:
        if group.changes[-1] == change.id:
            group.closed = True


def _landing_begun(world: World, effect: f.Land) -> None:
    change = world.changes[effect.change]
    for one in (*queue_of(world, change).ahead_of(change.id), change.id):
        world.changes[one].stage = Stage.MERGING
        landing(world, world.changes[one])


BEGUN: Mapping[type[f.Effect], Callable[..., None]] = {
    f.BuildCandidate: _building_begun,
    f.RunChecks: _testing_begun,
    f.Land: _landing_begun,
}
"""What a decision to begin an effect changes at once."""

"""Policy: what follows from a fact. `react` yields decisions; its caller applies each before it
asks for the next.

A decision is an event like any other (`Requested`, `AttemptClaimed`, `BeadFailed`, …) and is never
reacted to. Nothing here does anything, asks the time, or remembers: the same world and fact give
the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.ids import ChangeId, execution_key, workspace_name
from oya_vcs.core.merge import Change, Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.schedule import backoff_ms, choose
from oya_vcs.core.texts import (
    candidate_message,
    check_feedback,
    conflict_feedback,
    result_message,
)
from oya_vcs.core.world import Keep, Workspace, World
from oya_vcs.errors import Bug

Decisions = Iterator[e.Event]

HOPELESS = frozenset({e.Reason.WORKER_MISSING})
"""Reasons that no waiting mends: a person must do something first."""


def react(world: World, fact: e.Event, at_ms: int, policy: Policy) -> Decisions:
    """Every decision that follows from `fact` itself, which has been applied already (but for
    `Ticked`, which changes nothing).

    `at_ms` is Unix time. The caller applies each decision before it takes the next one.
    """
    handler = _REACT.get(type(fact))
    if handler is not None:
        yield from handler(world, fact, at_ms, policy)


def advance(world: World, at_ms: int, policy: Policy) -> Decisions:
    """What can be started now that all facts of a step are in: attempts, and the next candidate.

    As with `react`, the caller applies each decision before it takes the next one.
    """
    if not policy.idle:
        yield from _schedule(world, policy)
        yield from _plan(world, at_ms, policy)


def _schedule(world: World, policy: Policy) -> Decisions:
    while (choice := choose(world, policy)) is not None:
        bead = world.bead(choice.bead)
        attempt = bead.attempt + 1
        run = execution_key(bead.id, {"spec": bead.key, "attempt": attempt})
        name = workspace_name(bead.id, attempt, run)
        yield e.AttemptClaimed(bead=bead.id, attempt=attempt, slot=choice.slot, workspace=name)
        yield _request(
            f.CreateWorkspace(repo=bead.repo, bead=bead.id, attempt=attempt, workspace=name)
        )


def _plan(world: World, at_ms: int, policy: Policy) -> Decisions:
    """The serial merge policy: build the next candidate where none is on its way."""
    repo = world.repos.get(policy.repo)
    if repo is None or (following := repo.queue.next()) is None:
        return
    change = world.changes[following]
    bead = world.bead(change.bead)
    yield _request(
        f.BuildCandidate(
            repo=change.repo,
            bead=change.bead,
            change=change.id,
            head=change.head,
            round=change.round + 1,
            message=candidate_message(bead.spec, change.id),
            made_at_ms=at_ms,
        )
    )


def _request(effect: f.Effect) -> e.Requested:
    return e.Requested(key=f.effect_key(effect), effect=effect)


def _workspace_created(
    world: World, fact: e.WorkspaceCreated, at_ms: int, policy: Policy
) -> Decisions:
    bead = world.bead(fact.bead)
    yield _request(
        f.RunWorker(
            repo=bead.repo,
            bead=bead.id,
            attempt=fact.attempt,
            workspace=fact.workspace,
            path=fact.path,
            spec=bead.spec,
            feedback=bead.feedback,
        )
    )


def _worker_finished(world: World, fact: e.WorkerFinished, at_ms: int, policy: Policy) -> Decisions:
    bead = world.bead(fact.bead)
    if fact.reason is not None:
        yield from _set_back(world, bead, fact.reason, fact.detail, at_ms, policy)
        return
    if bead.workspace is None or bead.base is None:
        raise Bug(f"Bead {bead.id} has a finished worker and no workspace.")
    yield _request(
        f.CollectResult(
            repo=bead.repo,
            bead=bead.id,
            attempt=fact.attempt,
            workspace=bead.workspace,
            base=bead.base,
            message=result_message(bead.spec, fact.attempt, fact.key),
            allow_empty=bead.spec.allow_empty,
        )
    )


def _set_back(
    world: World, bead: Bead, reason: e.Reason, detail: str, at_ms: int, policy: Policy
) -> Decisions:
    """An attempt ended without a result: wait and try again, or fail for good.

    An interruption (our own crash or stop) and a worker that asks to be tried later (exit 75) do
    not count; what they left is pinned and removed. What a failed attempt left is kept for its
    author to look at.
    """
    if reason is e.Reason.INTERRUPTED:
        yield from _remove_workspaces(world, bead)
        yield _backed_off(bead, at_ms, reason, detail, counted=False)
    elif reason is e.Reason.WORKER_DEFERRED and bead.deferrals < policy.deferrals_max:
        wait_ms = backoff_ms(policy.defer_ms, bead.deferrals, policy.backoff_ms_max)
        yield from _remove_workspaces(world, bead)
        yield _backed_off(bead, at_ms + wait_ms, reason, detail, counted=False)
    elif bead.failures + 1 < policy.attempts_max and reason not in HOPELESS:
        wait_ms = backoff_ms(policy.backoff_ms, bead.failures, policy.backoff_ms_max)
        yield _backed_off(bead, at_ms + wait_ms, reason, detail, counted=True)
    else:
        yield e.BeadFailed(bead=bead.id, reason=reason, detail=detail)


def _backed_off(
    bead: Bead, until_ms: int, reason: e.Reason, detail: str, *, counted: bool
) -> e.BeadBackedOff:
    return e.BeadBackedOff(
        bead=bead.id, until_ms=until_ms, reason=reason, detail=detail, counted=counted
    )


def _result_collected(
    world: World, fact: e.ResultCollected, at_ms: int, policy: Policy
) -> Decisions:
    bead = world.bead(fact.bead)
    yield _request(
        f.OpenChange(
            repo=bead.repo,
            bead=bead.id,
            attempt=fact.attempt,
            change=ChangeId(f"{bead.id}.{fact.attempt}"),
            head=fact.commit,
            title=bead.spec.title,
        )
    )


def _result_refused(world: World, fact: e.ResultRefused, at_ms: int, policy: Policy) -> Decisions:
    yield from _set_back(world, world.bead(fact.bead), fact.reason, fact.detail, at_ms, policy)


def _change_opened(world: World, fact: e.ChangeOpened, at_ms: int, policy: Policy) -> Decisions:
    yield e.ChangeQueued(bead=fact.bead, change=fact.change, head=fact.head)


def _candidate_built(
    world: World, fact: e.CandidateBuilt | e.CandidateRedundant, at_ms: int, policy: Policy
) -> Decisions:
    change = world.changes[fact.change]
    if change.candidate is None:
        raise Bug(f"Change {change.id} is to be checked and has no candidate.")
    yield _request(
        f.RunChecks(
            repo=change.repo,
            bead=fact.bead,
            change=change.id,
            round=change.round,
            candidate=change.candidate,
        )
    )


def _candidate_conflicted(
    world: World, fact: e.CandidateConflicted, at_ms: int, policy: Policy
) -> Decisions:
    bead, change = world.bead(fact.bead), world.changes[fact.change]
    feedback = conflict_feedback(bead, change, fact.base, fact.files)
    yield from _send_back(world, bead, change, e.Reason.CONFLICT, feedback, policy)


def _checks_finished(world: World, fact: e.ChecksFinished, at_ms: int, policy: Policy) -> Decisions:
    bead, change = world.bead(fact.bead), world.changes[fact.change]
    if fact.reason is e.Reason.NO_CHECKS:
        yield e.BeadFailed(bead=bead.id, reason=fact.reason, detail=fact.detail)
    elif fact.reason is not None:
        feedback = check_feedback(bead, change, fact.check, fact.detail)
        yield from _send_back(world, bead, change, fact.reason, feedback, policy)
    elif change.reason is e.Reason.ALREADY_LANDED:
        yield e.FoundLanded(bead=bead.id, change=change.id, commit=fact.candidate)
        yield from _remove_workspaces(world, bead)
    elif change.base is None or change.tree is None:
        raise Bug(f"Change {change.id} has checks that passed and no candidate.")
    else:
        yield _request(
            f.Land(
                repo=change.repo,
                bead=bead.id,
                change=change.id,
                round=change.round,
                base=change.base,
                commit=fact.candidate,
                tree=change.tree,
            )
        )


def _send_back(
    world: World, bead: Bead, change: Change, reason: e.Reason, feedback: str, policy: Policy
) -> Decisions:
    """The queue refuses a result: back to a worker with the reason, or failed when no attempt is
    left."""
    if bead.failures + 1 < policy.attempts_max:
        yield from _remove_workspaces(world, bead)
        yield e.BeadReworked(bead=bead.id, change=change.id, reason=reason, feedback=feedback)
        yield e.BeadReadied(bead=bead.id)
    else:
        yield e.BeadFailed(bead=bead.id, reason=reason, detail=feedback)


def _left_queue(world: World, fact: e.Landed, at_ms: int, policy: Policy) -> Decisions:
    yield from _remove_workspaces(world, world.bead(fact.bead))


def _remove_workspaces(world: World, bead: Bead) -> Decisions:
    """Every workspace of a bead that has no more use; what the newest holds is in its commit
    already."""
    for name in tuple(world.of_bead.get(bead.id, ())):
        workspace = world.workspaces[name]
        if workspace.keep is Keep.REMOVING:
            continue
        if workspace.keep is Keep.KEPT and bead.state is not State.LANDED:
            continue
        yield _removal(world, bead, workspace)


def _removal(world: World, bead: Bead, workspace: Workspace) -> e.Requested:
    """What the newest attempt's workspace holds is in the bead's commit, if it has one."""
    change = world.changes.get(bead.change) if bead.change is not None else None
    merged = change is not None and change.stage is Stage.MERGED and change.reason is None
    return _request(
        f.RemoveWorkspace(
            repo=bead.repo,
            bead=bead.id,
            workspace=workspace.name,
            round=workspace.removals + 1,
            kept_as=bead.commit if workspace.name == bead.workspace else None,
            landed=merged and workspace.name == bead.workspace,
        )
    )


def _workspace_discarded(
    world: World, fact: e.WorkspaceDiscarded, at_ms: int, policy: Policy
) -> Decisions:
    workspace = world.workspaces.get(fact.workspace)
    if workspace is not None and workspace.keep is Keep.KEPT:
        yield _removal(world, world.bead(fact.bead), workspace)


def _effect_failed(world: World, fact: e.EffectFailed, at_ms: int, policy: Policy) -> Decisions:
    bead = world.bead(fact.bead)
    if fact.kind in _ATTEMPT_EFFECTS:
        reason = e.Reason.INFRASTRUCTURE
        yield from _set_back(world, bead, reason, fact.message, at_ms, policy)
    elif fact.kind in _QUEUE_EFFECTS and bead.change is not None:
        yield e.ChangeHeld(
            bead=bead.id,
            change=bead.change,
            reason=e.Reason.INFRASTRUCTURE,
            detail=fact.message,
        )


_QUEUE_EFFECTS = frozenset(kind.__name__ for kind in (f.BuildCandidate, f.RunChecks, f.Land))
_ATTEMPT_EFFECTS = frozenset(
    kind.__name__ for kind in (f.CreateWorkspace, f.RunWorker, f.CollectResult, f.OpenChange)
)


def _ticked(world: World, fact: e.Ticked, at_ms: int, policy: Policy) -> Decisions:
    while world.timers and world.timers[0][0] <= at_ms:
        yield e.BeadReadied(bead=world.timers[0][1])


_REACT: dict[type[e.Event], Callable[..., Decisions]] = {
    e.WorkspaceCreated: _workspace_created,
    e.WorkerFinished: _worker_finished,
    e.ResultCollected: _result_collected,
    e.ResultRefused: _result_refused,
    e.ChangeOpened: _change_opened,
    e.CandidateBuilt: _candidate_built,
    e.CandidateConflicted: _candidate_conflicted,
    e.CandidateRedundant: _candidate_built,
    e.ChecksFinished: _checks_finished,
    e.Landed: _left_queue,
    e.EffectFailed: _effect_failed,
    e.WorkspaceDiscarded: _workspace_discarded,
    e.Ticked: _ticked,
}

"""What follows from the facts of an attempt, and which attempt to start next."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.budget import bead_spent, left_ms
from oya_vcs.core.decide.decisions import Decisions, Rule, request
from oya_vcs.core.decide.workspaces import remove_workspaces
from oya_vcs.core.ids import ChangeId, CommitId, execution_key, workspace_name
from oya_vcs.core.policy import Policy
from oya_vcs.core.schedule import choose, has_rested, overdue
from oya_vcs.core.slots import backoff_ms
from oya_vcs.core.spec import files_of
from oya_vcs.core.texts import (
    change_text,
    result_message,
)
from oya_vcs.core.world import World
from oya_vcs.errors import Bug

HOPELESS = frozenset({e.Reason.WORKER_MISSING})
"""Reasons that no waiting mends: a person must do something first."""
_NOBODYS_FAULT = frozenset({e.Reason.INTERRUPTED, e.Reason.PAUSED})


def schedule(world: World, at_ms: int, policy: Policy) -> Decisions:
    """Start an attempt in every slot that is free and has a bead to work on; a bead that insists on
    its slot and has waited for it too long has failed an attempt."""
    while (choice := choose(world, policy, at_ms)) is not None:
        bead = world.bead(choice.bead)
        attempt = bead.attempt + 1
        run = execution_key(bead.id, {"spec": bead.key, "attempt": attempt})
        name = workspace_name(bead.id, attempt, run)
        yield e.AttemptClaimed(
            bead=bead.id,
            attempt=attempt,
            slot=choice.slot,
            workspace=name,
            why=choice.why,
            tokens=choice.tokens,
        )
        yield request(
            f.CreateWorkspace(
                repo=bead.repo,
                bead=bead.id,
                attempt=attempt,
                workspace=name,
                files=files_of(bead.spec),
            )
        )
    while (waited := overdue(world, policy, at_ms)) is not None:
        seconds = (at_ms - waited.since_ms) // 1_000
        detail = f"Slot {waited.slot}, which it insists on, was not free for {seconds} s."
        yield from set_back(world, waited, e.Reason.SLOT_BUSY, detail, at_ms, policy)


def _workspace_created(
    world: World, fact: e.WorkspaceCreated, at_ms: int, policy: Policy
) -> Decisions:
    bead = world.bead(fact.bead)
    if bead.state is State.PAUSED:
        detail = "It was paused before its worker began."
        yield from set_back(world, bead, e.Reason.PAUSED, detail, at_ms, policy)
    elif policy.setup:
        yield request(
            f.SetUpWorkspace(
                repo=bead.repo,
                bead=bead.id,
                attempt=fact.attempt,
                workspace=fact.workspace,
                path=fact.path,
            )
        )
    else:
        yield from _begin(world, bead, fact, at_ms, policy)


def _workspace_set_up(
    world: World, fact: e.WorkspaceSetUp, at_ms: int, policy: Policy
) -> Decisions:
    """A setup that failed says nothing of the bead: it is the infrastructure that did."""
    bead = world.bead(fact.bead)
    if fact.reason is None and bead.state is State.PAUSED:
        detail = "It was paused before its worker began."
        yield from set_back(world, bead, e.Reason.PAUSED, detail, at_ms, policy)
    elif fact.reason is None:
        yield from _begin(world, bead, fact, at_ms, policy)
    else:
        stopped = fact.reason in _NOBODYS_FAULT
        reason = fact.reason if stopped else e.Reason.INFRASTRUCTURE
        yield from set_back(world, bead, reason, fact.detail, at_ms, policy)


def _begin(
    world: World,
    bead: Bead,
    fact: e.WorkspaceCreated | e.WorkspaceSetUp,
    at_ms: int,
    policy: Policy,
) -> Decisions:
    """Its worker starts, unless all attempts before used up what the bead may use."""
    spent = bead_spent(bead, policy.rules.budget, at_ms)
    if spent:
        yield from set_back(world, bead, e.Reason.BUDGET_SPENT, "", at_ms, policy)
    else:
        yield _run(world, bead, fact, policy)


def _run(
    world: World, bead: Bead, fact: e.WorkspaceCreated | e.WorkspaceSetUp, policy: Policy
) -> e.Requested:
    return request(
        f.RunWorker(
            repo=bead.repo,
            bead=bead.id,
            attempt=fact.attempt,
            workspace=fact.workspace,
            path=world.workspaces[fact.workspace].path,
            spec=bead.spec,
            feedback=bead.feedback,
            session=bead.session,
            left_ms=left_ms(bead, policy.rules.budget),
        )
    )


def _worker_finished(world: World, fact: e.WorkerFinished, at_ms: int, policy: Policy) -> Decisions:
    bead = world.bead(fact.bead)
    if fact.reason is not None:
        yield from set_back(world, bead, fact.reason, fact.detail, at_ms, policy)
        return
    if bead.workspace is None or bead.base is None:
        raise Bug(f"Bead {bead.id} has a finished worker and no workspace.")
    yield request(
        f.CollectResult(
            repo=bead.repo,
            bead=bead.id,
            attempt=fact.attempt,
            workspace=bead.workspace,
            base=bead.base,
            message=result_message(bead.spec, fact.attempt, fact.key),
            allow_empty=bead.spec.allow_empty,
            files=bead.spec.files,
        )
    )


def set_back(
    world: World, bead: Bead, reason: e.Reason, detail: str, at_ms: int, policy: Policy
) -> Decisions:
    """An attempt ended without a result: wait and try again, or fail for good.

    An interruption (our own crash or stop, or a pause) and a worker that asks to be tried later
    (exit 75) do not count; what they left is pinned and removed. What a failed attempt left is kept
    for its author to look at. What a person submitted is for that person to submit again.
    """
    spent = bead_spent(bead, policy.rules.budget, at_ms)
    if bead.by_hand:
        yield e.BeadFailed(bead=bead.id, reason=reason, detail=detail)
    elif reason in _NOBODYS_FAULT:
        yield from remove_workspaces(world, bead)
        yield _backed_off(bead, at_ms, reason, detail, counted=False)
    elif spent:
        said = f"{spent} {detail}".rstrip()
        yield e.BeadFailed(bead=bead.id, reason=e.Reason.BUDGET_SPENT, detail=said)
    elif reason is e.Reason.WORKER_DEFERRED and bead.deferrals < policy.deferrals_max:
        wait_ms = backoff_ms(policy.defer_ms, bead.deferrals, policy.backoff_ms_max)
        yield from remove_workspaces(world, bead)
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
    if bead.state is not State.PAUSED:
        yield hand_in(world, bead, fact.commit, policy)


def hand_in(
    world: World, bead: Bead, head: CommitId, policy: Policy, *, round_: int = 1
) -> e.Event:
    """Hand the result of the newest attempt to the merge queue; where a verify command is
    configured, that has the first word."""
    if not policy.verify or bead.workspace is None:
        return open_change(bead, head)
    return request(
        f.VerifyResult(
            repo=bead.repo,
            bead=bead.id,
            attempt=bead.attempt,
            workspace=bead.workspace,
            path=world.workspaces[bead.workspace].path,
            commit=head,
            round=round_,
        )
    )


def _result_verified(world: World, fact: e.ResultVerified, at_ms: int, policy: Policy) -> Decisions:
    """One that was interrupted says nothing of the result, which stays: it is verified again."""
    bead = world.bead(fact.bead)
    if bead.commit is None:
        raise Bug(f"Bead {bead.id} has a verified result and no commit.")
    if fact.reason in _NOBODYS_FAULT:
        yield hand_in(world, bead, bead.commit, policy, round_=fact.round + 1)
    elif fact.reason is None:
        yield open_change(bead, bead.commit)
    else:
        yield from set_back(world, bead, e.Reason.VERIFY_FAILED, fact.detail, at_ms, policy)


def open_change(bead: Bead, head: CommitId) -> e.Event:
    """A change request for the result of the newest attempt."""
    return request(
        f.OpenChange(
            repo=bead.repo,
            bead=bead.id,
            attempt=bead.attempt,
            change=ChangeId(f"{bead.id}.{bead.attempt}"),
            head=head,
            title=bead.spec.title,
            text=change_text(bead.spec),
        )
    )


def _result_refused(world: World, fact: e.ResultRefused, at_ms: int, policy: Policy) -> Decisions:
    yield from set_back(world, world.bead(fact.bead), fact.reason, fact.detail, at_ms, policy)


def _ticked(world: World, fact: e.Ticked, at_ms: int, policy: Policy) -> Decisions:
    while has_rested(world, policy, at_ms):
        yield e.BeadReadied(bead=world.timers[0][1])


RULES: Mapping[type[e.Event], Rule] = {
    e.WorkspaceCreated: _workspace_created,
    e.WorkspaceSetUp: _workspace_set_up,
    e.WorkerFinished: _worker_finished,
    e.ResultCollected: _result_collected,
    e.ResultRefused: _result_refused,
    e.ResultVerified: _result_verified,
    e.Ticked: _ticked,
}

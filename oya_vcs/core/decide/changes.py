"""What follows from the facts of a change request, and which candidate to build next."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.decide.candidates import drop_candidates
from oya_vcs.core.decide.decisions import Decisions, Rule, request
from oya_vcs.core.decide.workspaces import remove_workspaces
from oya_vcs.core.merge import Change
from oya_vcs.core.policy import Policy
from oya_vcs.core.texts import (
    candidate_message,
    check_feedback,
    conflict_feedback,
)
from oya_vcs.core.world import World
from oya_vcs.errors import Bug


def plan(world: World, at_ms: int, policy: Policy) -> Decisions:
    """The serial merge policy: build the next candidate where none is on its way."""
    repo = world.repos.get(policy.repo)
    if repo is None or (following := repo.queue.next()) is None:
        return
    change = world.changes[following]
    bead = world.bead(change.bead)
    yield request(
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


def _change_opened(world: World, fact: e.ChangeOpened, at_ms: int, policy: Policy) -> Decisions:
    yield e.ChangeQueued(bead=fact.bead, change=fact.change, head=fact.head)


def _candidate_built(
    world: World, fact: e.CandidateBuilt | e.CandidateRedundant, at_ms: int, policy: Policy
) -> Decisions:
    change = world.changes[fact.change]
    if change.candidate is None:
        raise Bug(f"Change {change.id} is to be checked and has no candidate.")
    yield request(
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
        yield from drop_candidates(change)
        yield e.BeadFailed(bead=bead.id, reason=fact.reason, detail=fact.detail)
    elif fact.reason is not None:
        feedback = check_feedback(bead, change, fact.check, fact.detail)
        yield from _send_back(world, bead, change, fact.reason, feedback, policy)
    elif change.reason is e.Reason.ALREADY_LANDED:
        yield e.FoundLanded(bead=bead.id, change=change.id, commit=fact.candidate)
        yield from drop_candidates(change)
        yield from remove_workspaces(world, bead)
    elif change.base is None or change.tree is None:
        raise Bug(f"Change {change.id} has checks that passed and no candidate.")
    else:
        yield request(
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
    yield from drop_candidates(change)
    if bead.failures + 1 < policy.attempts_max:
        yield from remove_workspaces(world, bead)
        yield e.BeadReworked(bead=bead.id, change=change.id, reason=reason, feedback=feedback)
        yield e.BeadReadied(bead=bead.id)
    else:
        yield e.BeadFailed(bead=bead.id, reason=reason, detail=feedback)


def _left_queue(world: World, fact: e.Landed, at_ms: int, policy: Policy) -> Decisions:
    yield from remove_workspaces(world, world.bead(fact.bead))


RULES: Mapping[type[e.Event], Rule] = {
    e.ChangeOpened: _change_opened,
    e.CandidateBuilt: _candidate_built,
    e.CandidateConflicted: _candidate_conflicted,
    e.CandidateRedundant: _candidate_built,
    e.ChecksFinished: _checks_finished,
    e.Landed: _left_queue,
}

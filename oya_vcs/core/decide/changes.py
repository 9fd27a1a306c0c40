"""What follows from the facts of a change request, and the moves of the merge queue's plan as
decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.decide.candidates import drop_candidates
from oya_vcs.core.decide.decisions import Decisions, Rule, request
from oya_vcs.core.decide.workspaces import remove_workspaces
from oya_vcs.core.fold.moves import FAILURES
from oya_vcs.core.ids import ChangeId
from oya_vcs.core.merge import Change, MergeQueue, Stage, adaptive, moves
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.merge.plan import due_ms, next_move
from oya_vcs.core.policy import Policy
from oya_vcs.core.texts import (
    candidate_message,
    check_feedback,
    conflict_feedback,
    left_feedback,
    pull_feedback,
    submission_message,
)
from oya_vcs.core.world import World
from oya_vcs.errors import Bug

PATHS_MAX = 500
"""A change that touches more paths is not taken for one that shares none with others: a bound on
what is recorded of each candidate."""


def plan(world: World, at_ms: int, policy: Policy) -> Decisions:
    """Every move that the merge queue can make now, each read off the state that the one before
    left."""
    repo = world.repos.get(policy.repo)
    if repo is None:
        return
    moved = False
    while (move := next_move(repo.queue, world.changes, policy.merge, at_ms)) is not None:
        change = world.changes[move.change]
        yield from _MOVES[type(move)](world, change, move, at_ms, policy)
        moved = True
    if moved:  # else nothing was given up
        yield from _stop_superseded(world, repo.queue)


def _stop_superseded(world: World, queue: MergeQueue) -> Decisions:
    """End the checks of candidates that nobody waits for any more: they hold up others. Costs the
    effects under way."""
    flying = set(queue.flying())
    for key, effect in tuple(world.open.items()):
        if not isinstance(effect, f.RunChecks) or key in world.stops:
            continue
        change = world.changes[effect.change]
        if world.repos[change.repo].queue is not queue:
            continue
        wanted = change.id in flying and change.stage is not Stage.MERGING
        if wanted and change.candidate == effect.candidate and change.passed is None:
            continue
        yield e.StopRequested(bead=effect.bead, key=key, reason=e.Reason.SUPERSEDED)


def queue_due_ms(world: World, at_ms: int, policy: Policy) -> int | None:
    """When (Unix time) the passing of time alone lets the queue go on, or None."""
    repo = world.repos.get(policy.repo)
    return None if repo is None else due_ms(repo.queue, world.changes, policy.merge, at_ms)


def concerned(world: World, change: Change, kind: str) -> bool:
    """Whether an effect of this kind that the world refused is one that the change waits for now,
    and not one for a candidate that was given up."""
    if not world.repos[change.repo].queue.in_flight(change.id):
        return False
    return kind != f.RunChecks.__name__ or (
        change.asked_ms is not None
        and change.passed is None
        and change.stage is not Stage.MERGING
        and not any(
            isinstance(effect, f.RunChecks) and effect.candidate == change.candidate
            for effect in world.open.values()
        )
    )


# --- Moves ----------------------------------------------------------------------------------------


def _build(
    world: World, change: Change, move: moves.Build, at_ms: int, policy: Policy
) -> Decisions:
    message = change.message or candidate_message(world.bead(change.bead).spec, change.id)
    yield request(
        f.BuildCandidate(
            repo=change.repo,
            bead=change.bead,
            change=change.id,
            head=change.head,
            round=change.round + 1,
            message=message,
            made_at_ms=at_ms,
            onto=move.onto,
            method=method_of(world, change, policy),
            pull=_number(world, change),
            paths_max=PATHS_MAX if policy.merge.disjoint else 0,
        )
    )


def method_of(world: World, change: Change, policy: Policy) -> str:
    """How the change is to land: as the configuration has it, or squashed where people said so."""
    key = world.pull_of.get(change.bead)
    return "squash" if key is not None and world.pulls[key].squash else policy.merge.method


def _join(world: World, change: Change, move: moves.Join, at_ms: int, policy: Policy) -> Decisions:
    yield e.ChangeJoined(bead=change.bead, change=change.id)


def _test(world: World, change: Change, move: moves.Test, at_ms: int, policy: Policy) -> Decisions:
    if change.candidate is None:
        raise Bug(f"Change {change.id} is to be checked and has no candidate.")
    chain = world.repos[change.repo].queue.chain
    first = next(group.changes[0] for group in chain if change.id in group.changes)
    yield request(
        f.RunChecks(
            repo=change.repo,
            bead=change.bead,
            change=change.id,
            round=change.round,
            candidate=change.candidate,
            base=world.changes[first].base,
        )
    )


def _expire(
    world: World, change: Change, move: moves.Expire, at_ms: int, policy: Policy
) -> Decisions:
    if change.candidate is None:
        raise Bug(f"Change {change.id} is late and has no candidate.")
    yield e.ChecksExpired(
        bead=change.bead, change=change.id, candidate=change.candidate, reason=move.reason
    )


def _land(world: World, change: Change, move: moves.Land, at_ms: int, policy: Policy) -> Decisions:
    tip = world.repos[change.repo].queue.tip
    if change.candidate is None or change.tree is None or tip is None:
        raise Bug(f"Change {change.id} is to land and has no candidate.")
    yield request(
        f.Land(
            repo=change.repo,
            bead=change.bead,
            change=change.id,
            round=change.round,
            base=tip,
            commit=change.candidate,
            tree=change.tree,
            pulls=tuple(_landed_pulls(world, change)),
        )
    )


def _landed_pulls(world: World, change: Change) -> Iterator[f.LandedPull]:
    """The pull requests of a change and of those that it stands on in the window."""
    queue = world.repos[change.repo].queue
    for one in (*queue.ahead_of(change.id), change.id):
        member = world.changes[one]
        number = _number(world, member)
        if number and member.candidate is not None and not member.redundant:
            yield f.LandedPull(number, member.candidate)


def _number(world: World, change: Change) -> int:
    """The number of the change's pull request; 0 where it has none."""
    key = world.pull_of.get(change.bead)
    return 0 if key is None else world.pulls[key].number


def _found(
    world: World, change: Change, move: moves.Found, at_ms: int, policy: Policy
) -> Decisions:
    if change.candidate is None:
        raise Bug(f"Change {change.id} is found landed and has no candidate.")
    yield e.FoundLanded(bead=change.bead, change=change.id, commit=change.candidate)
    yield from drop_candidates(change)
    yield from remove_workspaces(world, world.bead(change.bead))


def _split(
    world: World, change: Change, move: moves.Split, at_ms: int, policy: Policy
) -> Decisions:
    yield e.BatchSplit(bead=change.bead, change=change.id)


def _suspect(
    world: World, change: Change, move: moves.Suspect, at_ms: int, policy: Policy
) -> Decisions:
    yield e.ChangeSuspected(bead=change.bead, change=change.id, reason=move.reason)


def _unapprove(
    world: World, change: Change, move: moves.Unapprove, at_ms: int, policy: Policy
) -> Decisions:
    """Where nobody has to approve, what a worker made of the bead is approved again; what somebody
    else pushed is not, nor what is for another branch now than the queue lands on."""
    yield e.ApprovalDropped(bead=change.bead, change=change.id, reason=move.reason)
    bead = world.bead(change.bead)
    here = change.target in {"", world.repos[change.repo].target}
    taken_back = move.reason in {e.Reason.UNAPPROVED, e.Reason.HELD, e.Reason.UNREADY}
    own = change.head == bead.commit and here and not taken_back
    if policy.merge.approval == "auto" and own:
        yield e.ChangeApproved(bead=bead.id, change=change.id, head=change.head, by="auto")


def _leave(
    world: World, change: Change, move: moves.Leave, at_ms: int, policy: Policy
) -> Decisions:
    """Back to a worker with what to do better, or failed: where nobody wants it, where trying again
    cannot help, and where no attempt is left."""
    bead, reason = world.bead(change.bead), move.reason
    feedback = _feedback(world, bead, change, reason)
    if reason in FAILURES:
        yield from _narrowed(world, change, policy)
    yield from drop_candidates(change)
    hopeless = reason in _HOPELESS or bead.failures + 1 >= policy.attempts_max
    if bead.by_hand:  # its author pushes when it is better
        hopeless = reason is not e.Reason.REJECTED
    if hopeless:
        yield e.BeadFailed(bead=bead.id, reason=reason, detail=feedback)
        return
    yield from remove_workspaces(world, bead)
    yield e.BeadReworked(bead=bead.id, change=change.id, reason=reason, feedback=feedback)
    if not bead.by_hand:
        yield e.BeadReadied(bead=bead.id)


_HOPELESS = frozenset({e.Reason.CLOSED, e.Reason.NO_CHECKS})
"""Reasons to leave that no other attempt mends."""


def _feedback(world: World, bead: Bead, change: Change, reason: e.Reason) -> str:
    """What the worker, or whoever looks at the failed bead, is told."""
    queue = world.repos[change.repo].queue
    if bead.by_hand:
        return pull_feedback(change, reason)
    if reason is e.Reason.CONFLICT:
        return conflict_feedback(bead, change, queue.pace.recent)
    if reason in FAILURES:
        return check_feedback(bead, change, queue.pace.recent)
    if reason in {e.Reason.CLOSED, e.Reason.NO_CHECKS}:
        return change.said or change.detail
    return left_feedback(bead, change, reason)


def _narrowed(world: World, change: Change, policy: Policy) -> Decisions:
    """A test failed: the window halves."""
    pace = world.repos[change.repo].queue.pace
    if policy.merge.adaptive:
        width = adaptive.halved(policy.merge, pace.window)
        if width != adaptive.window(policy.merge, pace.window):
            yield e.WindowSet(repo=change.repo, window=width)


def _widened(world: World, queue: MergeQueue, landed: int, policy: Policy) -> Decisions:
    width = adaptive.grown(policy.merge, queue.pace.window, landed)
    if policy.merge.adaptive and width != adaptive.window(policy.merge, queue.pace.window):
        yield e.WindowSet(repo=policy.repo, window=width)


_MOVES: Mapping[type[moves.Move], Rule] = {
    moves.Build: _build,
    moves.Join: _join,
    moves.Test: _test,
    moves.Expire: _expire,
    moves.Land: _land,
    moves.Found: _found,
    moves.Split: _split,
    moves.Suspect: _suspect,
    moves.Unapprove: _unapprove,
    moves.Leave: _leave,
}


# --- Facts ----------------------------------------------------------------------------------------


def _change_opened(world: World, fact: e.ChangeOpened, at_ms: int, policy: Policy) -> Decisions:
    """Approved as it is now, or waiting for somebody to do that. It stands on what its bead needs
    and has not landed."""
    bead, change = world.bead(fact.bead), world.changes[fact.change]
    yield e.ChangeQueued(
        bead=bead.id,
        change=change.id,
        head=fact.head,
        tree=bead.tree,
        target=world.repos[bead.repo].target,
        message=_message(bead, change, policy),
        priority=bead.spec.priority,
        after=tuple(_open_changes(world, bead)),
        approved=policy.merge.approval == "auto" and not _held(world, bead),
    )


def _message(bead: Bead, change: Change, policy: Policy) -> str:
    if bead.is_submission:
        return submission_message(bead.spec, change.id)
    return candidate_message(bead.spec, change.id, policy.merge.method)


def _held(world: World, bead: Bead) -> bool:
    """Whether people hold the pull request of the bead."""
    key = world.pull_of.get(bead.id)
    return key is not None and bool(world.pulls[key].hold)


def _open_changes(world: World, bead: Bead) -> list[ChangeId]:
    needed = [world.bead(one).change for one in world.graph.waits_for(bead.id)]
    return [one for one in needed if one is not None and world.changes[one].stage not in OVER]


def _landed(world: World, fact: e.Landed, at_ms: int, policy: Policy) -> Decisions:
    """With it landed what it stood on, up to the old tip."""
    change = world.changes[fact.change]
    queue = world.repos[change.repo].queue
    yield from remove_workspaces(world, world.bead(fact.bead))
    landed = 1
    for one in tuple(queue.flying()):
        other = world.changes[one]
        if other.stage is not Stage.MERGING:
            break
        if other.redundant:
            yield e.FoundLanded(bead=other.bead, change=one, commit=fact.commit)
        else:
            yield e.LandedWith(bead=other.bead, change=one, commit=other.candidate or fact.commit)
        yield from drop_candidates(other)
        yield from remove_workspaces(world, world.bead(other.bead))
        landed += 1
    yield from _widened(world, queue, landed, policy)


RULES: Mapping[type[e.Event], Rule] = {
    e.ChangeOpened: _change_opened,
    e.Landed: _landed,
}

"""Policy: what follows from a fact. `react` yields decisions; its caller applies each before it
asks for the next.

A decision is an event like any other (`Requested`, `AttemptClaimed`, `BeadFailed`, …) and is never
reacted to. Nothing here does anything, asks the time, or remembers: the same world and fact give
the same decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.decide import attempts, changes, pulls, submissions, wishes, workspaces
from oya_vcs.core.decide.attempts import schedule, set_back
from oya_vcs.core.decide.budgets import stop_spent
from oya_vcs.core.decide.changes import plan, queue_due_ms
from oya_vcs.core.decide.decisions import Decisions, Rule
from oya_vcs.core.decide.pull_queue import settle
from oya_vcs.core.policy import Policy
from oya_vcs.core.schedule import is_due as schedule_is_due
from oya_vcs.core.world import World


def react(world: World, fact: e.Event, at_ms: int, policy: Policy) -> Decisions:
    """Every decision that follows from `fact` itself, which has been applied already (but for
    `Ticked`, which changes nothing).

    `at_ms` is Unix time. The caller applies each decision before it takes the next one.
    """
    kind = type(fact)
    if (
        kind not in pulls.RULES
        and isinstance(fact, e.Outcome)
        and wishes.is_being_cancelled(world, fact)
    ):
        return wishes.end(world, world.bead(fact.bead))
    handler = _RULES.get(kind)
    return iter(()) if handler is None else handler(world, fact, at_ms, policy)


def advance(world: World, at_ms: int, policy: Policy, events: Iterable[e.Event] = ()) -> Decisions:
    """What can be started now that all facts of a step are in: attempts, and the next candidate;
    and what is to be told on the pull requests that the step was about (`events`: all of it so
    far).

    As with `react`, the caller applies each decision before it takes the next one.
    """
    if policy.idle:
        return iter(())
    if not world.pulls:
        return chain(
            stop_spent(world, at_ms, policy),
            plan(world, at_ms, policy),
            schedule(world, at_ms, policy),
        )
    return _advance_and_tell(world, at_ms, policy, list(events))


def _advance_and_tell(world: World, at_ms: int, policy: Policy, about: list[e.Event]) -> Decisions:
    yield from stop_spent(world, at_ms, policy)
    for decision in _planned(world, at_ms, policy, about):
        about.append(decision)
        yield decision
    yield from schedule(world, at_ms, policy)
    for pull in pulls.touched(world, about):
        yield from pulls.tell(world, pull)


def _planned(world: World, at_ms: int, policy: Policy, about: list[e.Event]) -> Iterator[e.Event]:
    """The moves of the merge queue, and what people want of the pull requests that they concern:
    what leaves the queue may be approved again, or be ready for a worker."""
    known = 0
    while True:
        yield from plan(world, at_ms, policy)
        if known == len(about):
            return
        fresh, known = about[known:], len(about)
        for pull in pulls.touched(world, fresh):
            yield from settle(world, pull)


def is_due(world: World, policy: Policy, now_ms: int) -> bool:
    """Whether the time itself is a reason for a step: for an attempt, or in the merge queue (checks
    that should have ended, a freeze that has)."""
    if schedule_is_due(world, policy, now_ms):
        return True
    due_ms = None if policy.idle else queue_due_ms(world, now_ms, policy)
    return due_ms is not None and due_ms <= now_ms


def _effect_failed(world: World, fact: e.EffectFailed, at_ms: int, policy: Policy) -> Decisions:
    if fact.kind in pulls.PULL_KINDS:
        yield from pulls.refused(world, fact, at_ms, policy)
        return
    bead = world.bead(fact.bead)
    if fact.kind in _ATTEMPT_EFFECTS:
        reason = e.Reason.INFRASTRUCTURE
        yield from set_back(world, bead, reason, fact.message, at_ms, policy)
    elif fact.kind in _QUEUE_EFFECTS and bead.change is not None:
        if not changes.concerned(world, world.changes[bead.change], fact.kind):
            return
        yield e.ChangeHeld(
            bead=bead.id,
            change=bead.change,
            reason=e.Reason.INFRASTRUCTURE,
            detail=fact.message,
        )


def _change_opened(world: World, fact: e.ChangeOpened, at_ms: int, policy: Policy) -> Decisions:
    yield from changes.RULES[e.ChangeOpened](world, fact, at_ms, policy)
    yield from pulls.opened(world, fact, at_ms, policy)


_QUEUE_EFFECTS = frozenset(kind.__name__ for kind in (f.BuildCandidate, f.RunChecks, f.Land))
_ATTEMPT_EFFECTS = frozenset(
    kind.__name__
    for kind in (
        *(f.CreateWorkspace, f.SetUpWorkspace, f.RunWorker),
        *(f.CollectResult, f.VerifyResult, f.OpenChange),
    )
)


_RULES: Mapping[type[e.Event], Rule] = {
    **attempts.RULES,
    **changes.RULES,
    **workspaces.RULES,
    **wishes.RULES,
    **pulls.RULES,
    **submissions.RULES,
    e.ChangeOpened: _change_opened,
    e.EffectFailed: _effect_failed,
}

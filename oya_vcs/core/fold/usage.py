"""Folds of what attempts use, and of how many failed in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.usage import DAY_MS, NOTHING, Spent, Usage
from oya_vcs.core.world import Repo, World

_NO_FAILURE = frozenset(
    {e.Reason.INTERRUPTED, e.Reason.PAUSED, e.Reason.CANCELLED, e.Reason.WORKER_DEFERRED}
    | {e.Reason.BUDGET_SPENT}
)
"""Ends of a worker that say nothing about those that come after it."""


def usage_counted(world: World, event: e.UsageCounted) -> None:
    """The newest count stands, unless it is an agent's word against what was metered."""
    bead = world.bead(event.bead)
    if event.attempt == bead.attempt:
        use(world, bead, event.usage)


def use(world: World, bead: Bead, usage: Usage) -> None:
    """The newest attempt used so much so far."""
    if bead.using.metered and not usage.metered:
        return
    today = _today(world, world.repos[bead.repo])
    today.tokens += max(0, usage.tokens - bead.using.tokens)
    today.cost_micros += max(0, usage.cost_micros - bead.using.cost_micros)
    bead.using = usage


def attempt_begun(world: World, bead: Bead) -> None:
    """A new attempt is claimed: what the one before used is settled."""
    bead.used, bead.using = bead.used.plus(bead.using), NOTHING
    work_ended(world, bead, counted=False)
    streak = world.repos[bead.repo].streak
    if streak.failures:
        streak.trial = bead.id


def work_began(world: World, bead: Bead) -> None:
    """A worker works on the bead from now on."""
    bead.began_ms = world.now_ms


def work_ended(world: World, bead: Bead, *, counted: bool = True) -> None:
    """None does any more, or it stands still. Not counted: nobody knows since when, for its daemon
    had ended."""
    if bead.began_ms and counted:
        passed_ms = max(0, world.now_ms - bead.began_ms)
        bead.worked_ms += passed_ms
        _today(world, world.repos[bead.repo]).ms += passed_ms
    bead.began_ms = 0


def start_over(bead: Bead) -> None:
    """A person wants it tried again: it may use as much as at first."""
    bead.used = bead.using = NOTHING
    bead.worked_ms = 0


def failed(world: World, bead: Bead, reason: e.Reason | None) -> None:
    """An attempt ended: a failure more in a row, unless its reason says nothing of others."""
    if reason is not None and reason not in _NO_FAILURE:
        streak = world.repos[bead.repo].streak
        streak.failures += 1
        streak.failed_ms, streak.why = world.now_ms, f"{reason} of {bead.id}"


def succeeded(repo: Repo) -> None:
    """A result was handed in."""
    repo.streak.failures, repo.streak.trial = 0, None


def tried(world: World, bead: Bead) -> None:
    """The attempt is over, whatever came of it."""
    streak = world.repos[bead.repo].streak
    if streak.trial == bead.id:
        streak.trial = None


def _today(world: World, repo: Repo) -> Spent:
    day = world.now_ms // DAY_MS
    if repo.spent.day != day:
        repo.spent = Spent(day=day)
    return repo.spent


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {e.UsageCounted: usage_counted}

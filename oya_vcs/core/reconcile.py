"""What should be, against what is: the state that the record holds, compared with what was seen
outside, gives actions. Pure: nothing is looked at here, and nothing is done.

The normal way to move is the step (a fact comes, a decision follows). This is the second pair of
eyes, for what no fact tells of: a task that is gone without an outcome, a process that is gone and
nobody noticed, work that stands still, a workspace that nobody knows. The same sight gives the same
actions, and after they have been carried out, none (REQUIREMENTS B4).

A look costs what is open now and what lies in the folder of workspaces, however much was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.effects import (
    STOPPABLE,
    Effect,
    Land,
    RemoveWorkspace,
    RunChecks,
    RunWorker,
    SetUpWorkspace,
    VerifyResult,
)
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.core.merge import Stage
from oya_vcs.core.pulls import PULL_EFFECTS, TryPull
from oya_vcs.core.reasons import Reason
from oya_vcs.core.world import Keep, World

STUCK_MS = 360_000
"""Time without progress after which work counts as stuck (REQUIREMENTS B4: 6 minutes)."""
DEAD_MS = 900
"""How long a process may be gone before its run counts as dead, where nobody has taken notice: the
end of a run that goes well takes some of it. Two looks, with a little less than their distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """What was seen of an effect under way. Times are those of the looks (Unix, ms).

    `progress_ms` is when something was last seen to change, its beginning at first; `dead_ms` since
    when its recorded process is gone, None where it lives or there is none yet; `patience_ms` how
    long it may stand still, 0: for ever. `leaving`: it was stopped already, and is ending.
    """

    progress_ms: int
    dead_ms: int | None = None
    patience_ms: int = STUCK_MS
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen at `at_ms`. `folders` are the workspaces on disk, `listed` those that jj lists
    (None: it was not asked this time), both of this home and repository."""

    at_ms: int
    carried: Mapping[Key, Carrying]
    folders: frozenset[WorkspaceName] = frozenset()
    listed: frozenset[WorkspaceName] | None = None


@dataclass(frozen=True, slots=True)
class TakeUp:
    """An effect is open in the record and nobody carries it out, or it is to be ended and nobody
    ends it: probe it and go on, or end it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Replace:
    """Cancel what is under way and take it up anew, with a probe."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End a program that stands still: what comes of that counts against its bead."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A bead is being worked on by the record, and nothing is open that could ever end that."""

    bead: BeadId
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """Something that nobody knows, or that is missing, for people. `name` tells it from others."""

    name: str
    why: str


Action = TakeUp | Replace | Stop | Reschedule | Report


def patience_ms(effect: Effect, lease_ms: int) -> int:
    """How long an effect may stand still. A worker with a lease that is longer than usual has that;
    one that may be silent for ever may be so here too; checks and setups have limits of
    their own."""
    if isinstance(effect, RunChecks | SetUpWorkspace | VerifyResult | TryPull) or (
        isinstance(effect, RunWorker) and not lease_ms
    ):
        return 0
    return max(STUCK_MS, 2 * lease_ms if isinstance(effect, RunWorker) else 0)


def reconcile(
    world: World, repo: RepoId, observed: Observed, suspects: Iterable[BeadId]
) -> list[Action]:
    """What is to be done about the differences. `suspects` are the beads that may be orphans: all
    of them at the first look of a life, later those that were worked on at the look before."""
    return [
        *_effects(world, repo, observed),
        *_orphans(world, repo, suspects),
        *_workspaces(world, repo, observed),
    ]


def _effects(world: World, repo: RepoId, observed: Observed) -> Iterator[Action]:
    for key, effect in world.open.items():
        if effect.repo != repo:
            continue
        carrying = observed.carried.get(key)
        if carrying is None or (key in world.stops and not carrying.leaving):
            yield TakeUp(key)
        elif not carrying.leaving:
            yield from _standstill(key, effect, carrying, observed.at_ms)


def _standstill(key: Key, effect: Effect, carrying: Carrying, at_ms: int) -> Iterator[Action]:
    what = f"{type(effect).__name__} of {effect.bead}"
    if carrying.dead_ms is not None and at_ms - carrying.dead_ms >= DEAD_MS:
        yield Replace(key, f"The process of {what} is gone, and nobody noticed.")
    elif carrying.patience_ms and at_ms - carrying.progress_ms >= carrying.patience_ms:
        stood = f"{(at_ms - carrying.progress_ms) // 1_000} s"
        end = Stop if isinstance(effect, STOPPABLE) else Replace
        yield end(key, f"{what} made no progress for {stood}: it is stopped.")


def stopped(action: Stop, world: World) -> tuple[e.Event, ...]:
    """The fact that ends a program that stands still; none where it has ended, or is being
    ended."""
    effect = world.open.get(action.key)
    if effect is None or action.key in world.stops:
        return ()
    reason = Reason.LEASE_EXPIRED
    return (e.StopRequested(bead=effect.bead, key=action.key, reason=reason),)


_HELD = frozenset({State.CLAIMED, State.RUNNING, State.CHECKING, State.TESTING})
"""States that only an effect leads out of."""


def worked_on(world: World, repo: RepoId) -> frozenset[BeadId]:
    """The beads of a repository that something is open for, or that hold a slot."""
    here = world.repos.get(repo)
    holders = here.slots.values() if here else ()
    return frozenset({one.bead for one in world.open.values() if one.repo == repo}.union(holders))


def _orphans(world: World, repo: RepoId, suspects: Iterable[BeadId]) -> Iterator[Action]:
    moved = _moved(world)
    for name in suspects:
        bead = world.beads.get(name)  # a pull request that nobody approved has none
        if bead is None:
            continue
        if bead.repo == repo and name not in moved and _needs_effect(world, bead):
            yield Reschedule(name, f"Bead {name} was {bead.state}, and nothing was under way.")


def _needs_effect(world: World, bead: Bead) -> bool:
    """Whether only an effect leads the bead out of where it is. In the merge queue it may wait for
    those ahead of it, for people, or for one on top of it that is being landed or tested."""
    if bead.state is not State.TESTING or bead.change is None:
        return bead.state in _HELD
    change = world.changes[bead.change]
    if change.stage is Stage.MERGING:
        return not any(isinstance(one, Land) for one in world.open.values())
    return change.asked_ms is not None and change.passed is None


def _moved(world: World) -> set[BeadId]:
    """The beads that an open effect will move on; the removal of a workspace moves none, and what
    is said about it neither."""
    idle = (RemoveWorkspace, *PULL_EFFECTS)
    return {one.bead for one in world.open.values() if not isinstance(one, idle)}


def freed(action: Reschedule, at_ms: int, world: World) -> tuple[e.Event, ...]:
    """The facts that free an orphaned bead, one step's: it is ready again, with no attempt counted;
    a candidate is built again. None where it is an orphan no longer."""
    bead = world.beads.get(action.bead)
    if bead is None or not _needs_effect(world, bead) or bead.id in _moved(world):
        return ()
    if bead.state is not State.TESTING or bead.change is None:
        reason = e.Reason.INTERRUPTED
        if bead.by_hand:
            return (e.BeadFailed(bead=bead.id, reason=reason, detail=action.why),)
        return (
            e.BeadBackedOff(
                bead=bead.id, until_ms=at_ms, reason=reason, detail=action.why, counted=False
            ),
        )
    reason = e.Reason.INFRASTRUCTURE
    held = e.ChangeHeld(bead=bead.id, change=bead.change, reason=reason, detail=action.why)
    return held, e.QueueResumed(repo=bead.repo)


def _workspaces(world: World, repo: RepoId, observed: Observed) -> Iterator[Action]:
    removing = {
        getattr(effect, "workspace", None) for effect in world.open.values() if effect.repo == repo
    }
    seen = observed.folders | (observed.listed or frozenset())
    for name in sorted(seen):
        known = world.workspaces.get(name)
        if (known is None or known.keep is Keep.REMOVED) and name not in removing:
            where = "on disk" if name in observed.folders else "in jj's list"
            yield Report(name, f"Workspace {name} is {where}, and the record does not know it.")

"""Which events are told to hooks that observe, and what of each. Pure: reads the state only.

Nothing waits for these hooks and nothing follows from them; who runs them is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.operations import OperationSeen, names
from oya_vcs.core.world import World

NAMES = ("post_enqueue", "post_land", "post_fail", "post_op")
"""All hooks that observe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What a hook is told: its name, whose repository, bead and change (None where it is about
    none), the commit that it is about (None: the target's tip), and more by name, as JSON has
    it."""

    hook: str
    repo: RepoId
    about: Mapping[str, object]
    bead: BeadId | None = None
    change: ChangeId | None = None
    commit: CommitId | None = None


def happening(world: World, event: e.Event) -> Happening | None:
    """What of an event is told, or None. Costs the event."""
    teller = _TELLERS.get(type(event))
    return None if teller is None else teller(world, event)


def _queued(world: World, event: e.ChangeQueued) -> Happening:
    return _of(world, "post_enqueue", event, event.head)


def _landed(world: World, event: e.Landed | e.LandedWith | e.FoundLanded) -> Happening:
    return _of(world, "post_land", event, event.commit)


def _of(
    world: World,
    hook: str,
    event: e.ChangeQueued | e.Landed | e.LandedWith | e.FoundLanded,
    commit: CommitId,
) -> Happening:
    bead = world.bead(event.bead)
    return Happening(
        hook=hook,
        repo=bead.repo,
        bead=bead.id,
        change=event.change,
        commit=commit,
        about={"title": bead.spec.title, "target": world.repos[bead.repo].target},
    )


def _failed(world: World, event: e.BeadFailed | e.BeadReworked) -> Happening:
    """A bead that came back from the queue, or for good."""
    bead = world.bead(event.bead)
    why = event.feedback if isinstance(event, e.BeadReworked) else event.detail
    return Happening(
        hook="post_fail",
        repo=bead.repo,
        bead=bead.id,
        change=bead.change,
        about={
            "title": bead.spec.title,
            "reason": str(event.reason),
            "detail": why,
            "final": isinstance(event, e.BeadFailed),
        },
    )


def _operation(world: World, event: OperationSeen) -> Happening:
    return Happening(
        hook="post_op",
        repo=event.repo,
        about={
            "names": list(names(event)),
            "operation": event.operation,
            "by": event.by,
            "description": event.description,
            "moved": [
                {
                    "kind": str(one.kind),
                    "name": one.name,
                    "before": list(one.before),
                    "after": list(one.after),
                }
                for one in event.movements
            ],
        },
    )


_TELLERS: Mapping[type[e.Event], Callable[..., Happening]] = {
    e.ChangeQueued: _queued,
    e.Landed: _landed,
    e.LandedWith: _landed,
    e.FoundLanded: _landed,
    e.BeadFailed: _failed,
    e.BeadReworked: _failed,
    OperationSeen: _operation,
}

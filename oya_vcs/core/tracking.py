"""What follows from a tracker's file that changes while beads are worked on, and what of their life
belongs into it. Pure: says which facts follow, and which status is to be written.

The file is somebody else's list of wishes. New beads are taken in; a bead that has not begun, or
has failed, gets its new content; one that is worked on keeps what it began with, until it rests. A
bead that is missing from the file is none of its business any more, and goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.intake import Trial
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid

OPEN, BUSY, CLOSED = "open", "in_progress", "closed"
"""The statuses that are written; the trackers know more."""
GONE = frozenset({CLOSED, "tombstone"})
"""Statuses of what is no work any more."""
_REVISABLE = frozenset({State.PENDING, State.READY, State.FAILED})
_ENDED_ELSE = frozenset({State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Followed:
    """`events` are to be recorded as one step; `notes` are sentences for people. `later` are beads
    that have other content here, or are left out, for now: to be looked at again when something has
    changed."""

    events: tuple[e.Event, ...]
    notes: tuple[str, ...]
    later: tuple[BeadId, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A bead's status in the file, and when it was last touched there (Unix ms; None: the file does
    not say)."""

    status: str
    updated_ms: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """A status to write, and why where it is an end."""

    status: str
    reason: str = ""


def follow(world: World, repo: RepoId, beads: Sequence[BeadSpec], *, name: str) -> Followed:
    """What follows from these beads of the file called `name`; each stands after what it needs.

    What cannot be taken is left out with a note, and holds up no other.
    """
    events, notes, later = list[e.Event](), list[str](), list[BeadId]()
    trial = Trial(world)
    for spec in beads:
        known = world.beads.get(spec.id)
        event: e.Event
        if known is None and spec.id not in world.pull_of:
            event = e.BeadAdded(repo=repo, bead=spec.id, key=spec_key(spec), spec=spec)
        elif known is None or known.repo != repo or known.by_hand:
            notes.append(f"Bead {spec.id} of {name} is left out: its id is in use in this home.")
            continue
        elif known.state is State.LANDED or _says_the_same(world, known, spec):
            continue
        elif known.state is State.CANCELLED:
            later.append(spec.id)
            continue
        elif known.state not in _REVISABLE or known.cancelling:
            later.append(spec.id)
            notes.append(
                f"Bead {spec.id} is {known.state} with its earlier content; what changed of it in"
                f" {name} counts when it rests."
            )
            continue
        else:
            event = e.BeadRevised(bead=spec.id, key=spec_key(spec), spec=spec)
        try:
            trial.take(event)
        except InputInvalid as error:
            later.append(spec.id)  # what it stumbled over may be another one soon
            notes.append(f"Bead {spec.id} of {name} is left out: {error.message}")
        else:
            events.append(event)
    return Followed(tuple(events), tuple(notes), tuple(later))


def _says_the_same(world: World, known: Bead, spec: BeadSpec) -> bool:
    """Whether nothing changed but that needs are not named any more, or are, which are finished:
    what is closed in the file gates nothing there."""
    if known.key == spec_key(spec):
        return True
    differ = set(known.spec.needs) ^ set(spec.needs)
    if not all(world.graph.is_finished(need) for need in differ):
        return False
    return known.key == spec_key(replace(spec, needs=known.spec.needs))


def cancel_gone(
    world: World, repo: RepoId, gone: Collection[BeadId], *, name: str
) -> list[e.CancelRequested]:
    """The end of the beads that are closed or deleted in the file and not over here."""
    return [
        e.CancelRequested(bead=one.id, why=f"closed in {name}")
        for bead in gone
        if (one := world.beads.get(bead)) is not None
        and one.repo == repo
        and not (one.by_hand or one.cancelling or one.state in TERMINAL)
    ]


def to_write(world: World, repo: RepoId, seen: Mapping[BeadId, Seen]) -> dict[BeadId, Written]:
    """The beads whose status in the file is to be another one. What was touched there after the
    bead came to its state here stays as it is: that was somebody's wish."""
    found = {}
    for name, here in seen.items():
        bead = world.beads.get(name)
        if bead is None or bead.repo != repo:
            continue
        if here.updated_ms is not None and here.updated_ms > bead.since_ms:
            continue
        wanted = _wanted(bead, here.status)
        if wanted is not None:
            found[name] = wanted
    return found


def _wanted(bead: Bead, status: str) -> Written | None:
    if bead.state is State.LANDED:
        reason = f"Landed as {bead.landed}" if bead.landed else "Landed"
        return None if status in GONE else Written(CLOSED, reason)
    if bead.state in _ENDED_ELSE:
        return Written(OPEN) if status == BUSY else None
    has_begun = bead.state not in {State.PENDING, State.READY, State.PAUSED}
    return Written(BUSY) if has_begun and status == OPEN else None

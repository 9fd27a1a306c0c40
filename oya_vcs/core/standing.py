"""Where each bead stands, as one flat row a bead: what the journal keeps beside the events, so that
"what is ready, what is blocked, and by what" needs no replay.

Rows are read off the world; nothing is decided here. This module does not know how a row is kept,
or who asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from oya_vcs.core import events as e
from oya_vcs.core.beads import TRANSITIONS, State
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.world import World


class BeadRow(NamedTuple):
    """One bead. `needs` are those that have not landed, and `waits` is their number; `since_ms`
    (Unix time) is when `state` began. `needs` None: as they were, less what landed since; `new`:
    there was no bead of this id before. Where `state` is landed, every bead that has this one among
    its needs has one need less, without a row that says so."""

    id: BeadId
    repo: RepoId
    title: str
    state: str
    waits: int
    priority: int
    since_ms: int
    needs: tuple[BeadId, ...] | None
    new: bool = False


_LANDS = frozenset(kind for kind, (_, after) in TRANSITIONS.items() if after is State.LANDED)
_MOVES = frozenset(TRANSITIONS) | {e.BeadAdded}
_NAMES = {state: str(state.value) for state in State}


def touched(world: World, events: Iterable[e.Event]) -> list[BeadRow]:
    """The rows that the events changed, read from the world to which all of them were applied. A
    bead that still waits for others when one that it needs has landed has none (`BeadRow`).

    Costs the beads that the events name, and the out-degree of those that landed.
    """
    changed: dict[BeadId, type[e.Event]] = {}
    waiting = world.graph.waiting
    for event in events:
        kind = type(event)
        if kind not in _MOVES:
            continue
        bead: BeadId = event.bead  # type: ignore[attr-defined]
        if changed.get(bead) not in _CONTENT:
            changed[bead] = kind
        if kind in _LANDS:
            for dependent in world.graph.dependents(bead):
                if not waiting(dependent):
                    changed.setdefault(dependent, kind)
    return [_row(world, bead, kind) for bead, kind in changed.items()]


_CONTENT = frozenset({e.BeadAdded, e.BeadRevised})
"""These give a bead its needs: no later event of the same step hides that they came."""


def everything(world: World) -> Iterator[BeadRow]:
    """The row of every bead, each as a new one."""
    for bead in world.beads:
        yield _row(world, bead, e.BeadAdded)


def _row(world: World, bead_id: BeadId, kind: type[e.Event]) -> BeadRow:
    bead = world.beads[bead_id]
    spec, graph = bead.spec, world.graph
    waits = graph.waiting(bead_id)
    needs = None
    if kind in _CONTENT:
        needs = tuple(graph.waits_for(bead_id)) if waits else ()
    return BeadRow(
        bead_id,
        bead.repo,
        spec.title,
        _NAMES[bead.state],
        waits,
        spec.priority,
        bead.since_ms,
        needs,
        kind is e.BeadAdded,
    )

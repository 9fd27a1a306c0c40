"""Folds of a merge queue as a whole: its gates, its pace, and where its target stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import events as e
from oya_vcs.core.merge.lifecycle import Stage
from oya_vcs.core.world import World


def _queue_paused(world: World, event: e.QueuePaused) -> None:
    world.repos[event.repo].queue.gates.pause = event.reason or f"Paused by {event.by}."


def _queue_resumed(world: World, event: e.QueueResumed) -> None:
    queue = world.repos[event.repo].queue
    queue.resume()
    if event.unpaused:
        queue.gates.pause = ""


def _queue_frozen(world: World, event: e.QueueFrozen) -> None:
    gates = world.repos[event.repo].queue.gates
    gates.frozen_until_ms = event.until_ms
    gates.frozen_why = event.reason if event.until_ms else ""


def _tree_closed(world: World, event: e.TreeClosed) -> None:
    gates = world.repos[event.repo].queue.gates
    gates.closed_above = event.above
    gates.closed_why = "" if event.above is None else event.reason


def _window_set(world: World, event: e.WindowSet) -> None:
    world.repos[event.repo].queue.pace.window = event.window


def _target_moved(world: World, event: e.TargetMoved) -> None:
    """What stands on another commit is not sound any more; a landing that is under way will tell
    for itself."""
    queue = world.repos[event.repo].queue
    first = next(queue.flying(), None)
    if first is None or world.changes[first].stage is not Stage.MERGING:
        queue.tip = event.commit


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.QueuePaused: _queue_paused,
    e.QueueResumed: _queue_resumed,
    e.QueueFrozen: _queue_frozen,
    e.TreeClosed: _tree_closed,
    e.WindowSet: _window_set,
    e.TargetMoved: _target_moved,
}

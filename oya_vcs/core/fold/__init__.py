"""`apply` folds one event into the world, and replay is nothing else.

Nothing here decides; policy (`decide/`) may change without breaking an old journal. Applying an
event costs the same however many came before it.
"""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.beads import move
from oya_vcs.core.fold import (
    attempts,
    beads,
    changes,
    operations,
    pulls,
    queues,
    submissions,
    usage,
)
from oya_vcs.core.pulls import PULL_EFFECTS
from oya_vcs.core.world import World
from oya_vcs.errors import Bug

_FOLDS = {
    **beads.FOLDS,
    **attempts.FOLDS,
    **changes.FOLDS,
    **queues.FOLDS,
    **pulls.FOLDS,
    **operations.FOLDS,
    **submissions.FOLDS,
    **usage.FOLDS,
}
_BEGUN = {**attempts.BEGUN, **changes.BEGUN}


def apply(world: World, event: e.Event, at_ms: int) -> None:
    """Fold one event into the world. Raises Bug where the event cannot have happened."""
    world.now_ms = max(world.now_ms, at_ms)
    if isinstance(event, e.Requested):
        _begin(world, event)
        return
    if isinstance(event, e.Outcome):
        effect = world.open.pop(event.key, None)
        if effect is None:
            message = f"{type(event).__name__} settles an effect that is not open."
            raise Bug(message)
        world.stops.pop(event.key, None)
        if isinstance(effect, PULL_EFFECTS):
            pulls.settled(world, event.key, effect)
    bead = world.beads.get(getattr(event, "bead", None))  # type: ignore[arg-type]
    if bead is not None:
        move(bead, event, at_ms)
    fold = _FOLDS.get(type(event))
    if fold is not None:
        fold(world, event)


def _begin(world: World, event: e.Requested) -> None:
    world.open[event.key] = event.effect
    if isinstance(event.effect, PULL_EFFECTS):
        pulls.begun(world, event.key, event.effect)
    begun = _BEGUN.get(type(event.effect))
    if begun is not None:
        begun(world, event.effect)

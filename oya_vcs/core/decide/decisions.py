"""What a rule is, and how it asks for an effect or for the end of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import World

Decisions = Iterator[e.Event]
Rule = Callable[..., Decisions]
"""(world, fact, at_ms, policy) -> the decisions that follow from the fact."""


def request(effect: f.Effect) -> e.Requested:
    """The decision that this effect is to be carried out, once."""
    return e.Requested(key=f.effect_key(effect), effect=effect)


def stop(world: World, bead: BeadId, reason: e.Reason) -> Decisions:
    """End what runs for a bead: its worker, its checks. What is being stopped already, and what
    cannot be, is left alone. Costs the effects under way."""
    for key, effect in tuple(world.open.items()):
        stops = isinstance(effect, f.STOPPABLE) and not isinstance(effect, f.TIDYING)
        if effect.bead == bead and stops and key not in world.stops:
            yield e.StopRequested(bead=bead, key=key, reason=reason)

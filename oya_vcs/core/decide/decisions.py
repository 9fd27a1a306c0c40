"""What a rule is, and how it asks for an effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oya_vcs.core import effects as f
from oya_vcs.core import events as e

Decisions = Iterator[e.Event]
Rule = Callable[..., Decisions]
"""(world, fact, at_ms, policy) -> the decisions that follow from the fact."""


def request(effect: f.Effect) -> e.Requested:
    """The decision that this effect is to be carried out, once."""
    return e.Requested(key=f.effect_key(effect), effect=effect)

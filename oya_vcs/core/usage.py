"""What an attempt uses of a model, and the fact that says so.

A value and an event; what follows from them is in `decide/`. Knows no provider and no price.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Totals, never increments. `tokens_in` counts all that was read, from a cache or not;
    `cost_micros` is in millionths of a US dollar. `metered` says that we counted it ourselves;
    otherwise it is the agent's own word."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_micros: int = 0
    metered: bool = False

    @property
    def tokens(self) -> int:
        """Read and written, together."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCounted(Event):
    """What the attempt that is `run` used so far: the newest of these counts, and a metered one
    outweighs every word of the agent."""

    run: Key
    bead: BeadId
    attempt: int
    usage: Usage

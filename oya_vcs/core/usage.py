"""What attempts use, the fact that says so, and how much they may use.

Values and an event; what they add up to is judged in `budget.py`. Knows no provider and no price.
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

    def plus(self, other: Usage) -> Usage:
        """Both together; metered only where both are."""
        return Usage(
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            cost_micros=self.cost_micros + other.cost_micros,
            metered=self.metered and other.metered,
        )

    @property
    def tokens(self) -> int:
        """Read and written, together."""
        return self.tokens_in + self.tokens_out


NOTHING = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCounted(Event):
    """What the attempt that is `run` used so far: the newest of these counts, and a metered one
    outweighs every word of the agent."""

    run: Key
    bead: BeadId
    attempt: int
    usage: Usage


DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """0 is no limit. `bead_*` is for all attempts at a bead together, until a person retries it;
    `day_*` for a repository from midnight to midnight (UTC). Milliseconds are those of workers
    that run, tokens those that were read and written, cents those of a US dollar. After
    `failures_max` failed attempts in a row, at whatever beads, none begins for `cool_ms`; then one
    at a time, until one succeeds."""

    bead_ms: int = 0
    bead_tokens: int = 0
    bead_cents: int = 0
    day_ms: int = 0
    day_tokens: int = 0
    day_cents: int = 0
    failures_max: int = 0
    cool_ms: int = 600_000


NO_LIMITS = Budget()


@dataclass(slots=True, kw_only=True)
class Spent:
    """What a repository used on `day`, counted from 1970 (UTC)."""

    day: int = 0
    ms: int = 0
    tokens: int = 0
    cost_micros: int = 0


@dataclass(slots=True, kw_only=True)
class Streak:
    """The failed attempts of a repository since one last succeeded: how many, when and why the last
    one did (Unix time), and the bead that was begun after one of them and has not ended."""

    failures: int = 0
    failed_ms: int = 0
    why: str = ""
    trial: BeadId | None = None

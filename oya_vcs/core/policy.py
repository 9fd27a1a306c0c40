"""The numbers and switches that decisions are made by: what of the configuration the core may see.

Replay reads what was decided, never why it could be: no fold asks for any of these. The `Rules` are
journalled with the repository all the same, so that whoever reads the record can say why a bead
waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oya_vcs.core.ids import RepoId
from oya_vcs.core.merge.rules import MergeRules
from oya_vcs.core.pull_request import PullRules
from oya_vcs.core.queues import Strategy
from oya_vcs.core.usage import NO_LIMITS, Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How ready beads get slots.

    A bead gains one step of priority for each `age_ms` that it waits (`priority` alone). A tenant
    may begin `tokens_max` attempts at once and `tokens_per_s` a second for long (`tokens_max` 0: as
    many as there are slots for). A bead that insists on its slot waits `sticky_ms` for it, and then
    its attempt has failed. `budget` is what all of it may use.
    """

    strategy: Strategy = Strategy.FIFO
    age_ms: int = 600_000
    tokens_max: int = 0
    tokens_per_s: int = 10
    sticky_ms: int = 30_000
    budget: Budget = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`repo` is the one repository this daemon works on now; `slots` attempts may run at once; an
    attempt that failed is followed by another after `backoff_ms`, doubled each time, until
    `attempts_max` have failed."""

    repo: RepoId
    slots: int
    attempts_max: int
    backoff_ms: int
    backoff_ms_max: int = 60_000
    defer_ms: int = 5_000
    deferrals_max: int = 20
    rules: Rules = Rules()
    merge: MergeRules = field(default_factory=MergeRules)
    """How changes are tested and landed."""
    pulls: PullRules = field(default_factory=PullRules)
    """How people speak to us on pull requests."""
    setup: bool = False
    """A new workspace is set up by a command before its worker starts."""
    verify: bool = False
    """A result is verified by a command in its workspace before its change is opened."""
    idle: bool = False
    """Start nothing new: for a command that only tidies up."""

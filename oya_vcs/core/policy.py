"""The numbers and switches that decisions are made by: what of the configuration the core may see.

Policy is not journalled: replay reads what was decided, never why it could be.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import RepoId


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
    idle: bool = False
    """Start nothing new: for a command that only tidies up."""

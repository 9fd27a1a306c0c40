"""What a forge says in passing: where something may have changed. Never recorded.

A hint makes somebody look sooner; whoever looks finds the same without it, a little later. It may
come twice, late, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core.ids import CommitId


class Topic(StrEnum):
    """What may have changed."""

    PULL = "pull"
    """A pull request, by its `number`, or what was said on it."""
    CHECKS = "checks"
    """What is known about a `commit`."""
    REF = "ref"
    """A branch or tag: its full name in `ref`."""
    ACCESS = "access"
    """What we may do: the installation, its repositories, rules, people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One thing to look at."""

    topic: Topic
    number: int = 0
    commit: CommitId | None = None
    ref: str = ""

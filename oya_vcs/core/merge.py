"""The merge queue of one repository: the life of change requests, and the policy that picks the
next thing to do.

This first policy is serial: one candidate at a time, in the order of arrival, each built on the tip
that the one before it left. Knows nothing of how a candidate is built, tested or landed, nor of
beads beyond their ids.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum

from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId, TreeId
from oya_vcs.errors import Bug


class Stage(StrEnum):
    """Where a change request is (REQUIREMENTS C5)."""

    PENDING = "pending"
    TESTING = "testing"
    MERGING = "merging"
    MERGED = "merged"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Change:
    """A change request, approved at exactly `head`. `round` counts its candidates; `base`,
    `candidate` and `tree` are those of the newest one."""

    id: ChangeId
    repo: RepoId
    bead: BeadId
    attempt: int
    head: CommitId
    stage: Stage = Stage.PENDING
    round: int = 0
    base: CommitId | None = None
    candidate: CommitId | None = None
    tree: TreeId | None = None
    reason: e.Reason | None = None
    detail: str = ""


@dataclass(slots=True)
class MergeQueue:
    """The changes of one repository that wait, in order, and the one that is being worked on.

    `held` are those that the world refused, with its words; they wait aside. `paused` is why
    nothing is taken from the queue, nor any attempt started, or empty. Every operation but `place`
    is O(1).
    """

    waiting: OrderedDict[ChangeId, None] = field(default_factory=OrderedDict)
    active: ChangeId | None = None
    held: dict[ChangeId, str] = field(default_factory=dict)
    paused: str = ""

    def join(self, change: ChangeId) -> None:
        """Take a place at the end; a second time changes nothing."""
        self.waiting.setdefault(change, None)

    def leave(self, change: ChangeId) -> None:
        """Be neither waiting, nor held, nor active."""
        self.waiting.pop(change, None)
        self.held.pop(change, None)
        if self.active == change:
            self.active = None

    def put_back(self, change: ChangeId) -> None:
        """From active to the front of the queue: it keeps its place when it has to be built
        again."""
        self.leave(change)
        self.waiting[change] = None
        self.waiting.move_to_end(change, last=False)

    def hold(self, change: ChangeId, why: str) -> None:
        """From active to aside, so that the next can go on."""
        self.leave(change)
        self.held[change] = why

    def resume(self) -> None:
        """Look again: at the front what was held, and nothing is paused."""
        self.paused = ""
        for change in reversed(tuple(self.held)):
            self.put_back(change)

    def start(self, change: ChangeId) -> None:
        """From waiting to active. Raises Bug where another one is active."""
        if self.active is not None and self.active != change:
            message = f"Change {change} was started while {self.active} is being tested."
            raise Bug(message)
        self.waiting.pop(change, None)
        self.active = change

    def next(self) -> ChangeId | None:
        """The change whose candidate is to be built now, or None."""
        if self.active is not None or self.paused:
            return None
        return next(iter(self.waiting), None)

    def place(self, change: ChangeId) -> int:
        """1 for the one being tested or at the front, counting up; 0 where it is not in the
        queue."""
        if change == self.active:
            return 1
        ahead = 1 if self.active is not None else 0
        for number, waiting in enumerate(self.waiting, start=1 + ahead):
            if waiting == change:
                return number
        return 0

"""Events of the merge queue that settle no effect: what people and forges say, and what was decided
about it.

Facts and decisions in the past tense, frozen, like all events (`events.py`, which offers these with
the others).
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId, TreeId
from oya_vcs.core.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQueued(Event):
    """A decision: the change is in the merge queue; `approved` at exactly `head`, its `tree`, this
    `target` and the `message` that it will land with, or waiting for that. `after` are the changes
    that it stands on."""

    bead: BeadId
    change: ChangeId
    head: CommitId
    tree: TreeId | None = None
    target: str = ""
    message: str = ""
    priority: int = 2
    after: tuple[ChangeId, ...] = ()
    approved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeApproved(Event):
    """The change may land as it is at `head`; nothing happens where it is another commit by now, or
    over. `by` is who said so ("auto": the configuration); `priority` None leaves it as it is."""

    bead: BeadId
    change: ChangeId
    head: CommitId
    by: str
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRejected(Event):
    """A person takes the change out of the queue: its bead goes back to a worker with `note`.

    It leaves when nothing of it is under way that cannot be taken back; one that is landing lands.
    """

    bead: BeadId
    change: ChangeId
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeClosed(Event):
    """The change request was closed at the forge, not landed: it leaves the queue for good."""

    bead: BeadId
    change: ChangeId
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAmended(Event):
    """What the change request is now, as its forge shows it. Where that is not what was approved,
    the approval ends."""

    bead: BeadId
    change: ChangeId
    head: CommitId
    tree: TreeId | None
    target: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDropped(Event):
    """A decision: the change is not what was approved (pushed, retargeted, edited); it waits for
    somebody to approve it as it is now."""

    bead: BeadId
    change: ChangeId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeJoined(Event):
    """A decision: the change is tested together with the one before it in the window."""

    bead: BeadId
    change: ChangeId


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSplit(Event):
    """A decision: a group failed its test; those up to `change` are tested for themselves, and then
    the rest."""

    bead: BeadId
    change: ChangeId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSuspected(Event):
    """A decision: the change conflicts or failed on top of others that are not settled. It waits
    aside: if they land that was its own fault, if one leaves it is tried again."""

    bead: BeadId
    change: ChangeId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksStarted(Event):
    """Somebody has begun to check this candidate."""

    bead: BeadId
    change: ChangeId
    candidate: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksExpired(Event):
    """A decision: the checks of this candidate did not end, or begin, in time; they failed. What
    they may still say counts no more."""

    bead: BeadId
    change: ChangeId
    candidate: CommitId
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedWith(Event):
    """A decision: the change is in what the target was moved to for another one on top of it;
    `commit` is its own candidate below that."""

    bead: BeadId
    change: ChangeId
    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSet(Event):
    """A decision: so many groups are tested at once from now on."""

    repo: RepoId
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMoved(Event):
    """Somebody else moved the target of a repository: it stands at `commit`, where no landing of
    ours put it. Noticed when a candidate is built or landed; what is being tested on the former tip
    cannot land."""

    repo: RepoId
    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePaused(Event):
    """A person stops the merge queue, for `reason`: what runs ends, and nothing begins or lands."""

    repo: RepoId
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResumed(Event):
    """The merge queue of a repository looks again: it is not paused by the world, and holds no
    change; `unpaused`: nor by a person."""

    repo: RepoId
    unpaused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFrozen(Event):
    """A person lets nothing land before `until_ms` (Unix time); tests go on. 0 ends that."""

    repo: RepoId
    by: str
    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeClosed(Event):
    """A person lets no change be taken up whose priority is above (less urgent than) `above`; None
    opens the tree. What is being tested goes on."""

    repo: RepoId
    by: str
    above: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHeld(Event):
    """A decision: the world refused a step of this change in the queue. It waits, and holds up no
    other, until the next run looks again; its result is kept."""

    bead: BeadId
    change: ChangeId
    reason: Reason
    detail: str

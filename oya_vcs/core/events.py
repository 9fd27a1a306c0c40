"""Facts and decisions, in the past tense, frozen: the only thing replay reads.

A field may be added with a default; anything else is a new version with an upcaster in
`journal/codec.py`. Nothing here knows how an event is stored or who hears of it.

`subject` is what the event is about (a bead where there is one); `unique` is a key that may stand
in the journal once only, or None. An `Outcome` closes the open effect under its `key`.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.effects import Effect
from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.operations import OPERATION_EVENTS
from oya_vcs.core.outcomes import (
    OUTCOMES,
    CandidateBuilt,
    CandidateConflicted,
    CandidateRedundant,
    CandidatesDropped,
    ChangeOpened,
    ChecksFinished,
    EffectFailed,
    Landed,
    LandingStale,
    Outcome,
    ResultCollected,
    ResultRefused,
    ResultVerified,
    TargetBlocked,
    WorkerFinished,
    WorkspaceBlocked,
    WorkspaceCreated,
    WorkspaceRemoved,
    WorkspaceSetUp,
)
from oya_vcs.core.policy import Rules
from oya_vcs.core.pulls import (
    PULL_EVENTS,
    ApprovalWithdrawn,
    CommandObeyed,
    CommentAnswered,
    CommentSeen,
    LabelChanged,
    PermissionKnown,
    PullApprovalEnded,
    PullSeen,
    PullTaken,
    PullTried,
    Replied,
    ReviewSeen,
    StatusTold,
)
from oya_vcs.core.queueing import (
    ApprovalDropped,
    BatchSplit,
    ChangeAmended,
    ChangeApproved,
    ChangeClosed,
    ChangeHeld,
    ChangeJoined,
    ChangeQueued,
    ChangeRejected,
    ChangeSuspected,
    ChecksExpired,
    ChecksStarted,
    LandedWith,
    QueueFrozen,
    QueuePaused,
    QueueResumed,
    TargetMoved,
    TreeClosed,
    WindowSet,
)
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.submitted import SUBMITTED, ChangeResubmitted, ChangeSubmitted
from oya_vcs.core.usage import UsageCounted
from oya_vcs.core.wished import (
    BeadCancelled,
    BeadPaused,
    BeadResumed,
    BeadRetried,
    CancelRequested,
    WorkspaceDiscarded,
    WorkspaceSwept,
)

__all__ = [
    "EVENTS",
    "ApprovalDropped",
    "ApprovalWithdrawn",
    "AttemptClaimed",
    "BatchSplit",
    "BeadAdded",
    "BeadBackedOff",
    "BeadCancelled",
    "BeadFailed",
    "BeadPaused",
    "BeadReadied",
    "BeadResumed",
    "BeadRetried",
    "BeadRevised",
    "BeadReworked",
    "CancelRequested",
    "CandidateBuilt",
    "CandidateConflicted",
    "CandidateRedundant",
    "CandidatesDropped",
    "ChangeAmended",
    "ChangeApproved",
    "ChangeClosed",
    "ChangeHeld",
    "ChangeJoined",
    "ChangeOpened",
    "ChangeQueued",
    "ChangeRejected",
    "ChangeResubmitted",
    "ChangeSubmitted",
    "ChangeSuspected",
    "ChecksExpired",
    "ChecksFinished",
    "ChecksStarted",
    "CommandObeyed",
    "CommentAnswered",
    "CommentSeen",
    "EffectFailed",
    "Event",
    "FoundLanded",
    "LabelChanged",
    "Landed",
    "LandedWith",
    "LandingStale",
    "Outcome",
    "PermissionKnown",
    "PullApprovalEnded",
    "PullSeen",
    "PullTaken",
    "PullTried",
    "QueueFrozen",
    "QueuePaused",
    "QueueResumed",
    "Reason",
    "Received",
    "Replied",
    "RepoRegistered",
    "Requested",
    "ResultCollected",
    "ResultRefused",
    "ResultVerified",
    "ReviewSeen",
    "StatusTold",
    "StopRequested",
    "TargetBlocked",
    "TargetMoved",
    "Ticked",
    "TreeClosed",
    "UsageCounted",
    "WindowSet",
    "WorkerFinished",
    "WorkerSpawned",
    "WorkspaceBlocked",
    "WorkspaceCreated",
    "WorkspaceDiscarded",
    "WorkspaceRemoved",
    "WorkspaceSetUp",
    "WorkspaceSwept",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoRegistered(Event):
    """A repository that this home works on: `path` is the absolute path of its jj workspace root.
    From now on its ready beads get `slots` worker slots by these `rules` (0, None: not said)."""

    repo: RepoId
    path: str
    target: str
    slots: int = 0
    rules: Rules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadAdded(Event):
    """A bead was accepted. `key` is the execution key of its input. With `pull` (the number of a
    pull request) or `author` its work is that person's, and no worker's."""

    repo: RepoId
    bead: BeadId
    key: Key
    spec: BeadSpec
    pull: int = 0
    author: str = ""

    @property
    def unique(self) -> str:
        """A bead is added once; new content is a `BeadRevised`."""
        return f"bead:{self.bead}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadRevised(Event):
    """A bead that is not being worked on got new content; one that had failed is open again."""

    bead: BeadId
    key: Key
    spec: BeadSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptClaimed(Event):
    """A decision: this attempt has this slot. `attempt` counts from 1 and is the fencing token.

    `why` says in a few words what made it this bead and this slot; `tokens` (thousandths) is what
    the bead's tenant has left after it (None: it is not counted).
    """

    bead: BeadId
    attempt: int
    slot: int
    workspace: WorkspaceName
    why: str = ""
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A decision: this effect is to be carried out, once. Open until an event settles `key`."""

    key: Key
    effect: Effect

    @property
    def subject(self) -> str:
        """The bead that the effect is for."""
        return self.effect.bead

    @property
    def unique(self) -> str:
        """An effect is requested once under its key."""
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """A decision: the effect that is open under `key` (one of `effects.STOPPABLE`) is to be ended,
    for `reason`. It is over when its outcome settles it, and not before."""

    bead: BeadId
    key: Key
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpawned(Event):
    """The worker's reaper is there and waits for this to be on disk. `started` is its start time in
    clock ticks since boot (proc(5), field 22), which with `pid` names a process beyond doubt."""

    run: Key
    bead: BeadId
    attempt: int
    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadBackedOff(Event):
    """A decision: the bead waits until `until_ms` (Unix time) and is then ready again. `counted`
    says whether the attempt counts against attempts_max."""

    bead: BeadId
    until_ms: int
    reason: Reason
    detail: str
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadReworked(Event):
    """A decision: the queue sends the bead back with `feedback`; its change request is closed."""

    bead: BeadId
    change: ChangeId
    reason: Reason
    feedback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLanded(Event):
    """A decision: the target held the change at `commit` already, and the checks passed there."""

    bead: BeadId
    change: ChangeId
    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadReadied(Event):
    """A decision: the bead's wait is over (back-off due, rework prepared)."""

    bead: BeadId


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadFailed(Event):
    """A decision: no attempt is left, or trying again cannot help."""

    bead: BeadId
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Event):
    """Something came from outside under an id of its sender's (a webhook, a request), and was
    taken: its facts are in the same transaction. `content` is a digest of a request by which two
    uses of an id are told apart; empty for what needs no telling."""

    delivery: str
    content: str = ""

    @property
    def unique(self) -> str:
        """A delivery is taken once."""
        return f"delivery:{self.delivery}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """Time passed. Journalled only where it decided something."""


EVENTS: tuple[type[Event], ...] = (
    RepoRegistered,
    BeadAdded,
    BeadRevised,
    BeadRetried,
    CancelRequested,
    BeadPaused,
    BeadResumed,
    AttemptClaimed,
    Requested,
    StopRequested,
    WorkerSpawned,
    UsageCounted,
    *OUTCOMES,
    ChangeQueued,
    BeadBackedOff,
    BeadReworked,
    FoundLanded,
    ChangeHeld,
    BeadReadied,
    BeadFailed,
    BeadCancelled,
    WorkspaceDiscarded,
    WorkspaceSwept,
    QueueResumed,
    ChangeApproved,
    ChangeRejected,
    ChangeClosed,
    ChangeAmended,
    ApprovalDropped,
    ChangeJoined,
    BatchSplit,
    ChangeSuspected,
    ChecksStarted,
    ChecksExpired,
    LandedWith,
    WindowSet,
    TargetMoved,
    QueuePaused,
    QueueFrozen,
    TreeClosed,
    *PULL_EVENTS,
    *OPERATION_EVENTS,
    *SUBMITTED,
    Received,
    Ticked,
)

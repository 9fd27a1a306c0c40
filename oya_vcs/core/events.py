"""Facts and decisions, in the past tense, frozen: the only thing replay reads.

A field may be added with a default; anything else is a new version with an upcaster in
`journal/codec.py`. Nothing here knows how an event is stored or who hears of it.

`subject` is what the event is about (a bead where there is one); `unique` is a key that may stand
in the journal once only, or None. An `Outcome` closes the open effect under its `key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from oya_vcs.core.effects import Effect
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId, WorkspaceName
from oya_vcs.core.reasons import Reason as Reason  # noqa: PLC0414 - part of this vocabulary
from oya_vcs.core.spec import BeadSpec


class Event:
    """What all events share. Only its subclasses are ever made."""

    __slots__ = ()
    version: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """What the event is about: a bead where there is one, else a repository."""
        return str(getattr(self, "bead", "") or getattr(self, "repo", ""))

    @property
    def unique(self) -> str | None:
        """A key that may stand in the journal once only."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Event):
    """What became of an effect: settles the one that is open under `key`. Only subclasses are
    made."""

    key: Key
    bead: BeadId

    @property
    def unique(self) -> str:
        """An effect has one outcome."""
        return f"{self.key}:settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoRegistered(Event):
    """A repository that this home works on: `path` is the absolute path of its jj workspace
    root."""

    repo: RepoId
    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadAdded(Event):
    """A bead was accepted. `key` is the execution key of its input."""

    repo: RepoId
    bead: BeadId
    key: Key
    spec: BeadSpec

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
class BeadRetried(Event):
    """A person gave a failed bead a new set of attempts."""

    bead: BeadId


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptClaimed(Event):
    """A decision: this attempt has this slot. `attempt` counts from 1 and is the fencing token."""

    bead: BeadId
    attempt: int
    slot: int
    workspace: WorkspaceName


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
class WorkspaceCreated(Outcome):
    """The workspace is there: `path` absolute, `base` the commit it stands on."""

    attempt: int
    workspace: WorkspaceName
    path: str
    base: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceBlocked(Outcome):
    """No workspace was made: nothing can start from the target as it is (deleted, conflicted). The
    bead is ready again, no attempt is counted, and its repository waits until the next run."""

    workspace: WorkspaceName
    reason: Reason
    detail: str


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
class WorkerFinished(Outcome):
    """The worker's whole process tree is gone. `reason` None is exit status 0; `exit_code` is
    negative for a signal, None where no process ran or its end is unknown; `detail` is a sentence
    for people, with the output's tail."""

    attempt: int
    reason: Reason | None
    exit_code: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCollected(Outcome):
    """The worker's files are a commit, on disk."""

    attempt: int
    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRefused(Outcome):
    """What the worker left cannot become a change request; nothing of it is lost."""

    attempt: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOpened(Outcome):
    """A change request stands at the forge for `head`."""

    attempt: int
    change: ChangeId
    head: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQueued(Event):
    """A decision: the change waits in the merge queue, approved at exactly `head`."""

    bead: BeadId
    change: ChangeId
    head: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBuilt(Outcome):
    """`commit` is what would land on `base`; its tree is what the checks will see."""

    change: ChangeId
    base: CommitId
    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateConflicted(Outcome):
    """The change does not merge into `base`; `files` are the paths in conflict."""

    change: ChangeId
    base: CommitId
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRedundant(Outcome):
    """The target holds the change already (head is an ancestor, or the merge changes nothing), at
    `base`. Whoever put it there, it counts as landed only when the checks pass on `base`."""

    change: ChangeId
    base: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksFinished(Outcome):
    """The checks of exactly `candidate` ended. `reason` None is all passed; else `check` names the
    first that did not, and `detail` holds its output's tail."""

    change: ChangeId
    candidate: CommitId
    reason: Reason | None
    check: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed(Outcome):
    """The target was moved from `base` to `commit`, read back, and its tree is the tested tree."""

    change: ChangeId
    base: CommitId
    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingStale(Outcome):
    """The target had moved to `found`; nothing was changed. Rebuild and test again."""

    change: ChangeId
    found: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBlocked(Outcome):
    """The target cannot be landed on (deleted, conflicted); the queue waits until the next run
    finds it well."""

    change: ChangeId
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRemoved(Outcome):
    """The workspace is gone; `pinned` is the commit that keeps what was in it and nowhere else
    (None: nothing was)."""

    workspace: WorkspaceName
    pinned: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed(Outcome):
    """The world refused an effect for good: `kind` names the effect, `message` says how."""

    kind: str
    workspace: WorkspaceName | None
    message: str


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
    """A decision: the queue sends the bead back to a worker with `feedback`; its change request is
    closed."""

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
class ChangeHeld(Event):
    """A decision: the world refused a step of this change in the queue. It waits, and holds up no
    other, until the next run looks again; its result is kept."""

    bead: BeadId
    change: ChangeId
    reason: Reason
    detail: str


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
class WorkspaceDiscarded(Event):
    """A person (or the clean-up) gave up a kept workspace: it is to be pinned and removed."""

    bead: BeadId
    workspace: WorkspaceName


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResumed(Event):
    """The merge queue of a repository looks again: it is not paused, and holds no change."""

    repo: RepoId


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """Time passed. Journalled only where it decided something."""


EVENTS: tuple[type[Event], ...] = (
    RepoRegistered,
    BeadAdded,
    BeadRevised,
    BeadRetried,
    AttemptClaimed,
    Requested,
    WorkspaceCreated,
    WorkspaceBlocked,
    WorkerSpawned,
    WorkerFinished,
    ResultCollected,
    ResultRefused,
    ChangeOpened,
    ChangeQueued,
    CandidateBuilt,
    CandidateConflicted,
    CandidateRedundant,
    ChecksFinished,
    Landed,
    LandingStale,
    TargetBlocked,
    WorkspaceRemoved,
    EffectFailed,
    BeadBackedOff,
    BeadReworked,
    FoundLanded,
    ChangeHeld,
    BeadReadied,
    BeadFailed,
    WorkspaceDiscarded,
    QueueResumed,
    Ticked,
)

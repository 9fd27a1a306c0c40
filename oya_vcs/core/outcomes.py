"""What became of effects: the events that settle them, one for each end that an effect can have.

Facts in the past tense, frozen, like all events (`events.py`, which offers these with the others).
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, TreeId, WorkspaceName
from oya_vcs.core.reasons import Reason
from oya_vcs.core.usage import Usage


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
class WorkspaceSetUp(Outcome):
    """The setup command ended, and its whole process tree is gone. `reason` None is exit status 0;
    `detail` is a sentence for people, with the output's tail."""

    attempt: int
    workspace: WorkspaceName
    reason: Reason | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFinished(Outcome):
    """The worker's whole process tree is gone. `reason` None is exit status 0; `exit_code` is
    negative for a signal, None where no process ran or its end is unknown; `detail` is a sentence
    for people, with the output's tail. `usage` is the last count of what it used (None: nobody
    counted), `session` what its agent knows the conversation by, where it can take it up again."""

    attempt: int
    reason: Reason | None
    exit_code: int | None
    detail: str
    usage: Usage | None = None
    session: str = ""


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
class ResultVerified(Outcome):
    """The verify command ended, and its whole process tree is gone. `reason` None is exit status 0;
    `detail` is a sentence for people, with the output's tail; `round` that of the effect."""

    attempt: int
    round: int
    reason: Reason | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOpened(Outcome):
    """A change request stands at the forge for `head`; as the pull request `number`, where the
    forge has such (0: it has not)."""

    attempt: int
    change: ChangeId
    head: CommitId
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBuilt(Outcome):
    """`commit` is what would land on `base` (the target's tip, or the candidate it is stacked on);
    its tree is what the checks will see. `paths` are those that it has otherwise than `base`; None:
    nobody asked, or they are more than were asked for."""

    change: ChangeId
    base: CommitId
    commit: CommitId
    tree: TreeId
    paths: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateConflicted(Outcome):
    """The change does not go onto `base`, the target's tip or the candidate of a change ahead;
    `files` are the paths in conflict."""

    change: ChangeId
    base: CommitId
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRedundant(Outcome):
    """What it was built on holds the change already (head is an ancestor, or the merge changes
    nothing), at `base`. Whoever put it there, it counts as landed only when the checks pass on
    `base`, and `base` is on the target."""

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
    """The target cannot be landed on (deleted, conflicted, or at a remote that does not answer or
    does not let us in); the queue waits until the next run finds it well."""

    change: ChangeId
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesDropped(Outcome):
    """Nothing of ours keeps a candidate of the change any more; `pins` were there to be removed."""

    change: ChangeId
    pins: int


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


OUTCOMES: tuple[type[Outcome], ...] = (
    WorkspaceCreated,
    WorkspaceBlocked,
    WorkspaceSetUp,
    WorkerFinished,
    ResultCollected,
    ResultRefused,
    ResultVerified,
    ChangeOpened,
    CandidateBuilt,
    CandidateConflicted,
    CandidateRedundant,
    ChecksFinished,
    Landed,
    LandingStale,
    TargetBlocked,
    CandidatesDropped,
    WorkspaceRemoved,
    EffectFailed,
)

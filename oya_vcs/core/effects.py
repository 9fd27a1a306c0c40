"""Requests to the world, in the imperative. Each is requested under a key and settled by exactly
one event.

Plain values: nothing here knows how an effect is carried out, or by whom. What each effect's
outcome looks like is in `events.py`; how each is probed after a crash is in docs/EXACTLY_ONCE.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import (
    BeadId,
    ChangeId,
    CommitId,
    Key,
    RepoId,
    TreeId,
    WorkspaceName,
    canonical_text,
    key_of_text,
)
from oya_vcs.core.pulls import PULL_EFFECTS, AskPermission, Reply, TellStatus, TryPull
from oya_vcs.core.spec import BeadSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWorkspace:
    """Make a jj workspace for one attempt, on the tip of the target. Settled by `WorkspaceCreated`
    or `WorkspaceBlocked`. `files` are what its worker is to change, and what it runs, as far as the
    bead says so (paths and patterns from the root)."""

    repo: RepoId
    bead: BeadId
    attempt: int
    workspace: WorkspaceName
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpWorkspace:
    """Run the configured setup command in a new workspace. Settled by `WorkspaceSetUp`."""

    repo: RepoId
    bead: BeadId
    attempt: int
    workspace: WorkspaceName
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorker:
    """Run the worker in its workspace until its whole process tree is gone. Settled by
    `WorkerFinished`. `session` is what the agent of the attempt before knew their conversation by,
    where it could be taken up again (empty: there is none); `left_ms` is how long it may work
    (0: its bead has no limit)."""

    repo: RepoId
    bead: BeadId
    attempt: int
    workspace: WorkspaceName
    path: str
    spec: BeadSpec
    feedback: str
    session: str = ""
    left_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectResult:
    """Commit what the worker left in its workspace. Settled by `ResultCollected` or
    `ResultRefused`. `files` are the only paths (and patterns of paths) that it may have changed
    (empty: any)."""

    repo: RepoId
    bead: BeadId
    attempt: int
    workspace: WorkspaceName
    base: CommitId
    message: str
    allow_empty: bool
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Run the configured verify command in the workspace of a collected result. Settled by
    `ResultVerified`. `round` counts from 1: one that was interrupted is asked for again."""

    repo: RepoId
    bead: BeadId
    attempt: int
    workspace: WorkspaceName
    path: str
    commit: CommitId
    round: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChange:
    """Open a change request for a collected result. Settled by `ChangeOpened`, or where a gate
    blocks it by `ResultRefused`. `text` is what it says below its title: what the bead asks for."""

    repo: RepoId
    bead: BeadId
    attempt: int
    change: ChangeId
    head: CommitId
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCandidate:
    """Build the commit that would land, invisibly: on the target's tip of now or, stacked, on the
    candidate `onto` of a change ahead.

    Settled by `CandidateBuilt`, `CandidateConflicted`, `CandidateRedundant` or `TargetBlocked`.
    `made_at_ms` (Unix time) dates what is made, so that building it again gives the same ids;
    `round` counts the rebuilds of one change. `method` is how the change becomes part of the
    target: one of `METHODS`; `pull` the number of the pull request that has `head` (0: none).
    `paths_max`: up to so many paths that the change touches are told (0: nobody asks).
    """

    repo: RepoId
    bead: BeadId
    change: ChangeId
    head: CommitId
    round: int
    message: str
    made_at_ms: int
    onto: CommitId | None = None
    method: str = "merge"
    pull: int = 0
    paths_max: int = 0


@dataclass(frozen=True, slots=True)
class LandedPull:
    """A pull request that lands, and the commit on the target that is its work there."""

    number: int
    commit: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChecks:
    """Run every configured check in a clean checkout of the candidate. Settled by
    `ChecksFinished`. What `base` says about checks counts: what is tested stands on it, and no
    change that is tested is in it (None: it is the candidate's first parent)."""

    repo: RepoId
    bead: BeadId
    change: ChangeId
    round: int
    candidate: CommitId
    base: CommitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """Move the target from `base` to `commit`, or not at all. Settled by `Landed`, `LandingStale`
    or `TargetBlocked`. `pulls` are the pull requests that it lands, each as it is to look then, so
    that its forge counts it as merged (empty: there are none, or they are merged as they are)."""

    repo: RepoId
    bead: BeadId
    change: ChangeId
    round: int
    base: CommitId
    commit: CommitId
    tree: TreeId
    pulls: tuple[LandedPull, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCandidates:
    """Let go of every candidate that was pinned for a change which has left the queue; what landed
    is kept by the target. Settled by `CandidatesDropped`.

    `round` is the change's newest: one that comes back and leaves again is another request.
    """

    repo: RepoId
    bead: BeadId
    change: ChangeId
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWorkspace:
    """Snapshot, pin what is not in `kept_as`, verify, forget, delete. Settled by
    `WorkspaceRemoved`.

    `round` counts the removals asked for, from 1; `landed` says that the target holds `kept_as`.
    """

    repo: RepoId
    bead: BeadId
    workspace: WorkspaceName
    round: int
    kept_as: CommitId | None
    landed: bool = False


Effect = (
    CreateWorkspace
    | SetUpWorkspace
    | RunWorker
    | CollectResult
    | VerifyResult
    | OpenChange
    | BuildCandidate
    | RunChecks
    | Land
    | DropCandidates
    | RemoveWorkspace
    | AskPermission
    | Reply
    | TellStatus
    | TryPull
)

EFFECTS: tuple[type[Effect], ...] = (
    CreateWorkspace,
    SetUpWorkspace,
    RunWorker,
    CollectResult,
    VerifyResult,
    OpenChange,
    BuildCandidate,
    RunChecks,
    Land,
    DropCandidates,
    RemoveWorkspace,
    AskPermission,
    Reply,
    TellStatus,
    TryPull,
)

STOPPABLE = (SetUpWorkspace, RunWorker, VerifyResult, RunChecks, TryPull)
"""What may be stopped by a `StopRequested` while it runs. All others end by themselves, soon, and
have done something or nothing."""

TIDYING = (DropCandidates, RemoveWorkspace, *PULL_EFFECTS)
"""What is done beside the work: no outcome of these moves the bead."""

METHODS = ("merge", "squash", "rebase")
"""How a change lands: a merge commit with parents (base, head); one commit on base by the change's
author; each commit of the change, one after the other, on base."""


def effect_key(effect: Effect) -> Key:
    """The execution key of an effect: its kind and every field that makes it this one and no
    other."""
    return key_of_text(effect.bead, canonical_text(effect, type(effect).__name__))

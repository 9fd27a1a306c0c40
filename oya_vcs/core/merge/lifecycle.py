"""The life of a change request in the queue, as values. Decides nothing, and knows no order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId, TreeId
from oya_vcs.core.reasons import Reason


class Stage(StrEnum):
    """Where a change request is (REQUIREMENTS C5)."""

    PENDING = "pending"
    TESTING = "testing"
    MERGING = "merging"
    MERGED = "merged"
    FAILED = "failed"


OVER = frozenset({Stage.MERGED, Stage.FAILED})
"""A change in one of these is settled for ever (MERGE_QUEUE promise 13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What an approval is given to, and to nothing else (MERGE_QUEUE promise 3): the commit and its
    tree, the branch that it is to land on, and the message that it lands with. None or empty: the
    forge, or the older version that wrote the journal, does not say."""

    head: CommitId
    tree: TreeId | None = None
    target: str = ""
    message: str = ""


@dataclass(slots=True, kw_only=True)
class Change:
    """A change request, approved at exactly its pins (`head`, `head_tree`, `target`, `message`).

    `round` counts its candidates; `onto` is what the newest was asked to stand on (None: the tip),
    `base` what it stands on, `candidate` and `tree` what it is; `conflict` is what it does not
    merge into, in `files`; `paths` are what it changes of its base (None: not known). `asked_ms` is
    when its checks were asked for and `passed` how they ended (None: not yet); `check`, `said` and
    `why` tell of a failure. `exit` is why it is to leave the queue as soon as nothing of it is
    under way; `amended` what it has become since its approval, and `withdrawn` why people took that
    back.
    """

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
    reason: Reason | None = None
    detail: str = ""
    head_tree: TreeId | None = None
    target: str = ""
    message: str = ""
    priority: int = 2
    joined_ms: int = 0
    onto: CommitId | None = None
    conflict: CommitId | None = None
    files: tuple[str, ...] = ()
    paths: tuple[str, ...] | None = None
    asked_ms: int | None = None
    started: bool = False
    passed: bool | None = None
    why: Reason | None = None
    check: str = ""
    said: str = ""
    exit: Reason | None = None
    amended: Pins | None = None
    withdrawn: Reason | None = None

    @property
    def pins(self) -> Pins:
        """What it is approved at."""
        return Pins(head=self.head, tree=self.head_tree, target=self.target, message=self.message)

    @property
    def leaves(self) -> bool:
        """Whether it is to leave the line for a reason other than what it has become."""
        return self.exit is not None or self.withdrawn is not None

    @property
    def redundant(self) -> bool:
        """Whether what it stands on holds it already: its candidate is its base."""
        return self.reason is Reason.ALREADY_LANDED

    def forget_candidate(self) -> None:
        """There is no candidate, and no verdict on one."""
        self.stage = Stage.PENDING
        self.onto = self.base = self.candidate = self.tree = self.reason = None
        self.forget_verdict()

    def forget_verdict(self) -> None:
        """Nothing is known of the newest candidate: it was never tested."""
        self.conflict, self.files, self.paths = None, (), None
        self.asked_ms, self.started, self.passed = None, False, None
        self.why, self.check, self.said = None, "", ""


@dataclass(slots=True)
class Group:
    """Changes next to each other in the window that are tested as one: the candidate of the last
    one holds them all. No other joins once it is `closed`."""

    changes: list[ChangeId]
    closed: bool = False


@dataclass(slots=True)
class Aside:
    """A verdict (`reason`: a conflict, a failed check) on a candidate that stood on changes which
    are not settled. `ahead` are those: it is confirmed when all of them have landed, and forgotten
    when one leaves."""

    ahead: list[ChangeId]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Landing:
    """A change that landed lately: what a worker is told that has to do its work again."""

    bead: BeadId
    base: CommitId
    commit: CommitId


@dataclass(slots=True)
class Gates:
    """What people keep from going on, each with their words.

    `pause`: nothing begins and nothing lands. `closed_above`: only changes of this priority or a
    more urgent one are taken up (None: the tree is open). `frozen_until_ms` (Unix time): nothing
    lands before.
    """

    pause: str = ""
    closed_above: int | None = None
    closed_why: str = ""
    frozen_until_ms: int = 0
    frozen_why: str = ""


@dataclass(slots=True)
class Pace:
    """What the queue has learnt. `window`: how many groups to test at once (0: not learnt yet, the
    ceiling). `failing_ppm`: the share of changes that fail their checks, in millionths, the newest
    counting most; `test_ms`: how long a test takes, in the same way (0: none has ended)."""

    window: int = 0
    failing_ppm: int = 0
    test_ms: int = 0
    recent: list[Landing] = field(default_factory=list)

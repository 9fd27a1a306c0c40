"""Pull requests at a forge: what is seen of them, what is asked for, and what was decided.

Facts and decisions in the past tense, effects in the imperative, all frozen, like those of
`events.py` and `effects.py`, which offer these with the others. A snapshot of a pull request, a
comment or a review may be seen twice, late and in any order; what that comes to is decided in
`decide/pulls.py`. Nothing here knows a forge, its addresses, or how people write to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core.commands import Command, Fault
from oya_vcs.core.event import Event
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.outcomes import Outcome
from oya_vcs.core.reasons import Reason


class Level(StrEnum):
    """What a user may do in a repository, as forges rank it, the least first."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"


class PullState(StrEnum):
    """Whether a pull request is there to be landed."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


# --- What is seen --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSeen(Event):
    """A pull request as its forge showed it. The same again changes nothing and is not recorded.

    `branch` is where it comes from (in another repository: `fork`), `base` where it is to land.
    `mergeable` None: the forge does not know yet, which is no refusal. Times are Unix times, ms, 0
    where they are not said: `updated_ms` is when it last changed by the forge's clock (an older
    snapshot than the newest one means nothing), `pushed_ms` when `head` was pushed. `by` is who did
    what it shows.
    """

    repo: RepoId
    number: int
    head: CommitId
    branch: str
    base: str
    title: str
    body: str
    author: str
    author_id: int
    draft: bool
    state: PullState
    labels: tuple[str, ...]
    fork: bool
    mergeable: bool | None
    updated_ms: int = 0
    pushed_ms: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentSeen(Event):
    """A comment on a pull request that speaks to us, and is not ours: `commands` in their order,
    and what cannot be understood. `comment` names it among all comments of the repository; edited
    or seen again it is nothing new. `written_ms` is when it was written (Unix time). `tacit`: it
    says nothing to us, but counts as these commands where its author may give them."""

    repo: RepoId
    number: int
    comment: str
    author: str
    author_id: int
    written_ms: int
    commands: tuple[Command, ...]
    faults: tuple[Fault, ...]
    tacit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSeen(Event):
    """Somebody reviewed a pull request: `text` is for the worker that does it again. `state` is the
    forge's word (approved, changes_requested, commented, dismissed); it decides nothing: that
    changes are requested is a `CommentSeen` beside it, for what it counts as."""

    repo: RepoId
    number: int
    review: int
    author: str
    author_id: int
    written_ms: int
    state: str
    head: CommitId | None
    text: str


# --- What is asked for ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPermission:
    """Find out, now, what a user may do, and whose `names` those are that a command is about.
    Settled by `PermissionKnown`.

    `user_id` is who is meant, whatever name that account has by now; 0 asks for who set (or
    `removed`) the `label` last. `asked` is the comment or the label's change that is judged.
    Whoever carries it out reads the pull request as well, and reports it as a `PullSeen` before the
    answer: so what is approved is what is there.
    """

    repo: RepoId
    bead: BeadId
    number: int
    asked: str
    user: str = ""
    user_id: int = 0
    label: str = ""
    removed: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Whose a name was when that was asked for: names change hands, the number of an account never
    does. 0: nobody's."""

    login: str
    id: int


@dataclass(frozen=True, slots=True)
class Field:
    """One value that a reply's words need, by its name."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Say something once, as a comment of its own. Settled by `Replied`.

    It answers line `line` of `comment` (or a notice of that name); `template` and `fields` are
    its words, `faults` what of a comment was not understood.
    """

    repo: RepoId
    bead: BeadId
    number: int
    comment: str
    line: int
    template: str
    fields: tuple[Field, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TellStatus:
    """Let the one living comment, the check on the head and our labels say this. Settled by
    `StatusTold`. At most one is open for a pull request, and each has a higher `round`.

    `state` is one word, `sentence` says more; `by` has approved `head`; `place` of `length` is its
    place in the queue when this was asked for (0: none), `candidate` what is tested or has landed;
    `log` is the end of what a failed check said.
    """

    repo: RepoId
    bead: BeadId
    number: int
    round: int
    head: CommitId
    state: str
    sentence: str
    by: str = ""
    place: int = 0
    length: int = 0
    priority: int = 2
    candidate: CommitId | None = None
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryPull:
    """Test `head` on top of the target, and land nothing: build what would land, let its checks
    run, let go of it. Settled by `PullTried`. May be stopped."""

    repo: RepoId
    bead: BeadId
    number: int
    round: int
    head: CommitId
    message: str
    made_at_ms: int
    method: str = "merge"


PullEffect = AskPermission | Reply | TellStatus | TryPull
PULL_EFFECTS: tuple[type[PullEffect], ...] = (AskPermission, Reply, TellStatus, TryPull)
"""None of these moves a bead or holds up a landing."""


# --- What became of it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionKnown(Outcome):
    """What `user` (`user_id`) may do; for a label, who that is. `user_id` 0: nobody that can be
    named, who may do nothing. `named` are those whose names were asked for."""

    repo: RepoId
    number: int
    asked: str
    user: str
    user_id: int
    level: Level
    named: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied(Outcome):
    """It is said."""

    repo: RepoId
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTold(Outcome):
    """The living comment and what belongs to it say so."""

    repo: RepoId
    number: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTried(Outcome):
    """How a trial ended: `reason` None is that all checks passed on `candidate` (None: it could not
    be built); else `check` names the first that did not, and `detail` is for people."""

    repo: RepoId
    number: int
    round: int
    candidate: CommitId | None
    reason: Reason | None
    check: str
    detail: str


PULL_OUTCOMES = (PermissionKnown, Replied, StatusTold, PullTried)
"""These settle the effects above, and move no bead."""


# --- What was decided ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTaken(Event):
    """A decision: a person's pull request comes to the merge queue at `head`, as `change`: the
    attempt `attempt` of its bead, made by its author and not by a worker."""

    repo: RepoId
    bead: BeadId
    number: int
    change: ChangeId
    attempt: int
    head: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanged(Event):
    """A decision: a label of ours was set or `removed`, which asks for something, as `asked`."""

    repo: RepoId
    number: int
    asked: str
    label: str
    removed: bool
    written_ms: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandObeyed(Event):
    """A decision: `by` may ask for this, and it is done to what is known of the pull request.
    `head` is what an approval is given to: with it the branch and the message of now. `user_id` is
    the number of whom it is delegated to (0: nobody's). What the merge queue does about it follows
    as its own events."""

    repo: RepoId
    number: int
    comment: str
    line: int
    written_ms: int
    by: str
    command: Command
    head: CommitId | None = None
    user_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAnswered(Event):
    """A decision: all that `asked` (a comment, a label's change) wants is done or refused; the next
    may be looked at."""

    repo: RepoId
    number: int
    asked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullApprovalEnded(Event):
    """A decision: the pull request is not what people approved any more, for `reason`."""

    repo: RepoId
    number: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWithdrawn(Event):
    """People take the approval of a change back (`reason`: unapproved, held, or what is different
    about it). It waits for an approval as soon as nothing of it is under way; one that is landing
    lands."""

    bead: BeadId
    change: ChangeId
    by: str
    reason: Reason


PULL_EVENTS: tuple[type[Event], ...] = (
    PullSeen,
    CommentSeen,
    ReviewSeen,
    *PULL_OUTCOMES,
    PullTaken,
    LabelChanged,
    CommandObeyed,
    CommentAnswered,
    PullApprovalEnded,
    ApprovalWithdrawn,
)
"""All of them that the journal may hold."""

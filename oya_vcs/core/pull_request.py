"""What is known of a pull request, as values: what its forge showed, what people asked for, and
what they wait for.

Decides nothing, and knows neither beads nor the merge queue beyond their ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oya_vcs.core.commands import PREFIX, Command, Fault, Verb
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, PullKey, RepoId, pull_key
from oya_vcs.core.neutral import neutral
from oya_vcs.core.pulls import CommentSeen, Level, PullSeen, PullState, ReviewSeen
from oya_vcs.core.reasons import Reason

OURS_MAX = 20
"""Heads that we gave a pull request ourselves and know again, the newest of them."""
NOTES_MAX = 20
"""Reviews whose text is kept for the worker that does the work again."""
NOTE_MAX = 2_000
"""Characters of each of them."""

TITLE_MAX = 200
"""Characters of a title that a commit message keeps."""
BODY_MAX = 8_000
"""Characters of a pull request's text that a commit message keeps."""

Order = tuple[int, str, int]
"""When something was asked for: written at (Unix time, ms), by which comment, in which line."""


NO_COMMIT = CommitId("")
"""The head of a pull request that was not seen yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRules:
    """How people speak to us, and which pull requests are not to be landed as they are: those with
    one of the `wip` words before their title, or one of the `blocked` labels."""

    prefix: str = PREFIX
    wip: tuple[str, ...] = ("WIP", "DO NOT MERGE", "DNM")
    blocked: tuple[str, ...] = ("blocked", "do-not-merge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """People's word that a pull request may land: to exactly this commit, branch and message.
    `change` is the one that it brought to the queue: it is used up with that."""

    head: CommitId
    target: str
    message: str
    by: str
    change: ChangeId | None = None


@dataclass(slots=True, kw_only=True)
class Ask:
    """A comment, or the change of a label, whose commands wait for their turn. `level` is what its
    author may do (None: not known yet), `named` whose the names in its commands are (lower case:
    the number). A `tacit` one is answered only where it comes to something."""

    asked: str
    user: str
    user_id: int
    written_ms: int
    commands: tuple[Command, ...]
    faults: tuple[Fault, ...] = ()
    label: str = ""
    removed: bool = False
    level: Level | None = None
    named: dict[str, int] = field(default_factory=dict)
    tacit: bool = False


@dataclass(slots=True, kw_only=True)
class Pull:
    """A pull request. `seen` is False until its forge has shown it.

    `head` is the newest commit that somebody else pushed, `head_ms` the time by which it was there
    (0: since before we looked), `ours` what we pushed in its place. `message` is its title and its
    text, harmless. `was` is its state before the newest snapshot.

    `asks` are answered one after the other: `asking` is the key of the question that the first one
    waits for. `heard` are the comments that were read, `obeyed` when each subject was last decided.
    `approval`, `hold` (who holds it), `squash` and `priority` are what people want; `delegates` are
    the logins that it was delegated to, lower case, and `delegated` the numbers of those accounts,
    which alone count: a login may be another's by now. `notes` are reviews by their number.
    """

    repo: RepoId
    number: int
    bead: BeadId | None = None
    seen: bool = False
    head: CommitId = NO_COMMIT
    head_ms: int = 0
    ours: list[CommitId] = field(default_factory=list)
    base: str = ""
    title: str = ""
    message: str = ""
    author: str = ""
    author_id: int = 0
    draft: bool = False
    state: PullState = PullState.OPEN
    was: PullState = PullState.OPEN
    labels: tuple[str, ...] = ()
    mergeable: bool | None = None
    updated_ms: int = 0
    by: str = ""
    asks: list[Ask] = field(default_factory=list)
    asking: Key | None = None
    heard: dict[str, None] = field(default_factory=dict)
    labelled: dict[str, None] = field(default_factory=dict)
    label_changes: int = 0
    obeyed: dict[str, Order] = field(default_factory=dict)
    approval: Approval | None = None
    hold: str = ""
    squash: bool = False
    priority: int | None = None
    delegates: dict[str, None] = field(default_factory=dict)
    delegated: dict[int, None] = field(default_factory=dict)
    notices: int = 0
    tries: int = 0
    trying: Key | None = None
    rounds: int = 0
    telling: Key | None = None
    told: tuple[str, ...] = ()
    notes: dict[int, str] = field(default_factory=dict)

    @property
    def key(self) -> PullKey:
        """Its name among all."""
        return pull_key(self.repo, self.number)


SUBJECTS = {
    Verb.APPROVE: "approval",
    Verb.UNAPPROVE: "approval",
    Verb.RETRY: "approval",
    Verb.CANCEL: "approval",
    Verb.REWORK: "approval",
    Verb.PRIORITY: "priority",
    Verb.HOLD: "hold",
    Verb.RELEASE: "hold",
    Verb.SQUASH: "squash",
    Verb.TRY: "try",
    Verb.TRY_CANCEL: "try",
    Verb.DELEGATE: "delegate",
    Verb.UNDELEGATE: "delegate",
}
"""What a command decides about. Of two about one subject the one that was written later counts,
whichever is read first."""


def message_of(seen: PullSeen) -> str:
    """What a pull request says it is, harmless, as it stands in the message that it lands with."""
    title = neutral(" ".join(neutral(seen.title).split()))[:TITLE_MAX]
    body = neutral(seen.body)[:BODY_MAX].strip()
    return f"Land #{seen.number}: {title}\n\n{body}".strip()


def is_news(pull: Pull | None, fact: PullSeen | CommentSeen | ReviewSeen) -> bool:
    """Whether a fact says anything that is not known: a snapshot that is older than the newest one
    does not, nor does the same again, nor what was heard before."""
    if isinstance(fact, CommentSeen):
        return pull is None or fact.comment not in pull.heard
    if isinstance(fact, ReviewSeen):
        return pull is None or fact.review not in pull.notes
    if pull is None or not pull.seen:
        return True
    if fact.updated_ms < pull.updated_ms:
        return False
    return fact.updated_ms > pull.updated_ms or _shown(fact) != _known(pull, fact)


def _shown(fact: PullSeen) -> tuple[object, ...]:
    message = message_of(fact)
    said = (fact.base, fact.title, message, fact.draft, fact.state, fact.labels, fact.mergeable)
    return (fact.head, *said)


def _known(pull: Pull, fact: PullSeen) -> tuple[object, ...]:
    head = fact.head if fact.head in pull.ours else pull.head
    said = (pull.base, pull.title, pull.message, pull.draft, pull.state, pull.labels)
    return (head, *said, pull.mergeable)


def difference(pull: Pull, approval: Approval, *, worded: bool) -> Reason | None:
    """What of a pull request is not what was approved; with `worded` its title and text count,
    where they become the commit message."""
    if pull.head != approval.head:
        return Reason.PUSHED
    if pull.base != approval.target:
        return Reason.RETARGETED
    return Reason.EDITED if worded and pull.message != approval.message else None


def unready(pull: Pull, rules: PullRules) -> str:
    """Why its author does not want it landed yet, as half a sentence; empty where it may be."""
    if pull.draft:
        return "it is a draft"
    title = pull.title.lstrip("[(").casefold()
    for word in rules.wip:
        rest = title.removeprefix(word.casefold())
        if rest != title and not rest[:1].isalnum():
            return f"its title says {word}"
    blocked = {name.casefold() for name in rules.blocked}
    found = next((name for name in pull.labels if name.casefold() in blocked), "")
    return f"it has the label {found}" if found else ""

"""What is on record of the operations of jj that somebody else made in a repository, and what each
of them moved.

Facts only: whoever runs something after an operation, or tells a person of it, listens for
`OperationSeen` and `OperationsPassed` among the recorded events, and asks `names` and `sentences`.
Must not know how operations are noticed, nor what follows from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core.event import Event
from oya_vcs.core.ids import CommitId, OperationId, RepoId

MOVEMENTS_MAX = 100
"""Movements that one event lists, the rarest kinds first; a rebase can move any number of changes.
The others are counted."""
SHOWN_MAX = 5
"""Movements of one kind that people are told one by one."""
POST_OP = "post-op"
"""The name of the hook for an operation itself."""


class MovementKind(StrEnum):
    """What can happen to a bookmark, a workspace or a change of jj; also the names of the hooks
    that follow. The order is that in which an event lists them."""

    CONFLICT_APPEARED = "conflict-appeared"
    DIVERGENCE_APPEARED = "divergence-appeared"
    BOOKMARK_MOVED = "bookmark-moved"
    WORKSPACE_ADDED = "workspace-added"
    WORKSPACE_FORGOTTEN = "workspace-forgotten"
    CHANGE_ABANDONED = "change-abandoned"
    CHANGE_ADDED = "change-added"
    CHANGE_REWRITTEN = "change-rewritten"


class Subject(StrEnum):
    """What was moved."""

    BOOKMARK = "bookmark"
    WORKSPACE = "workspace"
    CHANGE = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One thing that is not as it was. `name` is that of a bookmark or a workspace, or the full id
    of a change of jj; `before` and `after` are the commits that it stood at and stands at (none: it
    was not there, or is not any more). `conflicted` says that it has a conflict now: a bookmark
    that was moved in two ways, a change with unresolved files."""

    kind: MovementKind
    subject: Subject
    name: str
    before: tuple[CommitId, ...] = ()
    after: tuple[CommitId, ...] = ()
    conflicted: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """An operation up to which all is known. `mark` tells the same operation where `jj op abandon`
    gave it another id (a digest of when, by whom and what)."""

    operation: OperationId
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSeen(Event):
    """Somebody else's operation: `by` is user@host, `description` jj's own, `ended_ms` (Unix time)
    when it ended by the clock of whoever made it.

    `movements` are what it changed against every operation that it stands on; `beyond` counts
    those that are not listed. `since` is what was known before, `heads` what is known now; the
    event is recorded only where the record stands at `since`, so each operation once.
    """

    repo: RepoId
    operation: OperationId
    by: str
    description: str
    ended_ms: int
    movements: tuple[Movement, ...] = ()
    beyond: int = 0
    since: tuple[Head, ...] = ()
    heads: tuple[Head, ...] = ()


class Passing(StrEnum):
    """Why operations are known now without each being told."""

    FIRST = "first"
    """The repository is looked at for the first time: what was before is not told."""
    OURS = "ours"
    """They are this daemon's own."""
    ABANDONED = "abandoned"
    """What was known is not part of the operation log any more: the repository is compared with how
    it was then."""
    FORGOTTEN = "forgotten"
    """And jj cannot tell either how it was then: what was moved in between is not known."""
    MANY = "many"
    """There are too many to look at each: the repository is compared with how it was before."""


ANEW = frozenset({Passing.FIRST, Passing.FORGOTTEN})
"""Nothing is compared: what is listed is how it is now, and only the bookmarks that are
conflicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsPassed(Event):
    """Operations that are not told one by one (`why`). `movements` is the difference that they
    made together, where it is told. The rest as in `OperationSeen`."""

    repo: RepoId
    why: Passing
    movements: tuple[Movement, ...] = ()
    beyond: int = 0
    since: tuple[Head, ...] = ()
    heads: tuple[Head, ...] = ()


OPERATION_EVENTS: tuple[type[Event], ...] = (OperationSeen, OperationsPassed)
"""All of them that the journal may hold."""


def names(event: Event) -> tuple[str, ...]:
    """The hooks that an event is for, each once: `post-op`, and the kinds of what was moved. None
    for any other event, and where nothing was compared."""
    if isinstance(event, OperationSeen):
        return (POST_OP, *_kinds(event.movements))
    if isinstance(event, OperationsPassed) and event.why not in ANEW:
        return _kinds(event.movements)
    return ()


def _kinds(movements: tuple[Movement, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one.kind) for one in movements))


_PASSED = {
    Passing.FIRST: "The operations of jj are watched from here on.",
    Passing.OURS: "Nobody else's operation was seen.",
    Passing.ABANDONED: (
        "Operations that were known are not in jj's log any more (`jj op abandon`): this is what is"
        " not as it was."
    ),
    Passing.FORGOTTEN: (
        "Operations that were known are gone from jj (`jj op abandon`, `jj util gc`): what was"
        " moved meanwhile is not known."
    ),
    Passing.MANY: "Too many operations came at once to tell each: this is what they changed.",
}


def sentences(event: OperationSeen | OperationsPassed) -> Iterator[str]:
    """What happened, in full sentences: the operation, and what it moved."""
    if isinstance(event, OperationSeen):
        yield f"{event.by} did: {event.description or 'nothing that has a name'}."
    else:
        yield _PASSED[event.why]
    shown: dict[MovementKind, int] = {}
    for one in event.movements:
        shown[one.kind] = shown.get(one.kind, 0) + 1
        if shown[one.kind] <= SHOWN_MAX:
            yield _sentence(one)
    for kind, count in shown.items():
        if count > SHOWN_MAX:
            yield f"And {count - SHOWN_MAX} more of the kind {kind}."
    if event.beyond:
        yield f"And {event.beyond} more that are not listed."


_MOVED = {
    MovementKind.CONFLICT_APPEARED: "has a conflict now",
    MovementKind.DIVERGENCE_APPEARED: "is divergent now: {after} are both visible",
    MovementKind.BOOKMARK_MOVED: "was moved from {before} to {after}",
    MovementKind.WORKSPACE_ADDED: "was added",
    MovementKind.WORKSPACE_FORGOTTEN: "was forgotten",
    MovementKind.CHANGE_ABANDONED: "is not visible any more; it was {before}",
    MovementKind.CHANGE_ADDED: "is new, as {after}",
    MovementKind.CHANGE_REWRITTEN: "was rewritten from {before} to {after}",
}


def _sentence(one: Movement) -> str:
    said = _MOVED[one.kind]
    if one.kind is MovementKind.CONFLICT_APPEARED and one.subject is Subject.BOOKMARK:
        said = "is conflicted now, between {after}: it was moved in two ways at once"
    elif one.kind is MovementKind.BOOKMARK_MOVED and not one.before:
        said = "was created at {after}"
    elif one.kind is MovementKind.BOOKMARK_MOVED and not one.after:
        said = "was deleted; it was at {before}"
    name = one.name[:12] if one.subject is Subject.CHANGE else one.name
    moved = said.format(before=_commits(one.before), after=_commits(one.after))
    return f"The {one.subject} {name} {moved}."


def _commits(commits: tuple[CommitId, ...]) -> str:
    return " and ".join(one[:12] for one in commits)

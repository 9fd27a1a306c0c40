"""What an operation of jj moved: the difference of two views of the repository.

A view is what jj shows of a repository at one operation: bookmarks, workspaces, visible commits. Of
the commits, which may be any number, only those are looked at that the two views do not share. Must
not know where views come from, nor who made the operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from oya_vcs.core.ids import CommitId
from oya_vcs.core.operations import MOVEMENTS_MAX, Movement, MovementKind, Subject


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bookmark stands: at one commit, or between several ones. Moved in one way and deleted
    in another it is `conflicted` and has one commit all the same."""

    commits: tuple[CommitId, ...] = ()
    conflicted: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """The local bookmarks and the workspaces of a repository at one operation."""

    bookmarks: Mapping[str, Place] = field(default_factory=dict)
    workspaces: frozenset[str] = frozenset()


class Commit(NamedTuple):
    """A visible commit: of which change, and whether it has unresolved files."""

    id: CommitId
    change: str
    conflict: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """The visible commits in which two views differ: those that only the later one shows, and those
    that only the earlier one does. `beside` are visible in both and share their change with one of
    these. `uncounted` commits were too many to be read."""

    added: Sequence[Commit] = ()
    removed: Sequence[Commit] = ()
    beside: Sequence[Commit] = ()
    uncounted: int = 0


Named = tuple[MovementKind, Subject, str]
"""What tells a movement from every other one between the same views."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What was moved from one view to another; `beyond` is how much more there is at most."""

    movements: Mapping[Named, Movement]
    beyond: int = 0


def difference(before: View, after: View, changed: Changed) -> Difference:
    """Everything that was moved."""
    found = [*_bookmarks(before, after), *_workspaces(before, after), *_changes(changed)]
    return Difference({(one.kind, one.subject, one.name): one for one in found}, changed.uncounted)


def against_all(differences: Sequence[Difference]) -> Difference:
    """What an operation moved against every one of those it stands on. (Several: somebody worked at
    the same time, and it joins them.) What it only takes over from one of them was moved by that
    one."""
    first, *others = differences
    shared = {
        key: one
        for key, one in first.movements.items()
        if all(_takes(other, key) == one.after for other in others)
    }
    return Difference(shared, min(one.beyond for one in differences))


def _takes(one: Difference, key: Named) -> tuple[CommitId, ...] | None:
    movement = one.movements.get(key)
    return None if movement is None else movement.after


def against_any(differences: Sequence[Difference]) -> Difference:
    """What any of several operations moved that stand side by side."""
    found: dict[Named, Movement] = {}
    for one in differences:
        found = {**one.movements, **found}
    return Difference(found, sum(one.beyond for one in differences))


def foremost(moved: Difference, most: int = MOVEMENTS_MAX) -> tuple[tuple[Movement, ...], int]:
    """At most so many of the movements, and how many more there are. The rarest kinds come first,
    and of the bookmarks those that were conflicted, or are: they are not lost where there are too
    many."""
    every = sorted(moved.movements.values(), key=_rank)
    return tuple(every[:most]), moved.beyond + len(every[most:])


def conflicts(view: View) -> Difference:
    """The bookmarks that are conflicted, whenever that began."""
    torn = {name: place for name, place in view.bookmarks.items() if place.conflicted}
    found = difference(View(), View(torn), Changed()).movements
    appeared = MovementKind.CONFLICT_APPEARED
    return Difference({key: one for key, one in found.items() if one.kind is appeared})


_RANKS = {kind: rank for rank, kind in enumerate(MovementKind)}


def _rank(one: Movement) -> tuple[int, bool, str, str]:
    plain = not one.conflicted and len(one.before) <= 1
    return _RANKS[one.kind], plain, one.subject, one.name


def _bookmarks(before: View, after: View) -> Iterator[Movement]:
    nowhere = Place()
    for name in sorted({*before.bookmarks, *after.bookmarks}):
        was, now = before.bookmarks.get(name, nowhere), after.bookmarks.get(name, nowhere)
        if was == now:
            continue
        kinds = [MovementKind.BOOKMARK_MOVED]
        if now.conflicted and not was.conflicted:
            kinds.append(MovementKind.CONFLICT_APPEARED)
        for kind in kinds:
            yield Movement(
                kind=kind,
                subject=Subject.BOOKMARK,
                name=name,
                before=was.commits,
                after=now.commits,
                conflicted=now.conflicted,
            )


def _workspaces(before: View, after: View) -> Iterator[Movement]:
    for kind, workspaces in (
        (MovementKind.WORKSPACE_ADDED, after.workspaces - before.workspaces),
        (MovementKind.WORKSPACE_FORGOTTEN, before.workspaces - after.workspaces),
    ):
        for name in sorted(workspaces):
            yield Movement(kind=kind, subject=Subject.WORKSPACE, name=name)


def _changes(changed: Changed) -> Iterator[Movement]:
    was = _by_change([*changed.removed, *changed.beside])
    now = _by_change([*changed.added, *changed.beside])
    for change in sorted({one.change for one in (*changed.added, *changed.removed)}):
        before, after = was.get(change, []), now.get(change, [])
        for kind in _kinds(before, after):
            yield Movement(
                kind=kind,
                subject=Subject.CHANGE,
                name=change,
                before=tuple(sorted(one.id for one in before)),
                after=tuple(sorted(one.id for one in after)),
                conflicted=any(one.conflict for one in after),
            )


def _kinds(before: Sequence[Commit], after: Sequence[Commit]) -> Iterator[MovementKind]:
    """What happened to a change that was these visible commits, and is those."""
    if not after:
        yield MovementKind.CHANGE_ABANDONED
        return
    yield MovementKind.CHANGE_REWRITTEN if before else MovementKind.CHANGE_ADDED
    if any(one.conflict for one in after) and not any(one.conflict for one in before):
        yield MovementKind.CONFLICT_APPEARED
    if len(after) > 1 >= len(before):
        yield MovementKind.DIVERGENCE_APPEARED


def _by_change(commits: Iterable[Commit]) -> dict[str, list[Commit]]:
    found: dict[str, list[Commit]] = {}
    for one in commits:
        found.setdefault(one.change, []).append(one)
    return found

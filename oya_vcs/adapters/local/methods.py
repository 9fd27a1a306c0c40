"""The three ways in which a change becomes part of the target: merged, squashed, rebased.

Each makes commits on a base and moves nothing. This module must not know where the base comes from,
nor what is done with what it makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from oya_vcs.adapters.local.merging import (
    Author,
    Commit,
    Git,
    Merge,
    commit,
    commits_of,
    differing,
    look_at,
    merges,
    passed_conflict_trees,
)
from oya_vcs.core.effects import BuildCandidate
from oya_vcs.core.ids import CommitId, TreeId
from oya_vcs.core.neutral import rebased_message, squashed_message, trailers_of
from oya_vcs.errors import Bug, WorldFailed


@dataclass(frozen=True, slots=True)
class Made:
    """The commit that would land, and its tree."""

    commit: CommitId
    tree: TreeId


@dataclass(frozen=True, slots=True)
class Conflicted:
    """The change does not go onto the base; these files are why."""

    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redundant:
    """The base, whose tree this is, holds all of the change."""

    tree: TreeId


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The change, or what would become of it, holds what jj writes for a conflict."""


Verdict = Made | Conflicted | Redundant | Unresolved
Method = Callable[..., Awaitable[Verdict]]
"""(git, base, effect, merge of base and head, tree of base) -> what came of it."""


async def put_onto(
    git: Git, base: CommitId, effect: BuildCandidate, known: Container[CommitId]
) -> Verdict:
    """The change of the effect on the base, by the effect's method.

    `known` are commits below the base: a head that stands on one of them brings no other commit.
    Raises WorldFailed, not retryable, where a commit is not there.
    """
    method = _METHODS.get(effect.method)
    if method is None:
        raise Bug(f"A candidate was asked for by the method {effect.method!r}.")
    # What is made while it is looked for is led to by nothing yet.
    verdict, unresolved = await _together(
        _put(git, base, effect, method), _unresolved(git, base, effect.head, known)
    )
    return Unresolved() if unresolved and not isinstance(verdict, Redundant) else verdict


async def _put(git: Git, base: CommitId, effect: BuildCandidate, method: Method) -> Verdict:
    merged, there = await merges(git, f"{base} {effect.head}", f"{base} {base}")
    if merged.tree == there.tree:
        return Redundant(there.tree)
    if not merged.clean:
        return Conflicted(merged.files)
    return await method(git, base, effect, merged, there.tree)


async def _unresolved(git: Git, base: CommitId, head: CommitId, known: Container[CommitId]) -> bool:
    look = await look_at(git, base, head)
    if look.holds_conflict or look.parent in known:
        return look.holds_conflict
    return await passed_conflict_trees(git, base, head)


async def _together(*work: Awaitable[Any]) -> list[Any]:
    """What all of it gives; every part has ended when the first error is raised."""
    given = await asyncio.gather(*work, return_exceptions=True)
    for one in given:
        if isinstance(one, BaseException):
            raise one
    return given


async def _merged(
    git: Git, base: CommitId, effect: BuildCandidate, merged: Merge, there: TreeId
) -> Verdict:
    """One commit with parents (base, head)."""
    made = await commit(
        *(git, merged.tree, base, effect.head),
        message=effect.message,
        made_at_ms=effect.made_at_ms,
    )
    return Made(made, merged.tree)


async def _squashed(
    git: Git, base: CommitId, effect: BuildCandidate, merged: Merge, there: TreeId
) -> Verdict:
    """One commit on base, by who wrote the first of the change's own; trailers name the others."""
    commits = await commits_of(git, base, effect.head)
    own = [one for one in commits if len(one.parents) < 2] or list(commits)
    authors = {_known(one): one for each in own for one in (each.author, *each.others)}
    first = own[0].author
    authors.pop(_known(first))
    made = await commit(
        *(git, merged.tree, base),
        message=squashed_message(effect.message, map(str, authors.values())),
        made_at_ms=effect.made_at_ms,
        author=Author(first.name, first.email),
    )
    return Made(made, merged.tree)


def _known(author: Author) -> str:
    """By what two authors are told apart."""
    return (author.email or author.name).lower()


async def _rebased(
    git: Git, base: CommitId, effect: BuildCandidate, merged: Merge, there: TreeId
) -> Verdict:
    """Each commit of the change on base, by its own author, all or none; what changes nothing there
    is left out.

    Merges within the change are left out as well. What one of them resolved by hand would be lost
    with it: then the change conflicts.
    """
    commits = await commits_of(git, base, effect.head)
    own = [one for one in commits if len(one.parents) < 2]
    before, tip, tree, kept = base, base, there, -1
    for number, one in enumerate(own):
        if not one.parents:
            raise _rootless(effect, one)
        (step,) = await merges(git, f"{one.parents[0]} -- {tip} {one.id}")
        if not step.clean:
            return Conflicted(step.files)
        if step.tree != tree:
            last = number == len(own) - 1
            before, tree, kept = tip, step.tree, number
            tip = await _again(git, effect, one, tree, before, last=last)
    if tree == there:
        return Redundant(there)
    if tree != merged.tree and len(own) < len(commits):
        return Conflicted(await differing(git, tree, merged.tree))
    if kept < len(own) - 1:
        tip = await _again(git, effect, own[kept], tree, before, last=True)
    return Made(tip, tree)


async def _again(
    git: Git, effect: BuildCandidate, one: Commit, tree: TreeId, on: CommitId, *, last: bool
) -> CommitId:
    """The commit as it is on its new parent; the last one has the trailers of the effect."""
    return await commit(
        *(git, tree, on),
        message=rebased_message(one.message, trailers_of(effect.message) if last else ""),
        made_at_ms=effect.made_at_ms,
        author=one.author,
    )


def _rootless(effect: BuildCandidate, one: Commit) -> WorldFailed:
    return WorldFailed(
        f"Change {effect.change} brings a history of its own ({one.id} has no parent), which "
        "cannot be rebased.",
        hint='Set [queue] method = "merge" or "squash" in oya.toml.',
    )


_METHODS: Mapping[str, Method] = {
    "merge": _merged,
    "squash": _squashed,
    "rebase": _rebased,
}

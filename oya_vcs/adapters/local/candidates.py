"""Candidates: the commit that would land, made with git plumbing and kept under a ref of ours.

No working copy, no index and no jj operation is touched. This module must not know how a candidate
is tested or landed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oya_vcs.adapters.local.target import LOOKS_MAX, Blocked, Target
from oya_vcs.core.effects import BuildCandidate
from oya_vcs.core.events import (
    CandidateBuilt,
    CandidateConflicted,
    CandidateRedundant,
    Event,
    TargetBlocked,
)
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.errors import WorldFailed

PINS = "refs/oya/candidates/"
"""Where candidates are kept from being collected as garbage: a folder a bead, in it a ref an
effect, named by its key."""
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without entries, which git knows without storing it."""
CONFLICT_TREES = ".jjconflict-"
"""How root entries begin that jj wrote for a commit with a conflict in it."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What merging two commits gives: `files` are in conflict where it is not `clean`."""

    clean: bool
    tree: TreeId
    files: tuple[str, ...]


async def build(target: Target, key: Key, effect: BuildCandidate) -> Event:
    """Merge the head into the target's tip of now.

    It is built on jj's tip, and whatever comes of it counts only if git's branch stands there too
    in the moment of the verdict. Raises WorldFailed, not retryable, where the head is not there or
    holds jj's conflict trees.
    """
    tip = await target.bookmark()
    for _ in range(LOOKS_MAX):
        if not isinstance(tip, Blocked):
            event = await _build_on(target, key, effect, tip)
            if event is not None:
                return event
        agreed = await target.agreed()
        if isinstance(agreed, Blocked):
            return TargetBlocked(
                key=key,
                bead=effect.bead,
                change=effect.change,
                reason=agreed.reason,
                detail=agreed.detail,
            )
        tip = agreed.commit
    raise target.restless()


async def find(target: Target, key: Key, effect: BuildCandidate) -> Event | None:
    """The candidate that a dead process built, by its pin; its first parent is the base."""
    form = "--format=%(objectname) %(tree) %(parent)"
    said = (await target.git("for-each-ref", form, f"{PINS}{effect.bead}/{key}")).split()
    if not said:
        return None
    commit, tree, base, *_ = said
    return _built(key, effect, base, commit, tree)


async def _build_on(
    target: Target, key: Key, effect: BuildCandidate, base: CommitId
) -> Event | None:
    """The verdict on merging the head into `base`; None where git's branch is not at `base`."""
    merged, there, head = await _merges(target, base, effect.head)
    if merged.tree == there.tree:
        verdict: Event = CandidateRedundant(
            key=key, bead=effect.bead, change=effect.change, base=base, tree=there.tree
        )
    elif await _hold_conflict_trees(target, head.tree, merged.tree):
        if await target.still(base, target.verify(base)):
            raise _conflict_trees(target, effect)
        return None
    elif not merged.clean:
        verdict = CandidateConflicted(
            key=key, bead=effect.bead, change=effect.change, base=base, files=merged.files
        )
    else:
        commit = await _commit(target, effect, base, merged.tree)
        pin = f"update {PINS}{effect.bead}/{key}\0{commit}\0\0"
        verdict = _built(key, effect, base, commit, merged.tree)
        return verdict if await target.still(base, target.verify(base), pin) else None
    return verdict if await target.still(base, target.verify(base)) else None


def _built(key: Key, effect: BuildCandidate, base: str, commit: str, tree: str) -> Event:
    return CandidateBuilt(
        key=key,
        bead=effect.bead,
        change=effect.change,
        base=CommitId(base),
        commit=CommitId(commit),
        tree=TreeId(tree),
    )


async def _merges(target: Target, base: CommitId, head: CommitId) -> tuple[Merge, Merge, Merge]:
    """The merge of head into base; then, as that of each with itself, the trees of base and head.

    `--stdin` makes a conflict an answer, with status 0, and leaves any other status for errors such
    as a commit that is not there. A head that the base holds already merges to the base's tree.
    Git sees no attributes, and so no merge driver: like jj, it merges every file as text.
    """
    said = await target.git(
        *("merge-tree", "--write-tree", "--stdin", "--no-messages", "--name-only"),
        stdin=f"{base} {head}\n{base} {base}\n{head} {head}\n",
    )
    fields = iter(said.split("\0"))
    return _next_merge(fields), _next_merge(fields), _next_merge(fields)


def _next_merge(fields: Iterator[str]) -> Merge:
    clean, tree = next(fields) == "1", TreeId(next(fields))
    return Merge(clean, tree, tuple(iter(lambda: next(fields), "")))


async def _hold_conflict_trees(target: Target, *trees: TreeId) -> bool:
    """Whether the root of any of the trees holds what jj writes for a conflict."""
    said = await target.git(
        *("diff-tree", "--stdin", "--name-only", "-z", "--", f"{CONFLICT_TREES}*"),
        stdin="".join(f"{EMPTY_TREE} {tree}\n" for tree in trees),
    )
    return CONFLICT_TREES in said


def _conflict_trees(target: Target, effect: BuildCandidate) -> WorldFailed:
    return WorldFailed(
        f"Change {effect.change} holds an unresolved jj conflict: the root of {effect.head}, "
        f"or of its merge with `{target.name}`, has an entry {CONFLICT_TREES}*.",
        hint="Resolve it with `jj resolve`, or have the bead worked on again.",
    )


async def _commit(target: Target, effect: BuildCandidate, base: CommitId, tree: TreeId) -> CommitId:
    """Write the merge commit. Its dates are the effect's, in git's whole seconds, so that the same
    effect on the same base gives the same id."""
    date = f"@{effect.made_at_ms // 1000} +0000"
    commit = await target.git(
        *("commit-tree", "-p", base, "-p", effect.head, tree),
        env={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
        stdin=effect.message,
    )
    return CommitId(commit)

"""CollectResult: what a worker left in its folder becomes a commit, pinned and on disk.

Must not know what will become of the commit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from oya_vcs.adapters.workspaces import folders, rescue
from oya_vcs.adapters.workspaces.ground import (
    KEY_TRAILER,
    RESULTS,
    Commit,
    Ground,
    Unusable,
    at,
    mark,
    quoted,
)
from oya_vcs.core.effects import CollectResult
from oya_vcs.core.events import Reason, ResultCollected, ResultRefused
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.errors import SnapshotIncomplete, WorldFailed
from oya_vcs.ports import Probe

CONFLICT_ENTRIES = " .jjconflict-"
"""How names begin, in a root tree as git stores it, that jj wrote with a conflict in it."""


class Refused(Exception):
    """Why what the worker left cannot become a change request: no error, it becomes an event."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


async def collect(
    ground: Ground, key: Key, effect: CollectResult
) -> ResultCollected | ResultRefused:
    """Record the files, describe the commit with `effect.message`, pin it, wait for the disk.

    What the worker did with jj is respected where it can be (commits of its own on the base) and
    refused where it cannot (its commits are the target's or another workspace's by now, or no
    longer descend from the base). Ignored files are no part of the result; they stay in the folder.
    """
    try:
        await _look_over(ground, effect)
        async with ground.repository.lock():
            head = await _head(ground, effect)
            tree = await _tree(ground, effect, head)
            pin = f"{RESULTS}{effect.workspace}"
            await ground.repository.git("update-ref", "--no-deref", pin, head.id)
    except Refused as refused:
        return ResultRefused(
            key=key,
            bead=effect.bead,
            attempt=effect.attempt,
            reason=refused.reason,
            detail=refused.detail,
        )
    await ground.repository.sync()
    return _event(key, effect, head.id, tree)


async def collected(ground: Ground, key: Key, effect: CollectResult) -> ResultCollected | Probe:
    """The pinned result where it has our key trailer (the pin is the last step). Else ABSENT."""
    said = await ground.repository.git(
        *("for-each-ref", "--format=%(objectname) %(tree) %(contents)"),
        f"{RESULTS}{effect.workspace}",
    )
    commit, _, rest = said.partition(" ")
    tree, _, message = rest.partition(" ")
    if _signature(effect) not in message.splitlines():
        return Probe.ABSENT
    await ground.repository.sync()
    return _event(key, effect, CommitId(commit), TreeId(tree))


async def _look_over(ground: Ground, effect: CollectResult) -> None:
    """Refuse a folder that is not ours, or in which jj would overlook files."""
    trouble = await ground.trouble(effect.workspace)
    if trouble:
        raise Refused(Reason.RESULT_UNUSABLE, f"{trouble} A worker may only change files in it.")
    path = ground.path(effect.workspace)
    try:
        inner = await asyncio.to_thread(folders.nested, path)
    except OSError as error:
        detail = f"Not all of the workspace can be read: {error}."
        raise Refused(Reason.RESULT_UNUSABLE, detail) from error
    if inner:
        kept = await ground.not_ignored(effect.workspace, inner)
        if kept:
            where = ", ".join(os.fsdecode(one) for one in kept[:3])
            raise Refused(
                Reason.RESULT_UNUSABLE,
                f"Repositories within the workspace cannot be recorded: {where}. Delete their .git "
                "or .jj folder, or let .gitignore name them.",
            )


async def _head(ground: Ground, effect: CollectResult) -> Commit:
    """The described commit with the worker's files in it, fit to be a change request.

    Described before it is recorded: where nobody used jj in the workspace, that is one command
    that cannot touch anything but the commit that was made with it.
    """
    name = effect.workspace
    left = None
    try:
        if not await _describe_untouched(ground, effect):
            left = await rescue.stand_alone(ground, name, await ground.standing(name))
            await _describe(ground, at(name), effect.message)
        try:
            commits = await rescue.recorded(ground, name, _since(effect))
        except WorldFailed as error:
            if not rescue.is_lost(error):
                raise
            await rescue.take_up(ground, name)
            await _describe(ground, at(name), effect.message)
            commits = await rescue.recorded(ground, name, _since(effect))
        head = _choose(effect, commits, left)
        if head is not commits[0] and _signature(effect) not in head.description:
            await _describe(ground, head.id, _signed(head.description, effect.message))
            head = _choose(effect, await rescue.recorded(ground, name, _since(effect)), left)
    except (SnapshotIncomplete, Unusable) as error:
        raise Refused(Reason.RESULT_UNUSABLE, f"{error.message} {error.hint}") from error
    return head


async def _describe_untouched(ground: Ground, effect: CollectResult) -> bool:
    """Describe the workspace's commit if it is just what we left there, by one command."""
    made = f"{mark(effect.bead, effect.attempt)}\n"
    own = f"description(exact:{quoted(made)})"
    again = f"description(substring:{quoted(_signature(effect))})"
    anyone = "::(bookmarks() | tags() | remote_bookmarks())"
    revset = f"present({at(effect.workspace)}) & {effect.base}+ & ({own} | {again}) ~ {anyone}"
    try:
        await _describe(ground, f"exactly({revset}, 1)", effect.message)
    except WorldFailed:
        return False
    return True


async def _describe(ground: Ground, revset: str, message: str) -> None:
    await ground.repository.jj("describe", "--stdin", "-r", revset, stdin=message)


def _since(effect: CollectResult) -> str:
    """The workspace's commit first; what is between it and the base; what was merged into that."""
    path = f"{effect.base}::{at(effect.workspace)}"
    return f"{at(effect.workspace)} | {path} | parents({path} ~ {effect.base})"


def _choose(effect: CollectResult, commits: Sequence[Commit], left: Commit | None) -> Commit:
    """The commit that is the result: the workspace's own, or the one below where a worker committed
    by itself and left its workspace on an empty one. Raises Refused."""
    top = commits[0]
    by_id = {commit.id: commit for commit in commits}
    if effect.base not in by_id:
        raise Refused(
            Reason.RESULT_UNUSABLE,
            f"The workspace's commit no longer descends from {effect.base}, where it was started: "
            "jj was used in it to go elsewhere. Only change files.",
        )
    if left is not None and left.landed and left.id != effect.base and top.empty:
        raise Refused(
            Reason.RESULT_UNUSABLE,
            f"The target bookmark stands on the workspace's own commit {left.id}: it was moved "
            "there without checks. Set it back with `jj bookmark set`.",
        )
    mine = [one for one in commits if not one.landed and one.id != effect.base]
    for one in mine:
        _refuse_foreign(effect, one, by_id)
        if one.conflict:
            detail = f"Commit {one.id} holds unresolved conflicts."
            raise Refused(Reason.RESULT_CONFLICTED, detail)
    below = by_id.get(top.parents[0]) if len(top.parents) == 1 else None
    return below if top.empty and below in mine and below is not None else top


def _refuse_foreign(effect: CollectResult, one: Commit, known: Mapping[CommitId, Commit]) -> None:
    """Refuse a commit that others build on too, or that was merged in from elsewhere."""
    others = sorted(one.workspaces.keys() - {effect.workspace})
    if others or one.settled:
        whose = ", ".join((*one.refs, *(f"{other}@" for other in others))) or "bookmarks or tags"
    elif any(parent in known for parent in one.parents):
        return
    else:
        whose = "no ancestor of this workspace"
    raise Refused(
        Reason.RESULT_UNUSABLE,
        f"Commit {one.id} in the workspace's history is not its own alone ({whose}). Only change "
        "files; make no bookmarks and merge nothing.",
    )


def _signature(effect: CollectResult) -> str:
    """The line of the message that tells this run's result from every other's."""
    lines = effect.message.splitlines()
    return next((one for one in reversed(lines) if one.startswith(KEY_TRAILER)), effect.message)


def _signed(description: str, message: str) -> str:
    """The worker's own message with the trailers of ours; ours where there is none."""
    trailers = message.rstrip().rpartition("\n\n")[2]
    return f"{description.rstrip()}\n\n{trailers}\n" if description.strip() else message


async def _tree(ground: Ground, effect: CollectResult, head: Commit) -> TreeId:
    """The result's tree, read back from git: not the base's, and without jj's conflict entries."""
    said = await ground.repository.git(
        *("cat-file", "--batch-command"),
        stdin=f"info {effect.base}^{{tree}}\ninfo {head.id}^{{tree}}\n"
        f"contents {head.id}^{{tree}}\n",
    )
    first, second, entries = said.split("\n", 2)
    base, tree = first.split(" ")[0], second.split(" ")[0]
    if CONFLICT_ENTRIES in entries:
        raise Refused(
            Reason.RESULT_CONFLICTED,
            f"The root of commit {head.id} holds .jjconflict- entries: an unresolved conflict.",
        )
    if tree == base and not effect.allow_empty:
        raise Refused(Reason.NOTHING_TO_LAND, "The worker changed no file that is not ignored.")
    return TreeId(tree)


def _event(key: Key, effect: CollectResult, commit: CommitId, tree: TreeId) -> ResultCollected:
    return ResultCollected(
        key=key, bead=effect.bead, attempt=effect.attempt, commit=commit, tree=tree
    )

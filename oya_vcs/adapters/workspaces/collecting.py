"""CollectResult: what a worker left in its folder becomes a commit, pinned and on disk.

Must not know what will become of the commit.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oya_vcs.adapters.workspaces import folders, including, rescue
from oya_vcs.adapters.workspaces.ground import (
    KEY_TRAILER,
    RESULTS,
    Commit,
    Ground,
    Unusable,
    mark,
    quoted,
)
from oya_vcs.core.effects import CollectResult
from oya_vcs.core.events import Reason, ResultCollected, ResultRefused
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.core.paths import outside
from oya_vcs.errors import SnapshotIncomplete, WorldFailed
from oya_vcs.ports import Probe, Turn

_CHANGE = re.compile(r"^change-id (\S+)$", re.MULTILINE)
"""How a commit that jj wrote names its change in git (jj 0.46)."""
OTHERS_SHOWN = 10
"""Paths that a refusal names before it counts the rest."""
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
    refused where it cannot (they are the target's by now, or another workspace's, or no longer
    descend from the base). Ignored files are no part of the result; they stay in the folder.
    """
    try:
        await _look_over(ground, effect)
        async with ground.repository.lock(Turn.RESULT):
            head, commits = await _head(ground, effect)
            found = await _looked_up(ground, effect, head)
            await _refuse_own_landing(ground, effect, commits, found.branch)
            _refuse_nothing(effect, commits, found)
            await _refuse_others(ground, effect, commits)
            await _refuse_included(ground, effect, head)
            pin = ground.ref(RESULTS, effect.workspace)
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
    return _event(key, effect, head.id, found.tree)


async def collected(ground: Ground, key: Key, effect: CollectResult) -> ResultCollected | Probe:
    """The pinned result where it has our key trailer (the pin is the last step). Else ABSENT."""
    said = await ground.repository.git(
        *("for-each-ref", "--format=%(objectname) %(tree) %(contents)"),
        ground.ref(RESULTS, effect.workspace),
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


async def _head(ground: Ground, effect: CollectResult) -> tuple[Commit, Sequence[Commit]]:
    """The described commit with the worker's files in it, fit to be a change request; and all
    commits that were looked at for it, as `_since` lists them.

    Described before it is recorded: where nobody used jj in the workspace, that is one command
    that cannot touch anything but the commit that was made with it.
    """
    name = effect.workspace
    since = _since(ground, effect)
    try:
        if not await _describe_untouched(ground, effect):
            await rescue.stand_alone(ground, name, await ground.standing(name))
            await _describe(ground, ground.at(name), effect.message)
        try:
            commits = await rescue.recorded(ground, name, since)
        except WorldFailed as error:
            if not rescue.is_lost(error):
                raise
            await rescue.take_up(ground, name)
            await _describe(ground, ground.at(name), effect.message)
            commits = await rescue.recorded(ground, name, since)
        head = _choose(ground, effect, commits)
        if head is not commits[0] and _signature(effect) not in head.description:
            await _describe(ground, head.id, _signed(head.description, effect.message))
            commits = await rescue.recorded(ground, name, since)
            head = _choose(ground, effect, commits)
    except (SnapshotIncomplete, Unusable) as error:
        raise Refused(Reason.RESULT_UNUSABLE, f"{error.message} {error.hint}") from error
    return head, commits


async def _describe_untouched(ground: Ground, effect: CollectResult) -> bool:
    """Describe the workspace's commit if it is just what we left there, by one command."""
    made = f"{mark(effect.bead, effect.attempt)}\n"
    own = f"description(exact:{quoted(made)})"
    again = f"description(substring:{quoted(_signature(effect))})"
    anyone = "::(bookmarks() | tags() | remote_bookmarks())"
    here = f"present({ground.at(effect.workspace)}) & {effect.base}+"
    revset = f"{here} & ({own} | {again}) ~ {anyone}"
    try:
        await _describe(ground, f"exactly({revset}, 1)", effect.message)
    except WorldFailed:
        return False
    return True


async def _describe(ground: Ground, revset: str, message: str) -> None:
    await ground.repository.jj("describe", "--stdin", "-r", revset, stdin=message)


def _since(ground: Ground, effect: CollectResult) -> str:
    """The workspace's commit first; what is between it and the base; what was merged into that."""
    top = ground.at(effect.workspace)
    return f"{top} | {effect.base}::{top} | parents({effect.base}::{top} ~ {effect.base})"


def _choose(ground: Ground, effect: CollectResult, commits: Sequence[Commit]) -> Commit:
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
    mine = _mine(effect, commits)
    for one in mine:
        _refuse_foreign(ground, effect, one, by_id)
        if one.conflict:
            detail = f"Commit {one.id} holds unresolved conflicts."
            raise Refused(Reason.RESULT_CONFLICTED, detail)
    below = by_id.get(top.parents[0]) if len(top.parents) == 1 else None
    return below if top.empty and below in mine and below is not None else top


def _mine(effect: CollectResult, commits: Sequence[Commit]) -> list[Commit]:
    """Those that are no more than the worker's, so far."""
    return [one for one in commits if not one.landed and one.id != effect.base]


def _refuse_foreign(
    ground: Ground, effect: CollectResult, one: Commit, known: Mapping[CommitId, Commit]
) -> None:
    """Refuse a commit that others build on too, or that was merged in from elsewhere."""
    others = sorted(one.workspaces.keys() - {ground.entry(effect.workspace)})
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


@dataclass(frozen=True, slots=True)
class _Found:
    """What git holds: the base's tree, the result's, and where its branch of the target is."""

    base_tree: TreeId
    tree: TreeId
    branch: CommitId | None


async def _looked_up(ground: Ground, effect: CollectResult, head: Commit) -> _Found:
    """Read the result back from git: it must be without jj's conflict entries."""
    said = await ground.repository.git(
        *("cat-file", "--batch-command"),
        stdin=f"info {effect.base}^{{tree}}\ninfo {head.id}^{{tree}}\n"
        f"info refs/heads/{ground.target}\ncontents {head.id}^{{tree}}\n",
    )
    first, second, third, entries = said.split("\n", 3)
    if CONFLICT_ENTRIES in entries:
        raise Refused(
            Reason.RESULT_CONFLICTED,
            f"The root of commit {head.id} holds .jjconflict- entries: an unresolved conflict.",
        )
    branch = CommitId(third.split(" ")[0]) if " commit " in third else None
    return _Found(TreeId(first.split(" ")[0]), TreeId(second.split(" ")[0]), branch)


async def _refuse_own_landing(
    ground: Ground, effect: CollectResult, commits: Sequence[Commit], branch: CommitId | None
) -> None:
    """Refuse where a commit made in this workspace is on the target, in jj or in git, in whatever
    version: nothing of it was checked. What others landed, and the worker built on, is no fault.

    Starts no program where the target is where it was, and one where others have landed since.
    """
    since = [one for one in commits if one.id != effect.base]
    landed = {one.change for one in since if one.landed}
    if branch not in {None, effect.base}:
        said = await ground.repository.git("rev-list", "--header", branch, f"^{effect.base}")
        landed.update(_CHANGE.findall(said))
    suspects = [one.id for one in since if one.change in landed]
    if not suspects:
        return
    said = await ground.repository.jj(
        *("evolog", "--no-graph", "-r", " | ".join(suspects)),
        *("-T", 'if(operation, operation.workspace_name()) ++ "\\n"'),
    )
    if ground.entry(effect.workspace) in {line.strip('"@') for line in said.splitlines()}:
        raise Refused(
            Reason.RESULT_UNUSABLE,
            f"The target {ground.target} holds a commit that was made in this workspace, and that "
            "nothing has checked: the worker moved the target itself. A person must look at it, "
            f"and may undo it with `jj bookmark set {ground.target} --allow-backwards -r "
            f"{effect.base}` where nothing else has landed since.",
        )


def _refuse_nothing(effect: CollectResult, commits: Sequence[Commit], found: _Found) -> None:
    """Refuse a result without a change of its own, be it below what others landed."""
    own = any(not one.empty for one in _mine(effect, commits))
    if not effect.allow_empty and (not own or found.tree == found.base_tree):
        raise Refused(Reason.NOTHING_TO_LAND, "The worker changed no file that is not ignored.")


async def _refuse_others(ground: Ground, effect: CollectResult, commits: Sequence[Commit]) -> None:
    """Refuse a result that changes files which the bead does not name, in whatever commit of its
    own. Starts a program only where it names some."""
    mine = [one.id for one in _mine(effect, commits) if not one.empty]
    if not effect.files or not mine:
        return
    said = await ground.repository.git(
        *("diff-tree", "--stdin", "-r", "-z", "-m", "--root", "--no-renames"),
        "--name-only",
        stdin="".join(f"{one}\n" for one in mine),
    )
    others = outside({*said.split("\0")} - {"", *mine}, effect.files)
    if others:
        more = f" and {len(others) - OTHERS_SHOWN} more" if len(others) > OTHERS_SHOWN else ""
        raise Refused(
            Reason.OTHER_FILES,
            f"The worker changed files that the bead does not name: "
            f"{', '.join(others[:OTHERS_SHOWN])}{more}. It may change "
            f"{', '.join(effect.files[:OTHERS_SHOWN])} (metadata.oya.files).",
        )


async def _refuse_included(ground: Ground, effect: CollectResult, head: Commit) -> None:
    """Refuse a result with a file that was copied for the worker alone."""
    held = await including.landing(ground, effect.workspace, effect.base, head.id)
    if held:
        raise Refused(
            Reason.RESULT_UNUSABLE,
            f"The result would land {', '.join(held[:3])}: copied from the user's workspace for "
            f"this worker alone ({including.RULES}), and ignored there. Let .gitignore name it "
            "again, and do not commit it.",
        )


def _event(key: Key, effect: CollectResult, commit: CommitId, tree: TreeId) -> ResultCollected:
    return ResultCollected(
        key=key, bead=effect.bead, attempt=effect.attempt, commit=commit, tree=tree
    )

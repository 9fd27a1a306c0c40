"""CreateWorkspace: a folder outside the repository, filled with the target's files.

Must not know what will be done in it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import PurePosixPath

from oya_vcs.adapters.workspaces import folders, including, showing
from oya_vcs.adapters.workspaces.ground import Commit, Ground, mark, quoted, tip, whole
from oya_vcs.core.effects import CreateWorkspace
from oya_vcs.core.events import Reason, WorkspaceBlocked, WorkspaceCreated
from oya_vcs.core.ids import Key
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe


async def create(
    ground: Ground, key: Key, effect: CreateWorkspace
) -> WorkspaceCreated | WorkspaceBlocked:
    """Make the workspace and verify it; whatever a killed try left of it goes first. Blocked, with
    the mend, where the target is missing, conflicted, or empty.

    `jj workspace add` that fails or is killed leaves a folder and an entry (measured on 0.46). The
    name is this attempt's alone, and nobody was told of the folder before, so both are ours.
    """
    path = ground.path(effect.workspace)
    async with ground.repository.lock():
        await whole(partial(ground.folder.mkdir, parents=True, exist_ok=True))
        if await asyncio.to_thread(folders.is_there, path):
            await _roll_back(ground, effect)
        try:
            await _add(ground, effect)
        except WorldFailed as error:
            await _roll_back(ground, effect)
            if "already exists" not in error.stderr:
                blocked = await _blocked(ground, key, effect)
                if blocked is None:
                    raise
                return blocked
            await _add(ground, effect)
        await _show(ground, effect)
        await including.include(ground, effect.workspace)
        commit = await _whole(ground, effect)
        if commit is None:
            await _roll_back(ground, effect)
            raise WorldFailed(
                f"Workspace {effect.workspace} was not whole after it was made at {path}.",
                hint="It was rolled back; look at the disk if this repeats.",
                retryable=True,
            )
    return _event(ground, key, effect, commit)


async def created(ground: Ground, key: Key, effect: CreateWorkspace) -> WorkspaceCreated | Probe:
    """The workspace where it is whole: listed, filled, untouched, on one commit. Else ABSENT."""
    if await ground.trouble(effect.workspace):
        return Probe.ABSENT
    async with ground.repository.lock():
        commit = await _whole(ground, effect)
    return Probe.ABSENT if commit is None else _event(ground, key, effect, commit)


async def _add(ground: Ground, effect: CreateWorkspace) -> None:
    start = f"exactly({tip(ground.target)} ~ conflicts() ~ root(), 1)"
    shown = "empty" if _named(ground, effect) else "full"
    await ground.repository.jj(
        *("workspace", "add", "--no-colocate", "--sparse-patterns", shown),
        *("--name", ground.entry(effect.workspace), "-r", start),
        *("-m", mark(effect.bead, effect.attempt)),
        str(ground.path(effect.workspace)),
        workspace=ground.repository.control,
    )


async def _show(ground: Ground, effect: CreateWorkspace) -> None:
    """Show what is wanted, where that is not everything."""
    wanted = await _wanted(ground, effect)
    if wanted is not None:
        adds = [f"--add={one}" for one in sorted(wanted)]
        path = ground.path(effect.workspace)
        await ground.repository.jj("sparse", "set", "--clear", *adds, workspace=path)


async def _wanted(ground: Ground, effect: CreateWorkspace) -> frozenset[str] | None:
    """The patterns of the workspace, None where it shows everything: what is named, and the rules
    by which files are ignored or copied, without which other files would become a result."""
    named = _named(ground, effect)
    if not named:
        return None
    said = await ground.repository.jj(
        *("file", "list", "-r", ground.at(effect.workspace), "-T", 'path ++ "\\0"'),
        *(f"root-glob:{quoted('**/.gitignore')}", f"root-file:{quoted(including.RULES)}"),
    )
    return named.union(one for one in said.split("\0") if one and not showing.covers(named, one))


def _named(ground: Ground, effect: CreateWorkspace) -> frozenset[str]:
    """The files and folders that the bead and the configuration name; nothing where that is all."""
    if not ground.sparse or not effect.files:
        return frozenset()
    named = frozenset(map(_literal, (*effect.files, *ground.always)))
    return frozenset() if "" in named else named


def _literal(path: str) -> str:
    """A path without its wildcards: the folder above the first part that has one."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if set("*?[{") & set(part):
            break
        parts.append(part)
    return "/".join(parts)


async def _whole(ground: Ground, effect: CreateWorkspace) -> Commit | None:
    """The workspace's commit where a look at every file finds what the target holds.

    A killed jj leaves the folder half filled and the workspace stale (an error), or the look finds
    deletions (not empty), or it had yet to leave the root commit, where every workspace begins:
    whole in itself, with nothing of the target in it, and without our mark.
    """
    path = ground.path(effect.workspace)
    try:
        found = await ground.commits(ground.at(effect.workspace), snapshot_at=path)
        if not await _is_as_wanted(ground, effect):
            return None
    except WorldFailed:
        return None
    commit = found[0]
    whole = commit.here and commit.empty and len(commit.parents) == 1
    marked = commit.description == _description(effect)
    own = commit.is_own(ground.entry(effect.workspace))
    return commit if whole and marked and own else None


async def _is_as_wanted(ground: Ground, effect: CreateWorkspace) -> bool:
    """Whether it shows what it should, and has the files that no commit holds."""
    shown = await showing.patterns(ground, effect.workspace)
    wanted = await _wanted(ground, effect)
    same = (shown is None) == (wanted is None) and set(shown or ()) == set(wanted or ())
    return same and await including.is_complete(ground, effect.workspace)


def _description(effect: CreateWorkspace) -> str:
    """What jj makes of our mark: a description ends with a line's end."""
    return f"{mark(effect.bead, effect.attempt)}\n"


async def _roll_back(ground: Ground, effect: CreateWorkspace) -> None:
    path = ground.path(effect.workspace)
    standing = await ground.standing(effect.workspace)
    entry = ground.entry(effect.workspace)
    if await asyncio.to_thread(folders.is_there, path):
        place = await whole(partial(folders.to_trash, path, ground.trashes))
        await whole(partial(folders.discard, place))
    await asyncio.to_thread(including.forget, ground, effect.workspace)
    if standing is not None:
        made = standing.description == _description(effect)
        if standing.is_own(entry) and (standing.is_scratch() or made):
            await ground.repository.jj("abandon", standing.id)
        await ground.repository.jj("workspace", "forget", entry)


async def _blocked(ground: Ground, key: Key, effect: CreateWorkspace) -> WorkspaceBlocked | None:
    """Why nothing can start from the target, if that is why."""
    tips = await ground.commits(tip(ground.target))
    mend = f"`jj bookmark set {ground.target} -r REVISION`"
    reason = Reason.TARGET_CONFLICTED
    if not tips:
        reason, what = Reason.TARGET_MISSING, "does not exist"
        mend = f"`jj bookmark create {ground.target} -r REVISION`, or change repo.target"
    elif len(tips) > 1:
        what = f"is conflicted: it stands at {len(tips)} commits"
    elif not tips[0].parents:
        what, mend = "stands on the empty root commit", f"{mend} when something is committed"
    elif tips[0].conflict:
        what, mend = "stands on a commit with unresolved conflicts", f"`jj resolve`, or {mend}"
    else:
        return None
    return WorkspaceBlocked(
        key=key,
        bead=effect.bead,
        workspace=effect.workspace,
        reason=reason,
        detail=f"The target bookmark `{ground.target}` {what}. Run {mend}, then run again.",
    )


def _event(ground: Ground, key: Key, effect: CreateWorkspace, commit: Commit) -> WorkspaceCreated:
    return WorkspaceCreated(
        key=key,
        bead=effect.bead,
        attempt=effect.attempt,
        workspace=effect.workspace,
        path=str(ground.path(effect.workspace)),
        base=commit.parents[0],
    )

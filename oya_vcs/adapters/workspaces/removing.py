"""RemoveWorkspace: nothing that is only in the folder is lost, and then the folder goes.

Ignored files (build output, downloaded packages) are not kept; neither are sockets, pipes, empty
folders, nor a `.git` folder without commits. All else is in a commit, compared byte for byte,
before anything is deleted. Must not know why a workspace is removed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from oya_vcs.adapters.workspaces import folders, including, rescue, salvaging, showing
from oya_vcs.adapters.workspaces.ground import KEPT, RESULTS, Commit, Ground, Unusable, whole
from oya_vcs.core.effects import RemoveWorkspace
from oya_vcs.core.events import WorkspaceRemoved
from oya_vcs.core.ids import CommitId, Key, WorkspaceName
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe

LOOKS_MAX = 2
"""jj knows an edit by size and time alone; a file that it overlooked is given a new time, once."""


async def remove(ground: Ground, key: Key, effect: RemoveWorkspace) -> WorkspaceRemoved:
    """Record, pin, verify, move to the trash, forget, delete: from wherever a killed try stopped.

    What is in the trash was verified before it got there. A folder that is gone was moved or
    deleted by a person: what jj last knew of it is pinned, and the entry goes. Raises Unusable
    where the folder is not plainly that workspace's or holds what cannot be kept, and WorldFailed,
    retryable, where a live process is in it.
    """
    name = effect.workspace
    path = ground.path(name)
    if await asyncio.to_thread(folders.is_there, path):
        last, pinned = await _saved(ground, effect)
        await whole(partial(folders.to_trash, path, ground.trashes))
        if last is not None:
            async with ground.repository.lock():
                await _forget(ground, effect, last, pinned)
    else:
        async with ground.repository.lock():
            standing = await ground.standing(name)
            if standing is not None:
                kept = await ground.pin(KEPT, name)
                if not await _holds(ground, kept, standing.id):
                    if await _pin(ground, effect, standing):
                        await ground.repository.sync()
                    kept = await ground.pin(KEPT, name)
                await _forget(ground, effect, standing, kept)
        pinned = await ground.pin(KEPT, name)
    for place in await asyncio.to_thread(folders.in_trash, ground.trashes, name):
        await whole(partial(folders.discard, place))
    await asyncio.to_thread(including.forget, ground, name)
    await _unpin(ground, effect)
    return _event(key, effect, pinned)


async def removed(ground: Ground, key: Key, effect: RemoveWorkspace) -> WorkspaceRemoved | Probe:
    """The removal, where neither folder, entry nor trash of that name is left. Else ABSENT."""
    name = effect.workspace
    if await asyncio.to_thread(folders.is_there, ground.path(name)):
        return Probe.ABSENT
    if await asyncio.to_thread(folders.in_trash, ground.trashes, name):
        return Probe.ABSENT
    if await ground.standing(name) is not None:
        return Probe.ABSENT
    await _unpin(ground, effect)
    await ground.repository.sync()
    return _event(key, effect, await ground.pin(KEPT, name))


async def _refuse_unsafe(ground: Ground, name: WorkspaceName) -> None:
    path = ground.path(name)
    trouble = await ground.trouble(name)
    if trouble:
        raise Unusable(
            f"{trouble} It was not removed.",
            hint=f"Look at {path} and delete it by hand if nothing in it is needed.",
        )
    await _refuse_occupied(ground, name)


async def _refuse_occupied(ground: Ground, name: WorkspaceName) -> None:
    path = ground.path(name)
    occupant = await asyncio.to_thread(folders.occupant, path)
    if occupant:
        raise WorldFailed(
            f"Workspace {name} was not removed: {occupant} is in {path}.",
            hint="It is tried again; end the process, or leave the folder.",
            retryable=True,
        )


async def _saved(ground: Ground, effect: RemoveWorkspace) -> tuple[Commit | None, CommitId | None]:
    """The workspace's commit where jj knows it, and what is pinned; nothing on disk is in neither,
    nor in the history of either."""
    name = effect.workspace
    pointer = ground.repository.control / ".jj" / "repo"
    damaged = await asyncio.to_thread(folders.is_damaged, ground.path(name), pointer)
    if not damaged or not ground.is_within(name):
        return await _verified(ground, effect)
    await _refuse_occupied(ground, name)
    async with ground.repository.lock():
        standing = await ground.standing(name)
        await _refuse_elsewhere(ground, name, standing)
        pinned = await salvaging.salvaged(ground, name, standing)
        if pinned is None and standing is not None and await _pin(ground, effect, standing):
            await ground.repository.sync()
            pinned = standing.id
    return standing, pinned


async def _holds(ground: Ground, pin: CommitId | None, commit: CommitId) -> bool:
    """Whether a pin is the commit or directly on top of it: what was salvaged is."""
    if pin is None:
        return False
    said = await ground.repository.git("rev-list", "--no-walk", "--parents", pin)
    return commit in said.split()


async def _verified(ground: Ground, effect: RemoveWorkspace) -> tuple[Commit, CommitId | None]:
    """The workspace's commit, and its id where it is pinned; nothing on disk is in neither.

    Where the folder is what the kept commit holds, jj has nothing to record: a snapshot would need
    a new commit first, where that one has landed.
    """
    name = effect.workspace
    path = ground.path(name)
    await _refuse_unsafe(ground, name)
    if effect.kept_as is not None and (kept := await _kept(ground, name, effect.kept_as)):
        return kept, None
    looks = 0
    while True:
        async with ground.repository.lock():
            standing = await ground.standing(name)
            await _refuse_elsewhere(ground, name, standing)
            commit = await rescue.secured(ground, name, standing)
            pinned = commit.id if await _pin(ground, effect, commit) else None
        kept_at = ground.ref(KEPT, name) if pinned else commit.id
        held = await showing.shown(ground, name, await showing.files(ground, commit, kept_at))
        drift = await asyncio.to_thread(_drift, path, held)
        await _refuse_unkept(ground, name, drift)
        if commit.conflict or not drift.different:
            break
        looks += 1
        if looks == LOOKS_MAX:
            raise Unusable(
                f"Workspace {name} was not removed: its commit {commit.id} is not what is on disk "
                f"({_some(drift.different)}).",
                hint=f"Look at {path}: a program may still be writing there.",
            )
        await whole(partial(folders.unsettle, path, drift.different))
    if pinned:
        await ground.repository.sync()
    return commit, pinned


async def _kept(ground: Ground, name: WorkspaceName, kept_as: CommitId) -> Commit | None:
    """The workspace's commit where it is the kept one, every file of it that is shown is on disk as
    it is there, and whatever else is on disk is ignored. None where that is not so."""
    async with ground.repository.lock():
        standing = await ground.standing(name)
        await _refuse_elsewhere(ground, name, standing)
    if standing is None or standing.id != kept_as or standing.conflict:
        return None
    held = await showing.shown(ground, name, await showing.files(ground, standing, kept_as))
    drift = await asyncio.to_thread(_drift, ground.path(name), held)
    if drift.different or drift.repositories:
        return None
    if drift.unheld and await ground.not_ignored(name, drift.unheld):
        return None
    return standing


async def _refuse_elsewhere(ground: Ground, name: WorkspaceName, standing: Commit | None) -> None:
    root = standing.workspaces.get(ground.entry(name)) if standing else None
    path = ground.path(name)
    if root is not None and await asyncio.to_thread(os.path.realpath, path) != root:
        raise Unusable(
            f"Workspace {name} was not removed: jj has it at {root}, not at {path}.",
            hint="Move it back, or run `jj workspace forget` and delete what is not needed.",
        )


async def _pin(ground: Ground, effect: RemoveWorkspace, commit: Commit) -> bool:
    """Pin the commit unless all that is in it is kept elsewhere; whether it did."""
    if commit.id == effect.kept_as:
        return False
    if effect.kept_as is None:
        if commit.empty and commit.parents_settled:
            return False
    elif await _same_tree(ground, commit.id, effect.kept_as):
        return False
    pin = ground.ref(KEPT, effect.workspace)
    await ground.repository.git("update-ref", "--no-deref", pin, commit.id)
    return True


async def _same_tree(ground: Ground, one: CommitId, other: CommitId) -> bool:
    """False too where either is not there."""
    said = await ground.repository.git(
        *("cat-file", "--batch-check=%(objectname)"),
        stdin=f"{one}^{{tree}}\n{other}^{{tree}}\n",
    )
    first, _, second = said.partition("\n")
    return first == second


def _drift(path: Path, held: Mapping[bytes, folders.Blob]) -> folders.Drift:
    try:
        return folders.drift(path, held)
    except OSError as error:
        raise Unusable(
            f"{path} was not removed: not all of it can be read: {error}.",
            hint="Make it readable for this user, or delete it by hand.",
        ) from error


async def _refuse_unkept(ground: Ground, name: WorkspaceName, drift: folders.Drift) -> None:
    doubtful = drift.unheld + drift.repositories
    if not doubtful:
        return
    kept = await ground.not_ignored(name, doubtful)
    if b"." in drift.repositories:
        kept += (b".git",)
    if kept:
        raise Unusable(
            f"Workspace {name} was not removed: jj records neither repositories within a workspace "
            f"nor names that are not UTF-8, and nothing else keeps these: {_some(kept)}.",
            hint=f"Move what is needed out of {ground.path(name)} and delete the rest.",
        )


async def _forget(
    ground: Ground, effect: RemoveWorkspace, last: Commit, pinned: CommitId | None
) -> None:
    """Let jj forget the workspace, and tidy up what people would see of it.

    Our note of an attempt goes if it is nothing but that. Work that did not land is hidden from
    `jj log`, since a pin keeps it (`jj new ID` brings it back).
    """
    entry = ground.entry(effect.workspace)
    own = last.is_own(entry)
    if own and last.is_scratch() and last.id != effect.kept_as:
        await ground.repository.jj("abandon", last.id)
        own = False
    await ground.repository.jj("workspace", "forget", entry)
    if own and last.id in (pinned, effect.kept_as):
        await ground.repository.jj("abandon", last.id)


async def _unpin(ground: Ground, effect: RemoveWorkspace) -> None:
    """Drop the pin of a result that has landed, since the target keeps it. Can be repeated."""
    if effect.landed:
        pin = ground.ref(RESULTS, effect.workspace)
        await ground.repository.git("update-ref", "--no-deref", "--stdin", stdin=f"delete {pin}\n")


def _some(names: Iterable[bytes]) -> str:
    shown = [os.fsdecode(name) for name in names]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(map(repr, shown[:3])) + more


def _event(key: Key, effect: RemoveWorkspace, pinned: CommitId | None) -> WorkspaceRemoved:
    return WorkspaceRemoved(key=key, bead=effect.bead, workspace=effect.workspace, pinned=pinned)

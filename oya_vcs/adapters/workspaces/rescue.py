"""Giving a workspace a commit of its own again, without writing to a single one of its files.

jj finds a workspace stale unless its recorded tree is that of its commit. So a new, empty commit on
top of what the folder was last filled with makes any workspace usable as it lies there: one that
was forgotten, whose commit was rewritten or abandoned from elsewhere, or that was moved onto
somebody else's commit. `jj workspace update-stale` would replace the worker's files instead.

Everything here needs the repository's lock and a folder without trouble.
"""

from __future__ import annotations

import asyncio

from oya_vcs.adapters.workspaces import folders, showing
from oya_vcs.adapters.workspaces.ground import MARK, Commit, Ground, Unusable
from oya_vcs.core.ids import CommitId, WorkspaceName
from oya_vcs.errors import WorldFailed

LOST = ("The working copy is stale", "doesn't have a working-copy commit")
"""What jj 0.46 says of a workspace whose commit was rewritten from elsewhere, or forgotten."""


async def stand_alone(
    ground: Ground, name: WorkspaceName, standing: Commit | None
) -> Commit | None:
    """See to it that a snapshot of the workspace amends no commit but its own.

    `standing` is what `Ground.standing` says of it. Returns the commit it was moved off
    because that is somebody else's too; None where there was nothing to do, or the workspace had
    been forgotten.
    """
    if standing is None:
        await take_up(ground, name)
    elif not standing.is_own(ground.entry(name)):
        await _step_onto(ground, name, standing.id)
        return standing
    return None


async def recorded(ground: Ground, name: WorkspaceName, revset: str) -> list[Commit]:
    """The commits of a revset whose first is the workspace's own, every file on disk in it.

    Raises SnapshotIncomplete where jj left files out, Unusable where the folder is that of another
    workspace, and WorldFailed, of which `is_lost` tells more.
    """
    path = ground.path(name)
    await showing.widen(ground, name)
    found = await ground.commits(revset, snapshot_at=path)
    if not found or not found[0].here:
        raise Unusable(
            f"The folder of workspace {name} is that of another workspace; it was left alone.",
            hint=f"Move {path} back to where it was made.",
        )
    if await showing.track(ground, name, found[0]):
        found = await ground.commits(revset, snapshot_at=path)
    return found


def is_lost(error: WorldFailed) -> bool:
    """Whether `take_up` mends it."""
    return any(sign in error.stderr for sign in LOST)


async def secured(ground: Ground, name: WorkspaceName, standing: Commit | None) -> Commit:
    """The workspace's commit with every file on disk in it, whatever was done to the workspace.

    `standing` is what `Ground.standing` says of it.
    """
    await stand_alone(ground, name, standing)
    try:
        return (await recorded(ground, name, ground.at(name)))[0]
    except WorldFailed as error:
        if not is_lost(error):
            raise
    await take_up(ground, name)
    return (await recorded(ground, name, ground.at(name)))[0]


async def take_up(ground: Ground, name: WorkspaceName) -> None:
    """Stand the workspace on what its folder was last filled with or recorded as.

    Raises Unusable where that cannot be told.
    """
    path = ground.path(name)
    checkout = await asyncio.to_thread(folders.checked_out, path)
    if checkout is None or checkout[1] != ground.entry(name):
        whose = f"belongs to workspace {checkout[1]}" if checkout else "is in a state unknown to us"
        raise Unusable(
            f"The folder of workspace {name} {whose}; it was left alone.",
            hint=f"Look at {path} with jj, save what is worth it, and delete the folder.",
        )
    filled = (await ground.commits(ground.at(name), at_operation=checkout[0]))[0]
    lost = await ground.standing(name)
    await _step_onto(ground, name, *(filled.parents if filled.is_scratch() else (filled.id,)))
    if lost is not None and lost.is_own(ground.entry(name)) and lost.is_scratch():
        await ground.repository.jj("abandon", lost.id)


async def _step_onto(ground: Ground, name: WorkspaceName, *parents: CommitId) -> None:
    await ground.repository.jj(
        *("new", "--ignore-working-copy", "-m", f"{name} {MARK}", *parents),
        workspace=ground.path(name),
    )

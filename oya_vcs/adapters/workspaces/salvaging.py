"""What is left where no workspace is any more: a folder that jj cannot use, git's belief in a
worktree that is gone.

A folder without (all of) its `.jj` cannot be recorded by jj, be it half made or damaged later. git
records it instead, file by file, on top of what jj last knew of the workspace, and what it wrote
is compared with the disk like any other record. Must not know why something is removed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from functools import partial
from pathlib import Path

from oya_vcs.adapters.workspaces import folders
from oya_vcs.adapters.workspaces.ground import KEPT, ROOT, Commit, Ground, Unusable, tip, whole
from oya_vcs.core.ids import CommitId, WorkspaceName
from oya_vcs.core.leftovers import Finding


async def salvaged(ground: Ground, name: WorkspaceName, standing: Commit | None) -> CommitId | None:
    """Pin every file of the damaged folder that is neither ignored nor the same in what jj last
    knew of it (`standing`); the pinned commit, None where there was no such file.

    Raises Unusable where the folder holds what no commit can: nothing was changed then.
    """
    path = ground.path(name)
    base = await _base(ground, standing)
    left = await _left(ground, name, base)
    if not left:
        return None
    tree = await _written(ground, path, base)
    parents = ("-p", base) if base is not None else ()
    message = f"{name}: what was left of a damaged workspace (oya-vcs)"
    commit = CommitId(await ground.repository.git("commit-tree", tree, *parents, "-m", message))
    await ground.repository.git("update-ref", "--no-deref", ground.ref(KEPT, name), commit)
    await ground.repository.sync()
    overlooked = await _left(ground, name, commit)
    if overlooked:
        raise Unusable(
            f"Workspace {name} was not removed: {_some(overlooked)} changed while it was saved.",
            hint=f"Look at {path}: a program may still be writing there.",
        )
    return commit


async def forget_worktree(ground: Ground, finding: Finding) -> CommitId | None:
    """Let git forget a worktree whose folder is gone; the commit that it stood on is pinned where
    nothing else keeps it."""
    said = await ground.repository.git("worktree", "list", "--porcelain")
    blocks = [block.splitlines() for block in said.split("\n\n")]
    lines = next((one for one in blocks if one[:1] == [f"worktree {finding.path}"]), None)
    if lines is None or await asyncio.to_thread(folders.is_there, Path(finding.path)):
        return None
    head = next((line.removeprefix("HEAD ") for line in lines if line.startswith("HEAD ")), "")
    pinned = None
    if head and head != ROOT:
        kept_by = ("--not", "--branches", "--tags", "--remotes")
        if await ground.repository.git("rev-list", "-n1", head, *kept_by):
            pinned = CommitId(head)
            ref = ground.ref(KEPT, WorkspaceName(f"{finding.name}.worktree"))
            await ground.repository.git("update-ref", "--no-deref", ref, pinned)
            await ground.repository.sync()
    await ground.repository.git("worktree", "remove", "--force", finding.path)
    return pinned


async def empty_trash(finding: Finding) -> None:
    """Delete what a removal had verified and moved to the trash."""
    await whole(partial(folders.discard, Path(finding.path)))


async def _written(ground: Ground, path: Path, base: CommitId | None) -> str:
    """The tree of what is on disk, by an index of its own."""
    beside = await asyncio.to_thread(tempfile.mkdtemp, prefix=".salvage-", dir=ground.folder)
    index = {"GIT_INDEX_FILE": f"{beside}/index"}
    git = partial(ground.repository.git, f"--work-tree={path}", "-C", str(path), env=index)
    try:
        if base is not None:
            await git("read-tree", base)
        await git("add", "--all", "--", ".", ":(exclude,top).jj")
        return await git("write-tree")
    finally:
        await asyncio.to_thread(shutil.rmtree, beside)


async def _base(ground: Ground, standing: Commit | None) -> CommitId | None:
    if standing is not None and not standing.conflict and standing.id != ROOT:
        return standing.id
    tips = await ground.commits(tip(ground.target))
    return tips[0].id if len(tips) == 1 and tips[0].id != ROOT else None


async def _left(ground: Ground, name: WorkspaceName, base: CommitId | None) -> list[bytes]:
    """The files on disk that the commit does not hold as they are, ignored ones left out. Raises
    Unusable where one of them can be in no commit."""
    path = ground.path(name)
    said = await ground.repository.git("ls-tree", "-r", base) if base is not None else ""
    drift, inner = await asyncio.to_thread(_look, path, said)
    doubtful = (*drift.unheld, *drift.repositories, *inner)
    unkept = await ground.not_ignored(name, doubtful)
    stuck = [one for one in (*drift.repositories, *inner) if one in unkept or one == b"."]
    if stuck:
        raise Unusable(
            f"Workspace {name} was not removed: nothing keeps the repositories within it: "
            f"{_some(stuck)}.",
            hint=f"Move what is needed out of {path} and delete the rest.",
        )
    there = await asyncio.to_thread(folders.those_there, path, drift.different)
    return [*there, *(one for one in unkept if one in drift.unheld)]


def _look(path: Path, said: str) -> tuple[folders.Drift, tuple[bytes, ...]]:
    try:
        return folders.drift(path, folders.listing(said)), folders.nested(path)
    except OSError as error:
        raise Unusable(
            f"{path} was not removed: not all of it can be read: {error}.",
            hint="Make it readable for this user, or delete it by hand.",
        ) from error


def _some(names: list[bytes]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(folders.decoded(name)) for name in names[:3]) + more

"""What people ask of one workspace: what is in it, what of that is nowhere else, and, when it is
gone, what was in it.

Changes nothing in the repository, in the workspace and in the record. Must not know which workspace
a person means.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.workspaces import folders, showing
from oya_vcs.adapters.workspaces.ground import KEPT, RESULTS, Ground
from oya_vcs.core.ids import CommitId, WorkspaceName
from oya_vcs.errors import WorldFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One workspace as it is now.

    `there` says whether its folder is, `trouble` what is wrong with it (empty: nothing), `bytes`
    and `files` how large it is, ignored files included. `commit` is what jj last recorded of it,
    `unsaved` what differs from that on disk (ignored files left out), `pins` what refs under
    refs/oya/ keep of it, by ref.
    """

    path: Path
    there: bool
    trouble: str
    files: int
    bytes: int
    commit: CommitId | None
    unsaved: tuple[str, ...]
    pins: dict[str, CommitId]


async def visit(ground: Ground, name: WorkspaceName) -> Visit:
    """Look at a workspace. Raises WorldFailed where it cannot be read."""
    path = ground.path(name)
    pointer = ground.repository.control / ".jj" / "repo"
    there = await asyncio.to_thread(folders.is_there, path)
    clause = await asyncio.to_thread(folders.complaint, path, pointer) if there else ""
    standing = await ground.standing(name)
    count, size = await asyncio.to_thread(_size, path) if there and not clause else (0, 0)
    unsaved: tuple[str, ...] = ()
    if there and not clause and standing is not None:
        held = await showing.shown(ground, name, await showing.files(ground, standing, standing.id))
        drift = await asyncio.to_thread(folders.drift, path, held)
        new = await ground.not_ignored(name, drift.unheld)
        changed = () if standing.conflict else drift.different
        unsaved = tuple(sorted(folders.decoded(one) for one in (*new, *changed)))
    return Visit(
        path=path,
        there=there,
        trouble=clause,
        files=count,
        bytes=size,
        commit=standing.id if standing is not None else None,
        unsaved=unsaved,
        pins=await pins(ground, name),
    )


async def pins(ground: Ground, name: WorkspaceName) -> dict[str, CommitId]:
    """What refs keep of a workspace, by ref: what was only in it first, then its result."""
    refs = [ground.ref(kind, name) for kind in (KEPT, RESULTS)]
    said = await ground.repository.git("for-each-ref", "--format=%(refname) %(objectname)", *refs)
    found = dict(line.split(" ") for line in said.splitlines())
    return {ref: CommitId(found[ref]) for ref in refs if ref in found}


async def first_there(ground: Ground, commits: Iterable[CommitId]) -> CommitId | None:
    """The first of the commits that the repository still has."""
    for commit in commits:
        said = await ground.repository.git("cat-file", "--batch-check", stdin=f"{commit}\n")
        if " commit " in said:
            return commit
    return None


async def restore(ground: Ground, commit: CommitId, into: Path) -> int:
    """Write a commit's files into a new folder, byte for byte; returns how many they are.

    The folder appears when it is whole, and nothing that is there is ever touched. Raises
    WorldFailed where it cannot be written or something stands there.
    """
    beside = await asyncio.to_thread(_beside, into)
    try:
        tree = beside / "files"
        git_says = (f"--work-tree={tree}", "-C", str(tree))
        index = {"GIT_INDEX_FILE": str(beside / "index")}
        await ground.repository.git(*git_says, "read-tree", commit, env=index)
        await ground.repository.git(*git_says, "checkout-index", "--all", env=index)
        held = folders.listing(await ground.repository.git("ls-tree", "-r", commit))
        drift = await asyncio.to_thread(folders.drift, tree, held)
        if drift.different or drift.unheld:
            raise WorldFailed(
                f"What was written below {into.parent} is not what commit {commit} holds.",
                hint="Look at the disk, and give the command again.",
            )
        await asyncio.to_thread(_put, tree, into)
    finally:
        await asyncio.to_thread(shutil.rmtree, beside, ignore_errors=True)
    return len(held)


def _beside(into: Path) -> Path:
    """A folder for the work, on the file system where the result is to stand."""
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        (beside / "files").mkdir()
    except OSError as error:
        raise WorldFailed(f"{into} cannot be made: {error}.", hint="Name another --to.") from error
    return beside


def _put(tree: Path, into: Path) -> None:
    """Move the files to their place, which has to be free: mkdir fails where it is not, and rename
    replaces no folder but an empty one."""
    try:
        into.mkdir()
        tree.rename(into)
    except OSError as error:
        raise WorldFailed(
            f"{into} is there already, or cannot be written: {error}.",
            hint="Name a folder that is not there with --to.",
        ) from error


def _size(path: Path) -> tuple[int, int]:
    """Files and bytes below a folder; jj's own do not count."""
    count = total = 0
    for folder, inner, names in os.walk(path):
        if folder == str(path):
            inner[:] = [one for one in inner if one != ".jj"]
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
                count += 1
            except OSError:
                continue  # it is being deleted by whoever works there
    return count, total

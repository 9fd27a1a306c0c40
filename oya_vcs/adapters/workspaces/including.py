"""Files that a worker needs and no commit may hold: environment files, credentials, local settings.

`.worktreeinclude` (gitignore's language, as it stands on the target) names them. They are copied
from the user's workspace into a new one where both workspaces' .gitignore files ignore them, never
through a symbolic link, never out of either folder, with their permissions. What was copied is
noted beside the workspaces, and a result that holds such a file is refused. Must not know what is
in them.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from oya_vcs.adapters.workspaces import folders
from oya_vcs.adapters.workspaces.ground import NO_INDEX, Ground, whole
from oya_vcs.core.ids import CommitId, WorkspaceName
from oya_vcs.errors import WorldFailed

RULES = ".worktreeinclude"
NOTES = ".included"
"""The folder beside the workspaces with a list of what was copied into each."""
_OWN = frozenset({".jj", ".git"})


async def include(ground: Ground, name: WorkspaceName) -> None:
    """Copy what the target's `.worktreeinclude` names into the new workspace; its note is the last
    step. Raises WorldFailed where a file cannot be read or written."""
    path = ground.path(name)
    if not await asyncio.to_thread(_is_file, path / RULES):
        return
    named = await _named(ground, path / RULES)
    for root in (ground.repository.root, path):
        named = await _ignored(ground, root, named) if named else named
    copied = await whole(partial(copy, ground.repository.root, path, named))
    await whole(partial(_note, _notes(ground, name), copied))


async def is_complete(ground: Ground, name: WorkspaceName) -> bool:
    """Whether nothing is to be copied into the workspace, or all of it was."""
    if not await asyncio.to_thread(_is_file, ground.path(name) / RULES):
        return True
    return await asyncio.to_thread(_notes(ground, name).is_file)


async def landing(ground: Ground, name: WorkspaceName, base: CommitId, head: CommitId) -> list[str]:
    """The copied files that a result of the workspace would land, in whichever of its commits."""
    copied = await asyncio.to_thread(_noted, _notes(ground, name))
    if not copied:
        return []
    said = await ground.repository.git(
        *("log", "--format=", "--name-only", "--no-renames", "-m", head, f"^{base}")
    )
    changed = {os.fsdecode(folders.unquoted(line)) for line in said.splitlines() if line}
    return sorted(copied & changed)


def forget(ground: Ground, name: WorkspaceName) -> None:
    """Delete the note of a workspace that is gone. Blocks."""
    _notes(ground, name).unlink(missing_ok=True)


def copy(source: Path, into: Path, names: Sequence[str]) -> list[str]:
    """Copy plain files by their relative names, and return those that were. What is there already,
    is no plain file, or is reached through a link is left out. Blocks. Raises WorldFailed."""
    copied = []
    for name in names:
        try:
            if _copy(source, into, name):
                copied.append(name)
        except OSError as error:
            raise WorldFailed(
                f"{name} could not be copied from {source} into a workspace: {error}.",
                hint=f"Make it readable, make room, or take it out of {RULES}.",
                retryable=error.errno == errno.ENOSPC,
            ) from error
    return copied


async def _named(ground: Ground, rules: Path) -> list[str]:
    """The files of the user's workspace that the rules name."""
    root = ground.repository.root
    said = await ground.repository.git(
        *(f"--work-tree={root}", "-C", str(root)),
        *("ls-files", "--others", "--ignored", f"--exclude-from={rules}"),
        env={"GIT_INDEX_FILE": NO_INDEX},
    )
    listed = [os.fsdecode(folders.unquoted(line)) for line in said.splitlines()]
    return [one for one in listed if not one.endswith("/") and not _OWN & set(one.split("/"))]


async def _ignored(ground: Ground, root: Path, names: Sequence[str]) -> list[str]:
    """Those of the names that a .gitignore below `root` ignores; git says so with its exit status
    where there is none."""
    plain = [name for name in names if name.isprintable()]
    try:
        said = await ground.repository.git(
            *(f"--work-tree={root}", "-C", str(root)),
            *("check-ignore", "--no-index", "--stdin", "-z"),
            stdin="".join(f"{name}\0" for name in plain),
            env={"GIT_INDEX_FILE": NO_INDEX},
        )
    except WorldFailed as error:
        if error.stderr:
            raise
        return []
    return [name for name in said.split("\0") if name]


def _copy(source: Path, into: Path, name: str) -> bool:
    *above, last = name.split("/")
    try:
        with _beneath(source, above) as folder:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(last, flags, dir_fd=folder), "rb") as file:  # noqa: PTH123
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return False
                with _beneath(into, above, make=True) as place:
                    _write(file.fileno(), last, place, found)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.ENXIO}:
            return False
        raise
    return True


def _write(source: int, name: str, folder: int, found: os.stat_result) -> None:
    """Write the copy for its owner alone, and give it the original's permissions when it is
    whole."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        open(source, "rb", closefd=False) as file,
        open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as copy,  # noqa: PTH123
    ):
        shutil.copyfileobj(file, copy)
        os.fchmod(copy.fileno(), stat.S_IMODE(found.st_mode) & 0o777)


@contextmanager
def _beneath(root: Path, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """A descriptor of a folder below `root`, reached without following a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=folder)
            inner = os.open(name, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _notes(ground: Ground, name: WorkspaceName) -> Path:
    return ground.folder / NOTES / f"{name}.json"


def _note(path: Path, copied: Sequence[str]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps(sorted(copied)), encoding="utf-8")


def _noted(path: Path) -> set[str]:
    try:
        return set(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return set()

"""The janitor: lock files that a killed jj or git left behind, and that would stop every later one.

git's locks are files that exist (measured: a SIGKILL in a ref update leaves one); jj's own are
flock(2) and vanish with their holder. Must not know whose commands left them.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

STALE_AFTER_S = 3.0
"""Younger lock files are left alone: git holds one for milliseconds."""
PAUSE_S = 0.1
SINGLE = ("HEAD", "index", "packed-refs", "config", "shallow", "FETCH_HEAD", "ORIG_HEAD")
PROGRAMS = ("git", "jj")


def stale_locks(git_dir: Path, store: Path) -> tuple[Path, ...]:
    """git's stale lock files.

    Stale is: a plain file of ours, older than STALE_AFTER_S, held open by nobody, while no git or
    jj process works in this repository (`git commit` keeps `index.lock` without holding it open as
    long as its editor is open). Without /proc nobody can tell, and none is stale.
    """
    if not Path("/proc/self/fd").is_dir():
        return ()
    old = [path for path in _locks(git_dir) if _is_old(path)]
    if not old or _at_work(git_dir, store, set(map(str, old))):
        return ()
    return tuple(old)


def clear_stale_locks(git_dir: Path, store: Path) -> tuple[Path, ...]:
    """Delete git's stale lock files and return them. Call it with the repository's lock held."""
    cleared = []
    for path in stale_locks(git_dir, store):
        if _is_old(path):
            path.unlink(missing_ok=True)
            cleared.append(path)
    return tuple(cleared)


async def outlast_locks(git_dir: Path, store: Path) -> tuple[Path, ...]:
    """Return when there is no lock file any more, stale ones were deleted (those are returned), or
    a live process has kept one for longer than any stale one lasts."""
    looks = round((STALE_AFTER_S + 1) / PAUSE_S)
    for _ in range(looks):
        if not await asyncio.to_thread(_any, git_dir):
            break
        cleared = await asyncio.to_thread(clear_stale_locks, git_dir, store)
        if cleared:
            return cleared
        await asyncio.sleep(PAUSE_S)
    return ()


def _any(git_dir: Path) -> bool:
    return any(os.path.lexists(path) for path in _locks(git_dir))


def _locks(git_dir: Path) -> Iterator[Path]:
    for name in SINGLE:
        yield git_dir / f"{name}.lock"
    for folder, _, files in os.walk(git_dir / "refs"):
        yield from (Path(folder, name) for name in files if name.endswith(".lock"))


def _is_old(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
    return ours and time.time() - found.st_mtime >= STALE_AFTER_S


def _at_work(git_dir: Path, store: Path, locks: set[str]) -> bool:
    """Whether a live process holds one of the files, or is a git or jj in this repository."""
    places = {str(git_dir), str(store.parent.parent), str(git_dir.parent)}
    for process in Path("/proc").glob("[0-9]*"):
        opened = _links(process / "fd")
        if locks.intersection(opened):
            return True
        name = os.path.basename(_link(process / "exe"))  # noqa: PTH119 (no path of this machine)
        if name.startswith(PROGRAMS) and _touches(process, opened, places):
            return True
    return False


def _touches(process: Path, opened: list[str], places: set[str]) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    near = [_link(process / "cwd"), *opened, *(word.rpartition("=")[2] for word in words)]
    return any(one == place or one.startswith(f"{place}/") for one in near for place in places)


def _links(folder: Path) -> list[str]:
    try:
        return [_link(entry) for entry in folder.iterdir()]
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 (a link of /proc need not be a path)
    except OSError:
        return ""

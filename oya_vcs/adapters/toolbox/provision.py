"""Fills the private tool folder with jj and git, by the first way that this machine offers.

Builds in a sibling of the folder and renames, under a lock, so that the folder is either complete
or as it was. Changes nothing of the system (Homebrew, where it is used, changes its own prefix).
Must not decide whether provisioning is wanted: the caller does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from oya_vcs.adapters.toolbox import debian
from oya_vcs.adapters.toolbox.commands import Say, run, which
from oya_vcs.adapters.toolbox.find import Tools, complaint, find_tools
from oya_vcs.config import environment
from oya_vcs.errors import WorldFailed

BUILD_SECONDS_MAX = 3_600
"""Homebrew may and cargo will compile jj: minutes on a fast machine."""

Way = Callable[[Path, Path, Mapping[str, str], Say], None]
"""Builds at the first path a tool folder that will stand at the second. Raises WorldFailed."""


def provision(
    folder: Path,
    say: Say,
    *,
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Tools:
    """jj and git in `folder/bin`, put there unless they stand there and run already.

    `say` receives lines about what is done; `root` is where /etc and /usr are. Raises WorldFailed
    with what was tried and what the user can install instead. Safe to call from several processes
    at once.
    """
    folder = folder.absolute()
    env = environment() if environ is None else environ
    if (tools := _standing(folder)) is not None:
        return tools
    with _locked(folder, say):
        if (tools := _standing(folder)) is not None:
            return tools
        staging = folder.with_name(f".{folder.name}.new")
        ways: dict[str, Way] = {
            "Debian or Ubuntu archive": debian.way(root),
            "Homebrew": homebrew,
            "cargo": cargo,
        }
        tried = []
        for name, way in ways.items():
            _remove(staging)
            try:
                way(staging, folder, env, say)
                _exchange(staging, folder)
                return _checked(folder)
            except WorldFailed as error:
                tried.append(f"{name}: {error.message}")
            except OSError as error:
                tried.append(f"{name}: {error}.")
            finally:
                _remove(staging)
    raise WorldFailed(
        f"jj and git could not be put into {folder}.\n  " + "\n  ".join(tried),
        hint="Install jj 0.46 or newer and git 2.42 or newer in any way, and put them on PATH or "
        "name them in OYA_JJ and OYA_GIT.",
        retryable=True,
    )


def homebrew(staging: Path, _folder: Path, environ: Mapping[str, str], say: Say) -> None:
    """Install jj and git with Homebrew, and link them from the folder."""
    brew = which("brew", environ)
    if brew is None:
        raise WorldFailed("there is no brew on PATH.")
    say("Installing jj and git with Homebrew.")
    run([brew, "install", "--quiet", "jj", "git"], environ, seconds_max=BUILD_SECONDS_MAX)
    prefix = Path(run([brew, "--prefix"], environ, seconds_max=60).strip())
    _link(staging, jj=prefix / "bin" / "jj", git=prefix / "bin" / "git")


def cargo(staging: Path, _folder: Path, environ: Mapping[str, str], say: Say) -> None:
    """Compile jj with cargo where git is new enough already; cargo has no git."""
    program, git = which("cargo", environ), which("git", environ)
    if program is None:
        raise WorldFailed("there is no cargo on PATH.")
    if git is None:
        raise WorldFailed("cargo offers no git, and there is none on PATH.")
    if wrong := complaint("git", git):
        raise WorldFailed(f"cargo offers no git, and {git} {wrong}.")
    say("Compiling jj with cargo; this takes several minutes.")
    argv = [
        str(program),
        "install",
        "--quiet",
        "--locked",
        "--root",
        str(staging),
        "--bin",
        "jj",
        "jj-cli",
    ]
    run(argv, environ, seconds_max=BUILD_SECONDS_MAX)
    _link(staging, git=git)


def _standing(folder: Path) -> Tools | None:
    try:
        return find_tools(folder, {})
    except WorldFailed:
        return None


def _checked(folder: Path) -> Tools:
    tools = _standing(folder)
    if tools is None:
        wrong = [f"{name} {complaint(name, folder / 'bin' / name)}" for name in ("jj", "git")]
        raise WorldFailed(f"what was installed does not serve: {'; '.join(wrong)}.")
    return tools


def _link(staging: Path, **targets: Path) -> None:
    (staging / "bin").mkdir(parents=True, exist_ok=True)
    for name, target in targets.items():
        (staging / "bin" / name).symlink_to(target)


def _exchange(staging: Path, folder: Path) -> None:
    """Put the new folder in the place of the old one, which may be in use: rename, then delete."""
    old = folder.with_name(f".{folder.name}.old")
    _remove(old)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


@contextmanager
def _locked(folder: Path, say: Say) -> Iterator[None]:
    """Held while the folder is being filled; the lock ends with the process that holds it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WorldFailed(
            f"The tool folder {folder} cannot be made: {error.strerror}.",
            hint="Make its parent writable, or set XDG_DATA_HOME to a folder that is.",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is filling {folder}; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

"""A folder of files that is made to be exactly one commit, again and again.

This module must not know what is run in it, nor why.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Repository

AS_STORED = "* -text -ident -filter -working-tree-encoding\n"
"""info/attributes of the checkouts: files as the tree has them, byte for byte, which also keeps
`git status` quiet about trees that break their own line-ending rules."""
LEFT = ".gone-"
"""How folders are named that are being deleted."""


class Checkout:
    """The files of one commit at a time, in `tree`, and a `.git` with them.

    The `.git` in `tree` is a copy, planted after each preparation. The one that prepares stands
    beside it, out of the way of what runs in `tree`, so that no index flag, exclusion, filter or
    ref that was left there hides anything from the next preparation.
    """

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._keeper = folder / "keeper" / ".git"
        self.tree = folder / "tree"

    async def prepare(self, candidate: CommitId) -> CommitId:
        """Make `tree` exactly the candidate, and return its first parent.

        A checkout that does not verify is thrown away and made again. Raises WorldFailed where the
        commit is not there or has no parent, and where a new checkout does not verify either.
        """
        parent = CommitId(
            await self._repository.git(
                *("--no-replace-objects", "rev-parse", "--verify", "--end-of-options"),
                f"{candidate}^1",
            )
        )
        if await asyncio.to_thread(self._usable):
            try:
                await self._fill(candidate)
            except (WorldFailed, OSError):
                pass
            else:
                return parent
        await self._make()
        await self._fill(candidate)
        return parent

    def _usable(self) -> bool:
        folders = (self._folder, self._keeper.parent, self._keeper, self.tree)
        return all(folder.is_dir() and not folder.is_symlink() for folder in folders)

    async def _make(self) -> None:
        """An empty checkout that borrows the repository's objects, in place of any other."""
        objects = await self._repository.git("rev-parse", "--git-path", "objects")
        await asyncio.to_thread(self._clear)
        keeper = str(self._keeper.parent)
        await self._repository.git(f"--git-dir={self._keeper}", "init", "-q", "--template=", keeper)
        await asyncio.to_thread(_borrow, self._keeper, objects)

    def _clear(self) -> None:
        above = self._folder.parent
        above.mkdir(parents=True, exist_ok=True)
        for left in above.glob(f"{LEFT}{self._folder.name}-*"):
            _remove(left)
        _delete(self._folder, above, self._folder.name)
        self.tree.mkdir(parents=True)
        self._keeper.parent.mkdir()

    async def _fill(self, candidate: CommitId) -> None:
        planted = self.tree / ".git"
        await asyncio.to_thread(_delete, planted, self._folder.parent, self._folder.name)
        await self._git("checkout", "-q", "--force", "--detach", candidate)
        await self._git("clean", "-ffdxq")
        said = await self._git("status", "--porcelain=v2", "--branch", "--ignored", "-z")
        if said != f"# branch.oid {candidate}\0# branch.head (detached)\0":
            raise WorldFailed(
                f"The checkout at {self.tree} does not become exactly {candidate}.",
                hint="Look at `git status` there; the disk may be full or a file unreadable.",
            )
        await asyncio.to_thread(_plant, self._keeper, planted)

    async def _git(self, *args: str) -> str:
        """Git on this checkout: the later `--git-dir` is the one that counts."""
        where = (f"--git-dir={self._keeper}", f"--work-tree={self.tree}", "-C", str(self.tree))
        return await self._repository.git(
            *("--no-replace-objects", "-c", "core.logAllRefUpdates=false", *where, *args)
        )


def _borrow(git_dir: Path, objects: str) -> None:
    """Let a repository read another's objects, and take files as they are stored."""
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_text(AS_STORED, encoding="utf-8")
    (git_dir / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (git_dir / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8")


def _plant(keeper: Path, git_dir: Path) -> None:
    """Give a prepared checkout a `.git` of its own, for what runs there to do with as it likes."""
    for folder in ("objects/info", "refs/heads", "info"):
        (git_dir / folder).mkdir(parents=True)
    for name in ("HEAD", "config", "index", "info/attributes", "objects/info/alternates"):
        shutil.copy2(keeper / name, git_dir / name)


def _delete(path: Path, above: Path, name: str) -> None:
    """Remove whatever is at `path`, at once for all who look: moved aside first, then deleted."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        aside = Path(tempfile.mkdtemp(prefix=f"{LEFT}{name}-", dir=above))
        path.rename(aside / "it")
        _remove(aside)


def _remove(folder: Path) -> None:
    """Delete a folder and what is in it, read-only folders too. What resists stays for the next
    time."""
    for path, below, _ in os.walk(folder):
        for one in below:
            if not (Path(path) / one).is_symlink():
                (Path(path) / one).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)

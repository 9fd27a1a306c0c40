"""Folders of files that are made to be exactly one commit, again and again.

This module must not know what is run in it, nor why.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from oya_vcs.adapters.local.submodules import Part, parts_of
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Repository

CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
AS_STORED = "* -text -ident -filter -working-tree-encoding\n"
"""info/attributes of the checkouts: files as the tree has them, byte for byte, which also keeps
`git status` quiet about trees that break their own line-ending rules."""
LEFT = ".gone-"
"""How folders are named that are being deleted, or are gone when a preparation ends."""
SUBMODULE = b"\x00\x00\xe0\x00"
"""The mode of a submodule in git's index. (Found elsewhere in it, it costs time and no more.)"""


class Checkout:
    """The files of one commit at a time, in `tree`, and a `.git` with them.

    The `.git` is made new for each preparation, outside of `tree` and under a name that nobody was
    told, and moved there at the end. Of what ran in `tree` before, only files are met again, and
    those are compared with the commit byte for byte.
    """

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._store = Path()
        self.tree = folder / "tree"

    async def prepare(self, candidate: CommitId) -> None:
        """Make `tree` exactly the candidate, with the files of its submodules.

        A checkout that does not verify is thrown away and made again. Raises WorldFailed where the
        commit, or one of a submodule, is not there, and where a new checkout does not verify
        either.
        """
        if not self._store.is_absolute():
            objects = await self._repository.git("rev-parse", "--git-path", "objects")
            self._store = Path(objects).parent
        if await asyncio.to_thread(self._usable):
            try:
                await self._fill(candidate, new=False)
            except (WorldFailed, OSError):
                pass
            else:
                return
        await asyncio.to_thread(self._clear)
        await self._fill(candidate, new=True)

    def _usable(self) -> bool:
        folders = (self._folder, self.tree)
        return all(folder.is_dir() and not folder.is_symlink() for folder in folders)

    def _clear(self) -> None:
        """An empty checkout, in place of any other."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        _delete(self._folder)
        self.tree.mkdir(parents=True)

    async def _fill(self, candidate: CommitId, *, new: bool) -> None:
        git_dir = await asyncio.to_thread(self._begin, candidate)
        try:
            await self._write(git_dir, Part(self.tree, candidate, self._store), new=new)
            await asyncio.to_thread(git_dir.rename, self.tree / ".git")
        finally:
            await asyncio.to_thread(_remove, git_dir.parent)

    def _begin(self, candidate: CommitId) -> Path:
        """Clear away what killed processes left, and any `.git`; returns a new one."""
        for left in self._folder.parent.glob(f"{LEFT}{self._folder.name}-*"):
            _remove(left)
        _delete(self.tree / ".git", aside=self._folder)
        return _git_dir(_aside(self._folder) / "git", candidate, self._store)

    async def _write(self, git_dir: Path, part: Part, *, new: bool) -> None:
        """Make the files of a folder exactly the part's, and those of its submodules.

        Git looks at no file in a submodule's folder: where there is one, only a new checkout will
        do.
        """
        git = partial(self._git, git_dir, part)
        # The index is new: all that is there is read and hashed, none of it believed.
        await git("reset", "-q", "--refresh")
        linked = SUBMODULE in await asyncio.to_thread((git_dir / "index").read_bytes)
        if linked and not new:
            raise WorldFailed(f"{part.commit} has submodules.")
        await git("checkout-index", "-q", "--all", "--force", "--index")
        await git("clean", "-ffdxq")
        said = await git("status", "--porcelain=v2", "--branch", "--ignored", "-z")
        if said != f"# branch.oid {part.commit}\0# branch.head (detached)\0":
            raise WorldFailed(
                f"The checkout at {part.tree} does not become exactly {part.commit}.",
                hint="Look at `git status` there; the disk may be full or a file unreadable.",
            )
        for number, inner in enumerate(await parts_of(git, part) if linked else ()):
            beside = git_dir.with_name(f"{git_dir.name}-{number}")
            made = await asyncio.to_thread(_git_dir, beside, inner.commit, inner.store)
            await self._write(made, inner, new=True)
            await asyncio.to_thread(made.rename, inner.tree / ".git")

    async def _git(
        self, git_dir: Path, part: Part, *args: str, env: Mapping[str, str] | None = None
    ) -> str:
        """Git with that folder for all that it reads: the later `--git-dir` is the one that
        counts."""
        where = (f"--git-dir={git_dir}", f"--work-tree={part.tree}", "-C", str(part.tree))
        objects = str(part.store / "objects")
        return await self._repository.git(
            *("-c", "core.logAllRefUpdates=false", *where, *args),
            env={"GIT_COMMON_DIR": str(git_dir), "GIT_OBJECT_DIRECTORY": objects, **(env or {})},
        )


class Checkouts:
    """As many checkouts as may be in use at once, made when they are first needed and used again.

    Whoever waits gets the next one that is free, in the order of asking; of those that are free the
    one that was used last, whose files are most likely near.
    """

    def __init__(self, repository: Repository, folder: Path, slots: int) -> None:
        self._free = [Checkout(repository, folder / f"{slot}") for slot in range(slots, 0, -1)]
        self._turn = asyncio.Semaphore(slots)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Checkout]:
        """A checkout for oneself. `prepare` it before each use."""
        async with self._turn:
            checkout = self._free.pop()
            try:
                yield checkout
            finally:
                self._free.append(checkout)


def _git_dir(git_dir: Path, commit: CommitId, store: Path) -> Path:
    """A new git folder that stands at a commit, borrows the objects of `store` and knows no file
    yet."""
    for folder in ("objects/info", "refs/heads", "info"):
        (git_dir / folder).mkdir(parents=True)
    (git_dir / "HEAD").write_text(f"{commit}\n", encoding="utf-8")
    (git_dir / "config").write_text(CONFIG, encoding="utf-8")
    (git_dir / "info" / "attributes").write_text(AS_STORED, encoding="utf-8")
    alternates = git_dir / "objects" / "info" / "alternates"
    alternates.write_text(f"{store / 'objects'}\n", encoding="utf-8")
    return git_dir


def _aside(folder: Path) -> Path:
    """A new folder beside this one, deleted by the next preparation if it is still there."""
    return Path(tempfile.mkdtemp(prefix=f"{LEFT}{folder.name}-", dir=folder.parent))


def _delete(path: Path, aside: Path | None = None) -> None:
    """Remove whatever is at `path`, at once for all who look: moved aside first (beside `aside` or
    itself), then deleted."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        gone = _aside(aside or path)
        path.rename(gone / "it")
        _remove(gone)


def _remove(folder: Path) -> None:
    """Delete a folder and what is in it, read-only folders too. What resists stays for the next
    time."""
    for path, below, _ in os.walk(folder):
        for one in below:
            if not (Path(path) / one).is_symlink():
                (Path(path) / one).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)

"""Where workspaces stand, what they are called, and how their commits are read.

Must not know what is done with any of it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from oya_vcs.adapters.workspaces import folders
from oya_vcs.core.ids import BeadId, CommitId, WorkspaceName
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import UsersRepository

T = TypeVar("T")

NO_INDEX = f"{os.devnull}.index"
"""An index that is not there and that no worker can put there: git then tracks nothing."""

RESULTS = "refs/oya/results/"
"""Refs under which collected results are pinned, by home and workspace name."""
KEPT = "refs/oya/kept/"
"""Refs under which removal pins what was in a workspace and nowhere else, by home and
workspace name."""
ROOT = CommitId("0" * 40)
"""jj's root commit, which git does not have."""
MARK = "in progress (oya-vcs)"
"""How the description of an unfinished attempt's commit ends."""
KEY_TRAILER = "Oya-Key: "
"""How the line begins, in messages made by the core, that names the run a result comes from."""


class Unusable(WorldFailed):
    """A folder that only a person may judge: nothing in it was touched."""

    code = "workspace_unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as jj sees it.

    `change` is its change id, which all of its versions share; `workspaces` are those that stand on
    it, as jj lists them, with their recorded roots; `refs` the bookmarks at it; `here` whether it
    is that of the workspace that was asked. Settled: an ancestor of any bookmark or tag; landed: of
    the target.
    """

    id: CommitId
    change: str
    parents: tuple[CommitId, ...]
    description: str
    empty: bool
    conflict: bool
    here: bool
    workspaces: dict[str, str | None]
    refs: tuple[str, ...]
    settled: bool
    landed: bool
    parents_settled: bool

    def is_own(self, entry: str) -> bool:
        """Whether amending it touches the workspace that jj lists so and nothing of anybody
        else's."""
        return set(self.workspaces) == {entry} and not self.settled and self.id != ROOT

    def is_scratch(self) -> bool:
        """Whether it is nothing but our note that an attempt was made."""
        ours = self.description.rstrip().endswith(MARK) or KEY_TRAILER in self.description
        return self.empty and (ours or not self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all three effects stand on. `sparse` says whether a workspace shows only the files that
    its bead names, and `always` what it shows beside them."""

    repository: UsersRepository
    folder: Path
    trash: Path
    target: str
    sparse: bool = False
    always: tuple[str, ...] = ()

    @property
    def trashes(self) -> tuple[Path, ...]:
        """The home's trash, and one beside the workspaces for a home whose folders are on several
        file systems: what is removed is renamed first, and a rename stays on one."""
        return self.trash, self.folder / ".trash"

    def path(self, name: WorkspaceName) -> Path:
        """Where the workspace's folder is, whether or not it is there."""
        return self.folder / name

    def entry(self, name: WorkspaceName) -> str:
        """What jj calls the workspace: two homes may work on beads of the same names."""
        return f"{name}-{self.repository.home_tag}"

    def is_entry(self, entry: str) -> bool:
        """Whether jj's name of a workspace is one of ours, and no control workspace."""
        tag = f"-{self.repository.home_tag}"
        return entry.endswith(tag) and entry != f"oya-control{tag}"

    def entry_name(self, entry: str) -> WorkspaceName:
        """The name of the workspace of ours that jj calls so."""
        return WorkspaceName(entry.removesuffix(f"-{self.repository.home_tag}"))

    def at(self, name: WorkspaceName) -> str:
        """The commit of a workspace, in jj's revset language."""
        return f"{quoted(self.entry(name))}@"

    def ref(self, kind: str, name: WorkspaceName) -> str:
        """The ref that pins a commit for a workspace, under RESULTS or KEPT."""
        return f"{kind}{self.repository.home_tag}/{name}"

    def is_within(self, name: WorkspaceName) -> bool:
        """Whether the name is that of a folder among the workspaces."""
        return self.path(name).parent == self.folder and name not in {"", ".", ".."}

    async def trouble(self, name: WorkspaceName) -> str:
        """Why the folder must not be touched, in a sentence; "" where it may.

        Where it may, configuration that was planted in it is gone after this.
        """
        if not self.is_within(name):
            return f"The name {name!r} leads out of the folder of workspaces."
        clause = await asyncio.to_thread(
            folders.trouble, self.path(name), self.repository.control / ".jj" / "repo"
        )
        return f"The folder of workspace {name} {clause}." if clause else ""

    async def commits(
        self, revset: str, *, snapshot_at: Path | None = None, at_operation: str = ""
    ) -> list[Commit]:
        """The commits of a revset, children first. With `snapshot_at`, that workspace's files are
        recorded first; without, nothing is looked at on disk."""
        when = ("--at-operation", at_operation) if at_operation else ()
        args = ("log", "--no-graph", "-r", revset, "-T", _template(self.target))
        said = await self.repository.jj(*when, *args, workspace=snapshot_at)
        return [msgspec.json.decode(line, type=Commit) for line in said.split("\n") if line]

    async def standing(self, name: WorkspaceName) -> Commit | None:
        """The commit of a workspace as jj has it, files not looked at; None where jj knows no such
        workspace."""
        found = await self.commits(f"present({self.at(name)})")
        return found[0] if found else None

    async def pin(self, kind: str, name: WorkspaceName) -> CommitId | None:
        """The commit pinned for a workspace under RESULTS or KEPT."""
        ref = self.ref(kind, name)
        said = await self.repository.git("for-each-ref", "--format=%(objectname)", ref)
        return CommitId(said) if said else None

    async def not_ignored(self, name: WorkspaceName, paths: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Those of the files and folders that no .gitignore excludes, asked of git."""
        return await asyncio.to_thread(folders.among, paths, await self._untracked(name))

    async def unignored(self, name: WorkspaceName) -> list[bytes]:
        """Every file in the folder that no .gitignore excludes, but for those of repositories
        within it."""
        found = await self._untracked(name)
        return [one for one in found if not one.endswith(b"/") and not one.startswith(b".jj/")]

    async def _untracked(self, name: WorkspaceName) -> list[bytes]:
        """As `git ls-files --others` lists them: a repository within is one folder.

        Lists outside of the workspace (`info/exclude`, `core.excludesFile`) do not count: one that
        somebody else planted would make files pass for worthless.
        """
        root = self.path(name)
        said = await self.repository.git(
            *(f"--work-tree={root}", "-C", str(root)),
            *("ls-files", "--others", "--exclude-per-directory=.gitignore"),
            env={"GIT_INDEX_FILE": NO_INDEX},
        )
        return [folders.unquoted(line) for line in said.splitlines()]


async def whole(step: Callable[[], T]) -> T:
    """Do a step on the disk in a thread, to its end: a cancelled call returns only when nothing is
    being written any more, so that the same effect can be done again at once."""
    doing = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


def mark(bead: BeadId, attempt: int) -> str:
    """The description of an unfinished attempt's commit."""
    return f"{bead}: attempt {attempt} {MARK}"


def quoted(text: str) -> str:
    """A string as jj's languages write it."""
    return json.dumps(text, ensure_ascii=False)


def tip(target: str) -> str:
    """The target bookmark's commits, as a revset: exactly one where all is well."""
    return f"bookmarks(exact:{quoted(target)})"


def _template(target: str) -> str:
    """A JSON object a line, with the fields of `Commit`."""
    settled = "::(bookmarks() | tags() | remote_bookmarks())"
    places = 'working_copies.map(|w| json(w.name()) ++ ":" ++ json(w.root())).join(",")'
    fields = {
        "id": "json(commit_id)",
        "change": "json(change_id)",
        "parents": "json(parents.map(|p| p.commit_id()))",
        "description": "json(description)",
        "empty": "json(empty)",
        "conflict": "json(conflict)",
        "here": "json(current_working_copy)",
        "workspaces": f'"{{" ++ {places} ++ "}}"',
        "refs": "json(bookmarks.map(|b| b.name()))",
        "settled": f"json(self.contained_in({quoted(settled)}))",
        "landed": f"json(self.contained_in({quoted(f'::{tip(target)}')}))",
        "parents_settled": f"json(parents.all(|p| p.contained_in({quoted(settled)})))",
    }
    members = ' ++ "," ++ '.join(f'"\\"{name}\\":" ++ {value}' for name, value in fields.items())
    return f'"{{" ++ {members} ++ "}}\\n"'

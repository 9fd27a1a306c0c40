"""One attempt's workspace, driven as the daemon drives it, for the tests of workspaces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, CommitId, Key, RepoId, WorkspaceName, workspace_name
from oya_vcs.ports import Turn
from tests.integration.conftest import DIRTY, UserRepo

FIRST = BeadId("b1")


async def no_report(event: e.Event) -> None:
    """Nothing of a workspace is told before its effect settles."""
    raise AssertionError(event)


@dataclass
class Counted:
    """A repository that counts the programs it starts."""

    inner: JjRepository
    calls: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def id(self) -> RepoId:
        return self.inner.id

    @property
    def home_tag(self) -> str:
        return self.inner.home_tag

    @property
    def control(self) -> Path:
        return self.inner.control

    @property
    def root(self) -> Path:
        return self.inner.root

    async def excludes_privately(self) -> bool:
        return await self.inner.excludes_privately()

    @asynccontextmanager
    async def lock(self, turn: Turn = Turn.REST) -> AsyncIterator[None]:
        async with self.inner.lock(turn):
            yield

    async def operation(self) -> str:
        return await self.inner.operation()

    async def jj(self, *args: str, workspace: Path | None = None, stdin: str = "") -> str:
        self.calls.append(("jj", *args))
        return await self.inner.jj(*args, workspace=workspace, stdin=stdin)

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        self.calls.append(("git", *args))
        return await self.inner.git(*args, env=env, stdin=stdin)

    async def sync(self) -> None:
        await self.inner.sync()


@dataclass
class Attempt:
    """An attempt at bead `bead`, and the effects on its workspace."""

    user: UserRepo
    repository: JjRepository | Counted
    home: Path
    bead: BeadId = FIRST
    number: int = 1
    target: str = "main"
    files: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    @property
    def name(self) -> WorkspaceName:
        key = Key(hashlib.sha256(f"{self.bead}/{self.number}".encode()).hexdigest())
        return workspace_name(self.bead, self.number, key)

    @property
    def entry(self) -> str:
        """What jj calls the workspace."""
        return f"{self.name}-{self.repository.home_tag}"

    def pin(self, kind: str) -> str:
        """The ref of this workspace under RESULTS or KEPT."""
        return f"{kind}{self.repository.home_tag}/{self.name}"

    @property
    def folder(self) -> Path:
        """The root of all attempts' folders."""
        return self.home / "workspaces" / self.repository.id

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def trash(self) -> Path:
        return self.home / "trash"

    @property
    def performer(self) -> JjWorkspaces:
        return JjWorkspaces(
            *(self.repository, self.folder, self.trash, self.target),
            sparse=bool(self.files),
            always=self.always,
        )

    def creation(self) -> f.CreateWorkspace:
        return f.CreateWorkspace(
            repo=self.repository.id,
            bead=self.bead,
            attempt=self.number,
            workspace=self.name,
            files=self.files,
        )

    def collection(self, base: CommitId, *, allow_empty: bool = False) -> f.CollectResult:
        return f.CollectResult(
            repo=self.repository.id,
            bead=self.bead,
            attempt=self.number,
            workspace=self.name,
            base=base,
            message=f"A title\n\nOya-Bead: {self.bead}\nOya-Key: run-{self.name}\n",
            allow_empty=allow_empty,
        )

    def removal(self, kept_as: CommitId | None, *, landed: bool = False) -> f.RemoveWorkspace:
        return f.RemoveWorkspace(
            repo=self.repository.id,
            bead=self.bead,
            workspace=self.name,
            round=1,
            kept_as=kept_as,
            landed=landed,
        )

    async def create(self) -> e.WorkspaceCreated:
        event = await self.performer.do(f.effect_key(self.creation()), self.creation(), no_report)
        assert isinstance(event, e.WorkspaceCreated), event
        return event

    async def blocked(self) -> e.WorkspaceBlocked:
        """Try to make it, which the target does not allow."""
        event = await self.performer.do(f.effect_key(self.creation()), self.creation(), no_report)
        assert isinstance(event, e.WorkspaceBlocked), event
        return event

    async def finish(
        self, base: CommitId, *, allow_empty: bool = False
    ) -> e.ResultCollected | e.ResultRefused:
        """Collect what is in the folder."""
        effect = self.collection(base, allow_empty=allow_empty)
        event = await self.performer.do(f.effect_key(effect), effect, no_report)
        assert isinstance(event, e.ResultCollected | e.ResultRefused)
        return event

    async def collect(self, base: CommitId) -> e.ResultCollected:
        event = await self.finish(base)
        assert isinstance(event, e.ResultCollected), event
        return event

    async def refused(self, base: CommitId) -> e.ResultRefused:
        event = await self.finish(base)
        assert isinstance(event, e.ResultRefused), event
        return event

    async def remove(self, kept_as: CommitId | None, *, landed: bool = False) -> e.WorkspaceRemoved:
        effect = self.removal(kept_as, landed=landed)
        event = await self.performer.do(f.effect_key(effect), effect, no_report)
        assert isinstance(event, e.WorkspaceRemoved)
        return event

    def entries(self) -> list[str]:
        """The workspaces that jj lists, by name."""
        return self.user.peek("workspace", "list", "-T", 'name ++ "\n"').splitlines()

    def files_of(self, commit: str) -> dict[str, bytes]:
        """What git has of a commit, byte for byte."""
        listed = self.user.git("ls-tree", "-r", "-z", "--name-only", commit)
        return {name: self.user.blob(f"{commit}:{name}") for name in listed.split("\0") if name}


@dataclass(frozen=True)
class Untouched:
    """Everything of the user's that no effect may change."""

    files: dict[str, tuple[bytes, int]]
    commit: str
    snapshots: str

    @classmethod
    def of(cls, user: UserRepo) -> Untouched:
        """As it stands now."""
        files = {}
        for folder, folders, names in os.walk(user.root):
            folders[:] = [one for one in folders if one not in {".jj", ".git"}]
            for name in names:
                path = Path(folder, name)
                files[str(path)] = (path.read_bytes(), path.stat().st_mtime_ns)
        log = user.peek("op", "log", "--no-graph", "-T", 'workspace_name ++ description ++ "\n"')
        snapshots = "\n".join(line for line in log.splitlines() if line.startswith("default"))
        assert files[str(user.root / "dirty.txt")][0] == DIRTY
        return cls(files, user.commit("default@"), snapshots)

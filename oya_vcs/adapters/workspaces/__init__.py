"""One jj workspace an attempt: made, collected, removed, so that no edit is ever lost.

`ground` says where things are and reads commits; `folders` looks at the disk; `rescue` gives a
workspace that jj lost track of a commit of its own; `creating`, `collecting` and `removing` are the
three effects; `showing` sees to what a workspace shows of its commit, and `including` to what no
commit may hold; `surveying` lists what is there, for people and for the sweep. Works through
`ports.UsersRepository` alone. Must not know who works in a workspace, what a merge queue is, or
what is in the journal.

What makes it safe, each learned from jj 0.46: jj amends whatever commit a workspace stands on when
it snapshots it, be it the target's, so a commit that is not ours is stepped off first; it leaves
out nested repositories without a word, so the disk is compared with the commit before anything is
deleted; and a folder is renamed to the trash before jj forgets the workspace, so that a kill
in between leaves an entry without a folder, never a folder whose worth is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from oya_vcs.adapters.workspaces.collecting import collect, collected
from oya_vcs.adapters.workspaces.creating import create, created
from oya_vcs.adapters.workspaces.ground import KEPT, RESULTS, Ground
from oya_vcs.adapters.workspaces.removing import remove, removed
from oya_vcs.adapters.workspaces.salvaging import empty_trash, forget_worktree
from oya_vcs.adapters.workspaces.surveying import entries, folders_in, survey
from oya_vcs.adapters.workspaces.visiting import Visit, first_there, pins, restore, visit
from oya_vcs.core import effects as f
from oya_vcs.core.events import Event, Reason
from oya_vcs.core.ids import BeadId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.leftovers import Finding, Kind, Standing
from oya_vcs.errors import Bug
from oya_vcs.ports import Probe, Report, UsersRepository

__all__ = ["KEPT", "RESULTS", "JjWorkspaces", "Visit"]


class JjWorkspaces:
    """A `ports.Performer` for workspaces, and the survey behind `oya-vcs workspace list`.

    `folder` holds one folder a workspace and is ours alone; `trash` should be on its file system;
    `target` is the bookmark that attempts start from.
    """

    def __init__(
        self,
        repository: UsersRepository,
        folder: Path,
        trash: Path,
        target: str,
        *,
        sparse: bool = False,
        always: tuple[str, ...] = (),
    ) -> None:
        """`sparse`: a workspace shows only the files that its bead names, and `always`."""
        self._ground = Ground(
            repository=repository,
            folder=folder.absolute(),
            trash=trash.absolute(),
            target=target,
            sparse=sparse,
            always=always,
        )

    @property
    def repo(self) -> RepoId:
        """The repository whose workspaces these are."""
        return self._ground.repository.id

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        """The three effects on a workspace."""
        return (f.CreateWorkspace, f.CollectResult, f.RemoveWorkspace)

    async def do(self, key: Key, effect: f.Effect, report: Report) -> Event:
        """Carry the effect out, each step that mutates the repository under its lock.

        Raises WorldFailed: retryable where a live process stands in a folder that is to go, not
        retryable where only a person can tell what is worth keeping.
        """
        if isinstance(effect, f.CreateWorkspace):
            return await create(self._ground, key, effect)
        if isinstance(effect, f.CollectResult):
            return await collect(self._ground, key, effect)
        if isinstance(effect, f.RemoveWorkspace):
            return await remove(self._ground, key, effect)
        raise _not_ours(effect)

    async def probe(self, key: Key, effect: f.Effect) -> Event | Probe:
        """Find the outcome: a whole workspace, a pinned result with our key, nothing left to
        remove. Each effect may be done again from whatever a killed one left, so all else is
        ABSENT."""
        if isinstance(effect, f.CreateWorkspace):
            return await created(self._ground, key, effect)
        if isinstance(effect, f.CollectResult):
            return await collected(self._ground, key, effect)
        if isinstance(effect, f.RemoveWorkspace):
            return await removed(self._ground, key, effect)
        raise _not_ours(effect)

    async def stopped(self, key: Key, effect: f.Effect, reason: Reason) -> Event | None:
        """Never asked: each effect on a workspace ends by itself."""
        raise _not_ours(effect)

    async def survey(self, recorded: Mapping[WorkspaceName, Standing]) -> tuple[Finding, ...]:
        """Everything that is, or looks like, a workspace, compared with the record. Reads only."""
        return await survey(self._ground, recorded)

    async def folders(self) -> frozenset[WorkspaceName]:
        """What stands in the folder of workspaces."""
        return await asyncio.to_thread(folders_in, self._ground.folder)

    async def listed(self) -> frozenset[WorkspaceName]:
        """The workspaces of ours that jj lists, by one call of it."""
        return await entries(self._ground)

    async def sweep(self, finding: Finding) -> CommitId | None:
        """Remove what a survey found, as safely as any workspace; the commit that keeps what was in
        it and nowhere else. It may be done again from wherever it was stopped. Raises as `do`."""
        if finding.kind is Kind.TRASH:
            await empty_trash(finding)
            return None
        if finding.kind is Kind.GIT_WORKTREE:
            return await forget_worktree(self._ground, finding)
        effect = f.RemoveWorkspace(
            repo=self._ground.repository.id,
            bead=BeadId(""),
            workspace=finding.name,
            round=0,
            kept_as=None,
        )
        return (await remove(self._ground, f.effect_key(effect), effect)).pinned

    async def visit(self, name: WorkspaceName) -> Visit:
        """One workspace, closely. Changes nothing. Raises WorldFailed."""
        return await visit(self._ground, name)

    async def last_content(
        self, name: WorkspaceName, recorded: Sequence[CommitId]
    ) -> CommitId | None:
        """What a removed workspace last held, as a commit: its pins first, then those of the
        commits on record that are still there. None where nothing is kept of it."""
        pinned = await pins(self._ground, name)
        return await first_there(self._ground, (*pinned.values(), *recorded))

    async def restore(self, commit: CommitId, into: Path) -> int:
        """Write a commit's files into a new folder; how many there are. Raises WorldFailed."""
        return await restore(self._ground, commit, into)


def _not_ours(effect: f.Effect) -> Bug:
    return Bug(f"JjWorkspaces was handed a {type(effect).__name__}, which is not its kind.")

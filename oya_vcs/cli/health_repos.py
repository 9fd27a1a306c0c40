"""Checks of the repositories that a home works on: that they are where they were, that jj and git
find nothing wrong in them, and that no lock file of a killed program is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from oya_vcs.adapters import jj
from oya_vcs.adapters.jj import JjRepository, open_repository, repo_id
from oya_vcs.adapters.jj.locks import clear_stale_locks, stale_locks
from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.bootstrap import programs_of
from oya_vcs.cli.health import Check, Finding, Patient
from oya_vcs.config import tools_folder
from oya_vcs.core.world import Repo
from oya_vcs.errors import OyaError, WorldFailed

WALK_S_MAX = 30
"""How long git may look for missing objects; a repository of a million takes longer, and is well as
far as anybody saw."""


def _each(patient: Patient) -> Iterator[tuple[Repo, JjRepository]]:
    """Every registered repository that can be opened."""
    for repo in patient.world.repos.values():
        try:
            yield repo, asyncio.run(_opened(patient, Path(repo.path)))
        except OyaError:
            continue  # `_there` says so


async def _opened(patient: Patient, root: Path) -> JjRepository:
    tools = find_tools(tools_folder(), patient.environ)
    programs = programs_of(patient.home, tools, patient.environ)
    return await open_repository(root, workspaces=patient.home.workspaces, programs=programs)


def _there(patient: Patient) -> Iterator[Finding]:
    if not patient.world.repos:
        yield Finding("ok", "none is registered yet")
    for repo in patient.world.repos.values():
        try:
            repository = asyncio.run(_opened(patient, Path(repo.path)))
        except OyaError as error:
            mend = f"{error.hint} One that was moved: `oya-vcs init` at its new place."
            yield Finding("error", f"{repo.path}: {error.message}", mend.strip())
            continue
        if repo_id(repository.root) != repo.id:
            mend = f"Register it there: `oya-vcs init {repository.root}`."
            yield Finding("error", f"{repo.path} is now at {repository.root}", mend)
        else:
            yield Finding("ok", f"{repo.path} is there")


def _operations(patient: Patient) -> Iterator[Finding]:
    """Whether jj reads its newest operation, and finds one bookmark to land on there."""
    found = False
    for repo, repository in _each(patient):
        found = True
        try:
            tip = asyncio.run(jj.tip(repository, repo.target))
        except OyaError as error:
            yield Finding("error", f"{repo.path}: {error.message}", error.hint)
        else:
            yield Finding("ok", f"{repo.path}: jj reads it; {repo.target} is at {tip[:12]}")
    if not found:
        yield Finding("ok", "no repository can be asked")


def _objects(patient: Patient) -> Iterator[Finding]:
    """Whether every object that a ref leads to is there."""
    found = False
    for repo, repository in _each(patient):
        found = True
        look = repository.git("rev-list", "--objects", "--all", "--quiet")
        try:
            asyncio.run(asyncio.wait_for(look, WALK_S_MAX))
        except TimeoutError:
            yield Finding("ok", f"{repo.path}: git found nothing wrong within {WALK_S_MAX} s")
        except WorldFailed as error:
            said = (error.stderr.strip() or error.message).partition("\n")[0]
            mend = "Keep a copy, then fetch what is missing from a remote or another clone."
            yield Finding("error", f"{repo.path}: git misses something: {said}", mend)
        else:
            yield Finding("ok", f"{repo.path}: git misses nothing")
    if not found:
        yield Finding("ok", "no repository can be asked")


def _locks(patient: Patient) -> Iterator[Finding]:
    found = False
    for repo, repository in _each(patient):
        found = True
        stale = stale_locks(repository.git_dir, repository.store)
        if not stale:
            yield Finding("ok", f"{repo.path}: no stale lock file")
            continue
        names = ", ".join(str(path) for path in stale)
        mend = "The next command of oya-vcs that meets one removes it; git and jj do not."

        def cure(here: JjRepository = repository) -> str:
            cleared = asyncio.run(_cleared(here))
            return f"Removed {', '.join(map(str, cleared)) or 'nothing: it is gone'}."

        yield Finding("warning", f"{repo.path}: a killed program left {names}", mend, cure)
    if not found:
        yield Finding("ok", "no repository can be asked")


async def _cleared(repository: JjRepository) -> tuple[Path, ...]:
    async with repository.lock():
        return await asyncio.to_thread(clear_stale_locks, repository.git_dir, repository.store)


REPOSITORIES = (
    Check("repositories", _there),
    Check("operations", _operations),
    Check("objects", _objects),
    Check("locks", _locks),
)

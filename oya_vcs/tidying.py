"""Commands on workspaces that need no daemon: what is left, one of them closely, what was in one
that is gone; and the clean-up, which the record is told of.

Composes as `bootstrap` does, over its pieces. Must not run workers or land anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import JjRepository, open_repository, workspace_around
from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.adapters.workspaces import JjWorkspaces, Visit
from oya_vcs.bootstrap import programs_of, workspaces_of
from oya_vcs.config import Home, environment, tools_folder
from oya_vcs.core import events as e
from oya_vcs.core import leftovers
from oya_vcs.core.ids import ChangeId, CommitId, RepoId, WorkspaceName
from oya_vcs.core.leftovers import Finding
from oya_vcs.core.world import Keep, Repo, Workspace, World
from oya_vcs.errors import ConfigurationInvalid, NotFound, OyaError, WorldFailed
from oya_vcs.housekeeping import idle, record_of
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime.outbox import Outbox, of_one
from oya_vcs.runtime.sweep import take_away


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a clean-up may take: what was left alone for `older_ms` at `now_ms` (Unix time), at most
    `count` things."""

    now_ms: int
    older_ms: int
    count: int


@dataclass(slots=True, kw_only=True)
class Look:
    """What a look at one repository found: what is to go (`kept` by the record, `orphans` that it
    does not expect), what is `waiting` of the kept ones, what is left of the others and why
    (`explained`), or why it could not be looked at."""

    repo: RepoId
    kept: list[Workspace] = field(default_factory=list)
    waiting: list[Workspace] = field(default_factory=list)
    orphans: list[Finding] = field(default_factory=list)
    explained: list[Finding] = field(default_factory=list)
    problem: str = ""


@dataclass(slots=True, kw_only=True)
class Cleaned:
    """What a clean-up did: what it found, what became of the kept workspaces and of the orphans
    (None: refused, and left), by name."""

    looks: list[Look]
    workspaces: Mapping[WorkspaceName, Workspace]
    swept: Mapping[WorkspaceName, e.WorkspaceSwept | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A removed workspace's content in a folder."""

    workspace: WorkspaceName
    commit: CommitId
    into: Path
    files: int


async def look(home: Home, world: World, limits: Limits) -> list[Look]:
    """What a clean-up would do now, repository by repository. Changes nothing."""
    left, looks = limits.count, []
    for repo in world.repos.values():
        found = await _look(home, world, repo, limits, left)
        left -= len(found.kept) + len(found.orphans)
        looks.append(found)
    return looks


async def clean(home: Home, limits: Limits) -> Cleaned:
    """Pin and remove what was kept for long enough and what nobody expects, and do nothing else.

    Raises Locked where a daemon has the home (it does the same by itself), NotFound where there is
    no record.
    """
    async with record_of(home) as (world, journal, last):
        seq, left = last, limits.count
        looks: list[Look] = []
        swept: dict[WorkspaceName, e.WorkspaceSwept | None] = {}
        for repo in list(world.repos.values()):
            found = await _look(home, world, repo, limits, left)
            left -= len(found.kept) + len(found.orphans)
            looks.append(found)
            if found.kept or found.orphans:
                seq = await _clean(world, seq, journal, home, found, swept)
        return Cleaned(looks=looks, workspaces=world.workspaces, swept=swept)


async def show(home: Home, world: World, name: WorkspaceName) -> Visit:
    """One workspace of the record, closely. Changes nothing. Raises NotFound, WorldFailed."""
    known = world.workspaces.get(name)
    if known is None:
        raise _unknown(name)
    repository, spaces = await _place(home, world.repos[known.repo])
    if not await asyncio.to_thread((repository.control / ".jj").is_dir):
        raise WorldFailed(
            f"Our own workspace of {repository.root} is gone, so that nothing can be looked up.",
            hint="The next `oya-vcs run` on that repository makes it again.",
        )
    return await spaces.visit(name)


async def restore(home: Home, world: World, wanted: str, to: Path | None) -> Restored:
    """Bring back what was in a removed workspace (its name, or a bead's: its newest attempt of
    which something was kept), as a new folder. Changes neither repository nor record.

    `to` is that folder, None for one in the home. Raises NotFound, ConfigurationInvalid for a
    folder that cannot be, WorldFailed.
    """
    names = _named(world, wanted)
    for repo in world.repos.values():
        repository, spaces = await _place(home, repo)
        for name in names:
            known = world.workspaces.get(name)
            if known is not None and known.repo != repo.id:
                continue
            commit = await spaces.last_content(name, _recorded(world, known))
            if commit is None:
                continue
            into = (to if to is not None else _free(home, name)).absolute()
            await asyncio.to_thread(_require_free, repository, into)
            files = await spaces.restore(commit, into)
            return Restored(workspace=name, commit=commit, into=into, files=files)
    raise NotFound(
        f"Nothing is kept of {wanted!r}: no removed workspace of that name or bead has a pin.",
        "`oya-vcs workspace list --all` lists them; what changed nothing has nothing to restore.",
    )


def find(world: World, wanted: str) -> WorkspaceName:
    """The workspace of that name, or the newest of the bead of that name. Raises NotFound."""
    for name in _named(world, wanted):
        if name in world.workspaces:
            return name
    raise _unknown(wanted)


def _named(world: World, wanted: str) -> list[WorkspaceName]:
    """The workspaces that a person may mean, the best first."""
    if wanted in world.workspaces:
        return [WorkspaceName(wanted)]
    mine = [one for one in world.workspaces.values() if one.bead == wanted]
    newest = [one.name for one in sorted(mine, key=lambda one: one.attempt, reverse=True)]
    return newest or [WorkspaceName(wanted)]


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"There is no workspace {name!r} on record.",
        "`oya-vcs workspace list --all` lists all that there were.",
    )


def _recorded(world: World, known: Workspace | None) -> list[CommitId]:
    """The commits that the record knows of a workspace, what was only in it first. Raises
    ConfigurationInvalid where it is still there."""
    if known is None:
        return []
    if known.keep is not Keep.REMOVED and known.path and Path(known.path).exists():
        raise ConfigurationInvalid(
            f"Workspace {known.name} is still there: {known.path}.",
            "Copy what you need from it.",
        )
    change = world.changes.get(ChangeId(f"{known.bead}.{known.attempt}"))
    result = change.head if change is not None else None
    return [commit for commit in (known.pinned, result) if commit is not None]


def _free(home: Home, name: WorkspaceName) -> Path:
    """A folder of the home that is not there yet."""
    above = home.root / "restored"
    number = 1
    while (into := above / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return into


def _require_free(repository: JjRepository, into: Path) -> None:
    if into.exists() or into.is_symlink():
        raise ConfigurationInvalid(
            f"{into} is there already; nothing is ever written over.",
            "Name a folder that is not there yet with --to.",
        )
    around = workspace_around(repository, into)
    if around is not None:
        raise ConfigurationInvalid(
            f"{into} lies in {around}, a workspace of the repository: jj would commit it.",
            "Name a folder outside of the repository with --to.",
        )


async def _place(home: Home, repo: Repo) -> tuple[JjRepository, JjWorkspaces]:
    environ = environment()
    tools = find_tools(tools_folder(), environ)
    repository = await open_repository(
        Path(repo.path), workspaces=home.workspaces, programs=programs_of(home, tools, environ)
    )
    return repository, workspaces_of(home, repository, repo.target)


async def _look(home: Home, world: World, repo: Repo, limits: Limits, left: int) -> Look:
    here = [one for one in world.workspaces.values() if one.repo == repo.id]
    found = Look(repo=repo.id)
    found.kept = leftovers.overdue(here, limits.now_ms, limits.older_ms, left)
    try:
        repository, spaces = await _place(home, repo)
        if not await asyncio.to_thread((repository.control / ".jj").is_dir):
            found.problem = f"Nothing of ours was ever made in {repository.root}."
            return found
        survey = await spaces.survey(leftovers.standings(world, repo.id))
    except OyaError as error:
        found.kept = []
        found.problem = f"{repo.path} could not be looked at: {error.message}"
        return found
    found.waiting = [one for one in here if one.keep is Keep.KEPT and one not in found.kept]
    room = left - len(found.kept)
    found.orphans = leftovers.orphaned(survey, limits.now_ms, limits.older_ms, room)
    found.explained = [
        one for one in survey if one.kind not in leftovers.EXPECTED and one not in found.orphans
    ]
    return found


async def _clean(
    world: World,
    seq: int,
    journal: SqliteJournal,
    home: Home,
    found: Look,
    swept: dict[WorkspaceName, e.WorkspaceSwept | None],
) -> int:
    """Do it in one repository; returns the number of the last event then."""
    repo = world.repos[found.repo]
    repository, spaces = await _place(home, repo)
    await repository.prepare()
    engine = idle(world, seq, journal, repo.id)
    outbox = Outbox(
        performers=of_one(repo.id, [spaces]),
        executor=engine.executor,
        offer=engine.offer,
        clock=SystemClock(),
    )
    engine.listen(outbox)
    facts: Sequence[e.Event] = [
        e.WorkspaceDiscarded(bead=one.bead, workspace=one.name) for one in found.kept
    ]
    if facts:
        await engine.offer(*facts)
        await outbox.drain()
    for one in found.orphans:
        swept[one.name] = await take_away(
            one, world=world, repo=repo.id, site=spaces, offer=engine.offer
        )
    return engine.seq

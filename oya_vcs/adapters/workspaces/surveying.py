"""What is, or looks like, a workspace: jj's entries, the folders, git's worktrees, the trash, and
the record, side by side.

Reads only: it decides nothing and touches nothing. What is ours is told by three things: the
record, the folder that it is in, and the name that jj has for it, which carries this home's tag.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.workspaces import folders
from oya_vcs.adapters.workspaces.ground import Ground
from oya_vcs.core.ids import WorkspaceName
from oya_vcs.core.leftovers import Finding, Kind, Standing

_OURS = re.compile(r"(.+-a[0-9]+-[0-9a-f]{8}|oya-control)-([0-9a-f]{6})")
"""What jj calls the workspaces of any home: `core.ids.workspace_name`, or control; and its tag."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A workspace as jj lists it. `unmoved`: it still stands on the root commit, where jj makes
    every workspace before it moves it to where it shall be."""

    entry: str
    root: str | None
    unmoved: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """A workspace's folder: what speaks against it (empty: it is well), whose jj says it is, and
    when something in it was last touched."""

    complaint: str
    entry: str
    at_ms: int


async def survey(ground: Ground, recorded: Mapping[WorkspaceName, Standing]) -> tuple[Finding, ...]:
    """Compare what is there with the record, by name.

    Workspaces that stand elsewhere (the user's) are mentioned only where the record names them.
    """
    listed = await _entries(ground)
    ours = {ground.entry_name(one.entry): one for one in listed if ground.is_entry(one.entry)}
    there = await asyncio.to_thread(_folders, ground)
    expected = {name for name, one in recorded.items() if one is not Standing.REMOVED}

    def judged() -> list[Finding]:
        return [
            _judge(ground, name, recorded.get(name), there.get(name), ours.get(name))
            for name in sorted({*there, *ours, *expected})
        ]

    worktrees = await _worktrees(ground)
    gits = {one.name for one in worktrees}
    found = [
        one
        for one in await asyncio.to_thread(judged)
        if one.kind is not Kind.NOT_OURS or one.name not in gits
    ]
    found += worktrees
    found += await asyncio.to_thread(lambda: [*_trash(ground), *_dead(ground, listed)])
    return tuple(found)


def _judge(
    ground: Ground,
    name: WorkspaceName,
    standing: Standing | None,
    folder: _Folder | None,
    entry: _Entry | None,
) -> Finding:
    kind, why, safe = _kind(ground, name, standing, folder, entry)
    times = [one.at_ms for one in (folder, entry) if one is not None]
    return Finding(
        name=name,
        path=str(ground.path(name)),
        kind=kind,
        why=why,
        safe_to_remove=safe and standing is not Standing.LIVE,
        since_ms=max(times, default=None),
    )


def _kind(
    ground: Ground,
    name: WorkspaceName,
    standing: Standing | None,
    folder: _Folder | None,
    entry: _Entry | None,
) -> tuple[Kind, str, bool]:
    place = _real(ground.path(name))
    if entry is not None and (entry.root is None or Path(entry.root) != place):
        why = f"jj has it at {entry.root or 'no place'}, not at {place}: move it back, or run `jj "
        return Kind.MOVED, f"{why}workspace forget {entry.entry}`.", False
    if folder is None:
        return _without_folder(standing, entry)
    if folder.complaint:
        return _unwell(ground.path(name), folder, standing, entry)
    if entry is None:
        ours = folder.entry == ground.entry(name)
        whose = "" if ours else f", and it belongs to workspace {folder.entry or 'unknown'}"
        why = f"Its folder is there, but jj does not list it: somebody forgot it{whose}."
        return (Kind.FOLDER_ONLY, why, True) if ours else (Kind.NOT_OURS, why, False)
    if entry.unmoved and standing is not Standing.LIVE:
        why = "It was being made when its daemon died: jj had yet to fill it."
        return Kind.HALF_MADE, why, True
    if standing is None:
        return Kind.ORPHAN, "The record does not know it.", True
    if standing is Standing.REMOVED:
        return Kind.ORPHAN, "The record has it as removed, but somebody brought it back.", True
    if standing is Standing.LIVE:
        return Kind.LIVE, "An attempt works in it.", False
    return Kind.KEPT, "Its attempt is over; it is kept to be looked into.", True


def _without_folder(standing: Standing | None, entry: _Entry | None) -> tuple[Kind, str, bool]:
    known = f", though the record has it as {standing}" if standing else ""
    what = (
        "jj lists it, but its folder is gone: somebody deleted or moved it"
        if entry is not None
        else "It is neither listed nor there"
    )
    return Kind.ENTRY_ONLY, f"{what}{known}.", True


def _unwell(
    path: Path, folder: _Folder, standing: Standing | None, entry: _Entry | None
) -> tuple[Kind, str, bool]:
    """A damaged folder that jj or the record knows can be saved file by file; all else is not
    ours."""
    known = entry is not None or standing is Standing.KEPT
    clause = folder.complaint.replace(f"{path}/", "").replace(f"{path} ", "it ")
    if not clause.startswith(folders.DAMAGED):
        return Kind.NOT_OURS, f"It {clause}.", False
    if known:
        return Kind.HALF_MADE, f"Its folder {clause}.", True
    missing = clause.removeprefix(f"{folders.DAMAGED}: ")
    return Kind.NOT_OURS, f"It is no workspace: {missing}.", False


async def entries(ground: Ground) -> frozenset[WorkspaceName]:
    """The workspaces of ours that jj lists, without the control workspace."""
    listed = await _entries(ground)
    return frozenset(ground.entry_name(one.entry) for one in listed if ground.is_entry(one.entry))


def folders_in(folder: Path) -> frozenset[WorkspaceName]:
    """The names of what stands in a folder of workspaces, whatever it is. Blocks."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a second's look; no object for each is needed
    except FileNotFoundError:
        return frozenset()
    return frozenset(WorkspaceName(name) for name in names if not name.startswith("."))


async def _entries(ground: Ground) -> list[_Entry]:
    """Every workspace that jj lists, the user's too."""
    on_root = "target.root() || target.parents().all(|parent| parent.root())"
    values = ("name", "root", on_root, 'target.committer().timestamp().format("%s")')
    template = ' ++ "\\t" ++ '.join(f"json({one})" for one in values)
    said = await ground.repository.jj("workspace", "list", "-T", f'{template} ++ "\\n"')
    found = []
    for line in said.splitlines():
        name, root, unmoved, seconds = (json.loads(part) for part in line.split("\t"))
        found.append(_Entry(name, root, unmoved, int(seconds) * 1000))
    return found


def _real(path: Path) -> Path:
    """The path as jj records it: its folder's links resolved, its own name kept."""
    return path.parent.resolve() / path.name


def _folders(ground: Ground) -> dict[WorkspaceName, _Folder]:
    """What is below the folder of workspaces; what begins with a dot is no attempt's."""
    pointer = ground.repository.control / ".jj" / "repo"
    found = {}
    for path in folders.entries(ground.folder):
        checkout = folders.checked_out(path)
        found[WorkspaceName(path.name)] = _Folder(
            folders.complaint(path, pointer),
            checkout[1] if checkout else "",
            max(map(folders.touched_ms, (path, path / ".jj" / "working_copy"))),
        )
    return found


def _trash(ground: Ground) -> Iterator[Finding]:
    """What a killed removal left in the trash. The home's other repositories use it too; it is the
    same for them."""
    for path in folders.in_trash(ground.trashes):
        yield Finding(
            name=WorkspaceName(path.name),
            path=str(path),
            kind=Kind.TRASH,
            why="It was verified before it was moved to the trash, and only has to be deleted.",
            safe_to_remove=True,
            since_ms=folders.touched_ms(path),
        )


def _dead(ground: Ground, listed: list[_Entry]) -> Iterator[Finding]:
    """Workspaces of other homes whose folder of workspaces is gone: explained, never touched."""
    for one in listed:
        named = _OURS.fullmatch(one.entry)
        if named is None or named[2] == ground.repository.home_tag or one.root is None:
            continue
        if folders.is_there(Path(one.root)) or folders.is_there(Path(one.root).parent):
            continue
        yield Finding(
            name=WorkspaceName(one.entry),
            path=one.root,
            kind=Kind.OTHER_HOME,
            why="It was made by another home of oya-vcs, whose folder is gone. It is not ours to "
            f"touch: `jj workspace forget {one.entry}` forgets it, and what it pinned stays under "
            "refs/oya/.",
            safe_to_remove=False,
            since_ms=one.at_ms,
        )


async def _worktrees(ground: Ground) -> list[Finding]:
    """git's worktrees below our folder: jj makes them in a colocated repository, unless told not
    to, and git then refuses what it thinks is checked out there."""
    said = await ground.repository.git("worktree", "list", "--porcelain")
    above = await asyncio.to_thread(ground.folder.resolve)
    found = []
    for block in said.split("\n\n"):
        path = Path(block.partition("\n")[0].removeprefix("worktree "))
        if path.parent != above or path.name.startswith("."):
            continue
        gone = not await asyncio.to_thread(folders.is_there, path)
        why = "git has a worktree there, which no workspace of ours is: a worker or an older jj "
        mend = "made it. " + ("Its folder is gone." if gone else "It goes when its folder has.")
        found.append(
            Finding(
                name=WorkspaceName(path.name),
                path=str(path),
                kind=Kind.GIT_WORKTREE,
                why=why + mend,
                safe_to_remove=gone,
            )
        )
    return found

"""What is, or looks like, a workspace: jj's entries, the folders, and the record, side by side.

Reads only: it decides nothing and touches nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from oya_vcs.adapters.workspaces import folders
from oya_vcs.adapters.workspaces.ground import Ground
from oya_vcs.core.ids import WorkspaceName


class Standing(StrEnum):
    """What the record says of a workspace."""

    LIVE = "live"
    """An attempt works in it, or is about to."""
    KEPT = "kept"
    """Its attempt is over; it is kept for people to look into."""


class Kind(StrEnum):
    """What a survey found."""

    LIVE = "live"
    KEPT = "kept"
    ORPHAN = "orphan"
    """Folder and entry are well, but the record does not know it."""
    HALF_MADE = "half_made"
    """An entry whose folder is not, or not yet, a workspace."""
    ENTRY_ONLY = "entry_only"
    FOLDER_ONLY = "folder_only"
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a survey found. `why` is a sentence; `safe_to_remove` that `RemoveWorkspace`
    may be tried: it keeps what is worth keeping."""

    name: WorkspaceName
    path: Path
    kind: Kind
    why: str
    safe_to_remove: bool


async def survey(ground: Ground, recorded: Mapping[WorkspaceName, Standing]) -> tuple[Finding, ...]:
    """Compare what is there with the record, by name.

    Workspaces that stand elsewhere (the user's) are mentioned only where the record names them.
    """
    listed = await entries(ground)
    pointer = ground.repository.control / ".jj" / "repo"
    complaints = await asyncio.to_thread(_complaints, ground.folder, pointer)
    found = []
    for name in sorted({*complaints, *listed, *recorded}):
        standing = recorded.get(name)
        complaint = complaints.get(name)
        kind, why, safe = _judge(standing, complaint, listed=name in listed)
        found.append(
            Finding(name=name, path=ground.path(name), kind=kind, why=why, safe_to_remove=safe)
        )
    return tuple(found)


def _judge(
    standing: Standing | None, complaint: str | None, *, listed: bool
) -> tuple[Kind, str, bool]:
    """`complaint` is None where there is no folder, empty where it is well."""
    if complaint is None:
        known = f", though the record has it as {standing}" if standing else ""
        what = "jj lists it, but its folder is gone" if listed else "It is neither listed nor there"
        return Kind.ENTRY_ONLY, f"{what}{known}.", standing is not Standing.LIVE
    if complaint and listed and "damaged" in complaint:
        return Kind.HALF_MADE, f"Its folder {complaint}.", False
    if complaint:
        return Kind.NOT_OURS, f"It {complaint}.", False
    if not listed:
        return Kind.FOLDER_ONLY, "Its folder is there, but jj does not list it.", standing is None
    if standing is Standing.LIVE:
        return Kind.LIVE, "An attempt works in it.", False
    if standing is Standing.KEPT:
        return Kind.KEPT, "Its attempt is over; it is kept to be looked into.", True
    return Kind.ORPHAN, "The record does not know it.", True


async def entries(ground: Ground) -> frozenset[WorkspaceName]:
    """The workspaces that jj lists below our folder, without the control workspace."""
    said = await ground.repository.jj(
        "workspace", "list", "-T", 'json(name) ++ "\\t" ++ json(root) ++ "\n"'
    )
    found = set()
    for line in said.splitlines():
        entry, root = (json.loads(part) for part in line.split("\t"))
        name = WorkspaceName(entry.removesuffix(f"-{ground.repository.home_tag}"))
        ours = root is not None and entry == ground.entry(name)
        if ours and Path(root) == await asyncio.to_thread(_real, ground.path(name)):
            found.add(name)
    return frozenset(found)


def _real(path: Path) -> Path:
    """The path as jj records it: its folder's links resolved, its own name kept."""
    return path.parent.resolve() / path.name


def _complaints(folder: Path, pointer: Path) -> dict[WorkspaceName, str]:
    """What speaks against each entry of the folder; `.control` is no attempt's."""
    return {name: folders.complaint(folder / name, pointer) for name in folders_in(folder)}


def folders_in(folder: Path) -> frozenset[WorkspaceName]:
    """The names of what stands in a folder of workspaces, whatever it is. Blocks."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a second's look; no object for each is needed
    except FileNotFoundError:
        return frozenset()
    return frozenset(WorkspaceName(name) for name in names if not name.startswith("."))

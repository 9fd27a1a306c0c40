"""What a workspace shows of its commit, and that jj's look at its folder overlooks nothing.

jj records no file outside of a workspace's sparse patterns, and none that `info/exclude` of the
repository names, and says nothing of either (measured on 0.46). A result is every file that no
.gitignore excludes, so both are found here and brought in. What a workspace does not show stays in
its commit as it is. Must not know what is done with a commit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from oya_vcs.adapters.workspaces import folders
from oya_vcs.adapters.workspaces.ground import Commit, Ground, Unusable
from oya_vcs.core.ids import WorkspaceName

BATCH = 200
"""Names on one command line, which must stay far below the system's limit."""

Patterns = tuple[str, ...]
"""Files and folders, from the root; nothing else of a commit is shown."""


async def patterns(ground: Ground, name: WorkspaceName) -> Patterns | None:
    """What the workspace shows; None where that is everything, which costs no program to find."""
    path = ground.path(name)
    if await asyncio.to_thread(folders.shows_all, path):
        return None
    said = await ground.repository.jj(
        "sparse", "list", "--ignore-working-copy", workspace=ground.path(name)
    )
    listed = tuple(said.splitlines())
    return None if "." in listed else listed


async def widen(ground: Ground, name: WorkspaceName) -> None:
    """Let the workspace show whatever is in its folder and no .gitignore excludes.

    jj leaves a file that is there as it is, so a file of the commit that was hidden, and written
    by a worker, becomes that worker's edit.
    """
    shown = await patterns(ground, name)
    if shown is None:
        return
    there = await ground.unignored(name)
    outside = [one for one in there if not covers(shown, os.fsdecode(one))]
    for some in _batches(_decoded(name, outside)):
        adds = [f"--add={one}" for one in some]
        await ground.repository.jj("sparse", "set", *adds, workspace=ground.path(name))


async def track(ground: Ground, name: WorkspaceName, commit: Commit) -> bool:
    """Record the files that only `info/exclude` kept from being recorded in the workspace's commit;
    whether there were any."""
    if not await ground.repository.excludes_privately():
        return False
    held = await files(ground, commit, commit.id)
    left = [one for one in await ground.unignored(name) if one not in held]
    for some in _batches(_decoded(name, left)):
        sets = [f"root-file:{_literal(one)}" for one in some]
        await ground.repository.jj(
            "file", "track", "--include-ignored", *sets, workspace=ground.path(name)
        )
    return bool(left)


async def files(ground: Ground, commit: Commit, revision: str) -> dict[bytes, folders.Blob]:
    """What the commit holds. Of one with conflicts git knows no files: jj names them."""
    if commit.conflict:
        said = await ground.repository.jj("file", "list", "-r", commit.id, "-T", 'path ++ "\\0"')
        return {one.encode(): folders.Blob("", "") for one in said.split("\0") if one}
    return folders.listing(await ground.repository.git("ls-tree", "-r", revision))


async def shown(
    ground: Ground, name: WorkspaceName, held: Mapping[bytes, folders.Blob]
) -> Mapping[bytes, folders.Blob]:
    """Those of a commit's files that should be in the folder."""
    found = await patterns(ground, name)
    if found is None:
        return held
    return {one: blob for one, blob in held.items() if covers(found, os.fsdecode(one))}


def covers(shown: Iterable[str], name: str) -> bool:
    """Whether one of the patterns is the file, or a folder above it."""
    return any(name == one or name.startswith(f"{one}/") for one in shown)


def _decoded(name: WorkspaceName, paths: Sequence[bytes]) -> list[str]:
    try:
        return [one.decode() for one in paths]
    except UnicodeDecodeError as error:
        raise Unusable(
            f"Workspace {name} holds a name that is not UTF-8, which jj cannot record: "
            f"{error.object!r}.",
            hint="Rename, move or delete the file.",
        ) from error


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    left = iter(names)
    while some := list(islice(left, BATCH)):
        yield some


def _literal(text: str) -> str:
    """A string as jj's fileset language writes it."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _escaped(c) for c in plain) + '"'


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 128 else character

"""The submodules of a commit: where their files can be had without asking anybody else.

Git keeps the repositories of submodules that somebody has initialised in `modules/` beside the
objects of the one they belong to. Must not know what the files are wanted for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed

Git = Callable[..., Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """A commit whose files belong into `tree`; `store` is the git folder that holds its objects and
    those of its submodules."""

    tree: Path
    commit: CommitId
    store: Path


async def parts_of(git: Git, whole: Part) -> tuple[Part, ...]:
    """The submodules of a commit whose index `git` reads. Raises WorldFailed, not retryable and
    with the mend, where one of them cannot be had."""
    listed = (await git("ls-files", "--stage", "-z")).split("\0")
    entries = (line.partition("\t")[::2] for line in listed)
    links = {path: about.split()[1] for about, path in entries if about.startswith("160000 ")}
    names = await _names(git, whole.commit)
    found = []
    for path, commit in links.items():
        store = _store(whole.store / "modules", names.get(path, ""))
        part = None if store is None else Part(whole.tree / path, CommitId(commit), store)
        if part is None or not await _holds(git, part):
            raise WorldFailed(
                f"{whole.commit} has the submodule {path} at {commit}, and that commit is not in "
                "the repository: no check is run on a part of the files.",
                hint=f"Run `git submodule update --init -- {path}` in the repository, then run "
                "again.",
            )
        found.append(part)
    return tuple(found)


async def _names(git: Git, commit: CommitId) -> Mapping[str, str]:
    """What .gitmodules calls the submodule at each path."""
    asked = ("config", f"--blob={commit}:.gitmodules", "-z", "--get-regexp")
    try:
        said = await git(*asked, r"^submodule\..*\.path$")
    except WorldFailed:
        return {}  # there is no such file, or nothing in it
    rows = (row.partition("\n")[::2] for row in said.split("\0") if row)
    return {path: key.removeprefix("submodule.").removesuffix(".path") for key, path in rows}


def _store(modules: Path, name: str) -> Path | None:
    """The git folder of a submodule. A name is somebody's text: it leads nowhere else."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        return None
    return modules / name


async def _holds(git: Git, part: Part) -> bool:
    objects = {"GIT_OBJECT_DIRECTORY": str(part.store / "objects")}
    try:
        await git("cat-file", "-e", f"{part.commit}^{{tree}}", env=objects)
    except WorldFailed:
        return False
    return True

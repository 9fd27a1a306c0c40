"""Reading a repository before anything is made in it: where its target stands, what is in a commit.

Changes nothing, and needs no workspace of ours. Must not know what is read, or why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from oya_vcs.adapters.jj.places import store_of
from oya_vcs.adapters.jj.repository import JjRepository
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import ConfigurationInvalid

ROOT = CommitId("0" * 40)
"""jj's root commit, which git does not have."""


async def tip(repository: JjRepository, bookmark: str) -> CommitId:
    """Where a bookmark stands, by what jj and git know together.

    git counts where it is ahead: somebody used `git commit`, and jj has not looked since. Raises
    ConfigurationInvalid, with the mend, where it is missing, conflicted or diverged.
    """
    name = f"exact:{json.dumps(bookmark, ensure_ascii=False)}"
    ours = (await repository.peek("bookmark", "list", "-T", _PLACE, "--", name)).split()
    if ours == ["conflicted"]:
        raise ConfigurationInvalid(
            f"The bookmark {bookmark} is conflicted: it was moved in two ways at once.",
            f"Run `jj bookmark set {bookmark} -r REVISION` in {repository.root}.",
        )
    branch = f"refs/heads/{bookmark}"
    theirs = (await repository.git("for-each-ref", "--format=%(objectname)", branch)).split()
    if not ours and not theirs:
        raise ConfigurationInvalid(
            f"There is no bookmark {bookmark} in {repository.root}, so there is nothing to land "
            "on.",
            f"Run `jj bookmark create {bookmark} -r REVISION` there, or name another target as "
            "[repo] target in oya.toml.",
        )
    if not theirs or ours == theirs or (ours and await _holds(repository, ours[0], theirs[0])):
        return CommitId(ours[0])
    if not ours or await _holds(repository, theirs[0], ours[0]):
        return CommitId(theirs[0])
    raise ConfigurationInvalid(
        f"jj has {bookmark} at {ours[0][:12]} and git has it at {theirs[0][:12]}.",
        f"Run `jj git import` in {repository.root}, and settle the conflict that it shows.",
    )


_PLACE = (
    'if(remote, "", if(conflict, "conflicted", if(present, normal_target.commit_id())) ++ "\\n")'
)


async def _holds(repository: JjRepository, tip: str, commit: str) -> bool:
    """Whether `commit` is `tip` or an ancestor of it."""
    if ROOT in (tip, commit):
        return commit == ROOT
    return not await repository.git("rev-list", "-n1", commit, f"^{tip}")


async def file_at(repository: JjRepository, commit: CommitId, path: str) -> str | None:
    """The text of a file (`path` from the repository's root) in a commit, None where there is
    none."""
    entry = await _entry(repository, commit, path)
    return await repository.git("cat-file", "blob", entry[2]) if entry[1:2] == ["blob"] else None


async def files_at(
    repository: JjRepository, commit: CommitId, paths: Sequence[str]
) -> frozenset[str]:
    """Those of the paths (from the repository's root) at which a commit holds a file."""
    if commit == ROOT:
        return frozenset()
    listed = await repository.git("ls-tree", "-z", commit, "--", *paths)
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    return frozenset(path for what, _, path in entries if what.split()[1] == "blob")


async def is_program_at(repository: JjRepository, commit: CommitId, path: str) -> bool:
    """Whether a commit holds an executable file, or a link, at `path`."""
    return (await _entry(repository, commit, path))[:1] in (["100755"], ["120000"])


async def _entry(repository: JjRepository, commit: CommitId, path: str) -> list[str]:
    """Mode, type and id of what a commit holds at a path; nothing where it holds nothing."""
    if commit == ROOT:
        return []
    return (await repository.git("ls-tree", commit, "--", str(PurePosixPath(path)))).split()


def workspace_around(repository: JjRepository, path: Path) -> Path | None:
    """The root of the repository's workspace that `path` lies in, whether or not it is there; None
    where it lies in none. Follows links; blocks on the disk."""
    real = path.resolve()
    for folder in (real, *real.parents):
        try:
            if (folder / ".jj").is_dir() and store_of(folder) == repository.store:
                return folder
        except (OSError, ValueError):
            continue  # another repository, and broken
    return None

"""Who judges a candidate: the [checks] of oya.toml as it stands at the commit it is built on.

What a change says about checks counts from the next change on, never for itself. This module must
not know what the commands do, nor what else oya.toml holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from oya_vcs.core.ids import CommitId
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from oya_vcs.ports import Repository

FILE = "oya.toml"
NONE_NAMED = (
    "No checks are configured, so nothing can land. Name at least one command under "
    "[checks] in the oya.toml on the target branch."
)
ChecksAt = Callable[[str | None], Mapping[str, str]]
"""The checks, by name and in order, that count where oya.toml has this text (None: there is none).
It may block. Raises ConfigurationInvalid."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The checks of one candidate; where there are none, `refusal` says why. `base` is its first
    parent, empty for the first commit of a repository."""

    base: str
    commands: Mapping[str, str]
    refusal: str


async def judge(
    repository: Repository,
    candidate: CommitId,
    checks_at: ChecksAt,
    *,
    base: CommitId | None = None,
    files: Sequence[str] = (),
) -> Judge:
    """The judge of a candidate that is built on `base` (None: its first parent); of the first
    commit of a repository it is its own oya.toml. A command that is named by one of `files` counts
    only where the base has that file.

    Raises WorldFailed where the candidate, or what it is built on, is not there.
    """
    said = await _read(repository, base or f"{candidate}^1", files)
    kind = said[0].split(" ")[1:2]
    by = base or (said[0].split(" ")[0] if kind == ["commit"] else "")
    if kind != ["commit"]:
        if base is not None:
            raise WorldFailed(f"The commit {base}, whose checks count, is not there.")
        await _require_first(repository, candidate)
        said = await _read(repository, candidate, files)
    there = {file for file, line in zip(files, said[1:], strict=False) if _is_file(line)}
    header, _, text = said[-1].partition("\n")
    try:
        named = dict(await asyncio.to_thread(checks_at, text if _is_file(header) else None))
    except ConfigurationInvalid as error:
        where = f"{FILE} at {by or candidate}"
        return Judge(by, {}, f"The checks cannot be read from {where}: {error.message}")
    absent = set(files) - there
    commands = {name: command for name, command in named.items() if name not in absent}
    return Judge(by, commands, "" if commands else NONE_NAMED)


async def _read(repository: Repository, commit: str, files: Sequence[str]) -> list[str]:
    """What a commit is, a line; what each of the files is there, a line each; and oya.toml, with a
    line before it."""
    asked = [f"info {commit}", *(f"info {commit}:{file}" for file in files)]
    text = "\n".join([*asked, f"contents {commit}:{FILE}\n"])
    said = await repository.git("cat-file", "--batch-command", stdin=text)
    return said.split("\n", len(asked))


def _is_file(line: str) -> bool:
    return line.split(" ")[1:2] == ["blob"]


async def _require_first(repository: Repository, candidate: CommitId) -> None:
    """Raise WorldFailed unless the commit is there and has no parent."""
    line = await repository.git("rev-list", "--parents", "-n1", "--end-of-options", candidate)
    if line != candidate:
        raise WorldFailed(
            f"The first parent of {candidate} is not there, so nobody knows its checks.",
            hint="Run `git fsck` in the repository.",
        )

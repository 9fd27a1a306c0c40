"""Who judges a candidate: the [checks] of oya.toml as it stands at the commit it is built on.

What a change says about checks counts from the next change on, never for itself. This module must
not know what the commands do, nor what else oya.toml holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
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


async def judge(repository: Repository, candidate: CommitId, checks_at: ChecksAt) -> Judge:
    """The judge of a candidate: of the first commit of a repository it is its own oya.toml.

    Raises WorldFailed where the candidate, or its parent, is not there.
    """
    said = await repository.git(
        *("cat-file", "--batch-command"),
        stdin=f"info {candidate}^1\ncontents {candidate}^1:{FILE}\n",
    )
    parent, _, file = said.partition("\n")
    base, kind, *_ = parent.split(" ")
    if kind != "commit":
        base = ""
        await _require_first(repository, candidate)
        file = await repository.git(
            *("cat-file", "--batch-command"), stdin=f"contents {candidate}:{FILE}\n"
        )
    header, _, text = file.partition("\n")
    is_file = header.split(" ")[1:2] == ["blob"]
    try:
        commands = dict(await asyncio.to_thread(checks_at, text if is_file else None))
    except ConfigurationInvalid as error:
        where = f"{FILE} at {base or candidate}"
        return Judge(base, {}, f"The checks cannot be read from {where}: {error.message}")
    return Judge(base, commands, "" if commands else NONE_NAMED)


async def _require_first(repository: Repository, candidate: CommitId) -> None:
    """Raise WorldFailed unless the commit is there and has no parent."""
    line = await repository.git("rev-list", "--parents", "-n1", "--end-of-options", candidate)
    if line != candidate:
        raise WorldFailed(
            f"The first parent of {candidate} is not there, so nobody knows its checks.",
            hint="Run `git fsck` in the repository.",
        )

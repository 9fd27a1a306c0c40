"""The operations of a jj repository, read and never written.

Every call names the operation that it reads at (`--at-op`, by an id from the folder of operation
heads): jj then joins no heads, looks at no working copy and writes no operation (measured on 0.46;
asked without it, with two heads, it writes). The repository's lock is never taken. Must not know
what follows from an operation, nor who is told.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from oya_vcs.adapters.jj.repository import OP_USER, JjRepository
from oya_vcs.core.ids import CommitId, OperationId
from oya_vcs.core.op_log import Operation
from oya_vcs.core.views import Changed, Commit, Place, View
from oya_vcs.errors import WorldFailed

COMMITS_MAX = 20_000
"""Commits of one difference that are read one by one: about 3 MB. More are counted."""
ASKED_MAX = 500
"""Changes that are asked for in one call of jj: an argument may have 128 KiB."""
DESCRIPTION_MAX = 200
"""Characters of an operation's description that are kept."""
MARK_DIGITS = 16

_OPERATION = 'json(self) ++ "\\n"'
_COMMIT = (
    'join(" ", commit_id, change_id, if(conflict, "C", "-"), if(hidden, "removed", "added"),'
    ' if({torn}, "D", "-")) ++ "\\n"'
)
_LOG = ("log", "--no-graph")
_NAME = 'json(name) ++ "\\n"'
_WITH_REFS = "bookmarks() | working_copies()"
_REFS = (
    'json(local_bookmarks) ++ "\\t" ++ working_copies.map(|one| json(one.name())).join("\\t")'
    ' ++ "\\n"'
)
_ID = re.compile(r"[0-9a-f]{128}")
"""How an operation is named; for moments there is a file `lock` beside the heads."""
_GONE = re.compile(r"No operation ID matching|[Oo]bject \S+ of type \S+ not found")
"""How jj says that an operation, or what it showed, is not there any more."""


class JjOperations:
    """The operation log of a repository, and what jj shows of it at each operation."""

    def __init__(self, repository: JjRepository) -> None:
        self._repository = repository

    @property
    def folder(self) -> Path:
        """Where jj has a file for each head of the log, named by its id: it changes with every
        operation, and with nothing else."""
        return self._repository.store / "op_heads" / "heads"

    async def heads(self) -> frozenset[OperationId]:
        """The heads of the log; none where the repository cannot be read. Starts no program."""

        def listed() -> frozenset[OperationId]:
            try:
                names = [one.name for one in self.folder.iterdir()]
            except OSError:
                return frozenset()
            return frozenset(OperationId(name) for name in names if _ID.fullmatch(name))

        return await asyncio.to_thread(listed)

    async def log(self, heads: Collection[OperationId], most: int) -> Sequence[Operation]:
        """The newest operations behind each of the heads, at most so many of each. Raises
        WorldFailed."""
        asked = ("op", "log", "--no-graph", "-n", str(most), "-T", _OPERATION)
        said = await asyncio.gather(*(self._at(head, *asked) for head in sorted(heads)))
        return [self._operation(json.loads(line)) for text in said for line in text.splitlines()]

    def _operation(self, said: Mapping[str, Any]) -> Operation:
        known = {name: one for name, one in said.items() if name not in ("id", "parents")}
        digest = sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        user, host = said["username"], said["hostname"]
        return Operation(
            id=OperationId(said["id"]),
            parents=tuple(map(OperationId, said["parents"])),
            mark=digest[:MARK_DIGITS],
            by=f"{user}@{host}",
            description=said["description"].partition("\n")[0][:DESCRIPTION_MAX],
            ended_ms=round(datetime.fromisoformat(said["time"]["end"]).timestamp() * 1_000),
            ours=(user, host) == (OP_USER, self._repository.workspace_prefix),
        )

    async def view(self, operation: OperationId) -> View | None:
        """What jj shows at an operation; None where jj has forgotten it. Raises WorldFailed."""
        try:
            refs = await self._at(operation, *_LOG, "-r", _WITH_REFS, "-T", _REFS)
            rows = [line.split("\t") for line in refs.splitlines()]
            workspaces = [json.loads(name) for row in rows for name in row[1:] if name]
            if not workspaces:  # of a single one, jj tells no name there
                only = await self._at(operation, "workspace", "list", "-T", _NAME)
                workspaces = [json.loads(line) for line in only.splitlines()]
        except WorldFailed as error:
            if _is_gone(error):
                return None
            raise
        marks = [one for row in rows for one in json.loads(row[0])]
        places = {one["name"]: _place(one["target"]) for one in marks}
        return View(places, frozenset(workspaces))

    async def changed(self, before: OperationId, after: OperationId) -> Changed | None:
        """The visible commits in which two operations differ; None where jj has forgotten one of
        them. Raises WorldFailed."""
        try:
            return await self._changed(before, after)
        except WorldFailed as error:
            if _is_gone(error):
                return None
            raise

    async def _changed(self, before: OperationId, after: OperationId) -> Changed:
        now, was = "::visible_heads()", f"at_operation({before}, ::visible_heads())"
        differ = f"({now} ~ {was}) | ({was} ~ {now})"
        torn = f"divergent || self.contained_in('at_operation({before}, divergent())')"
        template = _COMMIT.format(torn=torn)
        most = str(COMMITS_MAX + 1)
        said = await self._at(after, *_LOG, "-n", most, "-r", differ, "-T", template)
        rows = [line.split(" ") for line in said.splitlines()]
        uncounted = 0
        if len(rows) > COMMITS_MAX:
            rows = rows[:COMMITS_MAX]
            counted = await self._at(after, "log", "--count", "-r", differ)
            uncounted = int(counted) - COMMITS_MAX
        sides: dict[str, list[Commit]] = {"added": [], "removed": []}
        for commit, change, conflict, side, _ in rows:
            sides[side].append(Commit(CommitId(commit), change, conflict == "C"))
        beside = await self._beside(after, {row[1] for row in rows if row[4] == "D"})
        new = {one.id for one in sides["added"]}
        shared = [one for one in beside if one.id not in new]
        return Changed(sides["added"], sides["removed"], shared, uncounted)

    async def _beside(self, at: OperationId, changes: Collection[str]) -> list[Commit]:
        """The visible commits of changes that are, or were, divergent."""
        asked = sorted(changes)
        found = []
        for first in range(0, len(asked), ASKED_MAX):
            every = " | ".join(f"change_id({one})" for one in asked[first : first + ASKED_MAX])
            template = _COMMIT.format(torn="divergent")
            said = await self._at(at, *_LOG, "-r", every, "-T", template)
            rows = [line.split(" ") for line in said.splitlines()]
            found += [Commit(CommitId(row[0]), row[1], row[2] == "C") for row in rows]
        return found

    async def _at(self, operation: OperationId, *args: str) -> str:
        return await self._repository.jj("--at-op", operation, *args)


def _place(target: Sequence[str | None]) -> Place:
    """A target as jj writes it: commits that it was moved to and away from, in turns."""
    commits = Counter(CommitId(one) for one in target[::2] if one is not None)
    return Place(tuple(sorted(commits)), len(target) > 1)


def _is_gone(error: WorldFailed) -> bool:
    return _GONE.search(error.stderr) is not None

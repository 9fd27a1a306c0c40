"""Looks of gates that people wait for: begun by a request, asked for until they have ended, and
stopped where nobody asks any more.

A push waits for its gate, and a gate takes minutes; a request to the daemon is answered within
seconds. So a look has a name of its asker's, by which it is begun once and asked for again. It is
not on record: with the daemon it ends, and its asker is told that the daemon went. Knows
no gate but as a function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.core.ids import BeadId, ChangeId, CommitId, execution_key
from oya_vcs.errors import InputInvalid, NoDaemon
from oya_vcs.ports import Answer
from oya_vcs.runtime.roster import Look, Roster

ANSWER_S = 10.0
"""An answer that says "not yet" comes after so long."""
ABANDONED_S = 30.0
"""A look that nobody has asked for since is stopped."""
COMMITS_MAX = 50
"""Commits of one push: more are more than anybody looks at."""


@dataclass(slots=True)
class _Wait:
    task: asyncio.Task[dict[str, object]]
    end: asyncio.TimerHandle


@dataclass(slots=True)
class Looks:
    """The looks under way. `root_of` says which repository a folder is in, and may block."""

    roster: Roster
    root_of: Callable[[Path], Path]
    _under_way: dict[str, _Wait] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, Answer]:
        """What a running daemon answers."""
        return {"hook.gate": self.ask}

    async def ask(self, fields: Mapping[str, object]) -> object:
        """Begin the look, or go on waiting for it. Raises NoDaemon where nobody works on the
        repository, and WorldFailed where a look came to nothing."""
        name, gate, path, commits = _understood(fields)
        loop = asyncio.get_running_loop()
        look = self._under_way.get(name)
        if look is None:
            looks = await self._gate(path)
            if looks is None:
                return {"ended": True, "ok": True, "said": ""}
            task = asyncio.create_task(_run(looks, gate, name, commits), name=f"{gate} {name}")
            look = _Wait(task, loop.call_later(ABANDONED_S, task.cancel))
            self._under_way[name] = look
        look.end.cancel()
        ended, _ = await asyncio.wait({look.task}, timeout=ANSWER_S)
        if not ended:
            look.end = loop.call_later(ABANDONED_S, self._stop, name)
            return {"ended": False}
        self._under_way.pop(name, None)
        if look.task.cancelled():
            raise InputInvalid("The look was stopped: nobody had asked for it.", "Push again.")
        return look.task.result()

    def _stop(self, name: str) -> None:
        """Nobody waits for it any more."""
        look = self._under_way.pop(name, None)
        if look is not None:
            look.task.cancel()

    async def _gate(self, path: Path) -> Look | None:
        root = await asyncio.to_thread(self.root_of, path)
        found = next((one for one in self.roster if one.root == root), None)
        if found is None:
            why = next(iter(self.roster.aside.values()), "") if len(self.roster.aside) == 1 else ""
            message = f"The daemon does not work on {root}, so it cannot run its gates. {why}"
            hint = "`oya-vcs status` says what it works on; `oya-vcs init` makes one known."
            raise NoDaemon(message.strip(), hint)
        return found.look


async def _run(
    looks: Look, gate: str, name: str, commits: tuple[CommitId, ...]
) -> dict[str, object]:
    """Look at one commit after the other, up to the first that does not pass."""
    bead = BeadId(gate)
    for commit in commits:
        key = execution_key(bead, {"look": name, "commit": commit})
        said = await looks(gate, key, bead, ChangeId(f"{gate}.{commit[:12]}"), commit)
        if said is not None:
            return {"ended": True, "ok": False, "said": f"At {commit[:12]}: {said.detail}"}
    return {"ended": True, "ok": True, "said": ""}


def _understood(fields: Mapping[str, object]) -> tuple[str, str, Path, tuple[CommitId, ...]]:
    """The look's name, the gate, the folder and the commits. Raises InputInvalid."""
    name, gate, path = (fields.get(one) for one in ("run", "gate", "path"))
    commits = fields.get("commits")
    if (
        isinstance(name, str)
        and isinstance(gate, str)
        and isinstance(path, str)
        and isinstance(commits, list)
        and len(commits) <= COMMITS_MAX
        and all(map(_is_commit, commits))
    ):
        return name, gate, Path(path), tuple(map(CommitId, commits))
    raise InputInvalid(
        "A request to look at commits is not of its form.",
        f"run, gate and path are texts; commits are at most {COMMITS_MAX} full ids.",
    )


def _is_commit(one: object) -> bool:
    return isinstance(one, str) and len(one) in {40, 64} and not one.strip("0123456789abcdef")

"""Who does the work in a simulated story: the outside in memory, which takes its time, refuses, and
does things without saying so, and whose workers do what the plan says.

Writes down what was really done, so that nobody has to be believed. Knows neither the record nor
what follows from an outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

from oya_vcs.adapters.memory import Files, MemoryPerformer, Outside, Work
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Report, Sight
from oya_vcs.runtime.roster import Eyes, Names
from oya_vcs.simulation.plan import Plan

SHORT_S = 0.03
"""The longest that jj or the forge takes."""
LONG_S = 0.4
"""The longest that a worker or the checks take."""


class World:
    """What outlives every daemon of a story, and what was seen of it. `theirs` are commits that
    somebody else pushed, `passed` the trees that a check has really looked at and liked."""

    def __init__(self, plan: Plan, outside: Outside) -> None:
        self.outside = outside
        self.refusals = self.unsaid = 0
        self.theirs: set[CommitId] = {outside.tips[0]}
        self.passed: set[TreeId] = set()
        self._conducts = {one.name: one.conducts for one in plan.tasks}

    def push(self, number: int) -> None:
        """Somebody pushes to the target."""
        tip = self.outside.tips[-1]
        files = {**self.outside.commits[tip].files, f"theirs-{number}": "theirs"}
        commit = self.outside.commit(files, (tip,), f"theirs {number}")
        self.theirs.add(commit)
        self.outside.move_target(commit)

    def conduct(self, effect: f.RunWorker) -> str:
        """What the worker of this attempt does."""
        conducts = self._conducts[effect.bead]
        return conducts[effect.attempt - 1] if effect.attempt <= len(conducts) else "well"

    def work(self, effect: f.RunWorker, _files: Files) -> Work:
        """A worker."""
        own = {f"{effect.bead}.txt": f"by attempt {effect.attempt}"}
        match self.conduct(effect):
            case "shared":
                return Work({"shared.txt": f"by {effect.bead} {effect.attempt}"})
            case "bad":
                return Work({**own, f"bad-{effect.bead}": "bad"})
            case "fail":
                return Work(own, reason=e.Reason.WORKER_FAILED, detail="It fails.")
            case "hang":
                return Work(own, ends=False)
            case "lie":
                return Work()
            case _:
                return Work(own)

    def check(self, files: Files) -> str:
        """What the checks say."""
        return "There is a bad file." if any(name.startswith("bad-") for name in files) else ""


class Hands(MemoryPerformer):
    """Of one life: its work ends with its loop."""

    def __init__(self, world: World, dice: Random) -> None:
        super().__init__(world.outside, worker=world.work, check=world.check)
        self._world = world
        self._dice = dice
        self._running: dict[Key, f.RunWorker] = {}

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Carry it out as the outside in memory does. Raises WorldFailed as the plan says: before
        it, or after it, when it is done."""
        await self._take(LONG_S if isinstance(effect, f.RunChecks) else SHORT_S)
        if self._world.refusals:
            self._world.refusals -= 1
            raise WorldFailed("The world refuses.", retryable=self._dice.random() < 0.7)
        if isinstance(effect, f.RunWorker):
            outcome = await self._watched(key, effect, report)
        else:
            outcome = await super().do(key, effect, report)
        if isinstance(effect, f.RunChecks) and isinstance(outcome, e.ChecksFinished):
            self._witness(effect, outcome)
        if isinstance(effect, f.Land):  # the target itself is what a probe sees, and nothing else
            self.outside.outcomes.pop(key, None)
        if self._world.unsaid and not isinstance(effect, f.RunWorker):
            self._world.unsaid -= 1
            raise WorldFailed("The answer is lost.", retryable=True)
        await self._take(SHORT_S)
        return outcome

    def _witness(self, effect: f.RunChecks, outcome: e.ChecksFinished) -> None:
        files = self.outside.commits[effect.candidate].files
        if outcome.reason is None and not self._world.check(files):
            self._world.passed.add(self.outside.tree(effect.candidate))

    async def _watched(self, key: Key, effect: f.RunWorker, report: Report) -> e.Event:
        async def told(event: e.Event) -> None:
            await report(event)
            await self._take(LONG_S)

        self._running[key] = effect
        try:
            return await super().do(key, effect, told)
        finally:
            del self._running[key]

    async def _take(self, longest_s: float) -> None:
        await asyncio.sleep(self._dice.random() * longest_s)

    def eyes(self) -> Eyes:
        """What looks at it: a worker that stands still shows no progress."""
        return Eyes(runs=self._runs, folders=self._folders, listed=self._folders)

    async def _runs(self, keys: Sequence[Key]) -> Mapping[Key, Sight]:
        now = asyncio.get_running_loop().time()
        found = {key: self._running[key] for key in keys if key in self._running}
        return {
            key: Sight(True, None if self._world.conduct(one) == "hang" else now)  # noqa: FBT003
            for key, one in found.items()
        }

    async def _folders(self) -> Names:
        return frozenset(self.outside.workspaces)

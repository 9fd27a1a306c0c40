"""A place of a `Scene` (tests/merging.py) that stands on real ground: candidates, landings and pins
are the local forge's, at a bare repository.

Workspaces and workers are in memory; a result is a real commit. `Outside` is what a test sees of
it: a mirror of the commits that matter, by their real ids.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Coroutine
from dataclasses import dataclass, field

from oya_vcs.adapters.memory import MemoryPerformer, Outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Performer, Probe, Remote, Report, Repository
from tests.merging import Place
from tests.scenarios.ground import OLGA, Ground, Reader

TRIES_MAX = 3
"""How often what the world may yet do is tried, as the outbox would."""
FORGES = f.OpenChange | f.BuildCandidate | f.Land | f.DropCandidates


@dataclass
class RealPlace(Place):
    """`ground` with a queue on it."""

    outside: Outside = field(default_factory=Outside)
    ground: Ground = field(kw_only=True)
    commits: dict[str, Callable[[CommitId], CommitId]] = field(default_factory=dict)
    """Bead -> makes its commits on the base that it is given, where one commit would not do."""

    def __post_init__(self) -> None:
        self.reader: Reader = self.ground.reader()
        self._opened: tuple[Repository, Remote | None] = self.ground.runner.run(self.ground.open())
        self.look()

    def performer(self) -> Performer:
        """As a new daemon makes it."""
        return OnGround(self, self.ground.forge(*self._opened))

    def wait(self, doing: Coroutine[None, None, e.Event | Probe]) -> e.Event | Probe:
        """Wait for real programs."""
        return self.ground.runner.run(doing)

    def mend(self) -> None:
        """The user takes what the remote has, where the queue asks for that."""
        if self.ground.here:
            return
        self.ground.jj("git", "fetch", "--remote", "origin")
        self.ground.jj("bookmark", "set", "main", "-r", "main@origin", "--allow-backwards")

    def push(self, name: str) -> CommitId:
        """Olga pushes a file of this name to the remote's main."""
        tip = self.ground.main()
        assert tip is not None
        pushed = self.ground.commit({name: "by hand"}, tip, message=f"Add {name}", who=OLGA)
        self.move(pushed)
        return pushed

    def move(self, commit: CommitId | None) -> None:
        """Olga moves the remote's main by force, or deletes it."""
        self.ground.put(commit)
        self.look()

    def look(self) -> None:
        """See where the remote's main is."""
        tip = self.ground.main()
        if tip is None:
            self.outside.target = None
        elif tip != self.outside.target:
            self.mirror(tip)
            self.outside.move_target(tip)

    def mirror(self, commit: CommitId) -> CommitId:
        """Know a commit and all below it."""
        todo = [commit]
        while todo:
            one = todo.pop()
            if one not in self.outside.commits:
                self.outside.commits[one] = found = self.reader.commit(one)
                todo += found.parents
        return commit

    def kept_promises(self, tested: Container[TreeId]) -> None:
        """Ask the bare repository itself: each move of its main that is not Olga's went forwards,
        to a tree that was tested."""
        for moved in self.ground.moves():
            if moved.who != OLGA[0]:
                self.mirror(moved.new)
                assert self.outside.tree(moved.new) in tested, moved
                assert moved.old in self.outside.ancestors(moved.new), moved

    def close(self) -> None:
        """Let go of the ground."""
        self.reader.close()
        self.ground.runner.close()


class OnGround:
    """A `ports.Performer`: the real forge, and workers in memory."""

    def __init__(self, place: RealPlace, forge: Performer) -> None:
        self._place = place
        self._forge = forge
        self._workers = MemoryPerformer(place.outside, worker=place.work, check=place.check)

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        """All of them."""
        return f.EFFECTS

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Carry the effect out, or say how the world refuses it, as the outbox does."""
        try:
            if isinstance(effect, FORGES):
                event = await self._tried(key, effect, report)
            elif isinstance(effect, f.CollectResult):
                event = self._collect(key, effect)
            else:
                event = await self._workers.do(key, effect, report)
        finally:
            self._place.look()
        if isinstance(event, e.CandidateBuilt):
            self._place.mirror(event.commit)
        return event

    async def _tried(self, key: Key, effect: FORGES, report: Report) -> e.Event:
        for left in reversed(range(TRIES_MAX)):
            try:
                return await self._forge.do(key, effect, report)
            except WorldFailed as error:
                if left and error.retryable:
                    continue
                return e.EffectFailed(
                    key=key,
                    bead=effect.bead,
                    kind=type(effect).__name__,
                    workspace=None,
                    message=error.message,
                )
        raise AssertionError(effect)

    def _collect(self, key: Key, effect: f.CollectResult) -> e.Event:
        """Commit what is in the workspace on the commit that it began with, or take the commits
        that the scenario has for it."""
        place, outside, ground = self._place, self._place.outside, self._place.ground
        files = outside.workspaces[effect.workspace]
        there = outside.commits[effect.base].files
        changed = {path: text for path, text in files.items() if there.get(path) != text}
        commits = place.commits.get(effect.bead)
        if commits is None:
            head = ground.commit(changed, effect.base, message=effect.message)
        else:
            head = commits(effect.base)
        place.mirror(head)
        event = e.ResultCollected(
            key=key,
            bead=effect.bead,
            attempt=effect.attempt,
            commit=head,
            tree=ground.tree(head),
        )
        outside.outcomes[key] = event
        return event

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        """Find what became of it."""
        if isinstance(effect, FORGES):
            found = await self._forge.probe(key, effect)
        else:
            found = await self._workers.probe(key, effect)
        self._place.look()
        if isinstance(found, e.CandidateBuilt):
            self._place.mirror(found.commit)
        return found

    async def stopped(self, key: Key, effect: f.Effect, reason: e.Reason) -> e.Event | None:
        """How it ended."""
        return await self._workers.stopped(key, effect, reason)

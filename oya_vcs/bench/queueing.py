"""The merge queue's own policy on a virtual clock: what landing costs at what rate of failure.

The real fold and the real plan, over a forge that takes no time but for its tests, and over changes
of which a seed says beforehand whether they are good. Knows no repository, no journal and no
worker: a change that leaves the queue does not come back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.decide import react
from oya_vcs.core.decide.changes import plan, queue_due_ms
from oya_vcs.core.decide.decisions import Decisions
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId
from oya_vcs.core.merge import Change, MergeRules, Stage
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import Repo, World

REPO = RepoId("simulated")
MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated: so many changes, of which the share `failing` is bad; a test of good ones
    fails by a fluke in the share `flaky` of all tests. Tests take `test_ms`, more or less up to the
    share `spread` of it, `slots` of them at once (0: as many as are asked for). No two changes
    share a path. `per_test` changes arrive in the time of one test, at
    random; 0: all are there from the beginning.
    """

    rules: MergeRules
    changes: int = 1_000
    failing: float = 0.0
    flaky: float = 0.0
    test_ms: int = 600_000
    spread: float = 0.0
    slots: int = 0
    per_test: float = 0.0
    seed: int = 1


@dataclass(slots=True)
class Result:
    """What came of it. `rate` is changes landed in the time of one test; `waits_ms` how long each
    that landed waited from its arrival."""

    landed: int = 0
    refused: int = 0
    wronged: int = 0
    """Good changes that left the queue, for a fluke or for what they were tested with."""
    tests: int = 0
    widest: int = 0
    """Most tests at once."""
    end_ms: int = 0
    rate: float = 0.0
    waits_ms: list[int] = field(default_factory=list)

    def wait_ms(self, share: float) -> int:
        """How long at most that share of those that landed waited."""
        ordered = sorted(self.waits_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def simulate(setting: Setting) -> Result:
    """Run the queue until it has nothing more to do. The same setting gives the same result."""
    return _Run(setting).run()


class _Run:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._dice = Random(setting.seed)  # noqa: S311 - a simulation's dice
        self._policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1, merge=setting.rules)
        self._world = World(repos={REPO: Repo(id=REPO, path="/", target="main")})
        self._bad: set[ChangeId] = set()
        self._holds: dict[CommitId, frozenset[ChangeId]] = {}
        """What a candidate holds that has not landed."""
        self._arrived_ms: dict[ChangeId, int] = {}
        self._events: list[tuple[int, int, Callable[[], list[e.Event]]]] = []
        self._asked: list[f.RunChecks] = []
        self._running = 0
        self._made = 0
        self._now_ms = 0
        self._tip = CommitId("tip")
        self._result = Result()

    def run(self) -> Result:
        at_ms = 0.0
        for number in range(self._setting.changes):
            if self._setting.per_test:
                at_ms += self._dice.expovariate(self._setting.per_test) * self._setting.test_ms
            self._at(int(at_ms), lambda number=number: self._arrive(number))  # type: ignore[misc]
        while self._events:
            self._now_ms, _, happen = heapq.heappop(self._events)
            for fact in happen():
                self._take(fact)
            if not self._events:
                due = queue_due_ms(self._world, self._now_ms, self._policy)
                if due is not None:
                    self._at(due, lambda: [e.Ticked()])
        result = self._result
        result.end_ms = self._now_ms
        result.rate = result.landed / (self._now_ms / self._setting.test_ms or 1)
        return result

    def _at(self, at_ms: int, happen: Callable[[], list[e.Event]]) -> None:
        self._made += 1
        heapq.heappush(self._events, (at_ms, self._made, happen))

    def _arrive(self, number: int) -> list[e.Event]:
        """A change whose worker is done: all that came before is left out."""
        bead, change = BeadId(f"b{number}"), ChangeId(f"b{number}.1")
        spec = BeadSpec(id=bead, title="")
        self._world.beads[bead] = Bead(
            repo=REPO, spec=spec, key=Key(bead), state=State.SUBMITTED, since_ms=0, change=change
        )
        self._world.graph.add(bead, ())
        head = CommitId(f"head-{number}")
        self._world.changes[change] = Change(id=change, repo=REPO, bead=bead, attempt=1, head=head)
        self._arrived_ms[change] = self._now_ms
        if self._dice.random() < self._setting.failing:
            self._bad.add(change)
        return [e.ChangeQueued(bead=bead, change=change, head=head, message="m")]

    # --- The step, as the engine takes it ---------------------------------------------------------

    def _take(self, fact: e.Event) -> None:
        apply(self._world, fact, self._now_ms)
        self._count(fact)
        self._decided(react(self._world, fact, self._now_ms, self._policy))
        self._decided(plan(self._world, self._now_ms, self._policy))

    def _decided(self, decisions: Decisions) -> None:
        for decision in decisions:
            apply(self._world, decision, self._now_ms)
            self._count(decision)
            if isinstance(decision, e.Requested):
                self._begin(decision.key, decision.effect)

    def _count(self, event: e.Event) -> None:
        if isinstance(event, e.Landed | e.LandedWith | e.FoundLanded):
            self._result.landed += 1
            self._result.waits_ms.append(self._now_ms - self._arrived_ms[event.change])
        elif isinstance(event, e.BeadFailed):
            self._result.refused += 1
            change = self._world.beads[event.bead].change
            self._result.wronged += change not in self._bad

    # --- The forge --------------------------------------------------------------------------------

    def _begin(self, key: Key, effect: f.Effect) -> None:
        match effect:
            case f.BuildCandidate():
                self._at(self._now_ms, lambda: [self._built(key, effect)])
            case f.Land():
                self._at(self._now_ms, lambda: [self._landed(key, effect)])
            case f.RunChecks():
                self._asked.append(effect)
                self._fill_slots()
            case _:  # pins and workspaces, which cost no time
                pass

    def _built(self, key: Key, effect: f.BuildCandidate) -> e.Event:
        base = effect.onto or self._tip
        commit = CommitId(f"{effect.change}:{effect.round}")
        self._holds[commit] = self._holds.get(base, frozenset()) | {effect.change}
        return e.CandidateBuilt(
            key=key,
            bead=effect.bead,
            change=effect.change,
            base=base,
            commit=commit,
            tree=TreeId(commit),
            paths=(effect.change,) if effect.paths_max else None,
        )

    def _landed(self, key: Key, effect: f.Land) -> e.Event:
        self._tip = effect.commit
        return e.Landed(
            key=key,
            bead=effect.bead,
            change=effect.change,
            base=effect.base,
            commit=effect.commit,
            tree=effect.tree,
        )

    def _fill_slots(self) -> None:
        """Begin what was asked for, in order, as far as there are slots; nobody waits for the test
        of a candidate that was given up."""
        slots = self._setting.slots
        while self._asked and (not slots or self._running < slots):
            effect = self._asked.pop(0)
            change = self._world.changes[effect.change]
            gone = change.candidate != effect.candidate or change.stage in OVER
            if gone or change.passed is not None:
                continue
            self._running += 1
            self._result.tests += 1
            self._result.widest = max(self._result.widest, self._running)
            end_ms = self._now_ms + self._test_ms()
            self._at(end_ms, lambda effect=effect: self._tested(effect))  # type: ignore[misc]

    def _test_ms(self) -> int:
        """How long the next test takes."""
        test_ms, spread = self._setting.test_ms, self._setting.spread
        return int(test_ms * (1 + self._dice.uniform(-spread, spread))) if spread else test_ms

    def _tested(self, effect: f.RunChecks) -> list[e.Event]:
        self._running -= 1
        held = self._holds[effect.candidate]
        open_ = {one for one in held if self._world.changes[one].stage is not Stage.MERGED}
        bad = bool(open_ & self._bad) or self._dice.random() < self._setting.flaky
        self._fill_slots()
        return [
            e.ChecksFinished(
                key=f.effect_key(effect),
                bead=effect.bead,
                change=effect.change,
                candidate=effect.candidate,
                reason=e.Reason.CHECK_FAILED if bad else None,
                check="test",
                detail="",
            )
        ]

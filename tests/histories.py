"""Random legal histories: the real core over an outside world that answers by dice.

No loop, no journal, no clock. What `react` asks for is settled by any outcome that may come, so
that a fold of the rows meets every kind of state; `dull` histories meet trouble now and then only,
as those of a real home do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from random import Random

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.decide import advance, react
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, CommitId, Key, RepoId, TreeId
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.schedule import is_due
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.wishes import Verb, Wish, facts_of, judge
from oya_vcs.core.world import Keep, World
from oya_vcs.ports import Recorded

Pick = Callable[[int], int]
"""A number from 0 to below the one given."""

LOSSES = (
    e.Reason.WORKER_FAILED,
    e.Reason.WORKER_DEFERRED,
    e.Reason.INTERRUPTED,
    e.Reason.WALL_TIME,
)


class History:
    """A world and the rows that made it. `step` adds a fact and what was decided from it."""

    def __init__(
        self,
        pick: Pick,
        *,
        trouble: int = 40,
        work: int = 4,
        repos: int = 2,
        slots: int = 3,
        rules: Rules | None = None,
    ) -> None:
        """`trouble` is how many outcomes of a hundred are bad ones; `work` how many effects end
        while one bead is submitted; `rules` are those of every repository."""
        self.world = World()
        self.rows: list[Recorded] = []
        self._pick = pick
        self._trouble = trouble
        self._moves = (*[self._settle] * work, self._submit, self._pass)
        self.at_ms = 1_700_000_000_000
        self._made = 0
        rules = rules or Rules()
        self.policies = [
            Policy(
                repo=RepoId(f"repo-{n}"), slots=slots, attempts_max=2, backoff_ms=1_000, rules=rules
            )
            for n in range(repos)
        ]
        for policy in self.policies:
            registered = e.RepoRegistered(
                repo=policy.repo, path=f"/r/{policy.repo}", target="main", slots=slots, rules=rules
            )
            self.take(registered)

    def step(self) -> None:
        """Something happens: most often an effect ends, else a person or time does something."""
        rare = (self._wish, self._revise, self._resume, self._discard, self._retarget)
        if self._bad():
            rare[self._pick(len(rare))]()
        self._moves[self._pick(len(self._moves))]()

    def take(self, *facts: e.Event, policy: Policy | None = None) -> None:
        """Apply facts and what follows, as the engine does, and number the rows."""
        policy = policy or self.policies[self._pick(len(self.policies))]
        fresh: list[e.Event] = []
        for fact in facts:
            apply(self.world, fact, self.at_ms)
            fresh.append(fact)
            self._decided(react(self.world, fact, self.at_ms, policy), fresh)
        self._decided(advance(self.world, self.at_ms, policy), fresh)
        self.rows += [
            Recorded(seq, self.at_ms, event) for seq, event in enumerate(fresh, len(self.rows) + 1)
        ]

    def _decided(self, decisions: Iterator[e.Event], fresh: list[e.Event]) -> None:
        for decision in decisions:
            apply(self.world, decision, self.at_ms)
            fresh.append(decision)

    def add(self, spec: BeadSpec) -> None:
        """Submit a bead to one of the repositories."""
        policy = self.policies[self._pick(len(self.policies))]
        event = take_in(self.world, policy.repo, spec).event
        if event is not None:
            self.take(event, policy=policy)

    def _bad(self) -> bool:
        return self._pick(100) < self._trouble

    def _submit(self) -> None:
        known = [*self.world.beads]
        needs = {known[-1 - self._pick(min(len(known), 50))] for _ in range(self._pick(3)) if known}
        self._made += 1
        self.add(
            BeadSpec(
                id=BeadId(f"bead-{self._made}"),
                title=f"Do the thing number {self._made}, and tést it",
                description="What is wanted, in a few words more. " * self._pick(5),
                labels=("a", "b")[: self._pick(3)],
                needs=tuple(sorted(needs)),
                prefers=(BeadId(f"bead-{1 + self._pick(self._made)}"),)[: self._pick(2)],
                priority=self._pick(5),
                tenant=("default", "one", "two")[self._pick(3)],
                sticky=("", "soft", "hard")[self._pick(3)],
                files=("src/a.py",)[: self._pick(2)],
                allow_empty=self._pick(4) == 0,
            )
        )

    def _pass(self) -> None:
        self.at_ms += self._pick(4_000)
        for policy in self.policies:
            if is_due(self.world, policy, self.at_ms):
                self.take(e.Ticked(), policy=policy)

    def _wish(self) -> None:
        """A person asks anything of any bead, or for another try of a failed one."""
        for bead in self._some(State.FAILED) if self._pick(2) else self._some(*State):
            verb = [*Verb][self._pick(len(Verb))]
            wish = Wish(verb=verb, beads=(bead,), who="uma", why="so")
            self.take(*facts_of(judge(self.world, wish)))

    def _revise(self) -> None:
        for bead in self._some(State.PENDING, State.READY, State.BACKING_OFF, State.FAILED):
            spec = self.world.beads[bead].spec
            self.take(e.BeadRevised(bead=bead, key=Key(f"revised-{len(self.rows)}"), spec=spec))

    def _some(self, *states: State) -> Iterator[BeadId]:
        """One bead in one of the states, where there is one."""
        found = [bead.id for bead in self.world.beads.values() if bead.state in states]
        if found:
            yield found[self._pick(len(found))]

    def _resume(self) -> None:
        for policy in self.policies:
            queue = self.world.repos[policy.repo].queue
            if queue.paused or queue.held:
                self.take(e.QueueResumed(repo=policy.repo), policy=policy)

    def _discard(self) -> None:
        kept = [one for one in self.world.workspaces.values() if one.keep is Keep.KEPT]
        if kept:
            one = kept[self._pick(len(kept))]
            self.take(e.WorkspaceDiscarded(bead=one.bead, workspace=one.name))

    def _retarget(self) -> None:
        repo = self.policies[0].repo
        target = ("main", "trunk")[self._pick(2)]
        self.take(e.RepoRegistered(repo=repo, path=f"/r/{repo}", target=target))

    def _settle(self) -> None:
        if not self.world.open:
            self._submit()
            return
        key = [*self.world.open][self._pick(min(len(self.world.open), 8))]
        effect = self.world.open[key]
        if isinstance(effect, f.RunWorker) and self.world.beads[effect.bead].pid is None:
            self.take(
                e.WorkerSpawned(
                    run=key, bead=effect.bead, attempt=effect.attempt, pid=len(self.rows), started=9
                )
            )
            return
        self.at_ms += self._pick(50)
        policy = next(one for one in self.policies if one.repo == effect.repo)
        self.take(self._outcome(key, effect), policy=policy)

    def _outcome(self, key: Key, effect: f.Effect) -> e.Event:
        bad = self._bad()
        if bad and self._pick(5) == 0 and not isinstance(effect, f.RunChecks):
            return e.EffectFailed(
                key=key,
                bead=effect.bead,
                kind=type(effect).__name__,
                workspace=getattr(effect, "workspace", None),
                message="The disk is on fire.",
            )
        if isinstance(effect, f.BuildCandidate | f.RunChecks | f.Land):
            return self._merge_outcome(key, effect, bad=bad)
        return self._attempt_outcome(key, effect, bad=bad)

    def _attempt_outcome(self, key: Key, effect: f.Effect, *, bad: bool) -> e.Event:
        bead = effect.bead
        match effect:
            case f.CreateWorkspace():
                return e.WorkspaceCreated(
                    key=key,
                    bead=bead,
                    attempt=effect.attempt,
                    workspace=effect.workspace,
                    path=f"/w/{effect.workspace}",
                    base=commit(bead, "base"),
                )
            case f.RunWorker():
                reason = LOSSES[self._pick(len(LOSSES))] if bad else None
                reason = self.world.stops.get(key, reason)
                return e.WorkerFinished(
                    key=key,
                    bead=bead,
                    attempt=effect.attempt,
                    reason=reason,
                    exit_code=0 if reason is None else None,
                    detail="" if reason is None else "It said no.\n" * 5,
                )
            case f.CollectResult() if bad:
                return e.ResultRefused(
                    key=key,
                    bead=bead,
                    attempt=effect.attempt,
                    reason=e.Reason.NOTHING_TO_LAND,
                    detail="The worker changed nothing.",
                )
            case f.CollectResult():
                made = commit(bead, str(effect.attempt))
                return e.ResultCollected(
                    key=key, bead=bead, attempt=effect.attempt, commit=made, tree=TreeId(made)
                )
            case f.OpenChange():
                return e.ChangeOpened(
                    key=key,
                    bead=bead,
                    attempt=effect.attempt,
                    change=effect.change,
                    head=effect.head,
                )
            case f.DropCandidates():
                return e.CandidatesDropped(key=key, bead=bead, change=effect.change, pins=1)
            case f.RemoveWorkspace():
                pinned = commit(bead, "pinned") if self._bad() else None
                return e.WorkspaceRemoved(
                    key=key, bead=bead, workspace=effect.workspace, pinned=pinned
                )
            case _:
                raise AssertionError(effect)

    def _merge_outcome(
        self, key: Key, effect: f.BuildCandidate | f.RunChecks | f.Land, *, bad: bool
    ) -> e.Event:
        bead, change = effect.bead, effect.change
        base, made = commit("base", str(effect.round)), commit(change, str(effect.round))
        blocked = e.TargetBlocked(
            key=key, bead=bead, change=change, reason=e.Reason.TARGET_MISSING, detail="It is gone."
        )
        if isinstance(effect, f.BuildCandidate):
            built = e.CandidateBuilt(
                key=key, bead=bead, change=change, base=base, commit=made, tree=TreeId(made)
            )
            others = (
                blocked,
                e.CandidateConflicted(
                    key=key, bead=bead, change=change, base=base, files=("a.py", "b.py")
                ),
                e.CandidateRedundant(
                    key=key, bead=bead, change=change, base=base, tree=TreeId(made)
                ),
            )
            return others[self._pick(3)] if bad else built
        if isinstance(effect, f.RunChecks):
            reasons = (e.Reason.CHECK_FAILED, e.Reason.CHECK_TIMEOUT, e.Reason.NO_CHECKS)
            return e.ChecksFinished(
                key=key,
                bead=bead,
                change=change,
                candidate=effect.candidate,
                reason=self.world.stops.get(key, reasons[self._pick(3)] if bad else None),
                check="test",
                detail="assert 1 == 2\n" * 8 if bad else "",
            )
        stale = e.LandingStale(key=key, bead=bead, change=change, found=base)
        landed = e.Landed(
            key=key, bead=bead, change=change, base=effect.base, commit=made, tree=effect.tree
        )
        return (blocked, stale)[self._pick(2)] if bad else landed


def commit(*names: str) -> CommitId:
    """A commit id that looks like one."""
    return CommitId(hashlib.sha1(repr(names).encode(), usedforsecurity=False).hexdigest())


def told(choices: list[int], steps: int) -> History:
    """The history that these choices make (0 where they run out): what Hypothesis can shrink."""
    tape = iter(choices)
    history = History(lambda below: next(tape, 0) % below)
    for _ in range(steps):
        history.step()
    return history


def dull(rows: int, seed: int = 1) -> History:
    """A history of at least so many rows with little trouble in it, as those of a real home."""
    history = History(Random(seed).randrange, trouble=4, work=14, repos=1, slots=8)
    while len(history.rows) < rows:
        history.step()
    return history

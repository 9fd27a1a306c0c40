"""A merge queue to talk to: the real core, with nobody in a hurry, over a repository in memory (or
on disk: `tests/scenarios`).

`Scene` takes facts as the engine does and keeps the rows. What is asked for waits until somebody
carries it out: `settle` does everything but the checks, which the test speaks for (`passes`,
`fails`). A `crash` forgets all but the rows and the repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field

from oya_vcs.adapters.memory import Files, MemoryPerformer, Outside, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.decide import advance, is_due, react
from oya_vcs.core.explain import explain
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.core.intake import take_in
from oya_vcs.core.merge import Change, MergeQueue, MergeRules
from oya_vcs.core.merge.adaptive import window
from oya_vcs.core.merge.plan import look
from oya_vcs.core.news import is_news
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import World
from oya_vcs.journal.replay import digest, replay
from oya_vcs.ports import Performer, Probe, Recorded

DECISIONS_MAX = 5_000
"""More decisions from one fact mean that the plan goes in circles."""


def sync(coroutine: Coroutine[None, None, e.Event | Probe]) -> e.Event | Probe:
    """What a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: e.Event | Probe = done.value
        return value
    raise AssertionError("it waited")


@dataclass
class Place:
    """A repository with its queue's policy, and what it was found to hold."""

    policy: Policy
    outside: Outside = field(default_factory=lambda: new_outside({"README": "hello"}))
    writes: dict[str, Files] = field(default_factory=dict)
    """Bead -> what its worker writes (by default a file of its own)."""
    bad: set[str] = field(default_factory=set)
    """Beads whose file no check lets pass."""
    clashes: list[set[str]] = field(default_factory=list)
    """Files that no check lets pass together."""
    told: dict[str, list[str]] = field(default_factory=dict)
    """Bead -> the feedback that each of its workers got."""

    def work(self, effect: f.RunWorker, files: Files) -> Work:
        """What a worker does."""
        self.told.setdefault(effect.bead, []).append(effect.feedback)
        by_default = {f"{effect.bead}.txt": f"by attempt {effect.attempt}"}
        return Work(self.writes.get(effect.bead, by_default))

    def check(self, files: Files) -> str:
        """What a check finds wrong."""
        found = [f"{one}.txt" for one in sorted(self.bad) if f"{one}.txt" in files]
        found += [" with ".join(sorted(one)) for one in self.clashes if one <= set(files)]
        return f"{found[0]} is bad" if found else ""

    def performer(self) -> Performer:
        """Who carries effects out, as a new daemon makes it."""
        return MemoryPerformer(self.outside, worker=self.work, check=self.check)

    def wait(self, doing: Coroutine[None, None, e.Event | Probe]) -> e.Event | Probe:
        """What comes of something that is done here."""
        return sync(doing)

    def push(self, name: str) -> CommitId:
        """Somebody pushes a commit with a file of this name on top of the target."""
        assert self.outside.target is not None
        files = {**self.outside.commits[self.outside.target].files, name: "by hand"}
        self.move(self.outside.commit(files, (self.outside.target,), f"Add {name}"))
        return self.outside.tips[-1]

    def move(self, commit: CommitId | None) -> None:
        """Somebody moves the target by force, or deletes it."""
        if commit is None:
            self.outside.target = None
        else:
            self.outside.move_target(commit)

    def mend(self) -> None:
        """The user does what the queue asks for where the target was moved by force."""


class Scene:
    """One daemon over one or more repositories, by whose word everything happens."""

    def __init__(
        self,
        *places: RepoId,
        attempts_max: int = 1,
        rules: MergeRules | None = None,
        place: Callable[[Policy], Place] = Place,
    ) -> None:
        self.rows: list[Recorded] = []
        self.world = World()
        self.now_ms = 1_700_000_000_000
        self.pending: dict[Key, f.Effect] = {}
        self.places: dict[RepoId, Place] = {}
        self._performers: dict[RepoId, Performer] = {}
        self._probe: set[Key] = set()
        self._unique: set[str] = set()
        for repo in places or (RepoId("repo"),):
            policy = Policy(
                repo=repo,
                slots=4,
                attempts_max=attempts_max,
                backoff_ms=1_000,
                merge=rules or MergeRules(),
            )
            self.places[repo] = place(policy)
            self._performers[repo] = self.places[repo].performer()
            self.take(e.RepoRegistered(repo=repo, path="/memory", target="main"), repo=repo)

    # --- The daemon -------------------------------------------------------------------------------

    @property
    def repo(self) -> RepoId:
        """The first repository."""
        return next(iter(self.places))

    @property
    def here(self) -> Place:
        """The first place."""
        return self.places[self.repo]

    @property
    def queue(self) -> MergeQueue:
        """The queue of the first place."""
        return self.world.repos[self.repo].queue

    def take(self, *facts: e.Event, repo: RepoId | None = None) -> None:
        """Facts and what follows from them, as the engine's step has it."""
        policy = self.places[repo or self.repo].policy
        fresh: list[e.Event] = []
        for fact in facts:
            if not is_news(self.world, fact):
                continue
            if not isinstance(fact, e.Ticked):
                apply(self.world, fact, self.now_ms)
            fresh.append(fact)
            self._decided(react(self.world, fact, self.now_ms, policy), fresh)
        self._decided(advance(self.world, self.now_ms, policy, fresh), fresh)
        for event in fresh:
            if event.unique is not None:
                assert event.unique not in self._unique, f"{event} is in the journal already"
                self._unique.add(event.unique)
            self.rows.append(Recorded(len(self.rows) + 1, self.now_ms, event))

    def _decided(self, decisions: Iterator[e.Event], fresh: list[e.Event]) -> None:
        for count, decision in enumerate(decisions):
            assert count < DECISIONS_MAX, f"the plan goes in circles: {decision}"
            apply(self.world, decision, self.now_ms)
            fresh.append(decision)
            if isinstance(decision, e.Requested):
                self.pending[decision.key] = decision.effect

    def crash(self) -> None:
        """The daemon dies and comes back: only rows and repositories are left."""
        again = replay(self.rows)
        again.now_ms = self.world.now_ms
        assert digest(again) == digest(self.world), "the record does not give the state"
        self.world = again
        self.pending = dict(again.open)
        self._probe = set(again.open)
        self._performers = {repo: place.performer() for repo, place in self.places.items()}

    def outcome(self, key: Key) -> e.Event:
        """Carry an effect out, or find that it was, and return what became of it."""
        effect = self.pending[key]
        place = self.places[effect.repo]
        performer = self._performers[effect.repo]
        if key in self._probe:
            found = place.wait(performer.probe(key, effect))
            if isinstance(found, e.Event):
                return found
        self._probe.add(key)
        before = place.outside.target

        async def report(fact: e.Event) -> None:
            self.take(fact, repo=effect.repo)

        event = place.wait(performer.do(key, effect, report))
        assert isinstance(event, e.Event)
        if isinstance(event, e.Landed) and place.outside.target != before:
            self._look_at(place, before, event)
        return event

    def _look_at(self, place: Place, before: CommitId | None, event: e.Landed) -> None:
        """Promises 1 and 2, at the moment of every landing: from the tip that was there to a tree
        that was tested; and no change is in the target's history a second time."""
        outside = place.outside
        assert before == event.base
        assert outside.tree(event.commit) in outside.tested, "an untested tree is on the target"
        if place.policy.merge.method == "rebase":
            return  # after a force-push a head may bring commits of others, in their own names
        line = [outside.commits[event.commit]]
        while line[-1].parents:
            line.append(outside.commits[line[-1].parents[0]])
        landed = Counter(change_of(one.message) for one in line if "\nOya-" in one.message)
        assert not landed or max(landed.values()) == 1, f"landed twice: {landed}"

    def carry_out(self, key: Key, *events: e.Event) -> None:
        """Carry an effect out and record what became of it (or `events` instead)."""
        effect = self.pending[key]
        outcome = events or (self.outcome(key),)
        self.pending.pop(key, None)
        self.take(*outcome, repo=effect.repo)

    def settle(self, *but: type[f.Effect]) -> None:
        """Carry out all that is asked for, but for the checks (and `but`)."""
        left = (f.RunChecks, *but)
        while keys := [key for key, one in self.pending.items() if not isinstance(one, left)]:
            self.carry_out(keys[0])

    # --- The conversation -------------------------------------------------------------------------

    def submit(self, *names: str, writes: Files | None = None, **fields: object) -> None:
        """Beads are worked on, and their changes come to the queue in this order."""
        for name in names:
            if writes is not None:
                self.here.writes[name] = writes
            spec = BeadSpec(id=BeadId(name), title=f"Do {name}", **fields)  # type: ignore[arg-type]
            event = take_in(self.world, self.repo, spec).event
            assert event is not None
            self.take(event)
            self.settle(f.BuildCandidate, f.Land)
        self.settle()

    def change(self, name: str) -> Change:
        """The newest change of a bead."""
        change = self.world.bead(BeadId(name)).change
        assert change is not None
        return self.world.changes[change]

    @property
    def testing(self) -> list[str]:
        """What is being tested now, each as the changes that the candidate holds: `a+b`. Candidates
        that were given up do not count."""
        rules = self.here.policy.merge
        view = look(self.queue, self.world.changes, window(rules, self.queue.pace.window))
        lasts = [self.world.changes[group.changes[-1]] for group in view.sound]
        return [
            self.held_by(one.candidate)
            for one in lasts
            if one.candidate is not None and one.asked_ms is not None and one.passed is None
        ]

    def held_by(self, commit: CommitId) -> str:
        """The changes in a commit that are not in the target, as `a+b`."""
        outside = self.here.outside
        names: list[str] = []
        one: CommitId | None = commit
        while one is not None and one != outside.target:
            names.append(change_of(outside.commits[one].message).rpartition(".")[0])
            one = outside.commits[one].parents[0] if outside.commits[one].parents else None
        return "+".join(reversed(names))

    def _check_of(self, name: str) -> Key:
        change = self.change(name)
        for key, effect in self.pending.items():
            if isinstance(effect, f.RunChecks) and effect.candidate == change.candidate:
                return key
        raise AssertionError(f"{name} is not being tested; {self.testing} are")

    def passes(self, *names: str) -> None:
        """The checks of these candidates pass, one after the other; the rest follows."""
        for name in names:
            self.carry_out(self._check_of(name))
            self.settle()

    def fails(self, name: str, reason: e.Reason = e.Reason.CHECK_FAILED, said: str = "") -> None:
        """The checks of this candidate fail; the rest follows."""
        key = self._check_of(name)
        change = self.change(name)
        assert change.candidate is not None
        self.carry_out(
            key,
            e.ChecksFinished(
                key=key,
                bead=change.bead,
                change=change.id,
                candidate=change.candidate,
                reason=reason,
                check="test",
                detail=said or f"{name} is bad",
            ),
        )
        self.settle()

    def says(self, name: str) -> str:
        """The sentence about a bead."""
        return explain(self.world, self.world.bead(BeadId(name)))

    def state(self, name: str) -> str:
        """A bead's state."""
        return str(self.world.bead(BeadId(name)).state)

    @property
    def landed(self) -> list[str]:
        """The beads that have landed, in the order in which they did."""
        kinds = e.Landed | e.LandedWith | e.FoundLanded
        return [row.event.bead for row in self.rows if isinstance(row.event, kinds)]

    @property
    def files(self) -> set[str]:
        """The names of the target's files."""
        target = self.here.outside.target
        return set() if target is None else set(self.here.outside.commits[target].files)

    def push(self, name: str = "theirs") -> CommitId:
        """Somebody else pushes a commit to the target."""
        return self.here.push(name)

    def wait(self, ms: int) -> None:
        """Time passes, and what it lets happen happens."""
        self.now_ms += ms
        if is_due(self.world, self.here.policy, self.now_ms):
            self.take(e.Ticked())
        self.settle()

    def of(self, kind: type[e.Event]) -> list[e.Event]:
        """The events of a kind."""
        return [row.event for row in self.rows if isinstance(row.event, kind)]


def change_of(message: str) -> ChangeId:
    """The change that a commit on the target says that it is; a rebased one names its attempt."""
    told = dict(line.split(": ", 1) for line in message.splitlines() if line.startswith("Oya-"))
    return ChangeId(told.get("Oya-Change") or f"{told['Oya-Bead']}.{told['Oya-Attempt']}")

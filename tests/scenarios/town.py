"""Who speaks in a scenario: workers, CI, people, Olga who pushes, the clock, the daemon; and the
queue and the target, of which is said what they must be.

A word is carried out, with all that follows from it, before the next one is spoken. Knows of the
product what a `Scene` has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, CommitId, Key
from oya_vcs.core.intake import take_in
from oya_vcs.core.merge import Change, MergeRules
from oya_vcs.core.queue_words import QueueVerb, Word, hear
from oya_vcs.core.spec import BeadSpec
from tests.merging import Scene
from tests.scenarios.ground import Ground
from tests.scenarios.place import RealPlace

MINUTE_MS = 60_000


class Town:
    """A daemon with its queue, on `ground`, and all who have to do with it.

    `window`, `batch` and the rest are those of `MergeRules`; `attempts` how often a worker may try.
    """

    def __init__(
        self,
        ground: Ground,
        *,
        window: int = 1,
        batch: int = 1,
        attempts: int = 1,
        adaptive: bool = False,
        flaky_depth: int = 0,
        disjoint: bool = False,
        method: str = "merge",
        approval: str = "auto",
        test_minutes_max: int = 0,
    ) -> None:
        rules = MergeRules(
            window_max=window,
            batch_max=batch,
            adaptive=adaptive,
            flaky_depth=flaky_depth,
            disjoint=disjoint,
            method=method,
            approval=approval,
            test_ms_max=test_minutes_max * MINUTE_MS,
        )
        self.scene = Scene(
            attempts_max=attempts,
            rules=rules,
            place=lambda policy: RealPlace(policy, ground=ground),
        )
        place = self.scene.here
        assert isinstance(place, RealPlace)
        self.place = place
        self.workers = Workers(self.scene, place)
        self.ci = Ci(self.scene)
        self.people = People(self.scene, place)
        self.olga = Olga(self.scene, place)
        self.queue = Queue(self.scene)
        self.main = Main(place)
        self.clock = Clock(self.scene)
        self.daemon = Daemon(self.scene)


@dataclass(frozen=True, slots=True)
class Workers:
    """They finish beads; by default each writes a file of its bead's name."""

    scene: Scene
    place: RealPlace

    def finish(self, *names: str, writes: dict[str, str] | None = None, priority: int = 2) -> None:
        """Their changes come to the queue, in this order."""
        self.scene.submit(*names, writes=writes, priority=priority)

    def commit(self, name: str, *steps: tuple[str, dict[str, str]]) -> None:
        """One of them finishes with several commits, each by somebody."""

        def make(base: CommitId) -> CommitId:
            for who, files in steps:
                mail = f"{who.lower()}@example.org"
                base = self.place.ground.commit(files, base, message=f"By {who}", who=(who, mail))
            return base

        self.place.commits[name] = make
        self.scene.submit(name)

    def are_given(self, *names: str) -> None:
        """Beads; nothing follows yet."""
        for name in names:
            spec = BeadSpec(id=BeadId(name), title=f"Do {name}")
            event = take_in(self.scene.world, self.scene.repo, spec).event
            assert event is not None
            self.scene.take(event)

    def stack(self, name: str, *, on: str) -> None:
        """One of them finishes what stands on another change."""
        self.scene.submit(name)
        change, queue = self.scene.change(name), self.scene.queue
        queue.leave(change.id)
        queue.join(change.id, change.priority, [self.scene.change(on).id])


@dataclass(frozen=True, slots=True)
class Ci:
    """It tests what it is asked to, and ends tests by the scenario's word."""

    scene: Scene

    def tests(self, *candidates: str) -> None:
        """These are being tested, each named by the changes that it holds: `a+b`."""
        assert self.scene.testing == list(candidates)

    def passes(self, *names: str) -> None:
        """The tests of these changes' candidates pass, one after the other."""
        self.scene.passes(*names)

    def fails(self, name: str, *, job: str = "test", says: str = "") -> None:
        """The test of this change's candidate fails."""
        self.answers(self.candidate(name), e.Reason.CHECK_FAILED, job=job, says=says)

    def finds_bad(self, *names: str) -> None:
        """From now on every candidate with one of these fails, however often it is tested."""
        self.scene.here.bad |= set(names)

    def finds_bad_together(self, *names: str) -> None:
        """And every candidate that holds all of these."""
        self.scene.here.clashes.append({f"{name}.txt" for name in names})

    def runs_all(self) -> int:
        """Whatever is to be tested is, one after the other; returns how many tests that took."""
        count = 0
        while asked := self._asked():
            self.scene.carry_out(asked[0])
            self.scene.settle()
            count += 1
        return count

    def candidate(self, name: str) -> f.RunChecks:
        """What it was asked to test for this change."""
        effect = self.scene.pending[self._key(name)]
        assert isinstance(effect, f.RunChecks)
        return effect

    def answers(
        self, asked: f.RunChecks, reason: e.Reason | None, *, job: str = "test", says: str = ""
    ) -> None:
        """It answers what it was asked then, though nobody may wait for it any more."""
        key = f.effect_key(asked)
        answer = e.ChecksFinished(
            key=key,
            bead=asked.bead,
            change=asked.change,
            candidate=asked.candidate,
            reason=reason,
            check=job,
            detail=says or f"{asked.bead} is bad",
        )
        self.scene.pending.pop(key, None)
        self.scene.take(answer)
        self.scene.settle()

    def reports(self, name: str) -> None:
        """The test of this change's candidate passes; what follows is asked for and not done."""
        self.scene.carry_out(self._key(name))

    def _key(self, name: str) -> Key:
        return self.scene._check_of(name)

    def _asked(self) -> list[Key]:
        pending = self.scene.pending
        return [key for key, one in pending.items() if isinstance(one, f.RunChecks)]


@dataclass(frozen=True, slots=True)
class People:
    """They steer the queue, and change what waits in it."""

    scene: Scene
    place: RealPlace

    def approve(
        self, name: str, *, at: CommitId | None = None, priority: int | None = None
    ) -> None:
        """Approve a change, as it is or at a commit."""
        self._say(QueueVerb.APPROVE, change=name, head=at or "", priority=priority)

    def reject(self, name: str, why: str = "") -> None:
        """Take a change out of the queue."""
        self._say(QueueVerb.REJECT, change=name, why=why)

    def close_tree(self, above: int, why: str) -> None:
        """Only changes of this priority or a more urgent one are taken up."""
        self._say(QueueVerb.CLOSE, priority=above, why=why)

    def open_tree(self) -> None:
        """All are."""
        self._say(QueueVerb.OPEN)

    def resume(self) -> None:
        """Go on, whatever it was that kept the queue."""
        self._say(QueueVerb.RESUME)

    def close(self, name: str) -> None:
        """Close a change request."""
        change = self.scene.change(name)
        self._happens(e.ChangeClosed(bead=change.bead, change=change.id, by="ann"))

    def push_to(self, name: str, writes: dict[str, str]) -> CommitId:
        """Push another commit to a change."""
        change = self.scene.change(name)
        head = self.place.mirror(self.place.ground.commit(writes, change.head, message="More"))
        tree = self.place.ground.tree(head)
        self._happens(
            e.ChangeAmended(
                bead=change.bead,
                change=change.id,
                head=head,
                tree=tree,
                target=change.target,
                message=change.message,
            )
        )
        return head

    def retarget(self, name: str, branch: str) -> None:
        """Let a change go to another branch."""
        change = self.scene.change(name)
        self._happens(
            e.ChangeAmended(
                bead=change.bead,
                change=change.id,
                head=change.head,
                tree=change.head_tree,
                target=branch,
                message=change.message,
            )
        )

    def take_what_the_remote_has(self) -> None:
        """The way out that the queue names where the remote was set back."""
        self.place.mend()

    def _say(self, verb: QueueVerb, **fields: object) -> None:
        word = Word(verb=verb, who="ann", **fields)  # type: ignore[arg-type]
        event = hear(self.scene.world, word).event
        if event is not None:
            self._happens(event)

    def _happens(self, event: e.Event) -> None:
        self.scene.take(event)
        self.scene.settle()


@dataclass(frozen=True, slots=True)
class Olga:
    """She has her own way with the remote's main; nobody tells the queue."""

    scene: Scene
    place: RealPlace

    def pushes(self, file: str = "theirs") -> CommitId:
        """A commit of hers on top."""
        return self.place.push(file)

    def sets_main_to(self, commit: CommitId) -> None:
        """By force."""
        self.place.move(commit)

    def deletes_main(self) -> None:
        """It is gone."""
        self.place.move(None)

    def merges(self, name: str) -> None:
        """By hand, what waits in the queue."""
        ground, change = self.place.ground, self.scene.change(name)
        tip = ground.main()
        assert tip is not None
        files = self.place.outside.commits[change.head].files
        self.place.move(ground.commit(files, tip, change.head, message="By hand"))


@dataclass(frozen=True, slots=True)
class Queue:
    """What must be so in the queue."""

    scene: Scene

    def lands(self, *names: str) -> None:
        """These have landed, in this order, and no other."""
        assert self.scene.landed == list(names)

    def says(self, name: str, words: str) -> None:
        """The sentence about a change's bead holds these words."""
        assert words in self.scene.says(name), self.scene.says(name)

    def sends_back(self, name: str, reason: e.Reason) -> None:
        """The change has left the queue for this reason."""
        change = self.scene.change(name)
        assert (change.reason, change.stage) == (reason, "failed")

    def change(self, name: str) -> Change:
        """The newest change of a bead."""
        return self.scene.change(name)

    def counts(self, kind: type[e.Event]) -> int:
        """How often such a thing was recorded."""
        return len(self.scene.of(kind))

    def landings(self) -> list[f.Land]:
        """The landings that were asked for."""
        asked = [row.event for row in self.scene.rows]
        effects = [one.effect for one in asked if isinstance(one, e.Requested)]
        return [one for one in effects if isinstance(one, f.Land)]


@dataclass(frozen=True, slots=True)
class Main:
    """The target, at the remote."""

    place: RealPlace

    @property
    def tip(self) -> CommitId:
        """Where it stands."""
        self.place.look()
        tip = self.place.outside.target
        assert tip is not None
        return tip

    @property
    def parents(self) -> tuple[CommitId, ...]:
        """Of the commit it stands at."""
        return self.place.outside.commits[self.tip].parents

    @property
    def message(self) -> str:
        """Of that commit."""
        return self.place.outside.commits[self.tip].message

    @property
    def author(self) -> str:
        """Who made that commit."""
        return self.place.ground.git("log", "-1", "--format=%an <%ae>", self.tip)

    def refuses(self, file: str, *, saying: str) -> None:
        """A rule of the remote: nothing with this file may be pushed."""
        found = f"git ls-tree --name-only $new | grep -qx {file}"
        self.place.ground.hook(
            f"while read old new ref; do {found} || continue; echo '{saying}'; exit 1; done"
        )

    def refuses_nothing(self) -> None:
        """The rule is gone."""
        self.place.ground.hook("exit 0")

    def holds(self, *files: str) -> None:
        """These files, and README, and no others."""
        assert set(self.place.outside.commits[self.tip].files) == {"README", *files}

    def moved(self, times: int) -> None:
        """So often was it moved, by anybody."""
        assert len(self.place.ground.moves()) == times

    @property
    def pins(self) -> list[str]:
        """The refs that keep candidates, in the project."""
        form = "--format=%(refname)"
        return self.place.ground.git("for-each-ref", form, "refs/oya/candidates").split()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, which passes by the scenario's word alone."""

    scene: Scene

    @property
    def minutes(self) -> float:
        """What it shows."""
        return self.scene.now_ms / MINUTE_MS

    def passes(self, minutes: int) -> None:
        """So much later; what is due by then has happened."""
        self.scene.wait(minutes * MINUTE_MS)


@dataclass(frozen=True, slots=True)
class Daemon:
    """It may die at any moment; only the record and the repositories are left."""

    scene: Scene

    def dies(self) -> None:
        """And comes back."""
        self.scene.crash()
        self.scene.settle()

    def works_on(self, *, dies_after: type[f.Effect] | None = None, always: bool = False) -> None:
        """All that is asked for is done, tests too; but the first effect of a kind is done and
        nobody hears of it, for the daemon dies. `always`: it dies before and after every effect."""
        pending = self.scene.pending
        while pending:
            key = next(iter(pending))
            if always or isinstance(pending[key], dies_after or ()):
                self.scene.crash()
                self.scene.outcome(key)
                self.scene.crash()
                dies_after = None
                pending = self.scene.pending
            self.scene.carry_out(key)
        assert dies_after is None, "no such effect was asked for"

    def dies_after(self, kind: type[f.Effect], *, then: Callable[[], None] = lambda: None) -> None:
        """What is asked for of this kind is done, and nobody hears of it; something may happen
        before it comes back."""
        self.scene.outcome(next(key for key, it in self.scene.pending.items() if type(it) is kind))
        then()
        self.dies()

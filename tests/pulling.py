"""A forge with pull requests to talk to: the real core and grammar, over a forge in memory.

    hub = Hub(ann=Level.WRITE, bob=Level.READ)
    hub.opens("bob", 1)
    hub.says("ann", 1, "@oya r+")
    hub.passes("pr-1")

What people do arrives at once, as a webhook would bring it; `quiet` holds it back, so that a test
may bring it late, twice and in any order. All that the core asks for is done, but the checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.commands import listen
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, CommitId, Key, pull_key
from oya_vcs.core.pull_request import Pull
from oya_vcs.core.pulls import (
    PULL_EFFECTS,
    CommentSeen,
    Level,
    PullSeen,
    PullState,
    Reply,
    ReviewSeen,
    TellStatus,
)
from tests.memory_pulls import MemoryPulls, PullsPerformer
from tests.merging import Scene, sync


class Hub(Scene):
    """One repository whose changes are pull requests. People are named with what they may do."""

    def __init__(self, *, rules: Any = None, attempts_max: int = 2, **people: Level) -> None:
        super().__init__(attempts_max=attempts_max, rules=rules)
        self.forge = MemoryPulls()
        for number, (name, level) in enumerate(people.items(), 100):
            self.forge.people[name] = (number, level)
        self.comments = 0
        self.held_back: list[e.Event] | None = None

    # --- The daemon -------------------------------------------------------------------------------

    def outcome(self, key: Key) -> e.Event:
        """Also of what is asked about pull requests; and a worker's result is one."""
        effect = self.pending[key]
        if not isinstance(effect, PULL_EFFECTS):
            came = super().outcome(key)
            if isinstance(came, e.ChangeOpened):
                return replace(came, number=self._opened(effect, came))
            if isinstance(came, e.Landed):
                self._merged(effect)
            return came
        performer = PullsPerformer(self.forge, self._trial)
        if key in self._probe and isinstance(found := sync(performer.probe(key, effect)), e.Event):
            return found
        self._probe.add(key)

        async def report(fact: e.Event) -> None:
            self.take(fact, repo=effect.repo)

        event = sync(performer.do(key, effect, report))
        assert isinstance(event, e.Event)
        return event

    def _opened(self, effect: f.Effect, event: e.ChangeOpened) -> int:
        """The forge shows a worker's result, as the same pull request at each attempt."""
        name = f"oya/bead/{event.bead}"
        known = [one for one in self.forge.pulls.values() if one.branch == name]
        if known:
            self.forge.pulls[known[0].number] = replace(known[0], head=event.head)
            return known[0].number
        number = max(self.forge.pulls, default=40) + 1
        title = effect.title if isinstance(effect, f.OpenChange) else ""
        self.forge.pulls[number] = self._pull(
            number, event.head, title=title, branch=name, author="oya[bot]", author_id=1
        )
        return number

    def _merged(self, effect: f.Effect) -> None:
        """What landed is shown as merged, where its head is in the target."""
        if not isinstance(effect, f.Land):
            return
        for one in effect.pulls:
            seen = self.forge.pulls[one.number]
            self.forge.pulls[one.number] = replace(seen, state=PullState.MERGED)

    def _trial(self, head: CommitId) -> str:
        return self.here.check(self.here.outside.commits[head].files)

    # --- What people do ---------------------------------------------------------------------------

    def tick(self) -> int:
        """A second later."""
        self.now_ms += 1_000
        return self.now_ms

    def _pull(self, number: int, head: CommitId, **fields: Any) -> PullSeen:
        known: dict[str, Any] = {
            "branch": f"topic-{number}",
            "base": "main",
            "title": f"Topic {number}",
            "body": "Why.",
            "author": "",
            "author_id": 0,
            "draft": False,
            "state": PullState.OPEN,
            "labels": (),
            "fork": False,
            "mergeable": None,
            "updated_ms": self.tick(),
            **fields,
        }
        return PullSeen(repo=self.repo, number=number, head=head, **known)

    def commit(self, name: str, *parents: CommitId, text: str = "by hand") -> CommitId:
        """A commit with a file of this name, on the first commit of all or on `parents`."""
        outside = self.here.outside
        on = parents or (outside.tips[0],)
        files = {**outside.commits[on[0]].files, f"{name}.txt": text}
        return outside.commit(files, on, f"Add {name}\n")

    def opens(self, who: str, number: int, **fields: Any) -> None:
        """Somebody opens a pull request that adds a file called like its bead."""
        name = fields.pop("adds", f"pr-{number}")
        user_id, _ = self.forge.people[who]
        head = self.commit(name, text=fields.pop("text", "by hand"))
        self._shows(self._pull(number, head, author=who, author_id=user_id, by=who, **fields))

    def edits(self, who: str, number: int, **fields: Any) -> None:
        """Somebody changes what the pull request is."""
        at_ms = self.tick()
        seen = self.forge.pulls[number]
        self._shows(replace(seen, updated_ms=at_ms, pushed_ms=0, by=who, **fields))

    def pushes(self, who: str, number: int, name: str = "more") -> CommitId:
        """Somebody pushes another commit to it."""
        head = self.commit(name, self.forge.pulls[number].head)
        at_ms = self.tick()
        seen = self.forge.pulls[number]
        self._shows(replace(seen, head=head, updated_ms=at_ms, pushed_ms=at_ms, by=who))
        return head

    def labels(self, who: str, number: int, *names: str) -> None:
        """Somebody lets it have these labels and no others."""
        before = self.forge.pulls[number].labels
        for name in {*before, *names} - ({*before} & {*names}):
            self.forge.labelled[number, name] = who
        self.edits(who, number, labels=tuple(sorted(names)))

    def _shows(self, seen: PullSeen) -> None:
        self.forge.pulls[seen.number] = seen
        self.hears(seen)

    def polls(self, number: int) -> None:
        """A poll brings the pull request as it is."""
        self.hears(self.forge.pulls[number])

    def writes(self, who: str, number: int, text: str) -> CommentSeen:
        """Somebody writes a comment; nobody has heard of it yet."""
        speech = listen(text)
        self.comments += 1
        user_id, _ = self.forge.people[who]
        return CommentSeen(
            repo=self.repo,
            number=number,
            comment=f"issuecomment-{self.comments:06}",
            author=who,
            author_id=user_id,
            written_ms=self.tick(),
            commands=speech.commands,
            faults=speech.faults,
        )

    def says(self, who: str, number: int, text: str) -> None:  # type: ignore[override]
        """Somebody writes a comment, which arrives."""
        self.hears(self.writes(who, number, text))

    def reviews(self, who: str, number: int, text: str) -> None:
        """Somebody reviews it, and wants changes."""
        self.comments += 1
        self.hears(
            ReviewSeen(
                repo=self.repo,
                number=number,
                review=self.comments,
                author=who,
                author_id=self.forge.people[who][0],
                written_ms=self.tick(),
                state="changes_requested",
                head=None,
                text=text,
            )
        )

    def wants_changes(self, who: str, number: int, text: str = "") -> None:
        """Somebody requests changes, which counts as a word to us."""
        self.reviews(who, number, text)
        name = f"pullrequestreview-{self.comments}-changes"
        word = replace(self.writes(who, number, "@oya rework"), comment=name, tacit=True)
        self.hears(word)

    def hears(self, *facts: e.Event) -> None:
        """Facts arrive, unless they are held back; what follows is done."""
        if self.held_back is not None:
            self.held_back.extend(facts)
            return
        for fact in facts:
            self.take(fact)
            self.settle()

    @contextmanager
    def quiet(self) -> Iterator[list[e.Event]]:
        """What people do meanwhile arrives when the test lets it."""
        held_back: list[e.Event] = []
        self.held_back = held_back
        try:
            yield held_back
        finally:
            self.held_back = None

    # --- Checks -----------------------------------------------------------------------------------

    def is_checks(self, effect: f.Effect) -> bool:
        """Whether it is the checks of a candidate, for which the test speaks."""
        return isinstance(effect, f.RunChecks)

    def stop_ends(self, key: Key) -> None:
        """Checks that are being stopped end."""
        self._judge(key, self.world.stops[key])

    def checks_fail(self, key: Key) -> None:
        """The checks fail."""
        self._judge(key, e.Reason.CHECK_FAILED)

    def _judge(self, key: Key, reason: e.Reason) -> None:
        effect = self.pending[key]
        assert isinstance(effect, f.RunChecks)
        ended = e.ChecksFinished(
            key=key,
            bead=effect.bead,
            change=effect.change,
            candidate=effect.candidate,
            reason=reason,
            check="test",
            detail="It is bad.",
        )
        self.carry_out(key, ended)

    # --- What can be seen -------------------------------------------------------------------------

    def pull(self, number: int) -> Pull:
        """What is known of a pull request."""
        return self.world.pulls[pull_key(self.repo, number)]

    def pull_number(self, bead: str) -> int:
        """The pull request of a bead of ours."""
        return self.world.pulls[self.world.pull_of[BeadId(bead)]].number

    def explained(self, bead: BeadId) -> str:
        """The sentence about a bead."""
        return explain(self.world, self.world.bead(bead))

    def replies(self, number: int) -> list[Reply]:
        """What was said on it, in order."""
        return [one for one in self.forge.replies.values() if one.number == number]

    def last(self, number: int) -> tuple[str, dict[str, str]]:
        """The template and the fields of what was said last."""
        found = self.replies(number)[-1]
        return found.template, {one.name: one.value for one in found.fields}

    def told(self, number: int) -> TellStatus:
        """What the living status says."""
        return self.forge.statuses[number][-1]

    def head(self, number: int) -> CommitId:
        """The head of the pull request at the forge."""
        return self.forge.pulls[number].head

    def bead_state(self, number: int) -> str:
        """The state of its bead; nothing where it has none."""
        bead = self.world.beads.get(BeadId(f"pr-{number}"))
        return "" if bead is None else str(bead.state)

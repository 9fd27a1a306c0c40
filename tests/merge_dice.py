"""The merge queue under everything at once, by the dice of a seed: `python -m tests.merge_dice N`
replays seed N and tells what happened.

Two repositories, random changes that merge, conflict or fail, flukes, people who approve, reject,
push, amend, close, pause, freeze and close the tree, outside pushes and force-pushes, effects that
the world refuses, and crashes before and after each effect. After every landing the tree on the
target was tested (`Scene`); at the end each change has landed at most once and each bead is at its
end or says what it waits for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, State
from oya_vcs.core.decide import is_due
from oya_vcs.core.explain import explain
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.intake import take_in
from oya_vcs.core.merge import Change, MergeRules, Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.queue_words import QueueVerb, Word, hear
from oya_vcs.core.spec import BeadSpec
from tests.merging import Place, Scene

STEPS = 90
"""Moves of the dice before everybody goes home and the queue works off what is left."""


def rules_by(dice: Random) -> MergeRules:
    """Any configuration."""
    return MergeRules(
        window_max=dice.choice((1, 2, 3, 5)),
        batch_max=dice.choice((1, 1, 2, 4)),
        adaptive=dice.random() < 0.5,
        flaky_depth=dice.choice((0, 0, 1, 2)),
        method=dice.choice(("merge", "merge", "squash", "rebase")),
        approval=dice.choice(("auto", "auto", "manual")),
        test_ms_max=dice.choice((0, 60_000)),
        dispatch_ms_max=dice.choice((0, 0, 30_000)),
    )


class Dice:
    """One seed's story."""

    def __init__(self, seed: int, place: Callable[[Policy], Place] = Place) -> None:
        self.dice = Random(seed)
        repos = [RepoId(f"repo-{n}") for n in range(self.dice.choice((1, 2)))]
        rules = replace(rules_by(self.dice), disjoint=bool(seed // 2 % 2))
        self.scene = Scene(*repos, attempts_max=2, rules=rules, place=place)
        self._made = 0

    def run(self) -> Scene:
        """Everything random, then everything that is left, then the invariants."""
        moves = [*[self._work] * 12, self._submit, self._submit, self._crash, self._pass]
        moves += [self._people, self._outside]
        for _ in range(STEPS):
            self.dice.choice(moves)()
        self._go_home()
        self._check()
        return self.scene

    # --- What happens -----------------------------------------------------------------------------

    def _place(self) -> Place:
        return self.dice.choice(list(self.scene.places.values()))

    def _submit(self) -> None:
        place, scene = self._place(), self.scene
        self._made += 1
        name = f"b{self._made}"
        if self.dice.random() < 0.3:
            place.writes[name] = {f"shared-{self.dice.randrange(3)}": name}
        if self.dice.random() < 0.2:
            place.bad.add(name)
        repo = place.policy.repo
        mine = [bead.id for bead in scene.world.beads.values() if bead.repo == repo]
        needs = (self.dice.choice(mine),) if mine and self.dice.random() < 0.15 else ()
        priority = self.dice.choice((0, 2, 2, 4))
        spec = BeadSpec(id=BeadId(name), title=f"Do {name}", needs=needs, priority=priority)
        event = take_in(scene.world, repo, spec).event
        assert event is not None
        scene.take(event, repo=repo)

    def _work(self) -> None:
        """An effect is carried out, or refused, or dies with the daemon when it is done."""
        scene = self.scene
        if not scene.pending:
            return
        key = self.dice.choice(list(scene.pending))
        effect, chance = scene.pending[key], self.dice.random()
        scene.now_ms += self.dice.randrange(2_000)
        if chance < 0.03:
            scene.outcome(key)
            scene.crash()
        elif chance < 0.05 and not isinstance(effect, f.RunWorker | f.RemoveWorkspace):
            scene.carry_out(
                key,
                e.EffectFailed(
                    key=key,
                    bead=effect.bead,
                    kind=type(effect).__name__,
                    workspace=getattr(effect, "workspace", None),
                    message="The disk is on fire.",
                ),
            )
        elif chance < 0.12 and isinstance(effect, f.RunChecks):  # a fluke
            scene.carry_out(
                key,
                e.ChecksFinished(
                    key=key,
                    bead=effect.bead,
                    change=effect.change,
                    candidate=effect.candidate,
                    reason=e.Reason.CHECK_FAILED,
                    check="test",
                    detail="A fluke.",
                ),
            )
        else:
            scene.carry_out(key)

    def _crash(self) -> None:
        self.scene.crash()

    def _pass(self) -> None:
        self.scene.now_ms += self.dice.randrange(40_000)
        self._tick()

    def _tick(self) -> None:
        scene = self.scene
        for repo, place in scene.places.items():
            if is_due(scene.world, place.policy, scene.now_ms):
                scene.take(e.Ticked(), repo=repo)

    def _outside(self) -> None:
        """Somebody pushes, or forces the target back; it is noticed at once, or later."""
        place = self._place()
        repo = place.policy.repo
        self._made += 1
        if self.dice.random() < 0.5:
            place.push(f"theirs-{self._made}")
        else:
            place.move(self.dice.choice(place.outside.tips[-3:]))
        moved = place.outside.tips[-1]
        if self.dice.random() < 0.5:
            self.scene.take(e.TargetMoved(repo=repo, commit=moved), repo=repo)

    def _people(self) -> None:
        place, dice, scene = self._place(), self.dice, self.scene
        repo = place.policy.repo
        queue = scene.world.repos[repo].queue
        word: e.Event = dice.choice(
            (
                e.QueuePaused(repo=repo, by="ann", reason="Wait."),
                e.QueueResumed(repo=repo, unpaused=True),
                e.QueueResumed(repo=repo),
                e.QueueFrozen(repo=repo, by="ann", until_ms=scene.now_ms + 9_000, reason="No."),
                e.TreeClosed(repo=repo, by="ann", above=dice.choice((None, 0, 2)), reason="No."),
            )
        )
        if queue.members and dice.random() < 0.7:
            change = scene.world.changes[dice.choice(list(queue.members))]
            word = self._about(change)
        scene.take(word, repo=repo)

    def _about(self, change: Change) -> e.Event:
        """Somebody says something about a change, or does something to it."""
        names: dict[str, Any] = {"bead": change.bead, "change": change.id}
        chance = self.dice.random()
        here = change.target in {"", self.scene.world.repos[change.repo].target}
        if chance < 0.6 and here:
            priority = self.dice.choice((None, 0, 3))
            return e.ChangeApproved(**names, head=change.head, by="ann", priority=priority)
        if chance < 0.7:
            return e.ChangeRejected(**names, by="ann", note="Not so.")
        if chance < 0.75:
            return e.ChangeClosed(**names, by="ann")
        message = self.dice.choice((change.message, "Another\n\nOya-Change: " + change.id + "\n"))
        return _amended(change, target=self.dice.choice((change.target, "other")), message=message)

    # --- The end ----------------------------------------------------------------------------------

    def _go_home(self) -> None:
        """Nobody stands in the way any more: whatever can come to its end does."""
        scene = self.scene
        for _ in range(60):
            for repo, place in scene.places.items():
                place.mend()
                scene.take(e.QueueResumed(repo=repo, unpaused=True), repo=repo)
                scene.take(e.TreeClosed(repo=repo, by="ann", above=None, reason=""), repo=repo)
                for one in list(scene.world.repos[repo].queue.unapproved):
                    self._approve(scene.world.changes[one])
            while scene.pending:
                scene.carry_out(self.dice.choice(list(scene.pending)))
            left = any(scene.world.repos[one].queue.members for one in scene.places)
            if not left and not scene.world.timers:
                return
            scene.now_ms += 100_000
            self._tick()

    def _approve(self, change: Change) -> None:
        """As it is, if only it is for the branch that the queue lands on."""
        scene = self.scene
        if change.target not in {"", scene.world.repos[change.repo].target}:
            scene.take(_amended(change, target="main"), repo=change.repo)
        word = Word(verb=QueueVerb.APPROVE, change=change.id, who="ann")
        event = hear(scene.world, word).event
        if event is not None:
            scene.take(event, repo=change.repo)

    def _check(self) -> None:
        scene = self.scene
        scene.crash()  # compares the state with what the record gives
        assert not scene.world.open
        for change in scene.world.changes.values():
            assert change.stage in {Stage.MERGED, Stage.FAILED}, f"{change.id} hangs: {change}"
            assert change.stage is Stage.MERGED or change.reason is not None
        for bead in scene.world.beads.values():
            ended = bead.state in TERMINAL or (
                bead.state is State.PENDING
                and all(scene.world.bead(one).state is not State.LANDED for one in bead.spec.needs)
            )
            assert ended, f"{bead.id} is {bead.state}: {explain(scene.world, bead)}"
            assert explain(scene.world, bead).strip()
        for place in scene.places.values():
            queue = scene.world.repos[place.policy.repo].queue
            assert not queue.members
            left = (*queue.chain, *queue.aside, *queue.parked, *queue.leaving)
            assert left == ()
            assert queue.building is None
        kinds = e.Landed | e.LandedWith | e.FoundLanded
        landed = [row.event.change for row in scene.rows if isinstance(row.event, kinds)]
        assert len(landed) == len(set(landed)), "a change landed twice"


def _amended(change: Change, *, target: str, message: str = "") -> e.ChangeAmended:
    """Somebody lets it go to a branch, perhaps with another message."""
    return e.ChangeAmended(
        bead=change.bead,
        change=change.id,
        head=change.head,
        tree=change.head_tree,
        target=target,
        message=message or change.message,
    )


def main(seed: int) -> None:
    """Tell the story of a seed."""
    story = Dice(seed)
    try:
        story.run()
    finally:
        tell(story.scene)


def tell(scene: Scene) -> None:
    """What happened, a line an event."""
    for row in scene.rows:
        event = row.event
        effect = f" {type(event.effect).__name__}" if isinstance(event, e.Requested) else ""
        subject = f"{row.seq:>5} {row.at_ms % 10_000_000:>8} {event.subject:<8}"
        sys.stdout.write(f"{subject} {type(event).__name__}{effect}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))

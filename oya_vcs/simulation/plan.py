"""What is to happen in one simulated story, as a value: the beads with what their workers do, and
what goes wrong, and when. Drawn from a seed; made smaller by leaving things out.

Knows nothing of how it is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from oya_vcs.core.merge import MergeRules

BEADS_MAX = 5
STEPS_MAX = 6
"""Things that go wrong in a story where nobody says otherwise."""
LATEST_EVENT = 90
"""Behind how many events of the record something may go wrong: most stories have about so many."""
TURNS_MAX = 60
"""Callbacks of the loop that it may come after that event: about what a step with its sync takes.
"""

CONDUCTS = ("well", "well", "well", "shared", "bad", "fail", "hang", "lie")
"""What a worker does: a file of its own; a file that others write too; one that the checks refuse;
it fails; it stands still; it says that it is done and has done nothing."""
KINDS = (
    *("kill", "power") * 3,
    *("eio", "enospc", "slow", "refuse", "unsaid", "push", "hour"),
)
"""What goes wrong: SIGKILL; the power goes; the disk refuses, or takes 200 ms a sync; the world
refuses an effect, or does it and does not say so; somebody pushes to the target; the clock is set
by an hour."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Goes wrong `turns` callbacks after `event` events have been told. `much` is by how much."""

    kind: str
    event: int
    turns: int = 0
    much: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.turns} callbacks after event {self.event} ({self.much})"


@dataclass(frozen=True, slots=True)
class Task:
    """A bead: what it waits for, and what its workers do, attempt by attempt (then well)."""

    name: str
    needs: tuple[str, ...] = ()
    conducts: tuple[str, ...] = ()

    def __str__(self) -> str:
        after = f" after {', '.join(self.needs)}" if self.needs else ""
        return f"{self.name}{after}: {', '.join(self.conducts) or 'well'}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One story."""

    seed: int
    slots: int
    merge: MergeRules
    extras: bool
    tasks: tuple[Task, ...]
    wrongs: tuple[Wrong, ...]

    def lines(self) -> list[str]:
        """The plan for people."""
        rules = f"window {self.merge.window_max}, batch {self.merge.batch_max}"
        more = ", with setup and verify" if self.extras else ""
        head = f"seed {self.seed}: {self.slots} slots, {rules}{more}"
        return [head, *(f"  bead {one}" for one in self.tasks), *(f"  {w}" for w in self.wrongs)]


def drawn(seed: int, steps_max: int = STEPS_MAX) -> Plan:
    """The plan of a seed."""
    dice = Random(seed)  # noqa: S311 - what the seed is for
    tasks: list[Task] = []
    for at in range(dice.randint(1, BEADS_MAX)):
        needs = (dice.choice(tasks).name,) if tasks and dice.random() < 0.3 else ()
        conducts = tuple(dice.choice(CONDUCTS) for _ in range(dice.choice((0, 1, 1, 2, 3))))
        tasks.append(Task(f"b{at}", needs, conducts))
    wrongs = [
        Wrong(
            kind=dice.choice(KINDS),
            event=dice.randrange(LATEST_EVENT),
            turns=dice.randrange(TURNS_MAX),
            much=dice.randint(1, 5),
        )
        for _ in range(dice.randint(0, steps_max))
    ]
    merge = MergeRules(window_max=dice.choice((1, 2, 3)), batch_max=dice.choice((1, 1, 2)))
    return Plan(
        seed=seed,
        slots=dice.randint(1, 3),
        merge=merge,
        extras=dice.random() < 0.3,
        tasks=tuple(tasks),
        wrongs=tuple(sorted(wrongs, key=lambda one: (one.event, one.turns))),
    )


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A plan that still fails, from which nothing can be left out without it failing no more."""
    smaller = True
    while smaller:
        smaller = False
        for one in _smaller(plan):
            if fails(one):
                plan, smaller = one, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Every plan with one thing less, the largest steps first."""
    for at in range(len(plan.tasks)):
        gone = plan.tasks[at].name
        rest = (*plan.tasks[:at], *plan.tasks[at + 1 :])
        if rest:
            kept = tuple(
                replace(one, needs=tuple(n for n in one.needs if n != gone)) for one in rest
            )
            yield replace(plan, tasks=kept)
    for at in range(len(plan.wrongs)):
        yield replace(plan, wrongs=(*plan.wrongs[:at], *plan.wrongs[at + 1 :]))
    for at, one in enumerate(plan.tasks):
        if one.conducts:
            calmer = replace(one, conducts=one.conducts[:-1])
            yield replace(plan, tasks=(*plan.tasks[:at], calmer, *plan.tasks[at + 1 :]))
    if plan.extras:
        yield replace(plan, extras=False)
    if plan.merge != MergeRules():
        yield replace(plan, merge=MergeRules())
    if plan.slots > 1:
        yield replace(plan, slots=plan.slots - 1)

"""Many stories, one after another, and the ones that break a rule made as small as they can be.

Knows stories and plans; what is said of them is the command line's.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from oya_vcs.simulation.plan import STEPS_MAX, Plan, drawn, shrunk
from oya_vcs.simulation.story import Verdict, play


@dataclass(slots=True)
class Tally:
    """What some seeds came to: events and lives of all, what went wrong by kind, and the rule that
    the failing seed broke, if one did."""

    seeds: int = 0
    events: int = 0
    lives: int = 0
    wrongs: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)


def tried(seeds: Iterable[int], steps_max: int = STEPS_MAX) -> Tally:
    """Play the plan of each seed, up to the first that breaks a rule."""
    tally = Tally()
    logging.disable(logging.CRITICAL)  # what the daemon logs of what we do to it
    try:
        for seed in seeds:
            plan = drawn(seed, steps_max)
            verdict = play(plan)
            tally.seeds += 1
            tally.events += verdict.events
            tally.lives += verdict.lives
            tally.wrongs.update(one.kind for one in plan.wrongs)
            if verdict.rule:
                tally.broken[seed] = verdict.rule
                break
    finally:
        logging.disable(logging.NOTSET)
    return tally


def smallest(plan: Plan) -> tuple[Plan, Verdict]:
    """The smallest plan that breaks the same rule, and its story; the plan itself where it breaks
    none."""
    logging.disable(logging.CRITICAL)
    try:
        verdict = play(plan)
        if verdict.rule:
            plan = shrunk(plan, lambda one: play(one).rule == verdict.rule)
            verdict = play(plan)
    finally:
        logging.disable(logging.NOTSET)
    return plan, verdict

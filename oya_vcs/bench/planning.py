"""What a plan of the merge queue costs, and how many tests green changes take, with no git at all.

The queue is full as far as its window goes but for one place, and has so many more in line. Must
not know how a candidate is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from oya_vcs.adapters.clock import own_time
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bench.queueing import Setting, simulate
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.merge import Change, MergeQueue, MergeRules
from oya_vcs.core.merge.plan import next_move

WINDOW = 8
FEW, MANY = 10, 10_000
"""Changes in line."""
PLANS = 2_000
"""Plans of a round."""
WARM = 1
"""Rounds that are not counted."""
PLAN_RATIO_MAX = 1.5
"""What a plan may cost with `MANY` in line, beside one with `FEW`: room for cold caches alone."""
GREEN, SLOTS = 40, 8
SLACK = 1.1
"""(GREEN / SLOTS + 1) tests and 10 % are what so many green changes may take."""

Line = tuple[MergeQueue, dict[ChangeId, Change], MergeRules]


def line_of(queued: int) -> Line:
    """A queue with so many changes, all but one place of its window taken, and what it knows of
    them. Its next move is to build the candidate of change `c7`."""
    queue, changes = MergeQueue(), dict[ChangeId, Change]()
    for number in range(queued):
        name = ChangeId(f"c{number}")
        changes[name] = Change(
            id=name,
            repo=RepoId("bench"),
            bead=BeadId(f"b{number}"),
            attempt=1,
            head=CommitId(f"h{number}"),
        )
        queue.join(name)
    queue.tip = below = CommitId("tip")
    for number in range(WINDOW - 1):
        change = changes[ChangeId(f"c{number}")]
        queue.enter(change.id)
        change.base, change.candidate, change.asked_ms = below, CommitId(f"x{number}"), 1
        below = change.candidate
    return queue, changes, MergeRules(window_max=WINDOW)


def plan_of(line: Line) -> Callable[[], object]:
    """Plans its next move."""
    queue, changes, rules = line
    return lambda: next_move(queue, changes, rules, 5)


def planned(rounds: int) -> Iterator[Figure]:
    """A plan with many in line beside one with few, turn by turn."""
    few, many = plan_of(line_of(FEW)), plan_of(line_of(MANY))
    spent = [(_time_of(many), _time_of(few)) for _ in range(WARM + rounds)][WARM:]
    ratio = median([ours / bare for ours, bare in spent])
    yield Figure(
        name="plan",
        what=f"a plan with {MANY:,} changes in line; baseline: with {FEW} (time)",
        ours=f"{1e6 * median([ours for ours, _ in spent]):.1f} µs",
        baseline=f"{1e6 * median([bare for _, bare in spent]):.1f} µs",
        ratio=ratio,
        wanted=f"≤ {PLAN_RATIO_MAX:g}",
        met=ratio <= PLAN_RATIO_MAX,
    )


def _time_of(plan: Callable[[], object]) -> float:
    begin = own_time()
    for _ in range(PLANS):
        plan()
    return (own_time() - begin) / PLANS


def green() -> Iterator[Figure]:
    """So many green changes with so many tests at once, on the virtual clock."""
    setting = Setting(rules=MergeRules(window_max=SLOTS), changes=GREEN, slots=SLOTS)
    tests = simulate(setting).end_ms / setting.test_ms
    most = GREEN / SLOTS + 1
    yield Figure(
        name="green",
        what=f"{GREEN} green changes, {SLOTS} tests at once, on a virtual clock; baseline: promise",
        ours=f"{tests:.1f} tests",
        baseline=f"{most:.1f} tests",
        ratio=tests / most,
        wanted=f"≤ {SLACK:g}",
        met=tests <= most * SLACK,
    )

"""How much is tested at once, as failures teach it. Whole numbers only where the state is kept."""

from __future__ import annotations

from functools import cache

from oya_vcs.core.merge.rules import MergeRules
from oya_vcs.core.merge.theory import batch_rate

MEMORY = 32
"""Changes after which what the queue learnt of failures has faded to about a third."""
MILLION = 1_000_000


def learnt(failing_ppm: int, *, failed: bool) -> int:
    """The share of failing changes, in millionths, after one more was settled: an exponentially
    weighted mean."""
    return failing_ppm + ((MILLION if failed else 0) - failing_ppm) // MEMORY


def window(rules: MergeRules, learnt_window: int) -> int:
    """How many groups to test at once now. 0 has learnt nothing: the ceiling, so that a queue
    without failures is as fast as it may be from its first change on."""
    if not rules.adaptive or learnt_window == 0:
        return rules.window_max
    return max(1, min(learnt_window, rules.window_max))


def grown(rules: MergeRules, learnt_window: int, landed: int) -> int:
    """The window after so many changes landed: one more for each, up to the ceiling."""
    return min(rules.window_max, window(rules, learnt_window) + landed)


def halved(rules: MergeRules, learnt_window: int) -> int:
    """The window after a failed test."""
    return max(1, window(rules, learnt_window) // 2)


def batch(rules: MergeRules, failing_ppm: int, waiting: int) -> int:
    """How many changes may share a test now.

    An adaptive queue shares only what its window cannot take up at once, and only as far as the
    failures that it observes make that worth while (`worth_ppm`).
    """
    if not rules.adaptive:
        return rules.batch_max
    size = 1
    while (
        size * 2 <= rules.batch_max
        and waiting > size * rules.window_max
        and failing_ppm < worth_ppm(size * 2, rules.window_max)
    ):
        size *= 2
    return size


def worth_ppm(size: int, width: int) -> int:
    """The share of failing changes, in millionths, below which batches of this size are worth while
    in a window of this width.

    Never above the break-even with one change after another. In a window a failed batch holds up
    all that is behind it for one more test each time that it is split, which one test for twice as
    many changes saves 1 / (size * width) of a test a change: so that is the limit (measured by
    simulation, docs/MERGE_QUEUE.md).
    """
    return min(break_even_ppm(size), MILLION // (size * width))


@cache
def break_even_ppm(size: int) -> int:
    """The share of failing changes, in millionths, from which on batches of this size (a power of
    two) are slower than one change after another: 23.8 % for 4, 20.4 % for 8, 18.5 % for 16."""
    low, high = 0, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        passing = 1 - middle / MILLION
        if batch_rate(passing, size) > passing:
            low = middle
        else:
            high = middle
    return low

"""When a change is expected to land, by what the queue has learnt. Pure; a guess, for people."""

from __future__ import annotations

from oya_vcs.core.ids import ChangeId
from oya_vcs.core.merge import MergeQueue
from oya_vcs.core.merge.adaptive import MILLION
from oya_vcs.core.merge.theory import window_rate
from oya_vcs.core.world import World

WIDTH_MAX = 64
"""Tests at once that are believed in where the queue has learnt no width."""


def expected_ms(world: World, queue: MergeQueue, change: ChangeId) -> int | None:
    """How long from now until it lands, if it passes; None where that cannot be told: nothing was
    tested yet, or the change waits for people or for the world.

    Costs the queue for a change in line.
    """
    pace = queue.pace
    blocked = queue.paused or queue.gates.pause
    place = queue.place(change)
    if not pace.test_ms or blocked or not place:
        return None
    if queue.in_flight(change):
        group = next(group for group in queue.chain if change in group.changes)
        ahead = queue.chain[: queue.chain.index(group) + 1]
        lasts = [world.changes[one.changes[-1]] for one in ahead]
        asked = [one.asked_ms for one in lasts if one.passed is None and one.asked_ms is not None]
        if any(one.asked_ms is None for one in lasts):
            return pace.test_ms
        return max(0, max(asked) + pace.test_ms - world.now_ms) if asked else 0
    width = min(pace.window or max(1, len(queue.chain)), WIDTH_MAX)
    rate = window_rate(max(0.05, 1 - pace.failing_ppm / MILLION), width)
    return pace.test_ms + int((place - 1) / rate) * pace.test_ms

"""The daemon dies at every effect boundary, and at several in a row: each bead lands exactly once
all the same."""

from __future__ import annotations

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core import events as e
from oya_vcs.journal.replay import digest, replay
from tests.daemons import Daemon, Kill, spec, states

BEADS = [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")]
BOUNDARIES = 4 * 8 * 3
"""4 beads, 8 effects each, 3 boundaries an effect."""


async def _finish(daemon: Daemon) -> None:
    world = await daemon.run_to_rest(BEADS)
    assert states(world) == dict.fromkeys("abcd", "landed")
    assert set(daemon.outside.landings.values()) == {1}
    assert len(daemon.outside.tips) == 5
    assert not daemon.outside.workspaces
    assert not world.open
    runs = [row.event for row in daemon.journal.read() if isinstance(row.event, e.WorkerFinished)]
    assert len(runs) == len({run.key for run in runs})
    assert max(daemon.outside.started.values()) == 1
    replayed = replay(daemon.journal.read())
    replayed.now_ms = world.now_ms
    assert digest(replayed) == digest(world)


@pytest.mark.parametrize("at", range(1, BOUNDARIES + 1))
async def test_one_death_at_each_boundary(at: int) -> None:
    """Whatever boundary the daemon dies at: all landed once, nothing open, no worker run twice."""
    daemon = Daemon(new_outside({"x": "1"}))
    kill = Kill(at)
    await daemon.run_to_rest(BEADS, kill)
    assert kill.dead.is_set()
    await _finish(daemon)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 11])
async def test_a_death_every_few_boundaries(step: int) -> None:
    """Twenty-five lives, each ended after a few boundaries, still make progress and lose
    nothing."""
    daemon = Daemon(new_outside({"x": "1"}))
    for _life in range(25):
        await daemon.run_to_rest(BEADS, Kill(step))
    await _finish(daemon)

"""Runs under the reaper beside bare processes: how long until the first output, and a hundred; and
how long a hook takes that people wait for.

Both do the same work: a small program that says one line and ends. Ours has its folder, its
orders, two records on disk and a log without secrets besides. Knows no bead and no journal.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock, stopwatch
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process.children import watched_by_descriptor
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core.ids import BeadId, execution_key
from oya_vcs.ports import Order

ARGV = ("/bin/sh", "-c", "echo beat; exit 0")
ALONE = 20
"""Runs one after the other, of which the median counts."""
AT_ONCE = 100
"""Workers at once (F3)."""
LOOK_S = 0.0005
HOOK = ("-m", "oya_vcs", "hook", "pre-push")
NOTHING = ("-c", "pass")


class Pool:
    """Runs in a folder; each has a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = ReaperRunner(folder / "runs", SystemClock())
        self.count = 0

    def order(self) -> Order:
        """An order that was not given before."""
        self.count += 1
        return Order(
            key=execution_key(BeadId("bench"), self.count),
            argv=ARGV,
            cwd=self.folder,
            env={"PATH": os.defpath},
            log=self.folder / "logs" / f"{self.count}.log",
            heartbeat=None,
            lease_ms=30_000,
            wall_ms_max=600_000,
            stop_ms=5_000,
            output_bytes_max=1_000_000,
            processes_max=1_000,
        )

    async def first_beat(self) -> float:
        """Seconds from the order to its first line in the log."""
        order = self.order()
        begin = stopwatch()
        run = asyncio.create_task(self.runner.run(order, _nothing))
        while not _said(order.log):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(LOOK_S)
        spent = stopwatch() - begin
        await run
        return spent

    async def many(self) -> float:
        """Seconds for AT_ONCE of them."""
        begin = stopwatch()
        await asyncio.gather(*(self.runner.run(self.order(), _nothing) for _ in range(AT_ONCE)))
        return stopwatch() - begin


def pool(folder: Path, rounds: int) -> Iterator[Figure]:
    """The figures, over so many rounds, turn by turn with their baselines."""
    yield from asyncio.run(_measure(folder, rounds))


async def _measure(folder: Path, rounds: int) -> list[Figure]:
    place = folder / "pool"
    place.mkdir()
    ours = Pool(place)
    first: list[tuple[float, float]] = []
    many: list[tuple[float, float]] = []
    hooks: list[tuple[float, float]] = []
    with watched_by_descriptor():
        for _ in range(rounds):
            first += [(await ours.first_beat(), await _bare(1)) for _ in range(ALONE)]
            many.append((await ours.many(), await _bare(AT_ONCE)))
            hooks += [(await _started(*HOOK), await _started(*NOTHING)) for _ in range(ALONE)]
    return [
        _figure("first-beat", "from an order to its first output; baseline: a bare process", first),
        _figure(
            "hundred-workers",
            f"{AT_ONCE} workers at once, until all have ended; baseline: bare processes",
            many,
        ),
        _figure(
            "hook-start", "git's hook of ours, of a push of nothing; baseline: a bare Python", hooks
        ),
    ]


def _figure(name: str, what: str, pairs: list[tuple[float, float]]) -> Figure:
    ours, bare = (median(list(column)) for column in zip(*pairs, strict=True))
    return Figure(
        name=name,
        what=f"{what} (time)",
        ours=f"{1000 * ours:.0f} ms",
        baseline=f"{1000 * bare:.0f} ms",
        ratio=median([one / other for one, other in pairs]),
    )


async def _bare(count: int) -> float:
    """Seconds for so many bare processes at once, spawned, read and waited for."""
    begin = stopwatch()
    env = {"PATH": os.defpath}
    await asyncio.gather(*(run_program(ARGV, env=env) for _ in range(count)))
    return stopwatch() - begin


async def _started(*words: str) -> float:
    """Seconds for one Python, from its start to its end."""
    env = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    begin = stopwatch()
    await run_program((sys.executable, "-P", *words), env=env)
    return stopwatch() - begin


def _said(log: Path) -> bool:
    try:
        return log.stat().st_size > 0
    except OSError:
        return False


async def _nothing(_pid: int, _started: int) -> None:
    """Nobody records this run."""

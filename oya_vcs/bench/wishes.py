"""How soon a running bead stands still, and how soon it is cancelled: from a person's request on
the daemon's socket to the end of it, with real workers.

The baseline is what any end of a process costs: a shell that starts one, ends it and waits for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.process.freezing import below
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bootstrap import Plan, open_daemon
from oya_vcs.config import socket_address
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug
from oya_vcs.ports import Recorded
from oya_vcs.runtime.daemon import Daemon

WORKER = "exec sleep 3600"
"""A worker that ends when it is told to, and not before."""
WANTED_MS = 1_000
"""REQUIREMENTS: pause and cancel of a running bead within a second."""
POLL_S = 0.001


async def wishes(plan: Plan, beads: Sequence[BeadSpec]) -> list[Figure]:
    """Pause each of the beads, and then cancel it, one after the other; all run at once. `plan`'s
    worker is `WORKER`, and it has a slot for each."""
    heard = _Heard()
    async with open_daemon(plan, feeds=[heard]) as daemon:
        await daemon.submit(beads)
        paused, cancelled = [], []
        for spec in beads:
            bead = await _running(daemon, spec.id)
            paused.append(await _paused(plan.home.socket, bead))
            cancelled.append(await _cancelled(plan.home.socket, bead.id, heard))
    bare = [await _bare() for _ in beads]
    return [
        _figure("pause", "a running bead stands still after `bead pause` (time)", paused, bare),
        _figure("cancel", "a running bead has ended after `bead cancel` (time)", cancelled, bare),
    ]


class _Heard:
    """A feed that tells when a bead was cancelled, on disk."""

    def __init__(self) -> None:
        self.ended: dict[BeadId, asyncio.Event] = {}

    def publish(self, rows: Sequence[Recorded]) -> None:
        for row in rows:
            if isinstance(row.event, e.BeadCancelled):
                self.of(row.event.bead).set()

    def of(self, bead: BeadId) -> asyncio.Event:
        return self.ended.setdefault(bead, asyncio.Event())


async def _running(daemon: Daemon, name: BeadId) -> Bead:
    """The bead, when its worker runs."""
    while True:
        bead = daemon.world.bead(name)
        if bead.pid is not None and await asyncio.to_thread(_moves, bead.pid):
            return bead
        if bead.state in (State.FAILED, State.BACKING_OFF):
            raise Bug(f"The benchmark's worker does not run: {bead.detail}")
        await asyncio.sleep(POLL_S)


def _moves(reaper: int) -> bool:
    """Whether anything below the reaper is not stopped."""
    return any(state != b"T" for _, state in below(reaper))


async def _paused(socket: Path, bead: Bead) -> float:
    """Seconds until all below the reaper is stopped."""
    if bead.pid is None:
        raise Bug("The benchmark's worker has no process.")
    begin = stopwatch()
    await _ask(socket, "bead.pause", bead.id)
    while await asyncio.to_thread(_moves, bead.pid):  # noqa: ASYNC110 - /proc tells no events
        await asyncio.sleep(POLL_S)
    return stopwatch() - begin


async def _cancelled(socket: Path, bead: BeadId, heard: _Heard) -> float:
    """Seconds until the end is on disk, with the worker's tree gone."""
    begin = stopwatch()
    await _ask(socket, "bead.cancel", bead)
    await heard.of(bead).wait()
    return stopwatch() - begin


async def _ask(socket: Path, name: str, bead: BeadId) -> None:
    with socket_address(socket) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(json.dumps({"ask": name, "beads": [bead]}).encode() + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    if not answer["ok"]:
        raise Bug(f"The daemon refused the benchmark: {answer['error']['message']}")


async def _bare() -> float:
    """Seconds that a bare process takes to begin and end."""
    begin = stopwatch()
    await run_program(["/bin/sh", "-c", "sleep 3600 & kill $!; wait $!; true"], env={})
    return stopwatch() - begin


def _figure(name: str, what: str, ours: Sequence[float], bare: Sequence[float]) -> Figure:
    worst = 1_000 * max(ours)
    return Figure(
        name=name,
        what=f"{what}: median and worst of {len(ours)}",
        ours=f"{1_000 * median(ours):.0f} and {worst:.0f} ms",
        baseline=f"{1_000 * median(bare):.1f} ms",
        ratio=median(ours) / median(bare),
        wanted=f"< {WANTED_MS / 1_000:g} s",
        met=worst < WANTED_MS,
    )

"""What the runtime's own machinery costs: a message to an actor, and a child that is started again.

Beside a bare asyncio queue, and beside the back-off that a restart has to wait by itself. All of it
in this process and on the real clock; nothing is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from oya_vcs.adapters.clock import SystemClock, stopwatch
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core.supervision import Fault, Limits, Strategy, judge
from oya_vcs.errors import GaveUp
from oya_vcs.runtime.actor import Actor
from oya_vcs.runtime.supervisor import Child, Ready, Supervisor

MESSAGES = 20_000
CRASHES = 1_000
EACH = 3
"""Crashes of one child: as many as it may have within a minute (REQUIREMENTS B2)."""


def messages(rounds: int, count: int = MESSAGES) -> list[Figure]:
    """Questions to an actor, one after the other, against the same through two bare queues; turn by
    turn."""
    ours, bare = [], []
    for _ in range(rounds):
        bare.append(asyncio.run(_through_queues(count)) / count)
        ours.append(asyncio.run(_through_an_actor(count)) / count)
    slowest = max(ours) * 1_000
    return [
        Figure(
            name="message",
            what="a message to an actor and its answer; baseline: two asyncio queues (time)",
            ours=f"{median(ours) * 1e6:.1f} µs",
            baseline=f"{median(bare) * 1e6:.1f} µs",
            ratio=median([one / other for one, other in zip(ours, bare, strict=True)]),
            wanted="< 1 ms",
            met=slowest < 1,
        )
    ]


async def _through_an_actor(count: int) -> float:
    async def receive(message: int) -> int:
        return message

    actor = Actor("bench", receive)
    running = asyncio.create_task(actor.run(lambda: None))
    begin = stopwatch()
    for number in range(count):
        await actor.ask(number)
    spent = stopwatch() - begin
    await actor.stop()
    await running
    return spent


async def _through_queues(count: int) -> float:
    there: asyncio.Queue[int] = asyncio.Queue(1_024)
    back: asyncio.Queue[int] = asyncio.Queue(1_024)

    async def serve() -> None:
        while True:
            await back.put(await there.get())

    serving = asyncio.create_task(serve())
    begin = stopwatch()
    for number in range(count):
        await there.put(number)
        await back.get()
    spent = stopwatch() - begin
    serving.cancel()
    await asyncio.wait({serving})
    return spent


class _Fragile:
    """A child that notes when it died and how long it took until it was back."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.wanted: list[float] = []
        self.done = asyncio.Event()
        self._died = 0.0
        self._recent: tuple[int, ...] = ()

    async def run(self, ready: Ready) -> None:
        ready()
        if self._died:
            self.took.append(stopwatch() - self._died)
        if len(self.took) == EACH:
            self.done.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        verdict = judge(self._recent, 0, Fault.CRASH, Limits())
        if verdict is not None:
            self._recent = verdict.restarts
            self.wanted.append(verdict.wait_ms / 1_000)
        self._died = stopwatch()
        raise GaveUp("Injected.")


def restarts(crashes: int = CRASHES) -> list[Figure]:
    """Injected crashes, EACH in a row of every child, all children at once, with a sibling that
    must not notice; from the crash until the next life is ready."""
    children = [_Fragile() for _ in range(-(-crashes // EACH))]
    lives = asyncio.run(_storm(children))
    took = sorted(one for child in children for one in child.took)
    waited = sorted(one for child in children for one in child.wanted)
    p50, p99 = (_at(took, share) for share in (0.5, 0.99))
    return [
        Figure(
            name="restart-child",
            what=f"{len(took):,} crashes: p50 and p99 until it runs again (ratio of the p99s);"
            " baseline: the back-off alone",
            ours=f"{p50 * 1000:.0f} and {p99 * 1000:.0f} ms",
            baseline=f"{_at(waited, 0.5) * 1000:.0f} and {_at(waited, 0.99) * 1000:.0f} ms",
            ratio=p99 / _at(waited, 0.99),
            wanted="p99 < 1 s, the sibling unaffected",
            met=p99 < 1 and lives == 1,
        )
    ]


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


async def _storm(children: list[_Fragile]) -> int:
    """Let all of them crash as often as they may; returns how often their sibling was started."""
    lives = 0

    async def sibling(ready: Ready) -> None:
        nonlocal lives
        lives += 1
        ready()
        await asyncio.Event().wait()

    runs: list[Callable[[Ready], Coroutine[Any, Any, None]]] = [one.run for one in children]
    named = [Child(name=f"child {number}", run=run) for number, run in enumerate([sibling, *runs])]
    top = Supervisor("bench", Strategy.ONE_FOR_ONE, named, clock=SystemClock(), say=_unsaid)
    running = asyncio.create_task(top.run(lambda: None))
    done = asyncio.gather(*(one.done.wait() for one in children))
    first: set[asyncio.Future[Any]] = {running, done}
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    done.cancel()
    running.cancel()
    await asyncio.wait({running})
    return lives


def _unsaid(_sentence: str) -> None:
    """A thousand sentences that nobody wants to read."""

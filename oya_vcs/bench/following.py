"""How soon what somebody does in jj is on disk, and what it costs when nobody does anything.

Beside it the least that could know of it: a bare watch of the folder (inotify, where there is one)
that asks `jj op log` for the newest operation. Both follow the same user, turn by turn, from the
end of their command on.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock, own_time, stopwatch
from oya_vcs.adapters.jj import JjOperations, JjRepository, Programs, open_repository
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.adapters.watch import stirred
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core.events import RepoRegistered
from oya_vcs.core.operations import OPERATION_EVENTS, OperationSeen
from oya_vcs.core.policies import Policies
from oya_vcs.core.world import World
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Recorded
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.watching import Watched, Watching

OPERATIONS = 20
"""Operations of one round, one at a time."""
BURST = 100
"""Operations as fast as jj makes them."""
IDLE_S = 5.0
REPOS = 20
LATENCY_MS = 80.0
"""From an operation to its event: the promise."""
IDLE_PERCENT = 1.0
"""Of one processor, with `REPOS` repositories: the promise."""
WAIT_S = 60.0

_IN_CREATE, _IN_NONBLOCK = 0x100, 0o4000


class Person:
    """Somebody who works in a repository. `environ` is theirs."""

    def __init__(self, repo: Path, jj: Path, environ: Mapping[str, str]) -> None:
        self._argv = [str(jj), "--no-pager", "--quiet", "--color=never", "-R", str(repo)]
        self._environ = environ

    async def jj(self, *args: str) -> str:
        """Run jj without a look at the files."""
        argv = [*self._argv, "--ignore-working-copy", *args]
        return (await run_program(argv, env=self._environ)).out


class Heard:
    """A feed that tells when operations are on disk."""

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0
        self._more = asyncio.Event()

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Count operations, and wake who waits for anything of jj."""
        self.count += sum(isinstance(row.event, OperationSeen) for row in rows)
        self.last = stopwatch()
        if any(isinstance(row.event, OPERATION_EVENTS) for row in rows):
            self._more.set()

    async def anything(self) -> None:
        """Return when something of jj is on disk."""
        await asyncio.wait_for(self._more.wait(), WAIT_S)

    async def until(self, count: int) -> float:
        """When so many operations were on disk (`stopwatch`)."""
        async with asyncio.timeout(WAIT_S):
            while self.count < count:
                self._more.clear()
                await self._more.wait()
        return self.last


async def opened(repo: Path, home: Path, tools: Tools, environ: Mapping[str, str]) -> JjRepository:
    """A repository as a daemon drives it."""
    programs = Programs(
        jj=tools.jj, git=tools.git, path=environ["PATH"], home=home / "jj", user=environ
    )
    repository = await open_repository(repo, workspaces=home / "workspaces", programs=programs)
    await repository.prepare()
    return repository


@asynccontextmanager
async def following(home: Path, repositories: Sequence[JjRepository]) -> AsyncIterator[Heard]:
    """A daemon that does nothing but follow; it has begun to with each of them."""
    home.mkdir(parents=True, exist_ok=True)
    journal = SqliteJournal(home / "journal.db")
    engine = Engine(world=World(), journal=journal, clock=SystemClock(), policy=Policies())
    heard, door = Heard(), Door()
    engine.listen(heard)
    for one in repositories:
        await engine.offer(RepoRegistered(repo=one.id, path=str(one.root), target="main"))
    places = [
        Watched(repo=one.id, operations=JjOperations(one), lands_here=True) for one in repositories
    ]
    watching = Watching(door=door, places=lambda: places, stirred=stirred, say=print)
    with door.held(Life(engine=engine, resumed=0)):
        task = asyncio.create_task(watching.run(lambda: None))
        try:
            async with asyncio.timeout(WAIT_S):
                while not all(world.seen for world in engine.world.repos.values()):
                    await heard.anything()
                    await asyncio.sleep(0)
            yield heard
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(journal.close)


async def noticed(
    home: Path, repository: JjRepository, person: Person, rounds: int
) -> list[Figure]:
    """Milliseconds from the end of somebody's command to the event on disk, and to the answer of
    `jj op log` behind a bare watch; then a burst, and how long after its end all of it is there."""
    ours, bare, after, bursts = list[float](), list[float](), list[float](), list[float]()
    for number in range(rounds):
        async with following(home / f"round-{number}", [repository]) as heard:
            for at in range(OPERATIONS):
                await person.jj("describe", "-m", f"ours {number} {at}")
                end = stopwatch()
                ours.append(await heard.until(at + 1) - end)
            begin = stopwatch()
            for at in range(BURST):
                await person.jj("describe", "-m", f"burst {number} {at}")
            end = stopwatch()
            after.append(await heard.until(OPERATIONS + BURST) - end)
            bursts.append(end - begin)
        bare += await _bare(repository, person, number)
    ms = [1_000 * median(each) for each in (ours, bare)]
    return [
        Figure(
            name="operation-seen",
            what="an operation of somebody's on disk as an event; baseline: a bare watch and"
            " `jj op log` (time)",
            ours=f"{ms[0]:.0f} ms",
            baseline=f"{ms[1]:.0f} ms",
            ratio=ms[0] / ms[1],
            wanted=f"≤ {LATENCY_MS:g} ms",
            met=ms[0] <= LATENCY_MS,
        ),
        Figure(
            name="operation-burst",
            what=f"{BURST} operations in a row until all are on disk; baseline: making them (time)",
            ours=f"{median(bursts) + median(after):.2f} s",
            baseline=f"{median(bursts):.2f} s",
            ratio=1 + median(after) / median(bursts),
        ),
    ]


async def _bare(repository: JjRepository, person: Person, number: int) -> list[float]:
    folder = JjOperations(repository).folder
    found = []
    for at in range(OPERATIONS):
        async with _created(folder) as created:
            await person.jj("describe", "-m", f"bare {number} {at}")
            end = stopwatch()
            await asyncio.wait_for(created.wait(), WAIT_S)
        await person.jj("op", "log", "--no-graph", "-n", "1", "-T", "json(self)")
        found.append(stopwatch() - end)
    return found


@asynccontextmanager
async def _created(folder: Path) -> AsyncIterator[asyncio.Event]:
    """An event that is set when a file was made in the folder, as the system tells it; where there
    is no inotify, at once."""
    told = asyncio.Event()
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "inotify_init1"):
        told.set()
        yield told
        return
    descriptor = libc.inotify_init1(_IN_NONBLOCK)
    libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_CREATE)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, told.set)
    try:
        yield told
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def idle(home: Path, repositories: Sequence[JjRepository], seconds: float) -> Figure:
    """Processor time that following takes while nothing happens, of one processor."""
    async with following(home, repositories):
        await asyncio.sleep(1)
        spent, begin = own_time(), stopwatch()
        await asyncio.sleep(seconds)
        percent = 100 * (own_time() - spent) / (stopwatch() - begin)
    return Figure(
        name="watch-idle",
        what=f"processor time while nothing happens in {len(repositories)} repositories; baseline:"
        " what was promised",
        ours=f"{percent:.2f} %",
        baseline=f"{IDLE_PERCENT:g} %",
        ratio=percent / IDLE_PERCENT,
        wanted=f"< {IDLE_PERCENT:g} %",
        met=percent < IDLE_PERCENT,
    )

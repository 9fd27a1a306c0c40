"""A durable workflow of three steps through core, engine, outbox and the journal on disk.

The work is the first half of a bead's life: a workspace is made, a worker runs, its result is
collected, and there is none, which ends the bead. What the steps would do outside takes no time
here; their four transactions are those of any bead. Peers do the same work in bench/peers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock, stopwatch
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, CommitId, Key, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.reasons import Reason
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.journal.measure import bench_raw_append
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Probe, Recorded, Report
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.outbox import Outbox, of_one

REPO = RepoId("bench")
IN_FLIGHT = 64
COUNT = 4_000
"""Workflows of one round in flight; alone it is a tenth."""
ROWS = 9
"""Rows of a workflow: the bead, its claim, three requests, three outcomes, its end."""
_BASE = CommitId("b" * 40)


@dataclass(frozen=True, slots=True)
class Run:
    """How `count` workflows went: `batch` is rows a transaction."""

    count: int
    seconds: float
    batch: float

    @property
    def per_second(self) -> float:
        """Workflows a second."""
        return self.count / self.seconds


class _NoOp:
    """Settles each effect at once, without touching anything."""

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        return (f.CreateWorkspace, f.RunWorker, f.CollectResult)

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        return Probe.ABSENT

    async def stopped(self, key: Key, effect: f.Effect, reason: Reason) -> e.Event | None:
        raise Bug("Nothing of the benchmark's workflow is ever stopped.")

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        match effect:
            case f.CreateWorkspace(bead=bead, attempt=attempt, workspace=name):
                return e.WorkspaceCreated(
                    key=key,
                    bead=bead,
                    attempt=attempt,
                    workspace=name,
                    path=f"/bench/{name}",
                    base=_BASE,
                )
            case f.RunWorker(bead=bead, attempt=attempt):
                return e.WorkerFinished(
                    key=key, bead=bead, attempt=attempt, reason=None, exit_code=0, detail=""
                )
            case f.CollectResult(bead=bead, attempt=attempt):
                return e.ResultRefused(
                    key=key,
                    bead=bead,
                    attempt=attempt,
                    reason=Reason.NOTHING_TO_LAND,
                    detail="The worker changed nothing.",
                )
            case _:
                raise Bug(f"The benchmark's workflow has no step {type(effect).__name__}.")


class _Ends:
    """A feed that tells each client when its workflow has ended."""

    def __init__(self) -> None:
        self.waiting: dict[BeadId, asyncio.Future[None]] = {}

    def publish(self, rows: Sequence[Recorded]) -> None:
        for row in rows:
            if isinstance(row.event, e.BeadFailed):
                self.waiting.pop(row.event.bead).set_result(None)


async def run(path: Path, count: int, clients: int) -> Run:
    """`clients` clients that each submit a workflow and wait for its end, `count` in all, on a new
    journal at `path`."""
    journal = SqliteJournal(path)
    try:
        await journal.refill(())
        policy = Policy(repo=REPO, slots=clients, attempts_max=1, backoff_ms=1)
        clock = SystemClock()
        engine = Engine(world=World(), journal=journal, clock=clock, policy=policy)
        outbox = Outbox(
            performers=of_one(REPO, [_NoOp()]),
            executor=engine.executor,
            offer=engine.offer,
            clock=clock,
        )
        ends = _Ends()
        engine.listen(outbox)
        engine.listen(ends)
        await engine.offer(e.RepoRegistered(repo=REPO, path="/bench", target="main"))
        numbers = iter(range(count))

        async def client() -> None:
            for number in numbers:
                fact = _added(f"n{number}")
                ended = ends.waiting[fact.bead] = asyncio.get_running_loop().create_future()
                await engine.offer(fact)
                await ended

        commits = journal.commits
        begin = stopwatch()
        await asyncio.gather(*(client() for _ in range(clients)))
        seconds = stopwatch() - begin
        return Run(count, seconds, ROWS * count / (journal.commits - commits))
    finally:
        await asyncio.to_thread(journal.close)


def workflows(folder: Path, count: int, rounds: int) -> list[Figure]:
    """Workflows alone and in flight, beside a plain SQLite loop that commits the same rows in as
    many transactions and decides nothing."""
    figures = []
    for name, clients, many in (("alone", 1, max(50, count // 10)), ("flight", IN_FLIGHT, count)):
        ours, bare, ratios = [], [], []
        for number in range(rounds):
            path = folder / f"workflow-{name}-{number}.db"
            one = asyncio.run(run(path, many, clients))
            with open_reader(path) as reader:
                events = [row.event for row in reader.read()]
            raw = path.with_suffix(".raw")
            other = bench_raw_append(raw, events, stopwatch, batch=one.batch, beads=True).seconds
            ours.append(one.per_second)
            bare.append(many / other)
            ratios.append(one.per_second * other / many)
        figures.append(
            Figure(
                name=f"workflow-{name}",
                what=f"3-step workflow, {clients} in flight; baseline: its rows, plain loop (rate)",
                ours=f"{median(ours):,.0f} workflows/s",
                baseline=f"{median(bare):,.0f} workflows/s",
                ratio=median(ratios),
            )
        )
    return figures


def steps(folder: Path, count: int, rounds: int) -> list[Figure]:
    """Steps that decide nothing (a bead is added while nothing may start), IN_FLIGHT at once,
    beside their rows in a plain SQLite loop."""
    registered = e.RepoRegistered(repo=REPO, path="/bench", target="main")
    facts = [_added(f"s{number}", "d" * 100) for number in range(count)]
    ours, bare, batches = [], [], []
    for number in range(rounds):
        one = asyncio.run(_stepped(folder / f"steps-{number}.db", registered, facts))
        raw = folder / f"steps-{number}.raw"
        rows = [registered, *facts]
        other = bench_raw_append(raw, rows, stopwatch, batch=one.batch, beads=True)
        ours.append(one.per_second)
        bare.append(other.per_second)
        batches.append(one.batch)
    return [
        Figure(
            name="steps",
            what=f"steps through the engine, {median(batches):.0f} rows a transaction (rate)",
            ours=f"{median(ours):,.0f} steps/s",
            baseline=f"{median(bare):,.0f} rows/s",
            ratio=median([one / other for one, other in zip(ours, bare, strict=True)]),
        )
    ]


async def _stepped(path: Path, registered: e.Event, facts: Sequence[e.Event]) -> Run:
    journal = SqliteJournal(path)
    await journal.refill(())
    policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    engine = Engine(world=World(), journal=journal, clock=SystemClock(), policy=policy)
    await engine.offer(registered)

    async def offer(first: int) -> None:
        for fact in facts[first::IN_FLIGHT]:
            await engine.offer(fact)

    commits = journal.commits
    begin = stopwatch()
    await asyncio.gather(*(offer(first) for first in range(IN_FLIGHT)))
    seconds = stopwatch() - begin
    batch = len(facts) / (journal.commits - commits)
    await asyncio.to_thread(journal.close)
    return Run(len(facts), seconds, batch)


def _added(bead: str, description: str = "") -> e.BeadAdded:
    spec = BeadSpec(id=BeadId(bead), title=f"Do {bead}", description=description)
    return e.BeadAdded(repo=REPO, bead=spec.id, key=spec_key(spec), spec=spec)

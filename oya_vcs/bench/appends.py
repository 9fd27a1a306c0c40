"""How fast events get onto the disk: many producers, one producer, and behind a long journal.

Ours and the baseline run turn by turn, a round each, and the figure is the median of the rounds'
ratios. This module knows no engine and no policy: it appends events as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bench.story import Story
from oya_vcs.core.events import Event
from oya_vcs.journal.measure import Pace, bench_append, bench_raw_append, fill
from oya_vcs.journal.store import SqliteJournal

PRODUCERS = 64
GROUPED = 20_000
"""Events of one round with all producers: some 300 transactions."""
SINGLE = 1_000
"""Events of one round with one producer, each a transaction: enough for both to fold their logs a
few times. Its rounds are short and there are TURNS times as many, for neighbours come and go by the
second."""
TURNS = 5
P99_MS = 3.0


def grouped(folder: Path, story: Story, rounds: int) -> list[Figure]:
    """Group commit of PRODUCERS producers beside a plain loop with the same rows and batches."""
    events = story.events(GROUPED)
    ours, bare, sizes = [], [], []
    for number in range(rounds):
        pace, batch = _append(folder / f"grouped-{number}.db", events, PRODUCERS)
        ours.append(pace)
        sizes.append(batch)
        raw = folder / f"grouped-raw-{number}.db"
        bare.append(bench_raw_append(raw, events, stopwatch, batch=batch))
    ratio = _ratio(ours, bare)
    return [
        Figure(
            name="group-commit",
            what=f"{PRODUCERS} producers, {median(sizes):.0f} rows a transaction (rate)",
            ours=f"{_rate(ours):,.0f} events/s",
            baseline=f"{_rate(bare):,.0f} rows/s",
            ratio=ratio,
            wanted="≥ 0.7",
            met=ratio >= 0.7,
        )
    ]


def single(folder: Path, story: Story, rounds: int) -> list[Figure]:
    """One producer that waits for each event, beside a bare loop of one-row transactions."""
    events = story.events(SINGLE)
    ours, bare = [], []
    for number in range(TURNS * rounds):
        ours.append(_append(folder / f"single-{number}.db", events, 1)[0])
        raw = folder / f"single-raw-{number}.db"
        bare.append(bench_raw_append(raw, events, stopwatch, batch=1))
    ratio = _ratio(ours, bare)
    slow = median([one.p99_ms for one in ours])
    return [
        Figure(
            name="single-commit",
            what="one producer, one row a transaction (rate)",
            ours=f"{_rate(ours):,.0f} events/s",
            baseline=f"{_rate(bare):,.0f} rows/s",
            ratio=ratio,
            wanted="≥ 0.8",
            met=ratio >= 0.8,
        ),
        Figure(
            name="single-commit-p99",
            what="the same: p50 and p99 of one (ratio of the p99s)",
            ours=_times(ours),
            baseline=_times(bare),
            ratio=slow / median([one.p99_ms for one in bare]),
            wanted="p99 ≤ 3 ms",
            met=slow <= P99_MS,
        ),
    ]


def behind(folder: Path, story: Story, rounds: int, rows: int) -> list[Figure]:
    """The same appends to an empty journal and to one of `rows` events."""
    long, empty = folder / "long.db", folder / "empty.db"
    mark = fill(long, story.rows(rows))
    fill(empty, ())
    telling = mark.seq // story.rows_a_telling + 1
    figures = []
    for name, producers, count in (("single", 1, SINGLE), ("grouped", PRODUCERS, GROUPED // 4)):
        at_end, at_start = [], []
        for _ in range(TURNS * rounds):
            events = story.events(count, first=telling)
            telling += count // story.rows_a_telling + 1
            at_start.append(_append(empty, events, producers)[0])
            at_end.append(_append(long, events, producers)[0])
        ratio = _ratio(at_end, at_start)
        promised = producers == 1
        figures.append(
            Figure(
                name=f"append-behind-{name}",
                what=f"behind {mark.seq:,} events, {producers} at once; baseline: empty (rate)",
                ours=f"{_rate(at_end):,.0f} events/s",
                baseline=f"{_rate(at_start):,.0f} events/s",
                ratio=ratio,
                wanted="≥ 0.83" if promised else "",
                met=ratio >= 1 / 1.2 if promised else None,
            )
        )
    return figures


def _append(path: Path, events: Sequence[Event], producers: int) -> tuple[Pace, float]:
    """The pace, and rows a transaction."""

    async def run() -> tuple[Pace, float]:
        journal = SqliteJournal(path)
        try:
            before = journal.commits
            pace = await bench_append(journal, events, stopwatch, producers=producers)
            return pace, len(events) / (journal.commits - before)
        finally:
            journal.close()

    return asyncio.run(run())


def _ratio(ours: Sequence[Pace], bare: Sequence[Pace]) -> float:
    pairs = zip(ours, bare, strict=True)
    return median([one.per_second / other.per_second for one, other in pairs])


def _rate(paces: Sequence[Pace]) -> float:
    return median([one.per_second for one in paces])


def _times(paces: Sequence[Pace]) -> str:
    p50, p99 = median([one.p50_ms for one in paces]), median([one.p99_ms for one in paces])
    return f"{p50:.2f} and {p99:.2f} ms"

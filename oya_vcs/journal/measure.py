"""How fast the record is, always against a bare loop in the same run: an fsync costs what the
machine and its neighbours make it cost, so that only the ratio means something.

For the `bench` command and the benchmarks. Nothing in the running daemon may depend on it. It asks
no clock of its own: `now` gives seconds from anywhere, as `time.perf_counter` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.core.events import Event
from oya_vcs.journal.chain import GENESIS
from oya_vcs.journal.codec import decode, encode
from oya_vcs.journal.driver import open_read_only, open_writer
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.schema import WIDTH, create
from oya_vcs.journal.store import SqliteJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`count` things in `seconds`; p50 and p99 of one of them in milliseconds."""

    count: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Things a second."""
        return self.count / self.seconds


async def bench_append(
    journal: SqliteJournal,
    make: Callable[[int], Event],
    now: Callable[[], float],
    *,
    count: int,
    producers: int = 64,
) -> Pace:
    """`producers` tasks that each append one event and wait for it, `count` events in all.

    `make` gives the event of a number; events with a unique key must differ. Leave the journal's
    other users out; `journal.commits` before and after tells the size of the groups.
    """
    events = [make(number) for number in range(count)]
    times: list[float] = []

    async def produce(first: int) -> None:
        for number in range(first, count, producers):
            begin = now()
            await journal.append(0, (events[number],))
            times.append(now() - begin)

    begin = now()
    await asyncio.gather(*(produce(first) for first in range(producers)))
    return _pace(count, now() - begin, times)


def bench_raw_append(
    path: Path, events: Sequence[Event], now: Callable[[], float], *, batch: int
) -> Pace:
    """The bare loop beside `bench_append`: the same rows, encoded before, `batch` a transaction by
    `executemany`, with the same pragmas and indexes, no hash, no asyncio, no threads."""
    create(path)
    rows = [
        (seq, 0, name, version, subject, key, data.decode(), GENESIS)
        for seq, (name, version, subject, key, data) in enumerate(map(encode, events), 1)
    ]
    insert = f"INSERT INTO events VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608
    times: list[float] = []
    with closing(open_writer(path)) as connection:
        begin = now()
        for start in range(0, len(rows), batch):
            at = now()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, rows[start : start + batch])
            connection.execute("COMMIT")
            times.append(now() - at)
        seconds = now() - begin
    return _pace(len(rows), seconds, times)


def bench_read(path: Path, now: Callable[[], float]) -> tuple[float, float]:
    """Seconds to read the whole journal, and those of a bare loop that scans and decodes it."""
    begin = now()
    with open_reader(path) as reader:
        for _ in reader.read():
            pass
    whole = now() - begin
    begin = now()
    query = "SELECT type, version, data FROM events ORDER BY seq"
    with closing(open_read_only(path)) as connection:
        for type_name, version, data in connection.execute(query):
            decode(type_name.decode(), version, data)
    return whole, now() - begin


def _pace(count: int, seconds: float, times: list[float]) -> Pace:
    times.sort()
    return Pace(
        count=count,
        seconds=seconds,
        p50_ms=times[len(times) // 2] * 1e3,
        p99_ms=times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3,
    )

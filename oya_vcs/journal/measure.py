"""How fast the record is, always against a bare loop in the same run: an fsync costs what the
machine and its neighbours make it cost, so that only the ratio means something.

For the `bench` command. Nothing in the running daemon may depend on it. It asks no clock of its
own: `now` gives seconds from anywhere, as `time.perf_counter` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from oya_vcs.core.effects import EFFECTS
from oya_vcs.core.events import EVENTS, Event, Requested
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import Key
from oya_vcs.core.standing import BeadRow, touched
from oya_vcs.core.world import World
from oya_vcs.journal import beads as tables
from oya_vcs.journal.chain import GENESIS, link
from oya_vcs.journal.codec import Encoded, encode
from oya_vcs.journal.driver import Connection, open_read_only, open_writer
from oya_vcs.journal.lookup import KeyLookup
from oya_vcs.journal.schema import SET_HIGH_WATER, WIDTH, HighWater, create
from oya_vcs.journal.store import SqliteJournal

_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608 - a constant
_BEAD_WIDTH = 7
_KEEP_BEAD = f"INSERT OR REPLACE INTO beads VALUES ({', '.join('?' * _BEAD_WIDTH)})"  # noqa: S608
_KEYS_INDEX = "SELECT sql FROM sqlite_master WHERE name = 'events_key'"

SQLITE_FOLD_PAGES = 1_000
"""SQLite's own `wal_autocheckpoint` (https://sqlite.org/pragma.html#pragma_wal_autocheckpoint)."""

_Row = tuple[int, int, str, int, str, str | None, str, bytes]


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
    events: Sequence[Event],
    now: Callable[[], float],
    *,
    producers: int = 64,
) -> Pace:
    """`producers` tasks that each append one of the events and wait for it, until all are on disk.

    Events with a unique key must differ. Leave the journal's other users out; `journal.commits`
    before and after tells the size of the groups.
    """
    times: list[float] = []

    async def produce(first: int) -> None:
        for event in events[first::producers]:
            begin = now()
            await journal.append(0, (event,))
            times.append(now() - begin)

    begin = now()
    await asyncio.gather(*(produce(first) for first in range(producers)))
    return pace(now() - begin, times)


def bench_raw_append(
    path: Path,
    events: Sequence[Event],
    now: Callable[[], float],
    *,
    batch: float,
    beads: bool = False,
) -> Pace:
    """The bare loop beside `bench_append`: the same rows in the same tables with the same indexes,
    made before the clock starts, `batch` a transaction (on average, where it is no whole number) by
    `executemany`, every commit synced. With `beads` those of the beads too, as the engine hands
    them over. No hash, no mark, nothing read back, no asyncio, no threads; the log is folded by
    SQLite itself, as it does by default. The times are those of transactions."""
    create(path)
    parts = list(_parts(events, batch, beads=beads))
    times: list[float] = []
    with closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA wal_autocheckpoint={SQLITE_FOLD_PAGES}")
        if beads:
            tables.make(connection)
        begin = now()
        for rows, kept in parts:
            at = now()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows)
            if kept:
                connection.executemany(_KEEP_BEAD, kept)
            connection.execute("COMMIT")
            times.append(now() - at)
        seconds = now() - begin
    return pace(seconds, times, count=len(events))


def _parts(
    events: Sequence[Event], batch: float, *, beads: bool
) -> Iterator[tuple[list[_Row], list[tuple[object, ...]]]]:
    """The rows of each transaction: events, and what of their beads changed."""
    rows = list(_unchained(map(encode, events)))
    world = World()
    done = number = 0
    while done < len(rows):
        number += 1
        upto = max(done + 1, round(number * batch))
        changed: list[BeadRow] = []
        if beads:
            for event in events[done:upto]:
                apply(world, event, 0)
            changed = touched(world, events[done:upto])
        yield rows[done:upto], [row[:_BEAD_WIDTH] for row in changed]
        done = upto


def bench_lookup(
    path: Path, keys: Sequence[str], now: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Seconds of finding each event by its key as the daemon does, and of the bare query."""
    ours, bare = [], []
    lookup = KeyLookup(path)
    query = "SELECT seq, data FROM events WHERE key = ?"
    with closing(open_read_only(path)) as connection, closing(lookup):
        for key in keys:
            begin = now()
            lookup.find(key)
            middle = now()
            connection.execute(query, (key,)).fetchone()
            ours.append(middle - begin)
            bare.append(now() - middle)
    return ours, bare


def bare_fold(path: Path) -> World:
    """The bare loop beside a replay: scan, decode, fold; no hash, no check of what was decoded, no
    pages, no error handling."""
    world = World()
    decoders = _decoders()
    query = "SELECT at_ms, type, data FROM events ORDER BY seq"
    with closing(open_read_only(path)) as connection:
        for at_ms, name, data in connection.execute(query):
            apply(world, decoders[name](data), at_ms)
    return world


class _Requested(msgspec.Struct):
    key: Key
    effect: msgspec.Raw


class _Kind(msgspec.Struct):
    kind: str


def _decoders() -> dict[bytes, Callable[[bytes], Event]]:
    outer = msgspec.json.Decoder(_Requested).decode
    kind = msgspec.json.Decoder(_Kind).decode
    effects = {effect.__name__: msgspec.json.Decoder(effect).decode for effect in EFFECTS}

    def requested(data: bytes) -> Event:
        row = outer(data)
        return Requested(key=row.key, effect=effects[kind(row.effect).kind](row.effect))

    found: dict[bytes, Callable[[bytes], Event]] = {
        event.__name__.encode(): msgspec.json.Decoder(event).decode
        for event in EVENTS
        if event is not Requested
    }
    return {**found, b"Requested": requested}


def fill(path: Path, rows: Iterable[tuple[int, Encoded]]) -> HighWater:
    """Make a journal that holds these rows (time in ms, and the row), fast: plain SQL, the index of
    keys made at the end, nothing synced in between; returns its mark. It verifies like any
    other."""
    create(path)
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=DELETE")
        mark = _fill(connection, rows)
        connection.execute("PRAGMA journal_mode=WAL")
    return mark


def _fill(connection: Connection, rows: Iterable[tuple[int, Encoded]]) -> HighWater:
    mark = HighWater(0, GENESIS)

    def chained() -> Iterator[_Row]:
        nonlocal mark
        for seq, (at_ms, (name, version, subject, key, data)) in enumerate(rows, 1):
            key_bytes = None if key is None else key.encode()
            row = (seq, at_ms, name.encode(), version, subject.encode(), key_bytes, data)
            mark = HighWater(seq, link(mark.digest, row))
            yield seq, at_ms, name, version, subject, key, data.decode(), mark.digest

    (index,) = connection.execute(_KEYS_INDEX).fetchone()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DROP INDEX events_key")
    connection.executemany(_INSERT, chained())
    connection.execute(index)
    connection.execute(SET_HIGH_WATER, (mark.text(),))
    connection.execute("COMMIT")
    return mark


def _unchained(rows: Iterable[Encoded]) -> Iterator[_Row]:
    for seq, (name, version, subject, key, data) in enumerate(rows, 1):
        yield seq, 0, name, version, subject, key, data.decode(), GENESIS


def pace(seconds: float, times: Sequence[float], *, count: int = 0) -> Pace:
    """The pace of `count` things that took `seconds` in all; `times` are those of each (or, where
    there are fewer, of the groups they came in)."""
    found = sorted(times)
    return Pace(
        count=count or len(found),
        seconds=seconds,
        p50_ms=found[len(found) // 2] * 1e3,
        p99_ms=found[min(len(found) - 1, len(found) * 99 // 100)] * 1e3,
    )

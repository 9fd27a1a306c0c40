"""What every `ports.Journal` promises, on each implementation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core.events import BeadAdded, BeadReadied, Event, QueueResumed
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.errors import Bug, WorldFailed
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Journal, Recorded


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """An empty journal of each kind."""
    made: Journal = (
        MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    )
    yield made
    made.close()


def readied(number: int) -> BeadReadied:
    """An event without a unique key."""
    return BeadReadied(bead=BeadId(f"b-{number}"))


def added(name: str) -> BeadAdded:
    """An event with a unique key."""
    spec = BeadSpec(id=BeadId(name), title="t")
    return BeadAdded(repo=RepoId("r"), bead=spec.id, key=spec_key(spec), spec=spec)


async def everything(journal: Journal, after: int = 0) -> list[Recorded]:
    """All that can be read, read off the loop."""
    return await asyncio.to_thread(lambda: list(journal.read(after)))


async def append(journal: Journal, *events: Event, at_ms: int = 0) -> Sequence[Recorded]:
    """Append as a coroutine."""
    return await journal.append(at_ms, events)


async def test_rows_are_numbered_from_one_in_the_order_of_calls(journal: Journal) -> None:
    """seq counts the events without a gap; at_ms is the caller's and does not order."""
    first = await append(journal, readied(1), readied(2), at_ms=9)
    second = await append(journal, readied(3), at_ms=5)
    assert [*first, *second] == [
        Recorded(1, 9, readied(1)),
        Recorded(2, 9, readied(2)),
        Recorded(3, 5, readied(3)),
    ]
    assert await everything(journal) == [*first, *second]


async def test_calls_without_waiting_keep_their_order(journal: Journal) -> None:
    """append() takes its place at the call, not when it is awaited, and resolves in that order."""
    settled: list[int] = []
    waiting: list[asyncio.Future[Sequence[Recorded]]] = []

    def note(number: int, _: object) -> None:
        settled.append(number)

    for number in range(700):
        waiting.append(asyncio.ensure_future(journal.append(0, (readied(number),))))
        waiting[-1].add_done_callback(partial(note, number))
    for each in reversed(waiting):
        await each
    await asyncio.wait(waiting)
    assert settled == list(range(700))
    assert [row.event for row in await everything(journal)] == [readied(n) for n in range(700)]


async def test_what_is_acknowledged_can_be_read(journal: Journal) -> None:
    """When the awaitable resolves, any reader that begins then sees the rows."""
    for number in range(5):
        recorded = await append(journal, readied(number))
        assert (await everything(journal))[-1:] == list(recorded)


async def test_reading_begins_after_the_number_given(journal: Journal) -> None:
    """read(after) gives exactly the rows with a greater seq; beyond the end it gives none."""
    await append(journal, *(readied(number) for number in range(1, 6)))
    assert [row.seq for row in await everything(journal, 3)] == [4, 5]
    assert await everything(journal, 5) == []
    assert await everything(journal, 99) == []


async def test_an_empty_journal_reads_empty(journal: Journal) -> None:
    """A journal without events is sound."""
    assert await everything(journal) == []


async def test_appending_nothing_waits_for_what_came_before(journal: Journal) -> None:
    """No events at all is a barrier: resolved with nothing, after the appends before it."""
    before = asyncio.ensure_future(journal.append(0, (readied(1),)))
    assert list(await journal.append(0, ())) == []
    assert before.done()
    assert [row.seq for row in await before] == [1]


async def test_a_unique_key_stands_once_and_its_transaction_leaves_nothing(
    journal: Journal,
) -> None:
    """The second event with the key is a Bug that names it; nothing beside it is kept either."""
    await append(journal, added("one"))
    with pytest.raises(Bug, match="bead:one"):
        await append(journal, readied(1), added("one"), readied(2))
    assert [row.event for row in await everything(journal)] == [added("one")]


async def test_a_unique_key_twice_in_one_transaction_is_refused(journal: Journal) -> None:
    """The rule holds inside one append, too."""
    with pytest.raises(Bug, match="bead:one"):
        await append(journal, added("one"), added("one"))
    assert await everything(journal) == []


async def test_after_a_refusal_the_journal_takes_no_more(journal: Journal) -> None:
    """A broken invariant ends it: later appends fail alike, and nothing of them is kept."""
    await append(journal, added("one"))
    with pytest.raises(Bug):
        await append(journal, added("one"))
    with pytest.raises(Bug):
        await append(journal, readied(1))
    assert len(await everything(journal)) == 1


async def test_events_without_a_key_may_repeat(journal: Journal) -> None:
    """None is no key."""
    again = QueueResumed(repo=RepoId("one"))
    await append(journal, again, again)
    assert [row.event for row in await everything(journal)] == [again, again]


async def test_a_cancelled_waiter_does_not_take_its_events_back(journal: Journal) -> None:
    """What was queued is recorded, and those behind it are not disturbed."""
    left = asyncio.ensure_future(journal.append(0, (readied(1),)))
    left.cancel()
    await append(journal, readied(2))
    assert [row.event for row in await everything(journal)] == [readied(1), readied(2)]


async def test_closing_finishes_what_was_appended(journal: Journal) -> None:
    """close() returns with everything on record and may be called again; then append is a Bug."""
    waiting = [asyncio.ensure_future(journal.append(0, (readied(n),))) for n in range(50)]
    journal.close()
    journal.close()
    assert [rows[0].seq for rows in await asyncio.gather(*waiting)] == list(range(1, 51))
    assert len(await everything(journal)) == 50
    with pytest.raises(Bug, match="closed"):
        await append(journal, readied(51))


async def test_the_disk_in_memory_can_hang() -> None:
    """Held: appends wait and cannot be read. Released: they are settled in order."""
    journal = MemoryJournal([Recorded(1, 0, added("one"))])
    journal.hold()
    waiting = [asyncio.ensure_future(journal.append(0, (readied(n),))) for n in (2, 3)]
    done, _ = await asyncio.wait(waiting, timeout=0.01)
    assert not done
    assert [row.seq for row in journal.read()] == [1]
    journal.release()
    assert [rows[0].seq for rows in await asyncio.gather(*waiting)] == [2, 3]
    assert [row.seq for row in journal.read(1)] == [2, 3]
    with pytest.raises(Bug, match="bead:one"):
        await append(journal, added("one"))


async def test_the_disk_in_memory_can_fail() -> None:
    """After fail() everything that waits and everything later is WorldFailed and not on record."""
    journal = MemoryJournal()
    await append(journal, readied(1))
    journal.hold()
    waiting = asyncio.ensure_future(journal.append(0, (readied(2),)))
    journal.fail("The disk is on fire.")
    with pytest.raises(WorldFailed, match="on fire") as caught:
        await waiting
    assert not caught.value.retryable
    with pytest.raises(WorldFailed, match="on fire"):
        await append(journal, readied(3))
    assert [row.seq for row in journal.read()] == [1]


class Closing(list[Event]):
    """Events during whose append another thread closes the journal, or tries to."""

    def __init__(self, journal: Journal, *events: Event) -> None:
        super().__init__(events)
        self.thread = threading.Thread(target=journal.close)

    def __iter__(self) -> Iterator[Event]:
        if self.thread.ident is None:
            self.thread.start()
            self.thread.join(timeout=0.5)
        return super().__iter__()


async def test_an_append_that_meets_the_end_is_answered(journal: Journal) -> None:
    """Closed by another thread in the middle of a call: it is an error or on record, and nobody
    waits for an answer that will never come."""
    events = Closing(journal, readied(1))
    try:
        rows = await asyncio.wait_for(asyncio.ensure_future(journal.append(0, events)), 20)
    except Bug:
        rows = []
    await asyncio.to_thread(events.thread.join)
    assert [row.event for row in rows] == [row.event for row in await everything(journal)]

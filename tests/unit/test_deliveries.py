"""What comes with an id of its sender's is taken at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import events as e
from oya_vcs.core.ids import RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.errors import InputInvalid, WorldFailed
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime.engine import Engine

REPO = RepoId("r")
FACT = e.RepoRegistered(repo=REPO, path="/r", target="main")
ID = "github:72d3162e-cc78-11e3-81ab-4c9367dc0958"
SEEN = e.Received(delivery=ID)


class Homes:
    """A journal that survives its engines: `engine` is the next life on it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.journal: MemoryJournal | SqliteJournal = MemoryJournal()
        if path is not None:
            self.journal = SqliteJournal(path)

    def engine(self) -> Engine:
        """A new life: everything in memory is what the record says."""
        if self.path is not None:
            self.journal.close()
            self.journal = SqliteJournal(self.path)
        rows = list(self.journal.read())
        policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
        return Engine(
            world=replay(rows),
            journal=self.journal,
            clock=ManualClock(),
            policy=policy,
            seq=len(rows),
        )

    def events(self) -> list[e.Event]:
        """What is on record."""
        return [row.event for row in self.journal.read()]


@pytest.fixture(params=["memory", "sqlite"])
def homes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Homes]:
    """On each kind of journal."""
    made = Homes(None if request.param == "memory" else tmp_path / "journal.db")
    yield made
    made.journal.close()


async def test_a_delivery_is_recorded_with_its_facts_and_once(homes: Homes) -> None:
    """The receipt stands before the facts, in the same step; the second time there is no row."""
    engine = homes.engine()
    for _ in range(3):
        await engine.offer(FACT, delivery=ID)
    assert homes.events() == [SEEN, FACT]


async def test_a_delivery_of_an_earlier_life_is_known(homes: Homes) -> None:
    """The record is the truth, not the memory."""
    await homes.engine().offer(FACT, delivery=ID)
    await homes.engine().offer(FACT, delivery=ID)
    assert homes.events() == [SEEN, FACT]


async def test_the_same_delivery_many_times_at_once_is_one(homes: Homes) -> None:
    """Twenty at the same moment: all are acknowledged, after the one step is on disk."""
    engine = homes.engine()
    offers = (engine.offer(FACT, delivery=ID) for _ in range(20))
    await asyncio.gather(*offers, engine.offer(FACT, delivery="github:other"))
    events = homes.events()
    assert events.count(SEEN) == 1
    assert events.count(e.Received(delivery="github:other")) == 1
    assert events.count(FACT) == 2


async def test_a_delivery_without_facts_is_remembered_too(homes: Homes) -> None:
    """What meant nothing is not translated again."""
    engine = homes.engine()
    await engine.offer(delivery=ID)
    await engine.offer(FACT, delivery=ID)
    assert homes.events() == [SEEN]


async def test_facts_without_a_delivery_may_repeat(homes: Homes) -> None:
    """No id, no memory."""
    engine = homes.engine()
    await engine.offer(FACT)
    await engine.offer(FACT)
    assert homes.events() == [FACT, FACT]


async def test_the_same_id_with_another_content_is_refused(homes: Homes) -> None:
    """In this life and in the next; the same content is acknowledged without a row."""
    engine = homes.engine()
    await engine.offer(FACT, delivery=ID, content="sha256:1")
    for life in (engine, homes.engine()):
        await life.offer(FACT, delivery=ID, content="sha256:1")
        with pytest.raises(InputInvalid, match="first 'sha256:1', now 'sha256:2'"):
            await life.offer(FACT, delivery=ID, content="sha256:2")
    assert homes.events() == [e.Received(delivery=ID, content="sha256:1"), FACT]


async def test_a_delivery_that_was_not_written_is_not_acknowledged() -> None:
    """The disk refuses: everybody who waits hears it, and nothing is remembered as taken."""
    homes = Homes(None)
    engine = homes.engine()
    assert isinstance(homes.journal, MemoryJournal)
    homes.journal.hold()
    offers = [asyncio.ensure_future(engine.offer(FACT, delivery=ID)) for _ in range(2)]
    homes.journal.fail()
    answers = await asyncio.gather(*offers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [WorldFailed, WorldFailed]
    with pytest.raises(WorldFailed):
        await engine.offer(FACT, delivery=ID)


async def test_deliveries_do_not_weigh_on_the_state(homes: Homes) -> None:
    """A thousand ids leave the world as it was: they are in the table, not in memory."""
    engine = homes.engine()
    await engine.offer(FACT)
    before = digest(engine.world)
    await asyncio.gather(*(engine.offer(delivery=f"github:{n}") for n in range(1_000)))
    assert len(homes.events()) == 1_001
    assert digest(engine.world) == before

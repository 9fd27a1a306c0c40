"""A slow disk, a full one, and one that comes back, on a record in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core.effects import Effect
from oya_vcs.core.events import EffectFailed, Event, RepoRegistered
from oya_vcs.core.ids import Key, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.errors import Bug, JournalCorrupt, JournalStopped, WorldFailed
from oya_vcs.journal.disk import require_well
from oya_vcs.journal.replay import replay
from oya_vcs.ports import Probe, Recorded
from oya_vcs.runtime.engine import UNACKNOWLEDGED_MAX, Engine
from oya_vcs.runtime.lives import Lives
from oya_vcs.runtime.outbox import Outbox
from tests.daemons import REPO
from tests.histories import History


def registered(number: int) -> RepoRegistered:
    """A fact that is always legal."""
    return RepoRegistered(repo=RepoId(f"r-{number}"), path="/r", target="main")


def engine_on(journal: MemoryJournal) -> Engine:
    """An engine with an empty world."""
    policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
    rows = list(journal.read())
    return Engine(
        world=replay(rows), journal=journal, clock=ManualClock(), policy=policy, seq=len(rows)
    )


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_producers_wait_when_the_disk_is_slow() -> None:
    """No more than UNACKNOWLEDGED_MAX steps are ahead of the disk; who comes later waits before
    its step is computed, and all are taken in the order of calls when the disk goes on."""
    journal = MemoryJournal()
    engine = engine_on(journal)
    journal.hold()
    total = UNACKNOWLEDGED_MAX + 50
    offers = [asyncio.create_task(engine.offer(registered(n))) for n in range(total)]
    await settle()
    assert len(engine.world.repos) == UNACKNOWLEDGED_MAX
    assert not any(offer.done() for offer in offers)
    journal.release()
    await asyncio.gather(*offers)
    assert [row.event for row in journal.read()] == [registered(n) for n in range(total)]


async def test_all_who_wait_hear_of_the_failure() -> None:
    """When the disk refuses, nobody hangs: those in flight and those in front of the door fail,
    and the latter changed nothing."""
    journal = MemoryJournal()
    engine = engine_on(journal)
    journal.hold()
    offers = [
        asyncio.create_task(engine.offer(registered(n))) for n in range(UNACKNOWLEDGED_MAX + 50)
    ]
    await settle()
    journal.fail()
    outcomes = await asyncio.gather(*offers, return_exceptions=True)
    assert all(isinstance(outcome, WorldFailed) for outcome in outcomes)
    assert len(engine.world.repos) == UNACKNOWLEDGED_MAX
    assert list(journal.read()) == []


class House:
    """Lives on a journal in memory that can be made to stop; a disk that can be well or not."""

    def __init__(self) -> None:
        self.rows: list[Recorded] = []
        self.clock = ManualClock()
        self.said: list[str] = []
        self.lives: list[MemoryJournal] = []
        self.ill: list[str] = []
        """What the disk says at each look to come; nothing more: it is well."""
        self.looks = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Engine]:
        """One life."""
        journal = MemoryJournal(self.rows)
        self.lives.append(journal)
        try:
            yield engine_on(journal)
        finally:
            self.rows = list(journal.read())

    async def ask(self) -> None:
        """The disk's answer."""
        self.looks += 1
        if self.ill:
            raise WorldFailed(self.ill.pop(0))

    def open(self) -> Lives[Engine]:
        """The lives."""
        return Lives(begin=self.begin, ask=self.ask, clock=self.clock, say=self.said.append)


async def test_the_next_life_begins_when_the_disk_is_well() -> None:
    """The stop is said once, each new complaint of the disk once, and the return; what was on
    disk is there, and the call that was cut off is made anew on the new life."""
    house = House()
    house.ill = ["It is full.", "It is full.", "It is gone."]
    calls = 0

    async def act(engine: Engine) -> str:
        nonlocal calls
        calls += 1
        await engine.offer(registered(calls))
        if calls == 1:
            raise JournalStopped("No room.")
        return "done"

    async with house.open() as lives:
        assert await lives.through(act) == "done"
    assert (calls, len(house.lives), house.looks) == (2, 2, 4)
    assert [row.event for row in house.rows] == [registered(1), registered(2)]
    assert house.said[0].startswith("No room. Work is stopped.")
    assert house.said[1:3] == ["Not yet: It is full.", "Not yet: It is gone."]
    assert house.said[3].startswith("The disk is well again")
    assert len(house.said) == 4


async def test_two_who_meet_the_same_stop_share_the_next_life() -> None:
    """One resuming, however many calls were cut off."""
    house = House()
    dead: set[int] = set()

    async def act(engine: Engine) -> int:
        if not dead or id(engine) in dead:
            dead.add(id(engine))
            raise JournalStopped("No room.")
        return len(house.lives)

    async with house.open() as lives:
        assert await asyncio.gather(*(lives.through(act) for _ in range(3))) == [2, 2, 2]
    assert sum("Work is stopped" in one for one in house.said) == 1


@pytest.mark.parametrize("error", [JournalCorrupt("Event 7."), Bug("Ours."), WorldFailed("jj.")])
async def test_other_errors_end_the_daemon(error: Exception) -> None:
    """Only a journal that stopped is waited for."""
    house = House()

    async def act(engine: Engine) -> None:
        raise error

    async with house.open() as lives:
        with pytest.raises(type(error)):
            await lives.through(act)
    assert len(house.lives) == 1


async def test_damage_found_on_the_way_back_ends_the_daemon() -> None:
    """A record that does not verify when the disk is back is never written to."""
    house = House()

    async def act(engine: Engine) -> None:
        raise JournalStopped("No room.")

    async def broken() -> None:
        raise JournalCorrupt("Event 7 does not verify.")

    house.ask = broken  # type: ignore[method-assign]
    async with house.open() as lives:
        with pytest.raises(JournalCorrupt, match="Event 7"):
            await lives.through(act)
        with pytest.raises(Bug, match="not well"):
            _ = lives.life


class Unwell:
    """A performer whose disk is not well for the first `bad` calls; and the disk's own answer."""

    def __init__(self, effect: Effect, bad: int, error: Exception) -> None:
        self.kinds = (type(effect),)
        self.bad = bad
        self.error = error
        self.calls = 0

    async def do(self, key: Key, effect: Effect, report: object) -> Event:
        """Fail, or settle."""
        self.calls += 1
        if self.calls <= self.bad:
            raise self.error
        return EffectFailed(
            key=key, bead=effect.bead, kind="", workspace=None, message="well again"
        )

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """Never begun."""
        return Probe.ABSENT

    async def stopped(self, key: Key, effect: Effect, reason: object) -> Event | None:
        """Never asked."""
        raise AssertionError(effect)

    async def is_well(self) -> bool:
        """What the disk is asked."""
        return self.calls > self.bad


@pytest.mark.parametrize("error", [WorldFailed("No space."), OSError(28, "No space")])
async def test_an_effect_does_not_fail_because_the_disk_is_full(error: Exception) -> None:
    """It is probed and tried until the disk is well, and costs its bead nothing."""
    story = History(Random(1).randrange)
    while not story.world.open:
        story.step()
    key, effect = next(iter(story.world.open.items()))
    performer = Unwell(effect, 7, error)
    engine = engine_on(MemoryJournal())
    offered: list[Event] = []

    async def offer(event: Event) -> None:
        offered.append(event)

    outbox = Outbox(
        performers=[performer],
        executor=engine.executor,
        offer=offer,
        clock=ManualClock(),
        repo=effect.repo,
        is_well=performer.is_well,
    )
    outbox.recover({key: effect})
    await outbox.drain()
    assert [getattr(event, "message", "") for event in offered] == ["well again"]
    assert performer.calls == 8


def test_a_disk_is_asked_by_writing(tmp_path: Path) -> None:
    """A folder that can be written is well and is left empty; one that is gone is not."""
    require_well(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WorldFailed, match="is not well") as caught:
        require_well(tmp_path / "gone")
    assert caught.value.retryable

"""A slow disk and a full one, on a record in memory; test_outages.py has one that comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core.effects import Effect
from oya_vcs.core.events import EffectFailed, Event, RepoRegistered
from oya_vcs.core.ids import Key, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.errors import WorldFailed
from oya_vcs.journal.disk import require_well
from oya_vcs.journal.replay import replay
from oya_vcs.ports import Probe
from oya_vcs.runtime.engine import UNACKNOWLEDGED_MAX, Engine
from oya_vcs.runtime.outbox import Outbox, of_one
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
        performers=of_one(effect.repo, [performer]),
        executor=engine.executor,
        offer=offer,
        clock=ManualClock(),
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

"""Checkpoints while the daemon runs: of what is on disk, of one moment, and never in its way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import events as e
from oya_vcs.core.ids import RepoId
from oya_vcs.core.intake import take_in
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.errors import Bug, WorldFailed
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import digest, replay
from oya_vcs.runtime import checkpointer as room
from oya_vcs.runtime.checkpointer import EVERY_EVENTS, EVERY_MS, LOOK_MS, Checkpointer
from oya_vcs.runtime.engine import Engine
from tests.daemons import REPO, Daemon, spec

IDLE = Policy(repo=REPO, slots=2, attempts_max=1, backoff_ms=0, idle=True)


class Taken:
    """An engine over a journal in memory, and the checkpoints that were written of it."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.clock = ManualClock()
        self.written: list[tuple[int, bytes]] = []
        self.engine = Engine(world=World(), journal=self.journal, clock=self.clock, policy=IDLE)
        self.checkpointer = Checkpointer(encode=snapshot.encode, write=self.write, clock=self.clock)
        self.checkpointer.watch(self.engine, 0)

    def write(self, seq: int, image: bytes) -> None:
        """Stands for the disk."""
        self.written.append((seq, image))

    async def register(self) -> None:
        """The first event."""
        await self.engine.offer(e.RepoRegistered(repo=REPO, path="/memory", target="main"))

    async def add(self, number: int) -> None:
        """One bead, as one step."""
        event = take_in(self.engine.world, REPO, spec(f"b-{number}")).event
        assert event is not None
        await self.engine.offer(event)

    def check(self) -> None:
        """Every checkpoint is the fold of exactly the events that it names, all on disk."""
        rows = list(self.journal.read())
        for seq, image in self.written:
            assert 0 < seq <= len(rows)
            assert digest(snapshot.decode(image)) == digest(replay(rows[:seq]))


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until it holds; the test's time limit is the deadline."""
    while not holds():  # noqa: ASYNC110 - of what is outside no event tells
        await asyncio.sleep(0)


async def test_what_is_not_on_disk_is_not_written() -> None:
    """Steps that wait for their fsync are in the state already: the checkpoint waits with them, and
    is of the moment in which it was asked for, whatever comes after."""
    taken = Taken()
    await taken.register()
    taken.journal.hold()
    waiting = [asyncio.create_task(taken.add(number)) for number in range(3)]
    await until(lambda: taken.engine.seq == 4)
    taking = asyncio.create_task(taken.checkpointer.take())
    waiting += [asyncio.create_task(taken.add(number)) for number in range(3, 6)]
    await until(lambda: taken.engine.seq == 7)
    await asyncio.wait({taking}, timeout=0.02)
    assert taken.written == []
    taken.journal.release()
    assert await taking
    await asyncio.gather(*waiting)
    assert [seq for seq, _ in taken.written] == [4]
    taken.check()


async def test_a_disk_that_fails_leaves_no_checkpoint() -> None:
    """Memory is ahead of the record then, and the next start must not find it."""
    taken = Taken()
    await taken.register()
    taken.journal.hold()
    step = asyncio.create_task(taken.add(1))
    await until(lambda: taken.engine.seq == 2)
    taking = asyncio.create_task(taken.checkpointer.take())
    await asyncio.sleep(0)
    taken.journal.fail()
    for one in (step, taking):
        with pytest.raises(WorldFailed):
            await one
    with pytest.raises(WorldFailed):
        await taken.checkpointer.take()
    assert taken.written == []


async def test_a_step_that_broke_off_is_never_captured() -> None:
    """A fact that cannot have happened leaves half a step behind: no checkpoint, ever."""
    taken = Taken()
    await taken.register()
    with pytest.raises(Bug, match="broke"):
        await taken.engine.offer(e.QueueResumed(repo=REPO), e.QueueResumed(repo=RepoId("none")))
    with pytest.raises(Bug, match="broke"):
        await taken.checkpointer.take()
    assert taken.written == []


async def test_an_engine_that_counts_other_numbers_than_the_journal_stops() -> None:
    """A checkpoint under a wrong number would be the worst: the first step finds it."""
    journal = MemoryJournal()
    await journal.append(0, [e.QueueResumed(repo=REPO)])
    engine = Engine(world=World(), journal=journal, clock=ManualClock(), policy=IDLE)
    with pytest.raises(Bug, match="Event 1 of the state in memory is the journal's 2"):
        await engine.offer(e.RepoRegistered(repo=REPO, path="/memory", target="main"))


async def test_at_every_moment_of_a_story_the_captured_state_is_the_fold_of_its_events() -> None:
    """Captured again and again while a daemon works: each is exactly what its events add up to."""
    daemon = Daemon(new_outside({"a": "1"}))
    tasks: list[asyncio.Task[tuple[int, bytes] | None]] = []

    class Taker:
        def __init__(self, engine: Engine) -> None:
            self.engine = engine

        def publish(self, rows: object) -> None:
            tasks.append(asyncio.create_task(self.engine.capture(snapshot.encode)))

    daemon.watch = lambda engine: engine.listen(Taker(engine))
    await daemon.run_to_rest([spec("a"), spec("b", "a"), spec("c"), spec("d", "b", "c")])
    captured = [one for one in await asyncio.gather(*tasks) if one is not None]
    rows = list(daemon.journal.read())
    assert len({seq for seq, _ in captured}) > 20
    assert captured[-1][0] == len(rows)
    for seq, image in captured:
        assert digest(snapshot.decode(image)) == digest(replay(rows[:seq]))


async def test_one_is_due_after_a_minute_or_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new: none. Something new: one after EVERY_MS. Many events: one at the next look."""
    taken = Taken()
    start = taken.clock.now_ms()
    running = asyncio.create_task(taken.checkpointer.run(lambda: None))
    await until(lambda: taken.clock.now_ms() >= start + 3 * EVERY_MS)
    assert taken.written == []
    await taken.register()
    await until(lambda: len(taken.written) == 1)
    await taken.add(1)
    since = taken.clock.now_ms()
    await until(lambda: len(taken.written) == 2)
    assert taken.clock.now_ms() - since >= EVERY_MS - 2 * LOOK_MS
    monkeypatch.setattr(room, "EVERY_EVENTS", 5)
    for number in range(2, 7):
        await taken.add(number)
    await until(lambda: len(taken.written) == 3)
    assert EVERY_EVENTS == 10_000
    assert running.cancel()
    await asyncio.wait({running})
    taken.check()


async def test_a_checkpoint_that_cannot_be_written_is_tried_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, the daemon goes on, and the next turn writes one."""
    taken = Taken()
    refused: list[int] = []
    real = taken.checkpointer._write

    def write(seq: int, image: bytes) -> object:
        if not refused:
            refused.append(seq)
            raise WorldFailed("The checkpoint cannot be written: the disk is full.", hint="Wait.")
        return real(seq, image)

    taken.checkpointer._write = write
    await taken.register()
    assert not await taken.checkpointer.take()
    assert "the disk is full. Wait." in caplog.text
    await taken.add(1)
    assert await taken.checkpointer.take()
    assert [seq for seq, _ in taken.written] == [2]
    assert await taken.checkpointer.take()
    assert len(taken.written) == 1
    taken.check()


async def test_a_taker_that_is_stopped_is_waited_for_by_the_next() -> None:
    """Two threads never write at once: the last one, at the end of a run, comes after the one that
    was cut short."""
    taken = Taken()
    gate, busy = threading.Event(), threading.Lock()

    def write(seq: int, image: bytes) -> object:
        assert busy.acquire(blocking=False)
        if seq == 1:
            gate.wait(10)
        taken.write(seq, image)
        busy.release()
        return None

    taken.checkpointer._write = write
    await taken.register()
    first = asyncio.create_task(taken.checkpointer.take())
    await until(busy.locked)
    first.cancel()
    await asyncio.wait({first})
    await taken.add(1)
    last = asyncio.create_task(taken.checkpointer.take())
    await asyncio.wait({last}, timeout=0.02)
    assert taken.written == []
    gate.set()
    assert await last
    assert [seq for seq, _ in taken.written] == [1, 2]
    taken.check()

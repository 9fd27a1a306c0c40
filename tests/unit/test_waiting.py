"""Nobody waits for what is dead: each place of the runtime that waits for another part, with that
part gone at the worst moment. The time limit of a test is what a wait without end would meet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import events as e
from oya_vcs.core.ids import Key
from oya_vcs.core.intake import take_in
from oya_vcs.core.supervision import Status, Strategy
from oya_vcs.errors import GaveUp, Stopped, WorldFailed
from oya_vcs.ports import Journal, Sight
from oya_vcs.runtime.actor import Actor
from oya_vcs.runtime.executor import Executor
from oya_vcs.runtime.roster import Eyes
from oya_vcs.runtime.seat import Seat
from oya_vcs.runtime.supervisor import Child, Supervisor
from oya_vcs.runtime.tree import Tree
from tests.clocks import SteppedClock, settle
from tests.daemons import REPO, spec
from tests.trees import House, kill, nodes

BEADS = [spec("a"), spec("b", "a"), spec("c")]


async def test_a_seat_that_was_closed_is_waited_for_by_nobody() -> None:
    """Whoever waits and whoever comes gets the first error; one that leaves is missed by nobody who
    waits for that, though another takes its place at once."""
    seat: Seat[str] = Seat()
    waiting = [asyncio.create_task(seat.holder()) for _ in range(3)]
    await settle()
    with seat.held("a"):
        assert await asyncio.gather(*waiting) == ["a"] * 3
        leaving = [asyncio.create_task(seat.gone("a")) for _ in range(3)]
        await settle()
    with seat.held("b"):
        await asyncio.gather(*leaving)
        await seat.gone("a")
    waiting = [asyncio.create_task(seat.holder()) for _ in range(3)]
    await settle()
    seat.close(GaveUp("first"))
    seat.close(GaveUp("second"))
    for one in (*waiting, seat.holder()):
        with pytest.raises(GaveUp, match="first"):
            await one


async def test_a_daemon_that_never_comes_up_leaves_nobody_at_its_door() -> None:
    """Its record cannot be opened: who came early hears why, and so does who comes late."""
    house = House()

    async def refuse() -> Journal:
        await house.clock.sleep(1_000)
        message = "The disk is gone."
        raise WorldFailed(message)

    tree = Tree(replace(house.parts(), open_journal=refuse))

    async def live() -> None:
        async with tree:
            raise AssertionError

    early = asyncio.create_task(tree.door.offer(e.Ticked()))
    living = asyncio.create_task(live())
    await house.clock.advance(2_000)
    for one in (living, early, tree.door.offer(e.Ticked())):
        with pytest.raises(WorldFailed, match=r"The disk is gone\."):
            await one


async def test_what_is_asked_of_the_record_of_a_fallen_daemon_is_an_error() -> None:
    """A delivery whose id is to be looked up when there is no journal, and never will be one."""
    house = House()
    async with house.daemon() as daemon:
        engine = house.engines[-1]
        tree = daemon._tree
    looking = asyncio.create_task(engine.offer(e.Ticked(), delivery="github:1"))
    finding = asyncio.create_task(tree._find("github:2"))
    await settle()
    for one in (looking, finding):
        with pytest.raises(Stopped):
            await one


async def test_who_waits_for_a_work_that_is_cancelled_is_told_so() -> None:
    """The work is stopped with its tier; who asked for it was not cancelled, and must not believe
    that it was."""
    executor = Executor(MemoryJournal().find)

    async def endless(*, begun: bool) -> e.Event:
        assert not begun
        await asyncio.Event().wait()
        raise AssertionError

    asking = [asyncio.create_task(executor.execute("k", "x", endless)) for _ in range(2)]
    await settle()
    asking[0].cancel()
    executor.begin("k", "x", endless).cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking[0]
    with pytest.raises(Stopped, match="k"):
        await asking[1]


class Asked:
    """Two children, the second with something to finish, and whom it was asked of."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.ends: dict[str, asyncio.Future[None]] = {}
        self.finished = 0

    def child(self, name: str) -> Child:
        """It runs until it is told to fail."""

        async def run(ready: Callable[[], None]) -> None:
            end = self.ends[name] = asyncio.get_running_loop().create_future()
            ready()
            await end

        async def finish() -> None:
            self.finished += 1
            await asyncio.Event().wait()

        return Child(name=name, run=run, stop=finish, stop_ms=60_000)


async def test_one_that_is_dead_is_not_asked_to_finish(caplog: pytest.LogCaptureFixture) -> None:
    """Two fail at once, and the first takes the second with it: nobody is there to be asked. Why it
    died is told all the same, and it is started again with the other."""
    asked = Asked()
    children = [asked.child("a"), asked.child("b")]
    said: list[str] = []
    top = Supervisor("top", Strategy.REST_FOR_ONE, children, clock=asked.clock, say=said.append)
    running = asyncio.create_task(top.run(lambda: None))
    await settle()
    asked.ends["a"].set_exception(ValueError("first"))
    asked.ends["b"].set_exception(ValueError("second"))
    await settle()
    assert asked.finished == 0
    assert top.tree().children[1].error == "ValueError('second')."
    assert "top/b failed" in caplog.text
    await asked.clock.advance(100)
    assert [one.status for one in top.tree().children] == [Status.RUNNING] * 2
    running.cancel()
    await asked.clock.advance(200_000)
    assert running.done()


async def test_an_actor_that_dies_with_its_tier_takes_messages_in_its_next_life() -> None:
    """The engine and the reconciler die in one breath: what was told waits for the next life, which
    is one, and not two."""
    house = House()
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        for _ in range(3):
            assert kill("control/engine")
            assert kill("control/reconciler")
            lives = len(house.engines)
            await house.clock.until(lambda: len(house.engines) > lives)  # noqa: B023
            await house.clock.until(
                lambda: nodes(daemon.tree())["control/ticker"].status is Status.RUNNING
            )
        tree = nodes(daemon.tree())
        assert tree["control/reconciler"].restarts == 3
        assert tree["control/ticker"].restarts == 3
        world = await daemon.rest()
    assert {str(bead.state) for bead in world.beads.values()} == {"landed"}


async def test_who_waits_for_room_in_a_mailbox_is_told_when_nobody_will_make_any() -> None:
    """The actor is dead, its mailbox full, and it is given up: each sender that waits hears so."""

    async def receive(message: str) -> str:
        raise ValueError(message)

    actor = Actor("scribe", receive, mailbox_max=1)
    await actor.tell("a")
    sending = [asyncio.create_task(actor.tell(one)) for one in "bc"]
    sending.append(asyncio.create_task(actor.ask("d")))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a"):
        await actor.run(lambda: None)
    await settle()
    assert not any(one.done() for one in sending)
    actor.abandon()
    for one in sending:
        with pytest.raises(Stopped):
            await one


async def test_what_begins_while_the_tree_falls_is_gone_with_it() -> None:
    """An edge gives up, and the tier of the edges is stopped; the engine, which still stands for as
    long as the reconciler takes, lets an attempt begin: nobody would stop it any more."""
    house = House(hangs={"a"})
    looking = asyncio.Event()

    async def slow(keys: Sequence[Key]) -> Mapping[Key, Sight]:
        assert keys is not None
        looking.set()
        await house.clock.sleep(5_000)
        return {}

    async def socket(ready: Callable[[], None]) -> None:
        ready()
        await looking.wait()
        message = "the address is in use"
        raise OSError(message)

    house.edges = [Child(name="socket", run=socket)]
    parts = house.parts()
    eyes = Eyes(runs=slow, folders=house.on_disk, listed=house.on_disk)
    house.roster.serve(replace(next(iter(house.roster)), eyes=eyes))
    tree = Tree(parts)

    async def live() -> None:
        async with tree:
            await tree._running  # type: ignore[misc]

    living = asyncio.create_task(live())
    await house.clock.until(lambda: nodes(tree.nodes())["edges"].status is Status.FAILED)
    assert tree.door.now is not None
    submitting = asyncio.create_task(tree.door.offer(*added(house)))
    await settle()
    assert house.performer.running, "or the test is about nothing"
    await house.clock.until(living.done)
    with pytest.raises(GaveUp):
        await living
    assert not house.performer.running
    with suppress(Stopped, GaveUp):
        await submitting


def added(house: House) -> list[e.Event]:
    """The facts that add bead a."""
    intake = take_in(house.engines[-1].world, REPO, spec("a"))
    assert intake.event is not None
    return [intake.event]

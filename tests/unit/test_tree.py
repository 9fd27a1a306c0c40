"""The whole tree in memory: what the crash of each part costs, how it gives up, how it ends."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from oya_vcs.core import events as e
from oya_vcs.core.effects import Effect
from oya_vcs.core.supervision import Status, Strategy
from oya_vcs.errors import Bug, GaveUp
from oya_vcs.journal.replay import digest, replay
from oya_vcs.runtime.outbox import DRAIN_MS, KILL_MS
from oya_vcs.runtime.supervisor import Child
from tests.daemons import spec
from tests.trees import House, kill, nodes, poison

BEADS = [spec("a"), spec("b", "a"), spec("c"), spec("d", "b", "c"), spec("e"), spec("f", "e")]
CONTROL = ["engine", "outbox", "reconciler", "ticker"]
CHILDREN = [*(f"control/{name}" for name in CONTROL), "record/journal", "record/checkpointer"]


def check(house: House) -> None:
    """Everything landed, once; what is on disk is what a replay makes of it."""
    world = replay(house.journals[-1].read())
    assert {str(bead.state) for bead in world.beads.values()} == {"landed"}
    assert house.outside.landings == dict.fromkeys("abcdef", 1)
    assert not world.open
    assert not house.outside.workspaces
    assert digest(replay(list(house.journals[-1].read()))) == digest(world)


async def test_the_tree_is_what_the_page_says() -> None:
    """docs/ARCHITECTURE.md's tree, as a value: names, strategies, states; each effect under way is
    a node of its own."""
    house = House()
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        await house.clock.until(lambda: len(house.performer.running) == 2)
        tree = nodes(daemon.tree())
        assert set(tree) == {
            *("", "record", "record/journal", "record/checkpointer", "edges"),
            *("control", *(f"control/{name}" for name in CONTROL)),
            *("edges/CreateWorkspace a", "edges/CreateWorkspace c"),
        }
        assert {path: node.strategy for path, node in tree.items() if node.strategy} == {
            "": Strategy.REST_FOR_ONE,
            "record": Strategy.ONE_FOR_ONE,
            "control": Strategy.REST_FOR_ONE,
            "edges": Strategy.ONE_FOR_ONE,
        }
        assert {node.status for node in tree.values()} == {Status.RUNNING}
        await daemon.rest()
    check(house)
    assert {node.status for node in nodes(daemon.tree()).values()} == {Status.STOPPED}


@pytest.mark.parametrize("at_ms", range(60, 1_900, 130))
@pytest.mark.parametrize("name", CHILDREN)
async def test_a_crash_in_record_or_control_costs_no_worker(name: str, at_ms: int) -> None:
    """Killed at any moment of a run: it is started again, no effect under way is cut off, and
    everything lands once."""
    house = House()
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin >= at_ms)
        assert kill(name)
        world = await daemon.rest()
        assert nodes(daemon.tree())[name].restarts == 1
        assert all(bead.failures == 0 for bead in world.beads.values())
    check(house)
    assert not house.cut
    assert set(house.outside.started.values()) == {1}


@pytest.mark.parametrize("at_ms", range(60, 1_900, 90))
async def test_a_broken_state_is_thrown_away(at_ms: int) -> None:
    """A step that broke: the next engine reads the record; what was handed in meanwhile, and what
    the broken one had not recorded, is handed to it."""
    house = House()
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin >= at_ms)
        poison(daemon)
        await daemon.rest()
    check(house)
    assert len(house.engines) == 2
    assert not house.cut
    assert "control/engine failed: Its state is not to be trusted." in house.said[0]


@pytest.mark.parametrize("at_ms", range(60, 1_900, 130))
async def test_a_crash_at_an_edge_loses_nothing(at_ms: int) -> None:
    """The task of an effect is killed: within two seconds it is taken up again, by a probe."""
    house = House()
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin >= at_ms)
        await house.clock.until(lambda: house.performer.running)
        names = [name for name in nodes(daemon.tree()) if name.startswith("edges/")]
        assert kill(names[0])
        await daemon.rest()
    check(house)
    assert house.clock.now_ms() - begin < 15_000


@pytest.mark.parametrize("seed", range(25))
async def test_random_parts_killed_again_and_again(seed: int) -> None:
    """F2: seeded kills of any part, four in each minute at most of any one: all lands once."""
    dice = Random(seed)
    house = House(slots=3)
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        for _ in range(dice.randint(3, 12)):
            pause_ms = dice.choice([0, 20, 90, 250, 700])
            begin = house.clock.now_ms()
            await house.clock.until(lambda: house.clock.now_ms() - begin >= pause_ms)  # noqa: B023
            tree = nodes(daemon.tree())
            calm = [name for name in CHILDREN if tree[name].restarts < 3]
            edges = [name for name in tree if name.startswith("edges/")]
            kill(dice.choice([*calm, *edges, *edges]))
        await daemon.rest()
    check(house)


async def test_the_fourth_crash_ends_the_daemon_with_a_record_that_goes_on() -> None:
    """REQUIREMENTS B2: whoever waits hears it, whoever comes too; the next daemon finishes."""
    house = House()

    async def run() -> None:
        async with house.daemon() as daemon:
            await daemon.submit(BEADS)
            for number in range(4):
                await house.clock.until(lambda: len(house.engines) == number + 1)  # noqa: B023
                await house.clock.until(lambda: daemon._tree.door.now is not None)
                poison(daemon)
            await daemon.rest()

    with pytest.raises(GaveUp, match="control/engine failed 4 times within 60 s") as caught:
        await run()
    assert isinstance(caught.value.__cause__, Bug)
    assert sum("control/engine failed" in one for one in house.said) == 3
    next_house = House(outside=house.outside, journals=house.journals)
    await next_house.work([])
    check(next_house)


async def test_an_edge_that_gives_up_ends_the_daemon_too() -> None:
    """Nobody waits at the door of a tree that is gone, though nothing of control failed."""
    lives: list[int] = []

    async def socket(ready: object) -> None:
        assert callable(ready)
        ready()
        lives.append(1)
        await house.clock.sleep(1_000)
        message = "the address is in use"
        raise OSError(message)

    house = House(hangs={"a"})
    house.edges = [Child(name="socket", run=socket)]

    async def run() -> None:
        async with house.daemon() as daemon:
            await daemon.submit(BEADS)
            await daemon.rest()

    with pytest.raises(GaveUp, match="edges/socket failed 4 times"):
        await run()
    assert len(lives) == 4


async def test_a_request_that_breaks_the_engine_is_its_senders() -> None:
    """B3: who asked gets the error, once; the daemon goes on without it."""
    house = House()
    async with house.daemon() as daemon:

        async def act(life: object) -> None:
            await house.engines[-1].offer(e.BeadRetried(bead=spec("nobody").id))

        with pytest.raises(Bug, match="never added"):
            await daemon._tree.door.ask(act)
        await daemon.submit(BEADS)
        await daemon.rest()
    check(house)
    assert len(house.engines) == 2


async def test_at_the_end_work_in_hand_is_finished_and_nothing_begun() -> None:
    """B6: workers are stopped at once, what else is under way comes to its end and is recorded, a
    checkpoint of all of it is taken; the next daemon goes on."""
    house = House(hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        await house.clock.until(lambda: "RunWorker a" in str(daemon.tree()))
        await house.clock.until(
            lambda: any(name.startswith("edges/Build") for name in nodes(daemon.tree()))
        )
        before = house.clock.now_ms()
    assert house.clock.now_ms() - before < 2_000
    assert house.cut == {"RunWorker": 1}
    last = house.recorded()[-1]
    assert isinstance(last, e.Requested), "the outcome of what was finished, and what follows"
    assert house.checkpoints[-1] == len(house.recorded())
    house.hangs.clear()
    next_house = House(outside=house.outside, journals=house.journals)
    await next_house.work([])
    check(next_house)


async def test_the_end_is_bounded() -> None:
    """An effect that never ends is given DRAIN_MS and is then stopped; the whole is below 30 s."""
    gate = asyncio.Event()

    async def stuck(boundary: str, effect: Effect) -> None:
        if boundary == "after" and type(effect).__name__ == "CreateWorkspace":
            await gate.wait()

    house = House(gate=stuck)
    async with house.daemon() as daemon:
        await daemon.submit(BEADS)
        await house.clock.until(lambda: len(house.outside.workspaces) == 2)
        before = house.clock.now_ms()
    spent = house.clock.now_ms() - before
    assert DRAIN_MS <= spent < 30_000
    assert DRAIN_MS + KILL_MS < 25_000
    assert house.checkpoints

"""Supervisors on a clock moved by hand: order, restarts, strategies, giving up, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

import pytest

from oya_vcs.core.supervision import Limits, Node, Status, Strategy
from oya_vcs.errors import Bug, GaveUp, JournalCorrupt, JournalStopped
from oya_vcs.runtime.supervisor import Child, Supervisor
from tests.clocks import SteppedClock, settle

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


class House:
    """Children that crash when told to, and a diary of what they did."""

    def __init__(
        self, names: Sequence[str] = "abc", strategy: Strategy = ONE, **rules: int
    ) -> None:
        self.clock = SteppedClock()
        self.diary: list[str] = []
        self.said: list[str] = []
        self.ends: dict[str, asyncio.Future[None]] = {}
        self.lives: dict[str, int] = dict.fromkeys(names, 0)
        self.stillborn: dict[str, Exception] = {}
        self.slow: set[str] = set()
        self.top = self.supervisor("top", strategy, [self.child(name) for name in names], **rules)
        self.running: asyncio.Task[None] | None = None

    def supervisor(
        self, name: str, strategy: Strategy, children: Sequence[Child], **rules: int
    ) -> Supervisor:
        """A supervisor in this house."""
        limits = Limits(**rules)  # type: ignore[arg-type]
        say = self.said.append
        return Supervisor(name, strategy, children, clock=self.clock, say=say, limits=limits)

    def child(self, name: str, stop_ms: int = 5_000) -> Child:
        """A child that runs until it is told to crash."""

        async def run(ready: Callable[[], None]) -> None:
            if name in self.stillborn:
                raise self.stillborn[name]
            self.lives[name] += 1
            end = self.ends[name] = asyncio.get_running_loop().create_future()
            self.diary.append(f"+{name}")
            ready()
            try:
                await end
            finally:
                self.diary.append(f"-{name}")
                if name in self.slow:
                    with suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()

        return Child(name=name, run=run, stop_ms=stop_ms)

    async def up(self) -> None:
        """Start it."""
        ready = asyncio.Event()
        self.running = asyncio.create_task(self.top.run(ready.set))
        await settle()
        assert ready.is_set()
        self.diary.clear()

    async def crash(self, name: str, error: Exception | None = None) -> None:
        """Let one fail, and what follows at once follow."""
        self.ends[name].set_exception(error or ValueError(name))
        await settle()

    async def down(self) -> None:
        """Stop it."""
        assert self.running is not None
        self.running.cancel()
        await settle()
        assert self.running.done()

    async def fallen(self) -> BaseException:
        """What it fell of."""
        assert self.running is not None
        with pytest.raises(Exception) as caught:
            await asyncio.wait_for(self.running, 5)
        return caught.value

    def node(self, name: str) -> Node:
        """A child's place in the tree."""
        return next(one for one in self.top.tree().children if one.name == name)


async def test_children_start_in_order_and_stop_in_the_reverse() -> None:
    """Each is ready before the next begins; the tree says so."""
    house = House()
    ready = asyncio.Event()
    house.running = asyncio.create_task(house.top.run(ready.set))
    await settle()
    assert house.diary == ["+a", "+b", "+c"]
    assert [one.status for one in house.top.tree().children] == [Status.RUNNING] * 3
    await house.down()
    assert house.diary[3:] == ["-c", "-b", "-a"]
    assert house.top.tree().status is Status.STOPPED


@pytest.mark.parametrize(
    ("strategy", "after"),
    [
        (ONE, ["-b", "+b"]),
        (ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
        (REST, ["-b", "-c", "+b", "+c"]),
    ],
)
async def test_a_failure_takes_along_whom_the_strategy_says(
    strategy: Strategy, after: list[str]
) -> None:
    """Those are stopped, last first, and started again, first first, after 100 ms; the others never
    notice."""
    house = House(strategy=strategy)
    await house.up()
    await house.crash("b")
    assert house.node("b").status is Status.WAITING
    await house.clock.advance(99)
    assert "+b" not in house.diary
    await house.clock.advance(1)
    assert house.diary == after
    assert house.node("b").status is Status.RUNNING
    assert house.node("b").error == "ValueError('b')."
    assert house.node("b").restarts == 1
    assert "top/b failed: ValueError('b'). It is started again in 100 ms" in house.said[0]
    await house.down()


async def test_the_fourth_crash_within_a_minute_is_escalated() -> None:
    """100, 200, 400 ms, and then it is given up: everything is stopped, and the parent told."""
    house = House()
    await house.up()
    for wait_ms in (100, 200, 400):
        await house.crash("b")
        await house.clock.advance(wait_ms - 1)
        assert house.node("b").status is Status.WAITING
        await house.clock.advance(1)
        assert house.node("b").status is Status.RUNNING
    await house.crash("b", Bug("It broke."))
    error = await house.fallen()
    assert isinstance(error, GaveUp)
    assert error.message == ("top/b failed 4 times within 60 s and is given up: It broke.")
    assert house.diary[-2:] == ["-c", "-a"]
    assert house.lives == {"a": 1, "b": 4, "c": 1}
    assert house.top.tree().status is Status.FAILED


async def test_restarts_of_long_ago_are_forgotten() -> None:
    """A thousand crashes, a minute apart: each is 100 ms, nothing is given up, no sibling hears."""
    house = House()
    await house.up()
    for number in range(1_000):
        await house.crash("a")
        await house.clock.advance(100)
        assert house.node("a").status is Status.RUNNING
        assert house.lives["a"] == number + 2
        await house.clock.advance(60_000)
    assert house.lives["b"] == house.lives["c"] == 1
    await house.down()


async def test_one_child_that_waits_holds_up_no_other() -> None:
    """Two siblings in their back-off are started again each in its own time."""
    house = House()
    await house.up()
    for _ in range(2):
        await house.crash("a")
        await house.clock.advance(300)
    await house.crash("a")  # 400 ms
    await house.crash("b")  # 100 ms
    await house.clock.advance(100)
    assert (house.lives["a"], house.lives["b"]) == (3, 2)
    await house.clock.advance(300)
    assert house.lives["a"] == 4
    await house.down()


async def test_a_failure_of_one_that_stands_below_ends_a_restart_that_is_under_way() -> None:
    """rest_for_one: c waits to be started again when a fails; nobody is started twice, nor before
    what it stands on."""
    house = House(strategy=REST)
    await house.up()
    await house.crash("c")
    await house.clock.advance(50)
    await house.crash("a")
    await house.clock.advance(99)
    assert house.diary == ["-c", "-a", "-b"]
    await house.clock.advance(1)
    assert house.diary == ["-c", "-a", "-b", "+a", "+b", "+c"]
    assert house.lives == {"a": 2, "b": 2, "c": 2}
    await house.down()


async def test_a_child_that_does_not_come_up_again_is_tried_again() -> None:
    """A failure before it is ready counts as any other, and in a group the rest waits for it."""
    house = House(strategy=REST)
    await house.up()
    house.stillborn["b"] = WorldError()
    await house.crash("a")
    await house.clock.advance(100)
    assert house.diary[-1] == "+a"
    assert house.node("c").status is Status.STOPPED
    del house.stillborn["b"]
    await house.clock.advance(100)
    assert house.diary[-2:] == ["+b", "+c"]
    assert house.lives == {"a": 2, "b": 2, "c": 2}
    await house.down()


class WorldError(Exception):
    """Of the world."""


async def test_what_fails_the_first_start_is_raised_as_it_is() -> None:
    """Nothing is tried again then, and what had begun is stopped."""
    house = House()
    house.stillborn["c"] = JournalCorrupt("Event 7.")
    house.running = asyncio.create_task(house.top.run(lambda: None))
    error = await house.fallen()
    assert isinstance(error, JournalCorrupt)
    assert house.diary == ["+a", "+b", "-b", "-a"]
    assert house.node("c").status is Status.FAILED


async def test_one_that_ends_while_the_next_waits_for_it_fails_the_first_start() -> None:
    """The next would never be ready: the engine found damage before the outbox had taken it."""
    house = House("a")

    async def waits(_ready: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    children = [house.child("a"), Child(name="b", run=waits)]
    house.top = house.supervisor("top", REST, children)
    house.running = asyncio.create_task(house.top.run(lambda: None))
    await settle()
    damage = JournalCorrupt("Event 7.")
    await house.crash("a", damage)
    assert await house.fallen() is damage
    assert house.lives == {"a": 1}
    assert house.node("a").status is Status.FAILED
    assert house.node("b").status is Status.STOPPED


@pytest.mark.parametrize("error", [JournalCorrupt("Event 7."), JournalStopped("Full.")])
async def test_what_no_restart_mends_goes_to_the_parent_at_once(error: Exception) -> None:
    """Damage, and an outage that is another's to wait out, are not tried again."""
    house = House()
    await house.up()
    await house.crash("b", error)
    assert await house.fallen() is error
    assert house.said == []


async def test_an_outage_is_waited_out_where_that_is_the_task() -> None:
    """However often it comes, it is never too often; crashes are counted beside it."""
    house = House(strategy=REST, restarts_max=0, waits_out=True)
    await house.up()
    for _ in range(20):
        await house.crash("a", JournalStopped("Full."))
        await house.clock.advance(100)
    assert house.lives == {"a": 21, "b": 21, "c": 21}
    await house.crash("b")
    assert isinstance(await house.fallen(), GaveUp)


async def test_a_tier_that_gave_up_ends_the_tree() -> None:
    """Three tiers: the error that reaches the root names the child and its last error."""
    house = House("")
    leaves = house.supervisor("leaves", ONE, [house.child("x")])
    branch = house.supervisor("branch", ONE, [leaves.as_child(stop_ms=100)], restarts_max=0)
    house.top = house.supervisor("root", REST, [house.child("a"), branch.as_child(stop_ms=100)])
    house.lives = {"a": 0, "x": 0}
    await house.up()
    tree = house.top.tree()
    assert tree.children[1].strategy is ONE
    assert tree.children[1].children[0].children[0].name == "x"
    for wait_ms in (100, 200, 400):
        await house.crash("x")
        await house.clock.advance(wait_ms)
    await house.crash("x")
    await house.clock.advance(100)
    assert house.lives["x"] == 5, "the root starts the branch again"
    assert house.node("branch").restarts == 1
    assert "leaves/x failed 4 times within 60 s" in house.node("branch").error
    await house.down()


@pytest.mark.parametrize("how", ["returns", "cancelled"])
async def test_a_child_that_ends_without_being_told_has_failed(how: str) -> None:
    """Whether it returned or somebody cancelled its task: it is started again."""
    house = House()
    await house.up()
    if how == "returns":
        house.ends["a"].set_result(None)
    else:
        next(one for one in asyncio.all_tasks() if one.get_name() == "top/a").cancel()
    await settle()
    await house.clock.advance(100)
    assert house.lives["a"] == 2
    said = "ended by itself." if how == "returns" else "was cancelled from outside."
    assert house.node("a").error == f"top/a {said}"
    await house.down()


async def test_a_stop_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A child that does not end in time is left behind and named; the others are stopped all the
    same. It is never started a second time beside itself."""
    house = House(strategy=REST)
    house.slow = {"b"}
    await house.up()
    await house.crash("a")
    await house.clock.advance(5_000)
    error = await house.fallen()
    assert isinstance(error, GaveUp)
    assert "top cannot start a, b, c again: not all have ended" in error.message
    assert "top/b does not stop" in caplog.text
    assert house.lives == {"a": 1, "b": 1, "c": 1}
    left = [one for one in asyncio.all_tasks() if one.get_name() == "top/b"]
    for one in left:
        one.cancel()
    await settle()


async def test_a_child_is_asked_to_stop_before_it_is_cancelled() -> None:
    """What it has to finish it finishes; and where it takes too long, it is cancelled."""
    house = House("")
    done: list[str] = []

    async def finish() -> None:
        await house.clock.sleep(1_000)
        done.append("finished")

    async def run(ready: Callable[[], None]) -> None:
        ready()
        try:
            await asyncio.Event().wait()
        finally:
            done.append("gone")

    for stop_ms, expected in ((2_000, ["finished", "gone"]), (500, ["gone"])):
        done.clear()
        child = Child(name="slow", run=run, stop=finish, stop_ms=stop_ms)
        house.top = house.supervisor("top", ONE, [child])
        house.running = asyncio.create_task(house.top.run(lambda: None))
        await settle()
        house.running.cancel()
        await house.clock.advance(stop_ms)
        assert house.running.done()
        assert done == expected


async def test_adopted_tasks_belong_to_the_tree_and_harm_nobody() -> None:
    """They are shown while they run, their failure is noted, and they are stopped with the rest."""
    house = House("a")
    await house.up()
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await end

    task = house.top.adopt(work(), name="RunWorker b1")
    other = house.top.adopt(asyncio.Event().wait(), name="RunWorker b2")
    assert [one.name for one in house.top.tree().children] == ["a", "RunWorker b1", "RunWorker b2"]
    end.set_exception(ValueError("bad"))
    await asyncio.wait({task})
    await settle()
    assert [one.name for one in house.top.tree().children] == ["a", "RunWorker b2"]
    assert house.top.tree().error == "top/RunWorker b1: ValueError('bad')."
    assert house.lives["a"] == 1
    await house.down()
    assert other.cancelled()


@pytest.mark.parametrize("seed", range(40))
async def test_after_any_storm_everybody_runs_again(seed: int) -> None:
    """Seeded crashes at any moment, within the limits: when it is quiet, each child runs once, and
    with rest_for_one and one_for_all nobody is older than what it stands on."""
    dice = Random(seed)
    strategy = dice.choice([ONE, ALL, REST])
    house = House("abcd", strategy, restarts_max=1_000)
    await house.up()
    alive: set[str] = set()
    for _ in range(60):
        alive = {name for name, end in house.ends.items() if not end.done()}
        if alive and dice.random() < 0.7:
            for name in dice.sample(sorted(alive), min(len(alive), dice.randint(1, 2))):
                house.ends[name].set_exception(ValueError(name))
        if dice.random() < 0.5:
            await settle()
        await house.clock.advance(dice.choice([1, 30, 70, 150, 500]))
    await house.clock.advance(10_000)
    assert [one.status for one in house.top.tree().children] == [Status.RUNNING] * 4
    running = {
        name: house.diary.count(f"+{name}") - house.diary.count(f"-{name}") for name in "abcd"
    }
    assert running == dict.fromkeys("abcd", 0)  # the diary began when each had started once
    if strategy is not ONE:
        began = [
            len(house.diary) - house.diary[::-1].index(f"+{name}")
            for name in "abcd"
            if f"+{name}" in house.diary
        ]
        assert began == sorted(began)
    await house.down()

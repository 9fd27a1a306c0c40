"""Stopping an effect that runs: asked for on record, over only when its outcome settles it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oya_vcs.adapters.memory import ENDLESS, Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.decide.decisions import stop
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import digest, replay
from tests.daemons import Daemon, Kill, spec, states, writes_own_file
from tests.living import Life, life

ONE = BeadId("one")


def first_is_endless(effect: f.RunWorker, files: Files) -> Work:
    """A worker whose first attempt writes a file and does not end."""
    work = writes_own_file(effect, files)
    return Work(work.files, ends=effect.attempt > 1)


async def stop_now(alive: Life, bead: BeadId, reason: e.Reason) -> tuple[e.Event, ...]:
    """Stop what runs for the bead; returns what was decided."""
    decided = tuple(stop(alive.engine.world, bead, reason))
    await alive.engine.offer(*decided)
    return decided


class AfterWorker(Kill):
    """Dies when a worker has ended and nobody has written it down."""

    async def gate(self, boundary: str, effect: f.Effect) -> None:
        """Die there."""
        if boundary == "after" and isinstance(effect, f.RunWorker):
            self.at = 1
        await super().gate(boundary, effect)


def is_in(state: State) -> Callable[[World], bool]:
    """Whether bead `one` is in that state."""
    return lambda world: ONE in world.beads and world.bead(ONE).state is state


async def test_a_worker_that_is_stopped_ends_for_that_reason_and_its_bead_goes_on() -> None:
    """The stop is on record, then the outcome with its reason, then another attempt; the slot is
    free again and nothing is left of the stop."""
    daemon = Daemon(new_outside({"a": "1"}), worker=first_is_endless, slots=1)
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.RUNNING))
        assert len(await stop_now(alive, ONE, e.Reason.LEASE_EXPIRED)) == 1
        assert await stop_now(alive, ONE, e.Reason.WALL_TIME) == ()
        world = await alive.rest()
    assert states(world) == {"one": "landed"}
    assert world.stops == {}
    told = [row.event for row in daemon.journal.read()]
    finished = [one for one in told if isinstance(one, e.WorkerFinished)]
    assert [one.reason for one in finished] == [e.Reason.LEASE_EXPIRED, None]
    assert [one for one in told if isinstance(one, e.StopRequested)] == [
        e.StopRequested(bead=ONE, key=finished[0].key, reason=e.Reason.LEASE_EXPIRED)
    ]
    assert digest(replay(daemon.journal.read())) == digest(world)


async def test_checks_that_are_stopped_say_nothing_of_the_candidate() -> None:
    """Their outcome has the reason; the tree is not tested, and nothing lands by it."""
    checked: list[Files] = []

    def check(files: Files) -> str:
        checked.append(files)
        return ENDLESS if len(checked) == 1 else ""

    daemon = Daemon(new_outside({"a": "1"}), check=check)
    async with life(daemon, spec("one")) as alive:
        await alive.until(lambda _world: checked)
        assert await stop_now(alive, ONE, e.Reason.CHECK_TIMEOUT)
        await alive.until(lambda world: world.bead(ONE).attempt == 2)
        assert len(daemon.outside.tips) == 1
        assert daemon.outside.tested == set()
        world = await alive.rest()
    assert states(world) == {"one": "landed"}


async def test_only_what_runs_is_stopped() -> None:
    """A bead whose workspace is being made, or whose change lands, has nothing to stop; a stop of
    another bead, or of what has ended, is none."""
    daemon = Daemon(new_outside({"a": "1"}))
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.CLAIMED))
        assert await stop_now(alive, ONE, e.Reason.CANCELLED) == ()
        await alive.until(lambda w: any(isinstance(one, f.Land) for one in w.open.values()))
        assert await stop_now(alive, ONE, e.Reason.CANCELLED) == ()
        assert await stop_now(alive, BeadId("other"), e.Reason.CANCELLED) == ()
        assert states(await alive.rest()) == {"one": "landed"}


async def test_a_stop_outlives_the_daemon_and_the_effect_is_not_done_again() -> None:
    """Killed at any boundary after the stop is on record: the next life settles the effect with
    that reason and starts no second run under its key."""
    for at in range(1, 40):
        daemon = Daemon(new_outside({"a": "1"}), worker=first_is_endless, slots=1)
        kill = Kill()
        async with life(daemon, spec("one"), kill=kill) as alive:
            await alive.until(is_in(State.RUNNING))
            kill.at = kill.seen + at
            await stop_now(alive, ONE, e.Reason.LEASE_EXPIRED)
            await alive.rest()
        world = await daemon.run_to_rest()
        assert states(world) == {"one": "landed"}
        assert world.bead(ONE).attempt == 2
        assert set(daemon.outside.started.values()) == {1}
        if kill.seen < kill.at:
            return
    raise AssertionError


async def test_a_stop_on_record_that_nobody_heard_is_heard_by_the_next_life() -> None:
    """The daemon dies between the fsync of the stop and its effect; the snapshot keeps the stop,
    too."""
    daemon = Daemon(new_outside({"a": "1"}), worker=first_is_endless, slots=1)
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.RUNNING))
        (asked,) = stop(alive.engine.world, ONE, e.Reason.LEASE_EXPIRED)
    await daemon.journal.append(daemon.clock.now_ms(), [asked])
    left = replay(daemon.journal.read())
    assert isinstance(asked, e.StopRequested)
    assert left.stops == {asked.key: e.Reason.LEASE_EXPIRED}
    assert digest(snapshot.decode(snapshot.encode(left))) == digest(left)
    world = await daemon.run_to_rest()
    assert states(world) == {"one": "landed"}
    assert set(daemon.outside.started.values()) == {1}


async def test_a_worker_that_had_ended_keeps_its_own_outcome() -> None:
    """Stopped too late: what it did counts, and no attempt is lost."""
    daemon = Daemon(new_outside({"a": "1"}), slots=1)
    await daemon.run_to_rest([spec("one")], kill=AfterWorker())
    left = replay(daemon.journal.read())
    assert left.bead(ONE).state is State.RUNNING
    (asked,) = stop(left, ONE, e.Reason.CANCELLED)
    await daemon.journal.append(daemon.clock.now_ms(), [asked])
    world = await daemon.run_to_rest()
    assert states(world) == {"one": "landed"}
    assert world.bead(ONE).attempt == 1


async def test_what_an_ended_attempt_says_later_is_refused() -> None:
    """The fence: an outcome, or a start, under the key of a stopped attempt adds no row."""
    daemon = Daemon(new_outside({"a": "1"}), worker=first_is_endless, slots=1)
    async with life(daemon, spec("one")) as alive:
        await alive.until(is_in(State.RUNNING))
        ((key, _),) = alive.engine.world.open.items()
        await stop_now(alive, ONE, e.Reason.LEASE_EXPIRED)
        await alive.until(lambda world: world.bead(ONE).attempt == 2)
        before = alive.engine.seq
        zombie = e.WorkerFinished(
            key=key, bead=ONE, attempt=1, reason=None, exit_code=0, detail="Done!"
        )
        spawned = e.WorkerSpawned(run=key, bead=ONE, attempt=1, pid=7, started=7)
        await alive.engine.offer(zombie, spawned)
        assert all(
            row.event not in (zombie, spawned) for row in daemon.journal.read(after=before - 1)
        )
        world = await alive.rest()
    assert states(world) == {"one": "landed"}


def test_a_stop_of_what_is_not_open_is_a_bug() -> None:
    """No journal holds one: the core would not have decided it."""
    with pytest.raises(Bug, match="nothing open"):
        apply(World(), e.StopRequested(bead=ONE, key=Key("k"), reason=e.Reason.CANCELLED), 1)

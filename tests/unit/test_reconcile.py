"""The reconciler: what no fact tells of is noticed, mended within two seconds, and once."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import Key, WorkspaceName
from oya_vcs.core.reconcile import (
    DEAD_MS,
    STUCK_MS,
    Carrying,
    Observed,
    Replace,
    Report,
    Reschedule,
    Stop,
    TakeUp,
    freed,
    patience_ms,
    reconcile,
    stopped,
)
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.core.world import World
from oya_vcs.ports import Sight
from tests.daemons import REPO, spec
from tests.histories import History
from tests.trees import House, kill, nodes

AT_MS = 1_700_000_000_000
HEALTHY = Carrying(progress_ms=AT_MS)


def healthy(world: World, key: Key) -> Carrying:
    """An effect that is under way, or being ended where that is asked for."""
    return replace(HEALTHY, leaving=key in world.stops)


def seen(world: World, **fields: object) -> Observed:
    """All that is open is under way, and well; what is to be ended is being ended."""
    carried = {key: healthy(world, key) for key in world.open}
    return Observed(**{"at_ms": AT_MS, "carried": carried, **fields})  # type: ignore[arg-type]


def told(seed: int) -> World:
    """The state in the middle of some history."""
    story = History(Random(seed).randrange)
    for _ in range(40 + seed * 7):
        story.step()
    return story.world


@pytest.mark.parametrize("seed", range(30))
def test_a_record_that_agrees_with_the_world_needs_nothing(seed: int) -> None:
    """Whatever the history: with everything under way and every workspace known, no action."""
    world = told(seed)
    folders = frozenset(name for name, one in world.workspaces.items() if one.keep != "removed")
    sight = seen(world, folders=folders, listed=folders)
    assert world.repos
    for repo in world.repos:
        assert reconcile(world, repo, sight, tuple(world.beads)) == []


@pytest.mark.parametrize("seed", range(30))
def test_what_nobody_carries_out_is_taken_up_and_nothing_else(seed: int) -> None:
    """Each open effect of the repository without a task, once; the same sight, the same actions;
    what is not open is nobody's business."""
    world = told(seed)
    repo = next(iter(world.repos))
    keys = [key for key, one in world.open.items() if one.repo == repo]
    gone = set(keys[::2])
    carried = {key: healthy(world, key) for key in keys if key not in gone}
    carried[Key("another's")] = HEALTHY
    sight = Observed(at_ms=AT_MS, carried=carried)
    actions = reconcile(world, repo, sight, tuple(world.beads))
    assert actions == [TakeUp(key) for key in keys if key in gone]
    assert reconcile(world, repo, sight, tuple(world.beads)) == actions


def running(world: World) -> Key:
    """The key of a worker that runs."""
    return next(key for key, one in world.open.items() if isinstance(one, f.RunWorker))


async def at_work() -> World:
    """The state of a daemon with a worker that hangs."""
    house = House(hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: "RunWorker a" in str(daemon.tree()))
        return daemon.world


async def test_a_process_that_is_gone_is_given_the_time_of_a_normal_end() -> None:
    """DEAD_MS, and no judgement on its bead; one that was stopped already is left to end."""
    world = await at_work()
    key = running(world)
    for dead_ms, leaving, count in ((0, False, 0), (DEAD_MS, False, 1), (DEAD_MS, True, 0)):
        carrying = Carrying(progress_ms=AT_MS, dead_ms=AT_MS - dead_ms, leaving=leaving)
        actions = reconcile(world, REPO, seen(world, carried={key: carrying}), ())
        assert [type(one) for one in actions] == [Replace] * count


async def test_what_stands_still_for_six_minutes_is_stuck() -> None:
    """Exactly then; a worker is stopped and answers for it, anything else is taken up anew; whoever
    may be silent for ever is let be, and so is what is being stopped already."""
    world = await at_work()
    key = running(world)
    for still_ms, patience, count in (
        (STUCK_MS - 1, STUCK_MS, 0),
        (STUCK_MS, STUCK_MS, 1),
        (10 * STUCK_MS, 0, 0),
    ):
        carrying = Carrying(progress_ms=AT_MS - still_ms, patience_ms=patience)
        actions = reconcile(world, REPO, seen(world, carried={key: carrying}), ())
        assert [type(one) for one in actions] == [Stop] * count
        assert all("RunWorker of a made no progress for 360 s" in str(one) for one in actions)
    (fact,) = stopped(Stop(key, "Why."), world)
    assert isinstance(fact, e.StopRequested)
    assert fact.reason is e.Reason.LEASE_EXPIRED
    apply(world, fact, AT_MS)
    assert stopped(Stop(key, "Why."), world) == ()
    unheard = Carrying(progress_ms=AT_MS)
    for carrying, wanted in ((unheard, [TakeUp(key)]), (replace(unheard, leaving=True), [])):
        assert reconcile(world, REPO, seen(world, carried={key: carrying}), ()) == wanted
    del world.stops[key]
    assert stopped(Stop(Key("gone"), "Why."), world) == ()
    worker = world.open[key]
    world.open[key] = f.CreateWorkspace(
        repo=REPO, bead=worker.bead, attempt=1, workspace=WorkspaceName("w")
    )
    still = Carrying(progress_ms=AT_MS - STUCK_MS)
    (action,) = reconcile(world, REPO, seen(world, carried={key: still}), ())
    assert isinstance(action, Replace)
    assert patience_ms(worker, 30_000) == STUCK_MS
    assert patience_ms(worker, 600_000) == 1_200_000
    assert patience_ms(worker, 0) == 0


async def test_an_orphaned_bead_is_freed_by_facts_that_the_record_knows() -> None:
    """Nothing is open that could move it: it is ready again with no attempt counted; a candidate
    goes back to the queue. A bead that moved on meanwhile is not touched."""
    world = await at_work()
    assert freed(Reschedule(spec("a").id, "Why."), AT_MS, world) == ()
    world.open.clear()
    (action,) = reconcile(world, REPO, seen(world), tuple(world.beads))
    assert isinstance(action, Reschedule)
    assert action.why == "Bead a was running, and nothing was under way."
    (fact,) = freed(action, AT_MS, world)
    assert isinstance(fact, e.BeadBackedOff)
    assert (fact.counted, fact.reason, fact.until_ms) == (False, e.Reason.INTERRUPTED, AT_MS)


async def test_an_orphaned_candidate_is_built_again() -> None:
    """Its change keeps its place at the front of the queue, and its bead no attempt loses."""

    async def holds(boundary: str, effect: f.Effect) -> None:
        if boundary == "before" and isinstance(effect, f.RunChecks):
            await house.clock.sleep(10**9)

    house = House(gate=holds)
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: "RunChecks a" in str(daemon.tree()))
        world = daemon.world
    world.open.clear()
    (action,) = reconcile(world, REPO, seen(world), tuple(world.beads))
    assert isinstance(action, Reschedule)
    facts = freed(action, AT_MS, world)
    assert [type(one) for one in facts] == [e.ChangeHeld, e.QueueResumed]
    for fact in facts:
        apply(world, fact, AT_MS)
    bead = world.beads[spec("a").id]
    assert (str(bead.state), bead.failures) == ("queued", 0)
    assert world.repos[REPO].queue.waiting.first() == bead.change


async def test_what_is_nobodys_is_reported() -> None:
    """A folder or an entry that the record does not know, by name."""
    world = await at_work()
    known = next(iter(world.workspaces))
    stray, entry = WorkspaceName("stray"), WorkspaceName("entry")
    sight = seen(world, folders=frozenset({known, stray}), listed=frozenset({known, entry}))
    actions = reconcile(world, REPO, sight, ())
    assert [one.name for one in actions if isinstance(one, Report)] == ["entry", "stray"]
    assert "in jj's list" in actions[0].why  # type: ignore[union-attr]
    assert "on disk" in actions[1].why  # type: ignore[union-attr]


async def test_a_dead_worker_is_replaced_within_two_seconds() -> None:
    """Its process is gone and its task waits for ever: probed, set back at no cost, run again."""
    house = House(hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: "RunWorker a" in str(daemon.tree()))
        key = running(daemon.world)
        await house.clock.until(lambda: key in house.performer.running)
        house.hangs.clear()
        house.dead.add(key)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: daemon.world.beads[spec("a").id].attempt == 2)
        assert house.clock.now_ms() - begin <= 2_500  # two looks, and the tick of the back-off
        world = await daemon.rest()
    assert world.beads[spec("a").id].failures == 0
    assert house.outside.landings == {"a": 1}
    assert "is gone, and nobody noticed" in house.said[0]


async def test_a_stuck_worker_is_stopped_counted_and_run_again() -> None:
    """Six minutes without progress, though its process lives: LEASE_EXPIRED counts against it."""
    house = House(hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: house.performer.running)
        await house.clock.until(lambda: house.cut, step_ms=1_000)
        house.hangs.clear()
        world = await daemon.rest()
    bead = world.beads[spec("a").id]
    assert (bead.failures, bead.attempt) == (1, 2)
    finished = [one for one in house.recorded() if isinstance(one, e.WorkerFinished)]
    assert finished[0].reason is e.Reason.LEASE_EXPIRED
    assert "made no progress for 36" in house.said[0]
    assert finished[1].reason is None
    assert len(house.engines) == 1


async def test_silence_that_is_allowed_is_no_standstill() -> None:
    """`lease_ms = 0`: a worker may be silent for as long as its wall time."""
    house = House(hangs={"a"}, lease_ms=0)
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: house.performer.running)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin > 2 * STUCK_MS, step_ms=2_000)
        assert not house.cut


async def test_a_paused_worker_is_not_stuck() -> None:
    """However long the pause: its six minutes begin anew when it goes on."""
    house = House(hangs={"a"})
    wish = Wish(verb=Verb.PAUSE, beads=(spec("a").id,))
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        await house.clock.until(lambda: house.performer.running)
        await house.clock.until(lambda: "RunWorker a" in str(daemon.tree()))
        await daemon.grant(wish)
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin > 2 * STUCK_MS, step_ms=2_000)
        await daemon.grant(replace(wish, verb=Verb.RESUME))
        begin = house.clock.now_ms()
        await house.clock.until(
            lambda: house.clock.now_ms() - begin > STUCK_MS - 10_000, step_ms=1_000
        )
        assert not house.cut
        await house.clock.until(lambda: house.cut, step_ms=1_000)
        house.hangs.clear()
        await daemon.rest()


async def test_one_look_that_fails_stops_no_other() -> None:
    """Eyes that fail, and an action that fails, are logged; the next look mends the rest."""
    house = House(hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit([spec("a"), spec("b"), spec("c")])
        reconciler = daemon._tree._looks
        real = daemon._tree._outbox.recover
        calls: list[int] = []

        def recover(effects: object, stops: object) -> None:
            calls.append(1)
            if len(calls) == 1:
                message = "the first one fails"
                raise ValueError(message)
            real(effects, stops)  # type: ignore[arg-type]

        daemon._tree._outbox.recover = recover  # type: ignore[method-assign,assignment]
        await house.clock.until(lambda: len(house.performer.running) == 2)
        for name in [one for one in nodes(daemon.tree()) if one.startswith("edges/")]:
            kill(name)
        house.hangs.clear()
        await daemon.rest()
        assert len(calls) >= 3
        assert nodes(daemon.tree())["control/reconciler"].restarts == 0
        assert len(reconciler) <= 1
    assert set(house.outside.landings) == {"a", "b", "c"}


async def test_a_stray_workspace_is_said_once() -> None:
    """However often it is seen; and nothing of it is touched."""
    house = House(folders={"stray"}, hangs={"a"})
    async with house.daemon() as daemon:
        await daemon.submit([spec("a")])
        begin = house.clock.now_ms()
        await house.clock.until(lambda: house.clock.now_ms() - begin > 200_000, step_ms=500)
    assert [one for one in house.said if "stray" in one] == [
        "Workspace stray is on disk, and the record does not know it. Nothing of it is touched."
    ]


def test_a_sight_is_a_value() -> None:
    """Two looks at the same show the same: what changes is progress."""
    assert Sight(alive=True, mark=(1, 2)) == Sight(alive=True, mark=(1, 2))
    assert replace(HEALTHY, dead_ms=1) != HEALTHY

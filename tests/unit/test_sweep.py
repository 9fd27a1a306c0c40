"""The hourly sweep, on a clock moved by hand and a place in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory import Files, Work, new_outside
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId, WorkspaceName
from oya_vcs.core.leftovers import KEPT_MS, ORPHANED_MS, Finding, Kind, Standing
from oya_vcs.core.world import Keep, World
from oya_vcs.errors import WorldFailed
from oya_vcs.journal.replay import digest, replay
from oya_vcs.runtime.sweep import COUNT_MAX, EVERY_MS, look, sweep
from tests.daemons import REPO, Daemon, spec, states

PIN = CommitId("c" * 40)


@dataclass
class Place:
    """A `ports.Site` in memory: what is there, and what it refuses to remove."""

    there: dict[WorkspaceName, Finding] = field(default_factory=dict)
    stubborn: set[WorkspaceName] = field(default_factory=set)
    looked: Callable[[], None] = lambda: None
    told: list[Mapping[WorkspaceName, Standing]] = field(default_factory=list)
    sick: bool = False

    def put(self, name: str, kind: Kind = Kind.ORPHAN, since_ms: int = 0) -> WorkspaceName:
        """Leave something behind."""
        one = WorkspaceName(name)
        self.there[one] = Finding(
            name=one,
            path=f"/w/{name}",
            kind=kind,
            why="It was left.",
            safe_to_remove=kind is not Kind.NOT_OURS,
            since_ms=since_ms,
        )
        return one

    async def survey(self, recorded: Mapping[WorkspaceName, Standing]) -> Sequence[Finding]:
        self.told.append(recorded)
        sick = self.sick
        self.looked()
        if sick:
            raise WorldFailed("jj is not there.")
        return tuple(self.there.values())

    async def sweep(self, finding: Finding) -> CommitId | None:
        if finding.name in self.stubborn:
            raise WorldFailed("Somebody is in it.", retryable=True)
        del self.there[finding.name]
        return PIN


@dataclass
class Record:
    """What was offered."""

    events: list[e.Event] = field(default_factory=list)

    async def offer(self, *facts: e.Event) -> None:
        self.events += facts

    @property
    def swept(self) -> list[str]:
        """The names of what was swept, in order."""
        return [one.workspace for one in self.events if isinstance(one, e.WorkspaceSwept)]


async def test_what_was_left_alone_for_two_hours_goes_and_is_on_record() -> None:
    """The younger stays, and so does what is not ours; the event says why it went and where its
    content is."""
    place, record, now_ms = Place(), Record(), 3 * ORPHANED_MS
    place.put("old")
    place.put("young", since_ms=now_ms - ORPHANED_MS + 1)
    place.put("foreign", Kind.NOT_OURS)
    await look(world=World(), repo=REPO, site=place, offer=record.offer, now_ms=now_ms)
    assert record.events == [
        e.WorkspaceSwept(repo=REPO, workspace=WorkspaceName("old"), why="It was left.", pinned=PIN)
    ]
    assert set(place.there) == {"young", "foreign"}


async def test_a_refusal_stops_nothing_else() -> None:
    """What cannot be removed stays, unrecorded; the rest goes."""
    place, record = Place(), Record()
    place.put("a")
    place.stubborn.add(place.put("b"))
    place.put("c")
    now_ms = 2 * ORPHANED_MS
    await look(world=World(), repo=REPO, site=place, offer=record.offer, now_ms=now_ms)
    assert record.swept == ["a", "c"]


async def test_there_is_a_budget() -> None:
    """One look takes away no more than so many."""
    place, record = Place(), Record()
    for number in range(COUNT_MAX + 5):
        place.put(f"w{number:03d}")
    now_ms = 2 * ORPHANED_MS
    await look(world=World(), repo=REPO, site=place, offer=record.offer, now_ms=now_ms)
    assert len(record.swept) == COUNT_MAX


async def test_it_looks_at_once_and_every_hour_whatever_the_world_says() -> None:
    """An error costs one turn."""
    place, record, clock = Place(sick=True), Record(), ManualClock()

    async def state() -> World:
        return World()

    begin_ms = clock.now_ms()
    times: list[int] = []
    third = asyncio.Event()

    def looked() -> None:
        times.append(clock.now_ms() - begin_ms)
        place.sick = False
        if len(times) == 3:
            third.set()

    place.looked = looked
    running = asyncio.create_task(
        sweep(state=state, places=lambda: [(REPO, place)], offer=record.offer, clock=clock)
    )
    async with asyncio.timeout(30):
        await third.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert times[:3] == [0, EVERY_MS, 2 * EVERY_MS]


async def test_kept_workspaces_go_after_a_day_through_the_record() -> None:
    """A failed bead's workspace is discarded 24 h later by the daemon itself: requested, removed,
    pinned; not an hour before."""

    def failing(_effect: f.RunWorker, _files: Files) -> Work:
        return Work({"left.txt": "unfinished"}, reason=e.Reason.WORKER_FAILED, detail="No.")

    daemon = Daemon(new_outside({"a": "1"}), worker=failing, attempts_max=1)
    world = await daemon.run_to_rest([spec("bad")])
    assert states(world) == {"bad": "failed"}
    (kept,) = world.workspaces.values()
    assert kept.keep is Keep.KEPT
    record, place = Record(), Place()
    early, late = kept.since_ms + KEPT_MS - 1, kept.since_ms + KEPT_MS
    await look(world=world, repo=REPO, site=place, offer=record.offer, now_ms=early)
    assert record.events == []
    await look(world=world, repo=REPO, site=place, offer=record.offer, now_ms=late)
    assert record.events == [e.WorkspaceDiscarded(bead=kept.bead, workspace=kept.name)]
    world = await daemon.run_to_rest(facts=record.events)
    (gone,) = world.workspaces.values()
    assert gone.keep is Keep.REMOVED
    assert gone.pinned is not None
    assert place.told[-1] == {kept.name: Standing.KEPT}


async def test_what_an_attempt_has_taken_meanwhile_is_left() -> None:
    """Between the look and the removal the record may have changed: it is asked again."""
    daemon = Daemon(new_outside({"a": "1"}))
    world = await daemon.run_to_rest([spec("one")])
    (name,) = world.workspaces
    place, record = Place(), Record()
    place.put(name)
    world.workspaces[name] = replace(world.workspaces[name], keep=Keep.LIVE)
    await look(world=world, repo=REPO, site=place, offer=record.offer, now_ms=2 * ORPHANED_MS)
    assert record.events == []
    assert name in place.there


async def test_a_sweep_on_record_changes_no_state() -> None:
    """Replayed, the state is what it was: nothing was known of what was swept."""
    daemon = Daemon(new_outside({"a": "1"}))
    world = await daemon.run_to_rest([spec("one")])
    before = digest(world)
    swept = e.WorkspaceSwept(
        repo=REPO, workspace=WorkspaceName("x"), why="It was left.", pinned=None
    )
    await daemon.journal.append(world.now_ms, [swept])
    assert digest(replay(daemon.journal.read())) == before

"""A beads file that changes under a daemon: real files, an engine over a journal in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.bootstrap.trackers import STEP_BEADS_MAX, Trackers
from oya_vcs.config import Config, Home, TrackerConfig
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId, CommitId
from oya_vcs.core.world import World
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from tests.daemons import REPO
from tests.unit.test_intake import engine_on

FOREIGN = '{"_type": "memory",  "key": "style"}'


@dataclass
class Place:
    """A followed file, and the engine that hears of it."""

    plan: Plan
    engine: Engine
    door: Door = field(default_factory=Door)
    said: list[str] = field(default_factory=list)
    trackers: Trackers = field(init=False)

    def __post_init__(self) -> None:
        clock = ManualClock()
        self.trackers = Trackers(lambda: {REPO: self.plan}, self.said.append, clock)

    @property
    def world(self) -> World:
        return self.engine.world

    @property
    def file(self) -> Path:
        return self.plan.root / self.plan.config.tracker.file

    def write(self, *beads: dict[str, Any]) -> None:
        """The file anew: a foreign line, and these beads."""
        self.file.parent.mkdir(exist_ok=True)
        lines = [FOREIGN, *map(json.dumps, beads)]
        fresh = self.file.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in lines))
        fresh.replace(self.file)

    def rows(self) -> list[dict[str, Any]]:
        """The beads in the file."""
        return [json.loads(line) for line in self.file.read_text().splitlines()[1:]]

    async def look(self, times: int = 1) -> None:
        """So many looks."""
        with self.door.held(Life(engine=self.engine, resumed=0)):
            for _ in range(times):
                await self.trackers.look(self.door)

    async def bump(self) -> None:
        """Something was recorded, so that looking again may be worth while."""
        fact = e.RepoRegistered(repo=REPO, path=str(self.plan.root), target="main")
        await self.engine.offer(fact)

    def to(self, bead: str, state: State) -> None:
        """The bead is in that state since a moment later than all before."""
        one = self.world.beads[BeadId(bead)]
        one.state, one.since_ms = state, self.trackers.clock.now_ms() + 1
        if state is State.LANDED:
            one.landed = CommitId("c" * 40)
            self.world.graph.finish(one.id)


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """One whose file is followed and written back to."""
    engine = engine_on(MemoryJournal())
    await engine.offer(e.RepoRegistered(repo=REPO, path=str(tmp_path), target="main"))
    tracker = TrackerConfig(live=True, cancel_closed=True, write_back=True)
    plan = Plan(
        home=Home(tmp_path / "home"),
        repo=REPO,
        root=tmp_path,
        tools=Tools(Path("/jj"), Path("/git")),
        config=Config(tracker=tracker),
        checks_at=lambda _text: {},
        environ={},
    )
    return Place(plan, engine)


async def test_a_file_is_followed_as_it_changes(place: Place) -> None:
    """Nothing there is nothing to do; new beads come in, changed ones change, closed ones end; a
    file that did not change is not looked at twice."""
    await place.look()
    place.write({"id": "a", "title": "A"}, {"id": "b", "title": "B", "deps": ["a"]})
    await place.look(3)
    assert [str(one.state) for one in place.world.beads.values()] == ["ready", "pending"]
    seq = place.engine.seq
    place.write({"id": "a", "title": "A", "status": "closed"}, {"id": "b", "title": "Bee"})
    await place.look(3)
    assert place.world.beads[BeadId("a")].state is State.CANCELLED
    bead = place.world.beads[BeadId("b")]
    assert (bead.spec.title, bead.state) == ("Bee", State.READY)
    assert place.engine.seq > seq
    assert place.said == []


async def test_a_wrong_file_is_told_once_and_changes_nothing(place: Place) -> None:
    """Until it is another one; then what is right in it counts."""
    place.write({"id": "a", "title": "A"}, {"id": "a b", "title": "?"})
    await place.look(3)
    assert (place.world.beads, len(place.said)) == ({}, 1)
    assert "can name no folder" in place.said[0]
    place.write({"id": "a", "title": "A"})
    await place.look(2)
    assert (list(place.world.beads), len(place.said)) == (["a"], 1)


async def test_a_bead_that_is_worked_on_takes_its_new_content_when_it_rests(place: Place) -> None:
    """It is said once that it keeps the old one; nobody has to touch the file again."""
    place.write({"id": "a", "title": "A"})
    await place.look(2)
    place.to("a", State.RUNNING)
    place.write({"id": "a", "title": "Ay", "status": "in_progress"})
    await place.look(4)
    (said,) = place.said
    assert "a is running with its earlier content; what changed of it in .beads/issues" in said
    place.to("a", State.FAILED)
    await place.bump()
    await place.look(2)
    assert place.world.beads[BeadId("a")].spec.title == "Ay"


async def test_what_becomes_of_beads_is_written_back(place: Place) -> None:
    """in_progress while it is worked on, closed with the commit when it landed, after which nothing
    follows from the file as we wrote it; what somebody changed there since stays as it is."""
    place.write({"id": "a", "title": "A", "status": "open", "own": [1]}, {"id": "b", "title": "B"})
    await place.look(3)
    assert [row.get("status") for row in place.rows()] == ["open", None]
    place.to("a", State.RUNNING)
    await place.bump()
    await place.look(2)
    assert place.rows()[0]["status"] == "in_progress"
    await place.look(2)
    await place.trackers.clock.sleep(10)
    place.to("a", State.LANDED)
    await place.bump()
    await place.look(2)
    (row, other) = place.rows()
    assert (row["status"], row["own"]) == ("closed", [1])
    assert "c" * 40 in row["close_reason"]
    assert other == {"id": "b", "title": "B"}
    assert place.file.read_text().startswith(f"{FOREIGN}\n")
    rows = place.engine.seq
    await place.look(3)
    assert (place.engine.seq, place.said) == (rows, [])
    place.write({**row, "status": "open", "updated_at": "2100-01-01T00:00:00Z"}, other)
    await place.look(4)
    assert place.rows()[0]["status"] == "open"


async def test_a_file_is_never_written_unless_that_is_wanted(place: Place) -> None:
    """Nor is anything cancelled; and a plan that follows nothing looks at nothing."""
    place.plan = replace(place.plan, config=Config(tracker=TrackerConfig(live=True)))
    place.write({"id": "a", "title": "A"})
    before = place.file.stat()
    await place.look(2)
    place.to("a", State.LANDED)
    await place.bump()
    await place.look(3)
    assert place.file.stat() == before
    place.write({"id": "a", "title": "A"}, {"id": "b", "title": "B"})
    place.plan = replace(place.plan, config=Config())
    await place.look(2)
    assert list(place.world.beads) == ["a"]


async def test_a_large_file_is_many_steps(place: Place) -> None:
    """No step is about more beads than one may be; all of them come in, each once."""
    beads = [{"id": f"b{n}", "title": "t", "deps": [f"b{n - 1}"] * (n > 0)} for n in range(450)]
    place.write(*reversed(beads))
    steps: list[int] = []
    publish = place.engine.listen
    publish(Counting(steps))
    await place.look(2)
    assert len(place.world.beads) == 450
    assert (len(steps), max(steps)) == (3, STEP_BEADS_MAX)


class Counting:
    """A feed that counts the rows of each step."""

    def __init__(self, steps: list[int]) -> None:
        self._steps = steps

    def publish(self, rows: Any) -> None:
        self._steps.append(len(rows))


async def test_a_bead_whose_time_comes_is_taken_in(place: Place) -> None:
    """`defer_until` passes while nobody touches the file."""
    later = datetime.fromtimestamp(place.trackers.clock.now_ms() / 1_000 + 10, UTC)
    until = later.isoformat()
    place.write({"id": "a", "title": "A", "defer_until": until})
    await place.look(3)
    assert list(place.world.beads) == []
    await place.trackers.clock.sleep(10_000)
    await place.look()
    assert list(place.world.beads) == ["a"]

"""The tables of beads on disk: how they are asked, what they cost, and when they do not count."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from oya_vcs.core import events as e
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.standing import everything, touched
from oya_vcs.core.world import World
from oya_vcs.errors import Bug, JournalCorrupt, NotFound
from oya_vcs.journal import beads as tables
from oya_vcs.journal import queries
from oya_vcs.journal.compact import compact, plan
from oya_vcs.journal.driver import open_writer
from oya_vcs.journal.lookup import KeyLookup
from oya_vcs.journal.queries import Beads, open_beads
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import verify
from tests.beads_in_memory import above, agree, below

REPO = e.RepoRegistered(repo=RepoId("r"), path="/r", target="main")
BEADS = 10_000
ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import asyncio, sys
from pathlib import Path
from oya_vcs.core import events as e
from oya_vcs.core.standing import everything, touched
from oya_vcs.core.fold import apply
from oya_vcs.journal.replay import replay
from oya_vcs.journal.store import SqliteJournal
from tests.integration.test_bead_queries import REPO, added

async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    world = replay(journal.read())
    await journal.refill(everything(world))

    async def take(*events):
        for event in events:
            apply(world, event, 0)
        await journal.append(0, events, touched(world, events))
        print(len(world.beads), flush=True)

    async def produce(name):
        await take(REPO)
        before = ()
        for number in range(1_000):
            bead = f"{name}-{number}"
            await take(added(bead, *before))
            if not before:
                slot = len(world.repos["r"].slots)
                await take(e.AttemptClaimed(bead=bead, attempt=1, slot=slot, workspace=bead))
            before = (bead,)

    await asyncio.gather(*(produce(f"{sys.argv[2]}-{n}") for n in range(3)))

asyncio.run(main())
"""


def added(name: str, *needs: str, priority: int = 2) -> e.BeadAdded:
    """A new bead."""
    wanted = tuple(BeadId(need) for need in needs)
    spec = BeadSpec(id=BeadId(name), title=f"Do {name}", needs=wanted, priority=priority)
    return e.BeadAdded(repo=REPO.repo, bead=spec.id, key=spec_key(spec), spec=spec)


def graph_of(count: int, seed: int = 3) -> list[e.Event]:
    """Beads that wait for up to six of those before them; every tenth for none."""
    dice = Random(seed)
    events: list[e.Event] = [REPO]
    for number in range(count):
        needs = {f"b{dice.randrange(number)}" for _ in range(number % 10 and dice.randrange(7))}
        events.append(added(f"b{number}", *sorted(needs), priority=dice.randrange(5)))
    return events


async def append(journal: SqliteJournal, world: World, *events: e.Event) -> None:
    """Apply and append, with the rows of what was touched."""
    for event in events:
        apply(world, event, 0)
    await journal.append(0, events, touched(world, events))


def recorded(path: Path, events: list[e.Event]) -> World:
    """A journal with these events and their beads; returns the world."""
    world = World()

    async def write() -> None:
        journal = SqliteJournal(path)
        await journal.refill(())
        await append(journal, world, *events)
        journal.close()

    asyncio.run(write())
    return world


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """10,000 beads with about 27,000 edges."""
    path = tmp_path_factory.mktemp("large") / "journal.db"
    return path, recorded(path, graph_of(BEADS))


QUESTIONS = {
    "ready": (queries.READY, ()),
    "blocked": (queries.BLOCKED, ()),
    "what blocks": (queries.WAITS_FOR, ()),
    "below": (queries.BELOW, ("b9999",)),
    "above": (queries.ABOVE, ("b0",)),
    "named": (queries.NAMED, ('["b1"]',)),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("analyzed", [False, True])
def test_no_question_looks_at_beads_that_are_not_in_its_answer(
    large: tuple[Path, World], tmp_path: Path, question: str, analyzed: bool
) -> None:
    """The plan, also with statistics in the file: only partial indexes (and `needs`, which holds
    nothing but what blocks) are scanned; everything else is a search."""
    path = tmp_path / "copy.db"
    shutil.copy(large[0], path)
    with closing(open_writer(path)) as connection:
        if analyzed:
            connection.execute("ANALYZE")
        query, values = QUESTIONS[question]
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    steps = [step for *_, step in plan]
    allowed = (
        "SCAN b USING INDEX beads_(ready|blocked)",
        "SCAN n( USING COVERING INDEX needs_need)?" if question == "what blocks" else "SCAN at",
        r"SCAN (at|j VIRTUAL TABLE INDEX 1:|CONSTANT ROW)",
        r"SEARCH [nwb] USING (PRIMARY KEY|COVERING INDEX needs_need) \((bead|need|id)=\?\)",
        "USE TEMP B-TREE FOR ORDER BY" if question == "named" else "",
        "SETUP|RECURSIVE STEP|CO-ROUTINE (below|above)",
    )
    assert steps
    for step in steps:
        assert any(re.fullmatch(one, step) for one in allowed), steps


def test_keeping_a_row_costs_what_it_changes(large: tuple[Path, World], tmp_path: Path) -> None:
    """No statement that keeps beads goes through a table: what it changes is found by an index."""
    path = tmp_path / "copy.db"
    shutil.copy(large[0], path)
    with closing(open_writer(path)) as connection:
        plans = [
            connection.execute(f"EXPLAIN QUERY PLAN {one}", {"rows": "[[],[],[],[]]"}).fetchall()
            for one in tables.keeping(":rows").split("; ")
        ]
    steps = [step for plan in plans for *_, step in plan]
    allowed = (
        r"SEARCH (needs .*\((bead|need)|beads .*\(id)=\?\)"
        r"|(SCAN json_each|(LIST|CORRELATED SCALAR) SUBQUERY|CREATE BLOOM).*"
    )
    assert len(plans) == 5
    for step in steps:
        assert re.fullmatch(allowed, step), steps


def test_ten_thousand_beads_answer_as_the_graph_does(large: tuple[Path, World]) -> None:
    """REQUIREMENTS C2, at its size: ready and blocked whole, chains by sample."""
    path, world = large
    found = open_beads(path)
    assert found is not None
    with found as beads:
        assert len(beads.ready()) == sum(map(world.graph.is_ready, world.beads)) > BEADS / 10
        assert len(beads.blocked()) == BEADS - len(beads.ready())
        for bead in [BeadId(f"b{number}") for number in range(0, BEADS, 1_250)]:
            chain = beads.chain(bead)
            assert chain is not None
            assert [one.id for one in chain.below] == below(world, bead)
            assert [one.id for one in chain.above] == above(world, bead)


def test_a_chain_with_every_diamond_in_it_is_walked_once(tmp_path: Path) -> None:
    """Forty layers of three, each waiting for the whole layer below: 3^40 paths, 120 beads."""
    layers = [[f"l{layer:02}-{n}" for n in range(3)] for layer in range(40)]
    events: list[e.Event] = [REPO]
    for lower, layer in zip([[], *layers], layers, strict=False):
        events += [added(name, *lower) for name in layer]
    world = recorded(tmp_path / "journal.db", events)
    found = open_beads(tmp_path / "journal.db")
    assert found is not None
    with found as beads:
        agree(world, beads)
        chain = beads.chain(BeadId("l20-1"))
        assert chain is not None
        assert (len(chain.below), len(chain.above)) == (20, 19)


def test_there_is_no_chain_of_a_bead_that_is_not_there(large: tuple[Path, World]) -> None:
    """None, which the command turns into its error."""
    found = open_beads(large[0])
    assert found is not None
    with found as beads:
        assert beads.chain(BeadId("nobody")) is None


def test_tables_of_another_version_do_not_count(tmp_path: Path) -> None:
    """A mark that this program does not write: no answer, and the next refill makes them anew."""
    path = tmp_path / "journal.db"
    world = recorded(path, graph_of(20))
    with closing(open_writer(path)) as connection:
        connection.execute("UPDATE journal_meta SET value = '99 21' WHERE name = 'beads'")
        connection.execute("DROP TABLE needs")
    assert open_beads(path) is None

    async def refill() -> None:
        journal = SqliteJournal(path)
        await journal.refill(everything(world))
        journal.close()

    asyncio.run(refill())
    found = open_beads(path)
    assert found is not None
    with found as beads:
        agree(world, beads)
    assert verify(path).ok


def test_a_reader_sees_one_moment_while_the_daemon_writes(tmp_path: Path) -> None:
    """Asked over and over during five hundred commits: the tables are always those of the last
    event, and what is blocked always waits for just as many as its row says."""
    path = tmp_path / "journal.db"
    SqliteJournal(path).close()
    events = graph_of(500)
    failures: list[str] = []
    asked = 0
    written = threading.Event()

    def look(beads: Beads) -> None:
        waits = dict(beads._ask("SELECT id, waits FROM beads"))
        blocked = {one.bead.id: len(one.waits_for) for one in beads.blocked()}
        if blocked != {bead: count for bead, count in waits.items() if count}:
            failures.append("torn")

    def ask() -> None:
        nonlocal asked
        while not written.is_set():
            found = open_beads(path)
            if found is None:
                failures.append("behind")
                continue
            with found as beads:
                look(beads)
            asked += 1

    async def write() -> None:
        journal, world = SqliteJournal(path), World()
        await journal.refill(())
        reader = threading.Thread(target=ask)
        reader.start()
        try:
            for event in events:
                await append(journal, world, event)
        finally:
            written.set()
            reader.join()
            journal.close()

    asyncio.run(write())
    assert asked > 0
    assert failures == []


def test_events_and_their_beads_are_one_transaction(tmp_path: Path) -> None:
    """Tables that refuse a bead keep its event out too: the file answers as the events before."""
    path = tmp_path / "journal.db"
    world = recorded(path, [REPO, added("a")])
    refuses = "BEFORE INSERT ON beads BEGIN SELECT RAISE(ABORT, 'refused'); END"

    async def fail() -> None:
        journal, ahead = SqliteJournal(path), World()
        for event in (REPO, added("a")):
            apply(ahead, event, 0)
        with closing(open_writer(path)) as connection:
            connection.execute(f"CREATE TRIGGER never {refuses}")
        with pytest.raises(Bug, match="after event 2"):
            await append(journal, ahead, added("b"))
        with closing(open_writer(path)) as connection:
            connection.execute("DROP TRIGGER never")
        journal.close()

    asyncio.run(fail())
    found = open_beads(path)
    assert found is not None
    with found as beads:
        agree(world, beads)
    assert verify(path).rows == 2


def test_no_kill_parts_the_tables_from_the_record(tmp_path: Path) -> None:
    """Eight writers, each killed at a random moment of its work on the same journal: the tables are
    those of the last event that is there, and answer as its replay does."""
    path = tmp_path / "journal.db"
    dice = Random(11)
    for life in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(life)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        with writer:
            assert writer.stdout is not None
            for _ in range(1 + dice.randrange(40)):
                assert writer.stdout.readline(), "the writer ended by itself; its stderr says why"
            writer.kill()
        with open_reader(path) as reader:
            world = replay(reader.read())
        found = open_beads(path)
        assert found is not None
        with found as beads:
            agree(world, beads)


def test_the_key_of_an_archived_event_finds_it(tmp_path: Path) -> None:
    """What happened once is known, though its row is not in the table any more; so is the first row
    that is."""
    path = tmp_path / "journal.db"
    world = recorded(path, [REPO, *(added(f"b{number}") for number in range(6))])
    compact(path, plan(path, before=5, keep=None, covered=7))
    with closing(KeyLookup(path)) as lookup:
        for number in range(6):
            found = lookup.find(f"bead:b{number}")
            assert found is not None
            assert (found.seq, found.event) == (number + 2, added(f"b{number}"))
        assert lookup.find("bead:b6") is None
    beads = open_beads(path)
    assert beads is not None
    with beads:
        agree(world, beads)


def test_no_journal_is_no_answer(tmp_path: Path) -> None:
    """NotFound with the next step, as for every command that reads."""
    with pytest.raises(NotFound, match="no journal"):
        open_beads(tmp_path / "journal.db")


def test_a_row_that_was_changed_is_not_an_outcome(tmp_path: Path) -> None:
    """A lookup by key checks the row's hash against the one before."""
    path = tmp_path / "journal.db"
    recorded(path, [REPO, added("a"), added("b")])
    with closing(open_writer(path)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET data = replace(data, 'Do b', 'Do B') WHERE seq = 3")
    with closing(KeyLookup(path)) as lookup:
        found = lookup.find("bead:a")
        assert found is not None
        assert found.seq == 2
        with pytest.raises(JournalCorrupt, match="Event 3"):
            lookup.find("bead:b")

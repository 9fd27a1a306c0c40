"""What every `ports.Journal` answers beside its events: one by its key, and the rows of beads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.merge import Change
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.standing import BeadRow, everything, touched
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.journal.driver import open_read_only
from oya_vcs.journal.queries import open_beads
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Journal, Recorded

REPO = e.RepoRegistered(repo=RepoId("r"), path="/r", target="main")
COMMIT = CommitId("c" * 40)


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """An empty journal of each kind."""
    made: Journal = (
        MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    )
    yield made
    made.close()


def added(name: str, *needs: str) -> e.BeadAdded:
    """A new bead."""
    spec = BeadSpec(id=BeadId(name), title=f"Do {name}", needs=tuple(map(BeadId, needs)))
    return e.BeadAdded(repo=REPO.repo, bead=spec.id, key=spec_key(spec), spec=spec)


def ready(journal: Journal) -> list[str] | None:
    """The ready beads by the journal's rows; None where it keeps none."""
    if isinstance(journal, MemoryJournal):
        beads = journal.beads
        return None if beads is None else sorted(b.id for b in beads.values() if not b.waits)
    assert isinstance(journal, SqliteJournal)
    beads_now = open_beads(journal.path)
    if beads_now is None:
        return None
    with beads_now:
        return [one.id for one in beads_now.ready()]


def blocked(journal: Journal) -> dict[str, tuple[int, list[str]]]:
    """How many beads each blocked one waits for by the journal's rows, and which."""
    if isinstance(journal, MemoryJournal):
        rows = (journal.beads or {}).values()
        return {b.id: (b.waits, list(b.needs or ())) for b in rows if b.waits}
    assert isinstance(journal, SqliteJournal)
    query = "SELECT b.id, b.waits, n.need FROM beads AS b JOIN needs AS n ON n.bead = b.id"
    found: dict[str, tuple[int, list[str]]] = {}
    with closing(open_read_only(journal.path)) as connection:
        for bead, waits, need in connection.execute(query):
            found.setdefault(bead.decode(), (waits, []))[1].append(need.decode())
    return found


async def take(journal: Journal, world: World, *events: e.Event, rows: bool = True) -> None:
    """Apply and append, with the rows of what was touched or without any."""
    for event in events:
        apply(world, event, 0)
    await journal.append(0, events, touched(world, events) if rows else None)


async def test_an_event_is_found_by_its_key(journal: Journal) -> None:
    """As soon as it is acknowledged, the whole of it; nothing for a key that is not there."""
    await journal.append(7, [REPO, added("a"), added("b", "a")])
    assert await journal.find("bead:b") == Recorded(3, 7, added("b", "a"))
    assert await journal.find("bead:a") == Recorded(2, 7, added("a"))
    assert await journal.find("bead:c") is None
    assert await journal.find("") is None


async def test_the_first_event_is_found_too(journal: Journal) -> None:
    """No row stands before it."""
    await journal.append(0, [added("a")])
    assert await journal.find("bead:a") == Recorded(1, 0, added("a"))


async def test_rows_of_beads_are_kept_from_the_first_refill_on(journal: Journal) -> None:
    """Before it there are none; after it they follow the events."""
    world = World()
    await take(journal, world, REPO, added("a"))
    assert ready(journal) is None
    await journal.refill(everything(world))
    assert ready(journal) == ["a"]
    await take(journal, world, added("b", "a"), added("c"))
    assert ready(journal) == ["a", "c"]


async def test_an_append_without_rows_ends_them_until_the_next_refill(journal: Journal) -> None:
    """Rows that may be wrong are no answer; a refill makes all of them right again."""
    world = World()
    await journal.refill(())
    await take(journal, world, REPO, added("a"))
    await take(journal, world, added("b"), rows=False)
    assert ready(journal) is None
    await take(journal, world, added("c"))
    assert ready(journal) is None
    await journal.refill(everything(world))
    assert ready(journal) == ["a", "b", "c"]


async def test_a_refill_of_what_is_right_draws_nothing(journal: Journal) -> None:
    """A start costs no walk over all beads where the rows are those of the record."""
    world = World()
    await journal.refill(())
    await take(journal, world, REPO, added("a"))

    def never() -> Iterator[BeadRow]:
        raise AssertionError
        yield

    await journal.refill(never())
    assert ready(journal) == ["a"]


async def test_a_barrier_needs_no_rows(journal: Journal) -> None:
    """Appending nothing changes no bead, and ends nothing."""
    world = World()
    await journal.refill(())
    await take(journal, world, REPO, added("a"))
    await journal.append(0, ())
    assert ready(journal) == ["a"]


async def test_a_closed_journal_is_not_refilled(tmp_path: Path) -> None:
    """After close there is nobody to write; the key of an event is not looked up either."""
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.close()
    with pytest.raises(Bug, match="closed"):
        await journal.refill(())
    with pytest.raises(Bug, match="closed"):
        await journal.find("bead:a")


async def test_a_landing_writes_rows_for_what_it_makes_ready_alone(journal: Journal) -> None:
    """What waits for another, too, has no row; what it waits for is right all the same."""
    world = World()
    await journal.refill(())
    await take(journal, world, REPO, added("a"), added("b"), added("c", "a"), added("d", "a", "b"))
    bead, change = BeadId("a"), ChangeId("a.1")
    world.beads[bead].state = State.TESTING
    world.changes[change] = Change(id=change, repo=REPO.repo, bead=bead, attempt=1, head=COMMIT)
    landing = e.FoundLanded(bead=bead, change=change, commit=COMMIT)
    await take(journal, world, landing)
    assert [row.id for row in touched(world, [landing])] == ["a", "c"]
    assert blocked(journal) == {"d": (1, ["b"])}

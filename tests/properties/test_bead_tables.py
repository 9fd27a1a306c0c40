"""The tables of beads are the state in memory, after any history (REQUIREMENTS C2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import events as e
from oya_vcs.core.beads import RESTING
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.ordering import critical_path
from oya_vcs.core.standing import everything, touched
from oya_vcs.core.world import World
from oya_vcs.journal import queries
from oya_vcs.journal.queries import beads_in, open_beads
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Recorded
from tests.beads_in_memory import agree
from tests.histories import History
from tests.properties.test_graph_laws import acyclic


def told(dice: Random, steps: int) -> list[Recorded]:
    """A random legal history in which beads also get other needs and another priority."""
    story = History(dice.randrange, trouble=30)
    for _ in range(steps):
        story.step()
        world = story.world
        bead = dice.choice([*world.beads.values(), None])
        if bead is not None and bead.state in RESTING and dice.randrange(4) == 0:
            kept = tuple(need for need in bead.spec.needs if dice.randrange(2))
            spec = replace(bead.spec, needs=kept, priority=dice.randrange(5), title="Again")
            key = Key(f"again-{len(story.rows)}")
            story.take(e.BeadRevised(bead=bead.id, key=key, spec=spec))
    return story.rows


def grouped(dice: Random, rows: Sequence[Recorded]) -> Iterator[Sequence[Recorded]]:
    """The rows in groups of any size, as appends might bring them."""
    at = 0
    while at < len(rows):
        size = 1 + dice.randrange(6)
        yield [row for row in rows[at : at + size] if row.at_ms == rows[at].at_ms]
        at += len([row for row in rows[at : at + size] if row.at_ms == rows[at].at_ms])


async def live(path: Path, dice: Random, rows: Sequence[Recorded]) -> World:
    """Append the rows with those of the beads they touch, to both journals, and reopen the file now
    and then; compare on the way."""
    world, memory, journal = World(), MemoryJournal(), SqliteJournal(path)
    await memory.refill(())
    await journal.refill(())
    for group in grouped(dice, rows):
        events = [row.event for row in group]
        for event in events:
            apply(world, event, group[0].at_ms)
        beads = touched(world, events)
        await memory.append(group[0].at_ms, events, beads)
        await journal.append(group[0].at_ms, events, beads)
        assert memory.beads == {row.id: row for row in everything(world)}
        if dice.randrange(20) == 0:
            compare(world, path)
        if dice.randrange(20) == 0:
            journal.close()
            journal = SqliteJournal(path)
    journal.close()
    return world


def compare(world: World, path: Path) -> None:
    """The tables on disk are current, and answer as the world does."""
    found = open_beads(path)
    assert found is not None
    with found as beads:
        agree(world, beads)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_every_query_answers_as_the_graph_in_memory(seed: int, steps: int) -> None:
    """After any legal history, however it was grouped into appends and over however many openings
    of the file: ready, blocked and every chain are those of the world that the events fold to."""
    dice = Random(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        world = asyncio.run(live(path, dice, told(dice, steps)))
        compare(world, path)
        with beads_in(everything(world)) as beads:
            agree(world, beads)


@given(acyclic())
def test_the_longest_chain_is_the_one_of_the_core(
    needs: dict[BeadId, tuple[BeadId, ...]],
) -> None:
    """Over edges alone it is `critical_path`, ties included; no edge, no chain."""
    edges = [(bead, need) for bead, wanted in needs.items() for need in wanted]
    joined = {bead: needs[bead] for edge in edges for bead in edge}
    assert queries._longest(edges) == critical_path(joined)

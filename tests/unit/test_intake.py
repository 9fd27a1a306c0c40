"""What becomes of one new bead that a person adds: its name, its needs, and that it is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.tracker import spec_of
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, bead_id
from oya_vcs.core.intake import NAME_CHARS_MAX, named_after, new_bead
from oya_vcs.core.policy import Policy
from oya_vcs.errors import InputInvalid
from oya_vcs.journal.replay import replay
from oya_vcs.runtime.daemon import adding
from oya_vcs.runtime.engine import Engine
from tests.daemons import REPO, spec


def engine_on(journal: MemoryJournal) -> Engine:
    """An engine that begins where the journal is."""
    rows = list(journal.read())
    policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    return Engine(
        world=replay(rows), journal=journal, clock=ManualClock(), policy=policy, seq=len(rows)
    )


async def home() -> tuple[MemoryJournal, Engine]:
    """A record with a repository and the bead `fix-it`."""
    journal = MemoryJournal()
    engine = engine_on(journal)
    await engine.offer(e.RepoRegistered(repo=REPO, path="/memory", target="main"))
    await adding(REPO, spec("fix-it"), named=True)(engine)
    return journal, engine


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Fix it", "fix-it"),
        ("  Größe & Naïveté: 2 x!", "groe-naivete-2-x"),
        ("日本語", "bead"),
        ("../../etc/passwd.lock", "etc-passwd-lock"),
        ("x" * 100, "x" * NAME_CHARS_MAX),
        ("word " * 30, "word-word-word-word-word-word-word-word"),
    ],
)
def test_a_title_becomes_a_name_that_people_know_it_by(title: str, name: str) -> None:
    """Small letters, digits and hyphens, no longer than a name may be, and a bead id always."""
    assert named_after(title) == name
    assert bead_id(name) == name


async def test_two_beads_of_one_title_are_two_beads() -> None:
    """An id that was not given is the first that is free; one that was given is refused where it is
    taken, and nothing is recorded."""
    journal, engine = await home()
    second = await adding(REPO, spec("fix-it"), named=False)(engine)
    third = await adding(REPO, spec("fix-it"), named=False)(engine)
    assert (second.id, third.id) == ("fix-it-2", "fix-it-3")
    rows = len(list(journal.read()))
    with pytest.raises(InputInvalid, match="in this home already"):
        await adding(REPO, spec("fix-it-2"), named=True)(engine)
    assert len(list(journal.read())) == rows


async def test_a_bead_waits_only_for_beads_that_there_are() -> None:
    """A need, and a preference, that nobody knows is refused by name; itself is one."""
    _, engine = await home()
    for wrong in (
        spec("new", "missing"),
        spec("new", "new"),
        replace(spec("new"), prefers=(BeadId("missing"),)),
    ):
        with pytest.raises(InputInvalid, match=r"There is no bead '(missing|new)'"):
            new_bead(engine.world, REPO, wrong, named=True)
    assert new_bead(engine.world, REPO, spec("new", "fix-it"), named=True).bead == "new"


async def test_what_was_recorded_under_an_engine_that_ended_is_not_recorded_again() -> None:
    """Asked again in the next life, as the door does, it is the same bead and no new row."""
    journal, engine = await home()
    act = adding(REPO, spec("fix-it"), named=False)
    made = await act(engine)
    rows = len(list(journal.read()))
    again = await act(engine_on(journal))
    assert (again.id, len(list(journal.read()))) == (made.id, rows)


def test_every_fault_of_a_bead_is_told_at_once() -> None:
    """By the names that the fields have in a file; needs are named once each."""
    with pytest.raises(InputInvalid) as error:
        spec_of({"id": "a", "title": "A", "priority": "high", "labels": [1]}, "bead add")
    assert {"priority", "labels"} <= set(error.value.message.replace(" ", "\n").split("\n"))
    made = spec_of({"id": "a", "title": "A", "priority": "P1", "deps": ["b", "b"]}, "bead add")
    assert (made.priority, made.needs) == (1, ("b",))

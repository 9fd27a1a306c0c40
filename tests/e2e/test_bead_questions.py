"""`oya-vcs bead ready`, `blocked` and `chain`: from the tables where these are right, and the same
answers from the record where they are not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from oya_vcs.cli import main, reading
from oya_vcs.core import events as e
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.standing import touched
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.journal.store import SqliteJournal

NEEDS = {"base": (), "left": ("base",), "right": ("base",), "top": ("left", "right"), "free": ()}
AT_MS = 1_700_000_000_000


def added(name: str) -> e.BeadAdded:
    """A bead of the diamond."""
    needs = tuple(BeadId(need) for need in NEEDS[name])
    priority = 0 if name == "free" else 2
    spec = BeadSpec(id=BeadId(name), title=f"Do {name}", needs=needs, priority=priority)
    return e.BeadAdded(repo=RepoId("r"), bead=spec.id, key=spec_key(spec), spec=spec)


@pytest.fixture(params=["tables", "record"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A diamond and a bead beside it; with its tables, or written by a program without them."""
    kept = request.param == "tables"

    async def write() -> None:
        journal, world = SqliteJournal(tmp_path / "journal.db"), World()
        if kept:
            await journal.refill(())
        events = [e.RepoRegistered(repo=RepoId("r"), path="/r", target="main")]
        for event in [*events, *map(added, NEEDS)]:
            apply(world, event, AT_MS)
            await journal.append(AT_MS, [event], touched(world, [event]) if kept else None)
        journal.close()

    def refuse(*_: object, **__: object) -> World:
        raise Bug("The record was replayed.")

    asyncio.run(write())
    if kept:
        monkeypatch.setattr(reading, "world_of", refuse)
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], home: Path, *argv: str) -> tuple[object, str]:
    """The data of the answer, and what people are told."""
    assert main(["--home", str(home), "--json", "bead", *argv]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert main(["--home", str(home), "bead", *argv]) == 0
    return data, capsys.readouterr().out


def test_ready_is_sorted_by_urgency(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its priority and since when."""
    data, text = ask(capsys, home, "ready")
    assert data == [
        {
            "id": name,
            "repo": "r",
            "title": f"Do {name}",
            "state": "ready",
            "priority": priority,
            "since_ms": AT_MS,
        }
        for name, priority in (("free", 0), ("base", 2))
    ]
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [["free", "P0"], ["base", "P2"]]


def test_blocked_says_what_each_bead_waits_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Directly, with its state."""
    data, text = ask(capsys, home, "blocked")
    assert isinstance(data, list)
    assert {one["id"]: one["waits_for"] for one in data} == {
        "left": [{"id": "base", "state": "ready"}],
        "right": [{"id": "base", "state": "ready"}],
        "top": [{"id": "left", "state": "pending"}, {"id": "right", "state": "pending"}],
    }
    assert "left (pending), right (pending)" in text


def test_chain_goes_through_the_bead(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What has to land before it, and what waits for it, in the order of work."""
    data, text = ask(capsys, home, "chain", "left")
    assert isinstance(data, dict)
    assert [one["id"] for one in data["below"]] == ["base"]
    assert data["bead"]["id"] == "left"
    assert [one["id"] for one in data["above"]] == ["top"]
    assert "left waits for a chain of 1; the longest chain that waits for it has 1." in text


def test_a_chain_of_an_unknown_bead_is_not_found(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 and the next step."""
    assert main(["--home", str(home), "bead", "chain", "nobody"]) == 3
    assert "bead list" in capsys.readouterr().err


def test_without_a_journal_there_is_nothing_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3; the question makes no home."""
    for argv in (["ready"], ["blocked"], ["chain", "a"]):
        assert main(["--home", str(tmp_path / "none"), "bead", *argv]) == 3
        assert "There is no journal" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()

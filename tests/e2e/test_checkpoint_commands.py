"""Checkpoints and time travel on the command line."""

from __future__ import annotations

import json
import os

import pytest

from oya_vcs.journal.lock import HomeLock
from tests.conftest import NewProject
from tests.projects import Project


@pytest.fixture
def finished(new_project: NewProject) -> Project:
    """A project whose three beads have landed."""
    project = new_project()
    beads = project.beads(
        {"id": "a", "title": "A"},
        {"id": "b", "title": "B", "deps": ["a"]},
        {"id": "c", "title": "C"},
    )
    assert project.run(beads, "honest").code == 0
    return project


def test_a_checkpoint_is_taken_at_the_end_and_by_hand(finished: Project) -> None:
    """`run` leaves one of its last event; `journal checkpoint` takes one, says where, and the next
    command reads it."""
    folder = finished.home / "checkpoints"
    (path,) = folder.iterdir()
    seq = int(path.stem)
    tail = json.loads(finished.oya("journal", "tail", "-n", "1", "--json").out)
    assert tail["data"][0]["seq"] == seq
    path.unlink()
    taken = json.loads(finished.oya("journal", "checkpoint", "--json").out)
    assert taken["data"]["seq"] == seq
    assert taken["data"]["path"] == str(path)
    assert path.stat().st_size == taken["data"]["bytes"]
    listed = finished.oya("bead", "list")
    assert listed.out.count("landed") == 3
    assert finished.oya("journal", "verify").code == 0


def test_a_damaged_checkpoint_costs_a_warning_and_nothing_else(finished: Project) -> None:
    """The answer is the same, and stderr says what was passed over."""
    good = finished.oya("status", "--json").out
    (path,) = (finished.home / "checkpoints").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    found = finished.oya("status", "--json")
    assert (found.code, found.out) == (0, good)
    assert path.name in found.err


def test_no_checkpoint_by_hand_while_a_daemon_has_the_home(finished: Project) -> None:
    """Exit 5, and the pid of the daemon; nothing is written."""
    before = sorted((finished.home / "checkpoints").iterdir())
    with HomeLock(finished.home / "daemon.lock"):
        refused = finished.oya("journal", "checkpoint")
    assert refused.code == 5
    assert str(os.getpid()) in refused.err
    assert sorted((finished.home / "checkpoints").iterdir()) == before


def test_what_changed_between_two_events_is_told(finished: Project) -> None:
    """Every bead's state and fields between A and B, for people and as JSON; wrong numbers are
    refused with the mend."""
    (path,) = (finished.home / "checkpoints").iterdir()
    last = int(path.stem)
    whole = finished.oya("journal", "replay", "--diff", "0", str(last))
    assert whole.code == 0
    assert "bead a: added" in whole.out
    assert "    state: landed" in whole.out
    coded = json.loads(finished.oya("journal", "replay", "--diff", "0", "5", "--json").out)
    assert coded["schema"] == "oya-vcs/journal-diff/v1"
    assert (coded["data"]["from"], coded["data"]["to"]) == (0, 5)
    beads = {one["id"]: one for one in coded["data"]["changes"] if one["thing"] == "bead"}
    assert beads["a"]["how"] == "added"
    assert beads["a"]["fields"]["spec.title"] == [None, "A"]
    same = finished.oya("journal", "replay", "--diff", "5", "5")
    assert "nothing changed" in same.out
    assert finished.oya("journal", "replay", "--diff", "5", "4").code == 2
    assert finished.oya("journal", "replay", "--diff", "-1", "4").code == 2
    beyond = finished.oya("journal", "replay", "--diff", "0", str(last + 1))
    assert beyond.code == 3
    assert f"ends with event {last}" in beyond.err

"""`oya-vcs queue` as a user meets it: real jj, real processes, the real journal; and every way to
test and land changes on a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.projects import Ran

THREE: list[dict[str, object]] = [{"id": f"b{n}", "title": f"Do {n}"} for n in range(3)]


def said(ran: Ran) -> str:
    """What a verb of the queue says came of it."""
    return str(ran.data["said"])


@pytest.mark.parametrize(
    "queue",
    [
        {"merge": "serial"},
        {"merge": "window", "window_max": "3"},
        {"merge": "batch", "batch_max": "3"},
        {"merge": "adaptive", "window_max": "2", "method": "squash"},
        {"merge": "window", "window_max": "3", "method": "rebase"},
    ],
    ids=["serial", "window", "batch", "squash", "rebase"],
)
def test_every_way_to_test_and_land_gives_tested_trees_only(
    new_project: NewProject, queue: dict[str, str]
) -> None:
    """A bad one among good ones: they land, it does not, whatever was tested with what."""
    project = new_project(check="test ! -e bad.txt")
    beads = project.beads({"id": "bad", "title": "Bad"}, *THREE)
    env = {f"OYA_QUEUE__{name.upper()}": value for name, value in queue.items()}
    ran = project.run(beads, "honest", "--slots", "4", env=env)
    assert ran.code == 1
    assert ran.data["landed"] == 3
    assert {"b0.txt", "b1.txt", "b2.txt"} <= project.files()
    assert "bad.txt" not in project.files()
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()


def test_with_manual_approval_a_change_waits_for_a_person(new_project: NewProject) -> None:
    """The run ends saying so; `queue approve` at the right commit lets the next one land it."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "Do a"})
    manual = {"OYA_QUEUE__APPROVAL": "manual"}
    ran = project.run(beads, "honest", env=manual)
    assert ran.code == 1
    listed = project.oya("queue", "list", "--json").data["changes"]
    assert isinstance(listed, list)
    assert "Waits for an approval" in listed[0]["waits_for"]
    wrong = project.oya("queue", "approve", "a", "--head", "0" * 40)
    assert wrong.code == 1
    assert "is at" in wrong.err
    assert said(project.oya("queue", "approve", "a", "--json")).startswith("Approved a.1 at ")
    assert project.oya("queue", "approve", "nobody").code == 3
    ran = project.run(beads, "honest", env=manual)
    assert ran.code == 0, ran.err
    shown = project.oya("queue", "show", "a", "--json").data
    assert shown["stage"] == "merged"
    told = project.oya("queue", "show", "a").out
    assert "merged: landed" in told
    assert "Requested Land" in told
    assert project.oya("queue", "reject", "a").code == 1


def test_a_paused_queue_stays_paused_over_runs(new_project: NewProject) -> None:
    """A person's pause is lifted by a person only; reject sends the bead back with the note."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "Do a"})
    manual = {"OYA_QUEUE__APPROVAL": "manual"}
    project.run(beads, "honest", env=manual)
    assert project.oya("queue", "pause", "--reason", "Release day.").code == 0
    assert project.run(beads, "honest").code == 1
    assert "Release day." in project.oya("queue", "list").out
    assert said(project.oya("queue", "reject", "a", "--reason", "Too slow.", "--json"))
    assert project.oya("queue", "freeze", "--for", "0m").code == 2
    frozen = project.oya("queue", "freeze", "--for", "1m")
    assert "The freeze ends at " in frozen.out
    for words in (("freeze", "--end"), ("close", "--reason", "Red.")):
        assert project.oya("queue", *words).code == 0
    assert "The tree is closed: Red." in project.oya("queue", "list").out
    assert project.oya("queue", "open").code == 0
    assert said(project.oya("queue", "open", "--json")) == "The tree is open."
    resumed = project.oya("queue", "resume", "--repo", project.root.name, "--json")
    assert said(resumed) == "The queue goes on."
    ran = project.run(beads, "honest")
    assert ran.code == 0, ran.err
    shown = project.oya("bead", "show", "a", "--json").data
    assert shown["attempt"] == 2


def test_simulate_prints_rates_and_draws_them(new_project: NewProject, tmp_path: Path) -> None:
    """A table of every way, and a picture."""
    project = new_project()
    file = tmp_path / "rates.svg"
    words = ("queue", "simulate", "--changes", "40", "--fail", "0", "--window", "4")
    ran = project.oya(*words, "--batch", "4", "--plot", str(file), "--json")
    assert ran.code == 0, ran.err
    ways = ran.data["ways"]
    assert isinstance(ways, list)
    rates = {one["merge"]: one["rate"] for one in ways}
    assert (rates["serial"], rates["window"], rates["batch"]) == (1.0, 4.0, 4.0)
    assert file.read_text(encoding="utf-8").startswith("<svg ")
    assert project.oya("queue", "simulate", "--fail", "2").code == 2

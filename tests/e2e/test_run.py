"""`oya-vcs run` as a user meets it: real jj, real processes, the real journal."""

from __future__ import annotations

import json

import pytest

from tests.conftest import NewProject
from tests.projects import assert_order, plan_beads

PLAIN = pytest.param(False, id="plain", marks=pytest.mark.chaos)


@pytest.mark.parametrize("colocate", [pytest.param(True, id="colocated"), PLAIN])
def test_thirty_beads_of_a_four_stream_plan_land_in_order(
    new_project: NewProject, *, colocate: bool
) -> None:
    """30 beads on 500 files with 4 slots: each lands once, after what it needs, with its tested
    tree."""
    project = new_project(colocate=colocate, files=500)
    beads = plan_beads(30)
    ran = project.run(project.beads(*beads), "honest", "--slots", "4")
    assert ran.code == 0, ran.err
    assert ran.data["landed"] == 30
    assert_order(project.trailers("Oya-Bead"), beads)
    assert {f"b{n}.txt" for n in range(29)} <= project.files()
    project.assert_landed_trees_were_tested()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()


def test_two_edits_of_one_line_the_second_learns_of_the_conflict_and_lands(
    new_project: NewProject,
) -> None:
    """The second is rebuilt on the first, conflicts, goes back with the conflict as feedback,
    lands."""
    project = new_project()
    beads = project.beads({"id": "one", "title": "Edit"}, {"id": "two", "title": "Edit"})
    ran = project.run(beads, "edit_same_line", "--slots", "2")
    assert ran.code == 0, ran.err
    assert "conflict" in ran.err
    landed = project.git("show", "refs/heads/main:shared.txt").splitlines()
    assert sorted(landed) == ["one", "two"]
    second = landed[1]
    shown = project.oya("bead", "show", second, "--json").data
    assert shown["attempt"] == 2
    events = shown["events"]
    assert isinstance(events, list)
    told = [row["data"]["feedback"] for row in events if row["type"] == "BeadReworked"]
    assert len(told) == 1
    assert "shared.txt" in told[0]
    project.assert_landed_trees_were_tested()
    project.assert_no_leaks()


def test_a_failing_check_never_reaches_the_target(new_project: NewProject) -> None:
    """The bead fails after its attempts, its dependents say what they wait for, exit code 1."""
    project = new_project(check="test ! -e bad.txt")
    before = project.git("rev-parse", "refs/heads/main")
    beads = project.beads(
        {"id": "bad", "title": "Break it"},
        {"id": "after", "title": "Needs bad", "deps": ["bad"]},
    )
    ran = project.run(beads, "honest")
    assert ran.code == 1
    answer = json.loads(ran.out)
    assert answer["ok"] is False
    bad, after = answer["data"]["beads"]
    assert (bad["state"], bad["reason"], bad["attempt"]) == ("failed", "check_failed", 3)
    assert after["state"] == "pending"
    assert after["why"] == "Waits for bad (failed) to land."
    assert project.git("rev-parse", "refs/heads/main") == before
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()


def test_a_failed_bead_is_retried_and_lands(new_project: NewProject) -> None:
    """`bead retry`, then the same run with a better worker: landed, and its dependents with it."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"}, {"id": "b", "title": "B", "deps": ["a"]})
    assert project.run(beads, "crash").code == 1
    assert project.oya("bead", "retry", "b").code == 1
    assert project.oya("bead", "retry", "nobody").code == 3
    assert project.oya("bead", "retry", "a").code == 0
    assert project.run(beads, "honest").code == 0
    assert project.trailers("Oya-Bead") == ["a", "b"]
    project.assert_no_leaks()


def test_a_finished_file_says_so_and_does_nothing(new_project: NewProject) -> None:
    """The same file again: exit 0, a sentence, not one new event."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    assert project.run(beads, "honest").code == 0
    before = project.oya("journal", "stats", "--json").data["rows"]
    again = project.run(beads, "honest")
    assert again.code == 0
    assert "nothing to do" in again.err
    assert project.oya("journal", "stats", "--json").data["rows"] == before


def test_more_beads_in_a_second_file_join_the_first(new_project: NewProject) -> None:
    """A second file may need beads of the first; new content of a landed bead is refused with a
    note."""
    project = new_project()
    first = project.beads({"id": "a", "title": "A"})
    assert project.run(first, "honest").code == 0
    second = project.beads(
        {"id": "a", "title": "Changed"}, {"id": "b", "title": "B", "deps": ["a"]}, name="more.jsonl"
    )
    ran = project.run(second, "honest")
    assert ran.code == 0, ran.err
    assert "landed already" in ran.err
    assert project.trailers("Oya-Bead") == ["a", "b"]


def test_the_commits_carry_their_origin(new_project: NewProject) -> None:
    """Trailers name bead, attempt and key; the author is the user of the repository."""
    project = new_project()
    assert project.run(project.beads({"id": "a", "title": "Add a thing"}), "honest").code == 0
    assert project.trailers("Oya-Attempt") == ["1"]
    assert len(project.trailers("Oya-Key")[0]) == 36
    subjects = project.git("log", "--format=%an|%s", "refs/heads/main").splitlines()
    assert "Uma User|Add a thing" in subjects


def test_progress_is_one_line_a_change_when_piped(new_project: NewProject) -> None:
    """Without a terminal: a line for each state, in order, without colour codes."""
    project = new_project()
    ran = project.run(project.beads({"id": "a", "title": "A"}), "honest")
    seen = [
        line.split("  ")[1].strip()
        for line in map(str.strip, ran.err.splitlines())
        if "  a  " in line
    ]
    wanted = ["claimed", "running", "checking", "queued", "testing", "landed"]
    assert [state for state in seen if state in wanted] == wanted
    assert "\x1b" not in ran.err + ran.out


def test_a_bead_may_need_one_of_an_earlier_file(new_project: NewProject) -> None:
    """What the home knows may be waited for, though the second file does not hold it."""
    project = new_project()
    assert project.run(project.beads({"id": "a", "title": "A"}), "crash").code == 1
    second = project.beads({"id": "b", "title": "B", "deps": ["a"]}, name="more.jsonl")
    ran = project.run(second, "honest")
    assert ran.code == 1
    assert json.loads(ran.out)["data"]["beads"][0]["why"] == "Waits for a (failed) to land."
    assert project.oya("bead", "retry", "a").code == 0
    assert project.run(second, "honest").code == 0
    assert project.trailers("Oya-Bead") == ["a", "b"]

"""Bad input: one clear message with its place, the documented exit code, and nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.journal.lock import HomeLock
from tests.conftest import NewProject
from tests.projects import Project, agent


def _refused(project: Project, text: str, code: int, *says: str) -> None:
    beads = project.folder / "bad.jsonl"
    beads.write_text(text)
    before = project.jj("op", "log", "--no-graph", "-T", "id.short()")
    ran = project.run(beads, "honest")
    assert ran.code == code, ran.err
    for words in says:
        assert words in ran.err
    assert "Traceback" not in ran.err
    assert not project.home.exists()
    assert project.jj("op", "log", "--no-graph", "-T", "id.short()") == before
    project.assert_user_untouched()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"id":"a","title":"A"}\n{"id":"b",,}\n{"id":"c","title":"C"}\n', ["bad.jsonl:2"]),
        (
            '{"id":"a","title":"A","deps":["b"]}\n{"id":"b","title":"B","deps":["a"]}\n',
            ["bad.jsonl:", "a -> b -> a"],
        ),
        ('{"id":"a","title":"A","deps":["a"]}\n', ["a -> a"]),
        ('{"id":"../etc","title":"A"}\n', ["bad.jsonl:1", "../etc"]),
        ('{"id":"-rf","title":"A"}\n', ["bad.jsonl:1"]),
    ],
    ids=["cut JSON", "cycle", "self-loop", "path as id", "option as id"],
)
def test_a_bad_beads_file_is_refused_with_line_numbers(
    new_project: NewProject, text: str, says: list[str]
) -> None:
    """Exit 1; file and line in the message; no home, no operation in the repository."""
    _refused(new_project(), text, 1, *says)


def test_an_unknown_dependency_is_a_warning_and_the_work_goes_on(new_project: NewProject) -> None:
    """INTERFACES: missing targets are tolerated, with a warning that names line and id."""
    project = new_project()
    ran = project.run(project.beads({"id": "a", "title": "A", "deps": ["ghost"]}), "honest")
    assert ran.code == 0
    assert "ghost" in ran.err
    assert "beads.jsonl:1" in ran.err


def test_no_repository(new_project: NewProject, tmp_path: Path) -> None:
    """Exit 3, and how to make one."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = project.oya("run", str(beads), "--repo", str(empty), "--worker", agent("honest"))
    assert ran.code == 3
    assert "jj git init" in ran.err
    assert not project.home.exists()


def test_no_checks(new_project: NewProject) -> None:
    """Exit 2: no gates is a refusal, never a pass."""
    _refused(new_project(check=""), '{"id":"a","title":"A"}\n', 2, "No checks", "[checks]")


def test_a_missing_worker_program(new_project: NewProject) -> None:
    """Exit 2 at the start, not a failed bead."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", "no-such-agent")
    assert ran.code == 2
    assert "no-such-agent" in ran.err
    assert not project.home.exists()


def test_a_wrong_key_in_oya_toml_names_file_line_and_key(new_project: NewProject) -> None:
    """Exit 2 with the place, and what was meant."""
    project = new_project(check="true'''\n[queue]\nstratgy = '''fifo")
    beads = project.beads({"id": "a", "title": "A"})
    ran = project.run(beads, "honest")
    assert ran.code == 2
    assert "oya.toml" in ran.err
    assert "stratgy" in ran.err
    assert "strategy" in ran.err


def test_a_missing_beads_file(new_project: NewProject) -> None:
    """A file that is not there is named; nothing is made."""
    project = new_project()
    ran = project.run(project.folder / "none.jsonl", "honest")
    assert ran.code in (1, 3)
    assert "none.jsonl" in ran.err
    assert not project.home.exists()


def test_a_second_daemon_on_the_same_home_is_refused_by_pid(new_project: NewProject) -> None:
    """Exit 5 while another process holds the home."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    with HomeLock(project.home / "daemon.lock"):
        ran = project.run(beads, "honest")
    assert ran.code == 5
    assert "process" in ran.err

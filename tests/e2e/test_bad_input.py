"""Bad input: one clear message with its place, the documented exit code, and nothing changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from oya_vcs.journal.lock import HomeLock
from tests.conftest import NewProject
from tests.projects import DIRTY, Project, agent


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
    assert ran.code == 1
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


def test_a_file_without_beads(new_project: NewProject) -> None:
    """Nothing to do is said as such, and no home is made."""
    _refused(new_project(), "", 1, "holds no bead")


def test_what_was_committed_with_git_counts(new_project: NewProject) -> None:
    """In a colocated repository a `git commit` on main is seen before jj has looked at it."""
    project = new_project(check="")
    git = [str(project.tools.git), "-C", str(project.root), "-c", "user.name=U"]
    git += ["-c", "user.email=u@x"]
    for args in (["checkout", "-q", "main"], ["add", "oya.toml"]):
        subprocess.run([*git, *args], check=True, env=project.environ)
    (project.root / "oya.toml").write_text("[checks]\ntest = 'true'\n")
    subprocess.run([*git, "commit", "-qam", "checks"], check=True, env=project.environ)
    beads = project.beads({"id": "a", "title": "A"})
    ran = project.run(beads, "honest")
    assert ran.code == 0, ran.err
    assert (project.root / "dirty.txt").read_text() == DIRTY


def test_a_bookmark_that_is_not_there_and_one_that_is_conflicted(new_project: NewProject) -> None:
    """Exit 2, each with its own sentence and mend."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    main = project.jj("log", "--no-graph", "-r", "main", "-T", "commit_id")
    now = project.jj("op", "log", "-n", "1", "--no-graph", "-T", "id")
    project.jj("bookmark", "set", "main", "-r", "root()", "--allow-backwards")
    project.jj("--at-op", now, "bookmark", "delete", "main")
    conflicted = project.run(beads, "honest")
    assert (conflicted.code, "conflicted" in conflicted.err) == (2, True), conflicted.err
    project.jj("bookmark", "set", "main", "-r", main, "--allow-backwards")
    project.jj("bookmark", "delete", "main")
    project.jj("git", "export")
    missing = project.run(beads, "honest")
    assert (missing.code, "no bookmark main" in missing.err) == (2, True), missing.err


def test_a_worker_of_the_repository_must_be_on_the_target(new_project: NewProject) -> None:
    """`--worker ./agent.sh` counts as it stands on main, not in the user's folder."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    script = project.root / "agent.sh"
    script.write_text("#!/bin/sh\necho x > x.txt\n")
    script.chmod(0o755)
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", "./agent.sh"]
    refused = project.oya(*argv)
    assert refused.code == 2
    assert "agent.sh is not an executable file on main" in refused.err
    project.commit_all("an agent")
    assert project.oya(*argv).code == 0


def test_an_unfinished_oya_toml_in_the_users_folder_disturbs_nothing(
    new_project: NewProject,
) -> None:
    """Only the target's counts."""
    project = new_project()
    (project.root / "oya.toml").write_text("[checks\n???")
    assert project.run(project.beads({"id": "a", "title": "A"}), "honest").code == 0


@pytest.mark.parametrize("place", ["within", "link", "second"])
def test_a_home_within_the_repository_is_refused(
    new_project: NewProject, tmp_path: Path, place: str
) -> None:
    """Exit 2, however the folder is named, and in every workspace of the repository: jj would
    commit the journal. Nothing is made."""
    project = new_project()
    home = project.root / ".oya"
    if place == "link":
        (tmp_path / "link").symlink_to(project.root)
        home = tmp_path / "link" / "deep" / ".oya"
    elif place == "second":
        add = [str(project.tools.jj), "-R", str(project.root), "workspace", "add", "--no-colocate"]
        subprocess.run([*add, str(tmp_path / "second")], check=True, env=project.environ)
        home = tmp_path / "second" / ".oya"
    beads = project.beads({"id": "a", "title": "A"})
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", agent("honest")]
    ran = project.oya("--home", str(home), *argv)
    assert ran.code == 2, ran.err
    assert "a workspace of the repository itself" in ran.err
    assert "--home" in ran.err
    assert not home.exists()
    assert not home.parent.exists() or not list(home.parent.glob(".oya*"))


@pytest.mark.parametrize("place", ["..", "link"])
def test_a_repository_has_one_name_however_it_is_spelled(
    new_project: NewProject, tmp_path: Path, place: str
) -> None:
    """A second run through `..` or a symbolic link finds the first one's beads landed."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"})
    assert project.run(beads, "honest").code == 0
    (tmp_path / "link").symlink_to(project.root)
    spelled = tmp_path / "link" if place == "link" else project.root / "d0" / ".."
    argv = ["run", str(beads), "--repo", str(spelled), "--worker", agent("honest")]
    ran = project.oya(*argv)
    assert ran.code == 0, ran.err
    assert "nothing to do" in ran.err

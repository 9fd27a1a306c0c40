"""`hook submit` and `hook land`: a jj user's own commit goes through the merge queue of a real
daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools
from tests.conftest import NewProject
from tests.projects import Project


def up(project: Project) -> None:
    """Begin to work on the project, which names no worker."""
    assert project.oya("init", str(project.root)).code == 0
    ran = project.oya("up")
    assert ran.code == 0, ran.err


def operations(project: Project) -> list[str]:
    """Who made each operation of the repository, the newest first."""
    return project.jj("op", "log", "--no-graph", "-T", 'user ++ "\\n"').splitlines()


@pytest.fixture
def project(new_project: NewProject, tmp_path: Path, tools: Tools) -> Iterator[Project]:
    """A repository whose check refuses a file bad.txt, and no daemon left behind."""
    project = new_project(files=2, check="test ! -e bad.txt")
    try:
        yield project
    finally:
        pid = json.loads(project.oya("status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def commit(project: Project, path: str, message: str) -> str:
    """A commit of the user's on main, made in another folder, so that the user's own files stay as
    they are; returns its id."""
    git = ["git", f"--git-dir={project.jj('git', 'root').strip()}"]
    files = project.folder / "files"
    files.mkdir(exist_ok=True)
    (files / path).write_text("mine\n")
    env = {**project.environ, "GIT_INDEX_FILE": str(project.folder / "index")}
    who = ("-c", "user.name=Uma", "-c", "user.email=uma@example.org")

    def run(*args: str) -> str:
        argv = [*git, *who, f"--work-tree={files}", *args]
        ran = subprocess.run(argv, env=env, cwd=files, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    run("read-tree", "main")
    run("add", path)
    made = run("commit-tree", run("write-tree"), "-p", "main", "-m", message)
    run("update-ref", f"refs/heads/mine-{path}", made)
    project.jj("git", "import")
    return made


def test_a_users_commit_lands_and_the_workspace_is_not_touched(project: Project) -> None:
    """`land` returns when exactly that commit is part of the target; one whose check fails comes
    back with what the check said, and exit code 1."""
    up(project)
    mine = commit(project, "mine.txt", "Add mine\n\nBecause.")
    before = len(operations(project))
    ran = project.oya("hook", "submit", mine, "--repo", str(project.root), "--json")
    assert ran.code == 0, ran.err
    assert ran.data["head"] == mine
    ran = project.oya("hook", "land", mine, "--repo", str(project.root))
    assert ran.code == 0, ran.err + ran.out
    assert "jj new main" in ran.out
    assert mine in project.git("rev-list", "refs/heads/main")
    assert "mine.txt" in project.files()
    after = operations(project)
    assert all("oya-vcs" in one for one in after[: len(after) - before]), after
    bad = commit(project, "bad.txt", "Add bad")
    ran = project.oya("hook", "land", bad, "--repo", str(project.root), "--json")
    assert ran.code == 1, ran.err
    assert "failed on" in str(ran.data["detail"])
    assert "bad.txt" not in project.files()
    project.assert_user_untouched()
    project.assert_healthy()


def test_without_a_daemon_it_is_on_record_and_nobody_waits_for_it(project: Project) -> None:
    """`submit` records it for the next daemon, which lands it; `land` ends with 6 and records
    nothing; what runs within a hook submits nothing, and nobody what is being edited."""
    assert project.oya("init", str(project.root)).code == 0
    mine = commit(project, "mine.txt", "Add mine")
    at = ("--repo", str(project.root))
    ran = project.oya("hook", "submit", mine, *at, env={"OYA_EXECUTION_KEY": "k"})
    assert (ran.code, "may submit nothing" in ran.err) == (1, True), ran.err
    ran = project.oya("hook", "submit", "@", *at)
    assert (ran.code, "is being edited" in ran.err) == (1, True), ran.err
    assert project.oya("hook", "land", mine, *at).code == 6
    ran = project.oya("hook", "submit", mine, *at)
    assert (ran.code, "oya-vcs up" in ran.out) == (0, True), ran.err
    up(project)
    ran = project.oya("hook", "land", mine, *at)
    assert ran.code == 0, ran.err
    assert mine in project.git("rev-list", "refs/heads/main")

"""Gates on real jj and git and a real daemon: a push, an entry into the queue, a landing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import NewProject
from tests.projects import Project, Ran

OYA_TOML = """\
[checks]
test = "true"
[hooks]
pre_push = "test ! -e secret.txt || { echo no secrets; exit 3; }"
pre_land = "test ! -e late.txt || { echo too late; exit 4; }"
pre_commit = "closed"
"""
SCRIPT = (
    '[ -z "$(git diff --name-only $OYA_BASE | grep early)" ] || { echo "early is out"; exit 5; }\n'
)
PRE_COMMIT = '#!/bin/sh\nif [ -e style.txt ]; then echo "bad style: $*"; exit 1; fi\n'


@pytest.fixture
def project(new_project: NewProject) -> Iterator[Project]:
    """A colocated repository with gates of all kinds on its target, a remote, what is installed,
    and no daemon left behind."""
    project = new_project(files=1)
    (project.root / "oya.toml").write_text(OYA_TOML)
    (project.root / "hooks").mkdir()
    (project.root / "hooks" / "pre-enqueue.sh").write_text(SCRIPT)
    (project.root / ".pre-commit-config.yaml").write_text("repos: []\n")
    (project.root / "dirty.txt").unlink()
    project.commit_all("Gates")
    (project.folder / "bin").mkdir()
    runner = project.folder / "bin" / "pre-commit"
    runner.write_text(PRE_COMMIT)
    runner.chmod(0o755)
    run(project, "git", "init", "-q", "--bare", str(project.folder / "remote.git"))
    project.jj("git", "remote", "add", "origin", str(project.folder / "remote.git"))
    assert oya(project, "init", str(project.root)).code == 0
    assert oya(project, "hooks", "install").code == 0
    try:
        yield project
    finally:
        pid = json.loads(oya(project, "status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def run(project: Project, *argv: str, **more: str) -> Ran:
    """A program in the user's workspace."""
    path = f"{project.folder / 'bin'}:{project.tools.jj.parent}:{project.environ['PATH']}"
    env = {**project.environ, "PATH": path, **more}
    ran = subprocess.run(
        argv, env=env, cwd=project.root, capture_output=True, text=True, check=False
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def oya(project: Project, *args: str, **more: str) -> Ran:
    """A command of ours there."""
    return run(project, *project.command(*args), **more)


def commit(project: Project, path: str, *gone: str) -> None:
    """A finished commit of the user's with one more file, on main, under a bookmark."""
    project.jj("new", "main")
    run(project, "jj", "workspace", "update-stale")
    (project.root / path).write_text("mine\n")
    for name in gone:
        (project.root / name).unlink()
    done = run(project, "jj", "commit", "-m", f"Add {path}")
    assert done.code == 0, done.err
    assert run(project, "jj", "bookmark", "set", path, "-r", "@-").code == 0


def test_a_push_is_looked_at_by_the_targets_gate(project: Project) -> None:
    """By `jj push` and by `git push`, at the exact commit; blocked, with the output, nothing is at
    the remote. Without a daemon it is closed, unless the configuration says otherwise."""
    commit(project, "good.txt")
    ran = run(project, "jj", "push", "-b", "good.txt")
    assert (ran.code, "is closed" in ran.err) == (6, True), ran.err
    ran = run(project, "git", "push", "-q", "origin", "good.txt")
    assert (ran.code, "is closed" in ran.err) == (1, True), ran.err
    ran = run(project, "git", "push", "-q", "origin", "good.txt", OYA_HOOKS__WITHOUT_DAEMON="open")
    assert (ran.code, "was not run" in ran.err) == (0, True), ran.err
    assert oya(project, "up").code == 0
    commit(project, "fine.txt")
    ran = run(project, "jj", "push", "-b", "fine.txt")
    assert ran.code == 0, ran.err
    commit(project, "secret.txt")
    for argv in (
        ("jj", "push", "-b", "secret.txt"),
        ("git", "push", "-q", "origin", "secret.txt"),
    ):
        ran = run(project, *argv)
        assert (ran.code, "no secrets" in ran.err) == (1, True), ran.err
    ran = run(project, "git", "push", "-q", "origin", "secret.txt", OYA_CHECK="hooks.pre_push")
    assert (ran.code, "may push nothing" in ran.err) == (1, True), ran.err
    commit(project, "style.txt", ".pre-commit-config.yaml")
    ran = run(project, "jj", "push", "-b", "style.txt")
    assert (ran.code, "bad style: run --config" in ran.err) == (1, True), ran.err
    heads = run(project, "git", "ls-remote", "--heads", "origin").out
    assert {line.rpartition("/")[2] for line in heads.split("\n") if line} == {
        "good.txt",
        "fine.txt",
    }
    assert project.processes() == []


@pytest.mark.chaos
def test_the_queue_and_the_target_have_gates(project: Project) -> None:
    """A change is blocked by the target's own script, though it removes it; what passes that is
    blocked by the last gate at the very commit that would land. Nothing of it lands."""
    assert oya(project, "up").code == 0
    commit(project, "early.txt", "hooks/pre-enqueue.sh")
    ran = run(project, "jj", "land")
    assert (ran.code, "early is out" in ran.out) == (1, True), ran.out + ran.err
    commit(project, "late.txt")
    ran = run(project, "jj", "land")
    assert (ran.code, "too late" in ran.out) == (1, True), ran.out + ran.err
    commit(project, "good.txt")
    ran = run(project, "jj", "land")
    assert ran.code == 0, ran.out + ran.err
    assert {"early.txt", "late.txt"}.isdisjoint(project.files())
    assert "good.txt" in project.files()
    project.assert_healthy()

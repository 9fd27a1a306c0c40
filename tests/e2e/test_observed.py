"""Hooks that observe, on real jj and git and a real daemon."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import NewProject
from tests.projects import Project

OYA_TOML = """\
[checks]
test = "true"
[hooks]
post_land = 'printf "%s\\n" "$OYA_EVENT" >> $HOME/told; ls > $HOME/there; exit 3'
post_create = 'echo "created $OYA_BEAD_ID in $(basename $PWD)" >> $HOME/spaces'
pre_remove = 'echo "removed $OYA_BEAD_ID in $(basename $PWD)" >> $HOME/spaces'
"""
POST_OP = """\
printf '%s\\n' "$OYA_EVENT" >> $HOME/told
jj -R "$OYA_REPO" --ignore-working-copy bookmark create "by-hook-$$" -r main
"""
LIMIT_S = 60.0
"""How long a test waits for what must happen; far more than it takes."""


@pytest.fixture
def project(new_project: NewProject) -> Iterator[Project]:
    """A repository with hooks on its target, and a daemon that works on it."""
    project = new_project(files=1)
    (project.root / "oya.toml").write_text(OYA_TOML)
    (project.root / "hooks").mkdir()
    (project.root / "hooks" / "post-op.sh").write_text(POST_OP)
    (project.root / "dirty.txt").unlink()
    project.commit_all("Hooks")
    env = {"PATH": f"{project.tools.jj.parent}:{project.environ['PATH']}"}
    assert project.oya("init", str(project.root)).code == 0
    assert project.oya("up", env=env).code == 0
    try:
        yield project
    finally:
        pid = json.loads(project.oya("status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def told(project: Project, hook: str) -> list[dict[str, object]]:
    """What a hook was told so far."""
    file = project.folder / "told"
    lines = file.read_text().splitlines() if file.exists() else []
    return [one for one in map(json.loads, lines) if one["hook"] == hook]


def until(is_so: Callable[[], object]) -> None:
    """Return when it is so; fail after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def operation(project: Project, name: str) -> bool:
    """Something that the user does; what was done before the daemon first looked is not told."""
    project.jj("bookmark", "create", f"{name}-{time.monotonic_ns()}", "-r", "main")
    return True


def test_hooks_hear_of_operations_and_landings_and_never_of_themselves(project: Project) -> None:
    """An operation of a hook's own is not told to it, though it makes one each time; a hook that
    fails is said in the log, and the landing stands."""
    until(lambda: operation(project, "early") and told(project, "post_op"))
    until(lambda: "by-hook-" in project.jj("bookmark", "list"))
    operation(project, "late")
    until(lambda: any("late" in str(one["description"]) for one in told(project, "post_op")))
    assert not any("by-hook" in str(one["description"]) for one in told(project, "post_op"))
    project.jj("new", "main", "-m", "Mine")
    mine = project.jj("log", "--no-graph", "-r", "@", "-T", "commit_id")
    project.jj("new")
    ran = project.oya("hook", "land", mine, "--repo", str(project.root))
    assert ran.code == 0, ran.err + ran.out
    until(lambda: told(project, "post_land"))
    landed = told(project, "post_land")[0]
    assert landed["commit"] == project.git("rev-parse", "refs/heads/main")
    assert landed["title"] == "Mine"
    until(lambda: "post_land" in (project.home / "logs" / "daemon.log").read_text())
    assert "oya.toml" in (project.folder / "there").read_text()


def test_workspaces_have_hooks_of_their_own(new_project: NewProject) -> None:
    """After one was made, and before it goes: in that very workspace, each once."""
    project = new_project(files=1)
    (project.root / "oya.toml").write_text(OYA_TOML)
    project.commit_all("Hooks")
    ran = project.run(project.beads({"id": "one", "title": "Do one"}), "honest")
    assert ran.code == 0, ran.err
    lines = (project.folder / "spaces").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["created", "removed"]
    assert len({line.split(" ", 1)[1] for line in lines}) == 1
    assert lines[0].startswith("created one in one-")

"""A tracker's file followed and written back to by a real daemon."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

from tests.conftest import NewProject
from tests.projects import Project, agent

FOREIGN = '{"_type":"memory",  "key":"style","value":"British spelling"}'
BEAD = '{ "id": "t-1", "title": "First", "status": "open", "mine": {"a": 1.50} }'
LIMIT_S = 90.0


def until(is_so: Callable[[], object], project: Project) -> None:
    """Return when it is so; fail, with the daemon's log, after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, (project.home / "logs" / "daemon.log").read_text()
        time.sleep(0.05)


def test_a_tracker_s_beads_land_and_are_closed_there(new_project: NewProject) -> None:
    """A file that comes while the daemon runs is worked on; its bead is closed in it when it has
    landed, and every other byte is as its people wrote it. A bead by `bead add` lands beside it,
    and is no business of the file's."""
    project = new_project(files=2)
    toml = (project.root / "oya.toml").read_text()
    (project.root / ".gitignore").write_text(".beads/\n")
    (project.root / "oya.toml").write_text(f"{toml}[tracker]\nlive = true\nwrite_back = true\n")
    project.commit_all("follow the tracker")
    env = {"OYA_WORKER__COMMAND": json.dumps(agent("honest").split())}
    assert project.oya("init", str(project.root), env=env).code == 0
    up = project.oya("up", "--json", env=env)
    assert up.code == 0, up.err
    file = project.root / ".beads" / "issues.jsonl"
    try:
        file.parent.mkdir()
        file.write_text(f"{FOREIGN}\n{BEAD}\n")
        added = project.oya("bead", "add", "By hand", "--repo", str(project.root))
        assert added.code == 0, added.err
        told = json.loads(project.oya("doctor", "--json", env=env).out)["data"]
        assert [one for one in told if one["grade"] == "error"] == []
        assert {one["grade"] for one in told if one["check"] in {"daemon", "parts"}} == {"ok"}
        until(lambda: "Landed as" in file.read_text(), project)
        until(lambda: len(project.trailers("Oya-Bead")) == 2, project)
        assert project.oya("down").code == 0
    finally:
        pid = json.loads(project.oya("status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    assert sorted(project.trailers("Oya-Bead")) == ["by-hand", "t-1"]
    foreign, line = file.read_text().splitlines()
    assert foreign == FOREIGN
    assert line.startswith(BEAD.replace('"open"', '"closed"').removesuffix(" }"))
    assert [path.name for path in file.parent.iterdir()] == ["issues.jsonl"]

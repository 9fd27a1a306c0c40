"""A session on an opencode server is cut off: the daemon, the reaper, the escort or the server is
killed with SIGKILL, while a tool of the agent's runs in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.projects import AGENTS, Project

SETTLE_S = 60.0
"""Far more than anything here takes, on a busy machine too."""
WORDS = {
    "reaper": b"reaper/__main__.py",
    "escort": b"escort/__main__.py",
    "server": b"opencode_server.py\0waking",
}


def until(is_so: Callable[[], object]) -> None:
    """Wait for what must happen."""
    deadline = time.monotonic() + SETTLE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def told(project: Project, words: str) -> bool:
    """Whether a log of the bead has these words."""
    return any(words in log.read_text() for log in (project.home / "logs").rglob("*.log"))


def running(project: Project, who: str) -> Iterator[int]:
    """The processes of the run that are this part of it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        first = words.split(b"\0", 1)[0].endswith(b"python") or b"python" in words.split(b"\0")[0]
        escorted = WORDS["escort"] in words
        ours = str(project.folder).encode() in environ + words
        if ours and first and WORDS[who] in words and (who != "server" or not escorted):
            yield int(folder.name)


def begun(project: Project, argv: list[str]) -> subprocess.Popen[bytes]:
    """A daemon on the project."""
    return subprocess.Popen(
        project.command(*argv),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "who",
    [
        pytest.param("daemon", marks=pytest.mark.chaos),
        pytest.param("server", marks=pytest.mark.chaos),
        pytest.param("escort", marks=pytest.mark.chaos),
        pytest.param("reaper", marks=pytest.mark.chaos),
    ],
)
def test_whoever_of_a_session_is_killed(new_project: NewProject, who: str) -> None:
    """The bead lands with its next attempt; no process of the first is left, neither a server nor
    what the agent started."""
    project = new_project(files=3)
    server = f'"{sys.executable}", "{AGENTS / "opencode_server.py"}", "waking"'
    config = project.folder / "config.toml"
    config.write_text(f'[worker]\nkind = "opencode"\ncommand = [{server}]\nlease_ms = 60000\n')
    beads = project.beads({"id": "b1", "title": "Greet"})
    argv = ["--config", str(config), "run", str(beads), "--repo", str(project.root)]
    daemon = begun(project, argv)
    try:
        until(lambda: told(project, "I was asked"))
        until(lambda: any("sleep 300" in one for one in project.processes()))
        victims = [daemon.pid] if who == "daemon" else list(running(project, who))
        assert victims
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if who == "daemon":
            daemon.wait(SETTLE_S)
            daemon = begun(project, argv)
        assert daemon.wait(SETTLE_S) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert project.trailers("Oya-Bead") == ["b1"]
    assert project.git("show", "refs/heads/main:b1.txt") == "written by opencode"
    project.assert_healthy()
    project.assert_no_leaks()

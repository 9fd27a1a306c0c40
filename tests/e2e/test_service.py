"""`up --install`: what it writes starts a real daemon, says when it is up, and ends it well."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

from tests.conftest import NewProject
from tests.projects import Project

SECRET = "hunter2-and-more"


def test_a_unit_is_shown_written_kept_and_removed(new_project: NewProject, tmp_path: Path) -> None:
    """A dry run writes nothing; what is there as it should be is said to be; somebody else's file
    is left alone, with exit code 2; what the daemon would not see is named."""
    project = new_project(files=1)
    unit = tmp_path / ".config/systemd/user/"
    env = {"OYA_WORKER__SLOTS": "3", "OYA_HOME": str(project.home)}
    dry = project.oya("up", "--install", "--dry-run", env=env)
    assert (dry.code, unit.exists(), "Would write" in dry.out) == (0, False, True)
    made = project.oya("up", "--install", "--json", env=env).data
    path = Path(str(made["path"]))
    assert path.read_text() == made["text"]
    assert (path.parent, made["left"]) == (unit, ["OYA_WORKER__SLOTS"])
    assert project.oya("up", "--install", "--json", env=env).data["was"] == "same"
    gone = project.oya("up", "--uninstall", "--json").data
    assert (gone["removed"], path.exists()) == (True, False)
    assert project.oya("up", "--uninstall", "--json").data["removed"] is False
    path.write_text("[Unit]\n")
    for verb in ("--install", "--uninstall"):
        refused = project.oya("up", verb)
        assert (refused.code, "did not write it" in refused.err) == (2, True)
    assert path.read_text() == "[Unit]\n"
    assert project.oya("up", "--dry-run").code == 2


def test_the_unit_s_command_is_a_daemon_that_says_so_and_logs_no_secret(
    new_project: NewProject, tmp_path: Path
) -> None:
    """READY=1 comes when it answers, STOPPING=1 when it is to end; what it logs meanwhile, to
    stderr as to its file, holds no value of a secret variable."""
    project = new_project(files=1)
    said_by_us = (project.root / "oya.toml").read_text()
    (project.root / "oya.toml").write_text(f"{said_by_us}[{SECRET}]\nkey = 1\n")
    project.commit_all("a wrong section")
    assert project.oya("init", str(project.root)).code == 0
    text = str(project.oya("up", "--install", "--json").data["text"])
    line = next(one for one in text.splitlines() if one.startswith("ExecStart="))
    argv = shlex.split(line.removeprefix("ExecStart="))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(90)
        env = {**project.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "A_TOKEN": SECRET}
        daemon = subprocess.Popen(
            argv, env=env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert ear.recv(100) == b"READY=1"
            assert status_pid(project) == daemon.pid
            daemon.send_signal(signal.SIGTERM)
            assert ear.recv(100) == b"STOPPING=1"
            _, stderr = daemon.communicate(timeout=90)
        finally:
            if daemon.poll() is None:
                os.kill(daemon.pid, signal.SIGKILL)
                daemon.communicate()
    assert daemon.returncode == 130
    log = (project.home / "logs" / "daemon.log").read_text()
    assert "[redacted]" in log
    assert SECRET not in log + stderr


def status_pid(project: Project) -> object:
    """Who works on the home, as `status` says."""
    return json.loads(project.oya("status", "--json").out)["data"]["pid"]

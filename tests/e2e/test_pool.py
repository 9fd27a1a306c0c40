"""Workers as a real run has them: what they are given, what they may take, what nobody may see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.integration.test_sandbox import REAL
from tests.projects import Project, Ran

SECONDS = 60
"""Far more than anything here takes, on a busy machine too."""
NAMED = "value-of-a-plain-name"
SECRET = 'p4ss"word of the/daemon'
TOKEN = "ghp_" + "aB3" * 12


def script(project: Project, *lines: str, name: str = "worker.sh") -> str:
    """A worker of a few lines of sh."""
    path = project.folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return str(path)


def run(project: Project, worker: str, env: dict[str, str] | None = None) -> Ran:
    """One bead by this worker, in one attempt."""
    beads = project.beads({"id": "it", "title": "Do it"})
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", worker, "--json"]
    return project.oya(*argv, env={"OYA_WORKER__ATTEMPTS_MAX": "2", **(env or {})})


def first_bead(ran: Ran) -> dict[str, object]:
    """What a run says of its bead."""
    answer = json.loads(ran.out)
    assert "data" in answer, ran.out
    bead = answer["data"]["beads"][0]
    assert isinstance(bead, dict)
    return bead


def until(is_so: Callable[[], object]) -> None:
    """Return when it is so; fail after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def holding(folder: Path, *texts: str) -> list[str]:
    """The files of a folder that hold one of the texts."""
    return [
        f"{path}: {text}"
        for path in folder.rglob("*")
        if path.is_file()
        for text in texts
        if text.encode() in path.read_bytes()
    ]


def test_no_secret_is_written_down(new_project: NewProject, tmp_path: Path) -> None:
    """What a worker and a check print of passwords and tokens stands in no log, no journal, no
    feedback and no answer; the worker itself had what was named, and nothing else."""
    halves = f"printf %s {TOKEN[:20]}; echo {TOKEN[20:]}"
    project = new_project(check=f"sh {tmp_path}/say.sh; exit 1")
    say = script(project, f"printf '%s\\n' {NAMED} '{SECRET}' {TOKEN}", halves, name="say.sh")
    worker = script(
        project,
        f"sh {say}",
        'test "$PLAIN" = "' + NAMED + '" || exit 4',
        'test -z "$DB_PASSWORD" || exit 5',
        f'if test -s "$OYA_FEEDBACK_FILE"; then cp "$OYA_FEEDBACK_FILE" {project.folder}/fed; fi',
        "echo done > done.txt",
    )
    env = {"PLAIN": NAMED, "DB_PASSWORD": SECRET, "OYA_WORKER__ENV": "PLAIN"}
    bead = first_bead(run(project, worker, env))
    assert (bead["state"], bead["reason"]) == ("failed", "check_failed")
    shown = project.oya("bead", "show", "it", "--json").out
    fed = (project.folder / "fed").read_text()
    for text in (shown, fed):
        assert "[redacted]" in text
        assert not [one for one in (NAMED, SECRET, SECRET[:12], TOKEN, TOKEN[4:]) if one in text]
    logs = sorted(path.name for path in (project.home / "logs" / "it").iterdir())
    assert len(logs) == 4  # two attempts and their checks
    assert holding(project.home, NAMED, SECRET, TOKEN, TOKEN[4:30]) == []
    assert len(holding(project.home / "logs", "[redacted]\n[redacted]\n[redacted]\n")) == 4


@pytest.mark.parametrize(
    ("key", "limit", "reason"),
    [("processes_max", "3", "process_limit"), ("rss_bytes_max", "1000", "memory_limit")],
)
def test_a_greedy_worker_is_stopped_and_named(
    new_project: NewProject, key: str, limit: str, reason: str
) -> None:
    """Each limit has its reason, and leaves no process."""
    project = new_project()
    worker = script(project, "for i in 1 2 3 4 5; do sleep 300 & done; wait")
    bead = first_bead(run(project, worker, {f"OYA_WORKER__{key.upper()}": limit}))
    assert (bead["state"], bead["reason"]) == ("failed", reason)
    assert "were killed" in str(bead["why"]) or "was killed" in str(bead["why"])
    project.assert_no_leaks()


@REAL
def test_a_bead_is_worked_on_in_the_sandbox(new_project: NewProject) -> None:
    """Its result lands, what its setup made with it; what either wrote elsewhere is nowhere, and
    the repository is what it was."""
    project = new_project()
    (project.folder / "private").mkdir()
    tools = project.folder / "tools"
    tools.mkdir()
    worker = script(
        project,
        "echo work > work.txt",
        f"cd {project.folder}; for place in project project/.jj home private; do",
        '  (echo x > "$place/planted.txt") 2> /dev/null',
        'done; cd "$OYA_WORKSPACE"',
        "echo x > .jj/planted.txt 2> /dev/null",
        'test -s "$OYA_BEAD_FILE" || exit 4',
        'touch "$OYA_HEARTBEAT" || exit 5',
        "exit 0",
        name="tools/worker.sh",
    )
    setup = f"echo ready > prepared.txt; (echo x > {project.folder}/private/planted.txt); exit 0"
    env = {
        "OYA_WORKER__SANDBOX": "bwrap",
        "OYA_WORKER__READS": "~/tools",
        "OYA_WORKSPACE__SETUP": setup,
    }
    bead = first_bead(run(project, worker, env))
    assert bead["state"] == "landed", bead
    assert {"work.txt", "prepared.txt"} <= project.files()
    planted = {path.relative_to(project.folder) for path in project.folder.rglob("planted.txt")}
    assert not {one for one in planted if one.parts[0] != "home"}, planted
    assert not (project.home / "planted.txt").exists()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()


@REAL
def test_a_worker_that_the_sandbox_hides_is_an_error_at_the_start(new_project: NewProject) -> None:
    """Exit 2 with the mend, before anything is made; doctor says the same."""
    project = new_project()
    worker = script(project, "true")
    env = {"OYA_WORKER__SANDBOX": "bwrap"}
    ran = run(project, worker, env)
    assert ran.code == 2
    assert f"{worker} cannot be seen in the sandbox" in ran.out
    assert not project.home.exists()
    asked = {**env, "OYA_WORKER__COMMAND": worker}
    told = project.oya("doctor", "--repo", str(project.root), "--json", env=asked)
    assert f"{worker} cannot be seen in the sandbox" in told.out


def test_a_sandbox_without_bubblewrap_is_an_error_at_the_start(new_project: NewProject) -> None:
    """Exit 2 with the mend, before anything is made; doctor says the same."""
    project = new_project()
    bare = project.folder / "bin"
    bare.mkdir()
    (bare / "sh").symlink_to("/bin/sh")
    env = {"OYA_WORKER__SANDBOX": "bwrap", "PATH": str(bare)}
    ran = run(project, "sh", env)
    assert ran.code == 2
    assert "bubblewrap's program bwrap is not on PATH" in ran.out
    assert "Install the package bubblewrap" in ran.out
    assert not project.home.exists()
    told = project.oya("doctor", "--json", env=env)
    assert told.code == 1
    assert "bubblewrap's program bwrap is not on PATH" in told.out


def test_doctor_tells_of_limits_and_variables(new_project: NewProject) -> None:
    """What an attempt may use is said, and a variable that is named and not set is warned of."""
    project = new_project()
    env = {"OYA_WORKER__ENV": "NOT_SET_HERE", "OYA_WORKER__RSS_BYTES_MAX": str(2**50)}
    told = project.oya("doctor", "--repo", str(project.root), env=env)
    assert told.code == 0, told.out
    assert "worker.env names NOT_SET_HERE, which is not set" in told.out
    assert "1,125,899,906,842,624 bytes of memory" in told.out
    assert "may take more memory than this machine has" in told.out
    assert "workers run without a sandbox" in told.out


@contextmanager
def under_way(project: Project, worker: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run of one bead that is going on."""
    beads = project.beads({"id": "it", "title": "Do it"})
    argv = project.command("run", str(beads), "--repo", str(project.root), "--worker", worker)
    with subprocess.Popen(
        argv, env=project.environ, cwd=project.folder, stdout=-3, stderr=-3
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_clocks_of_a_running_worker_are_shown(new_project: NewProject) -> None:
    """`bead show` and `status` tell all four while it runs, and none afterwards."""
    project = new_project()
    worker = script(
        project,
        f"touch {project.folder}/up",
        f"until test -e {project.folder}/go; do sleep 0.05; echo beat; done",
        "echo x > x.txt",
    )
    with under_way(project, worker) as process:
        until((project.folder / "up").exists)
        clocks = project.oya("bead", "show", "it", "--json").data["clocks"]
        assert isinstance(clocks, dict)
        assert list(clocks) == ["process", "transport", "progress", "deadline"]
        assert "30 s of silence end it" in clocks["progress"]
        shown = project.oya("status", "--json").data["clocks"]
        assert isinstance(shown, dict)
        assert set(shown) == {"it"}
        assert "deadline:" in project.oya("bead", "show", "it").out
        assert "progress: output or beat" in project.oya("status").out
        (project.folder / "go").touch()
        assert process.wait(SECONDS) == 0
    assert project.oya("bead", "show", "it", "--json").data["clocks"] == {}


def test_runs_are_forgotten_when_their_outcome_is_on_record(new_project: NewProject) -> None:
    """After the next start no folder of a settled run is left, and its log is."""
    project = new_project()
    worker = script(project, "echo said; echo x > $OYA_BEAD_ID.txt")
    assert first_bead(run(project, worker))["state"] == "landed"
    beads = project.beads({"id": "more", "title": "More"}, name="more.jsonl")
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", worker]
    first = {path.name for path in (project.home / "runs").iterdir()}
    assert project.oya(*argv).code == 0
    assert not first & {path.name for path in (project.home / "runs").iterdir()}
    [log] = (project.home / "logs" / "it").glob("1-*.log")
    assert log.read_text() == "said\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_daemon_and_reaper_killed_at_once(new_project: NewProject) -> None:
    """With nobody left to stop it the worker is gone all the same; the next run begins a new
    attempt under a new key, no key was started twice, and the bead lands once."""
    project = new_project()
    worker = script(
        project,
        f'echo "$OYA_EXECUTION_KEY" >> {project.folder}/starts',
        f"(setsid sh -c 'trap \"\" TERM; while :; do sleep 0.1; done') & touch {project.folder}/up",
        f"until test -e {project.folder}/go; do sleep 0.05; echo beat; done",
        "echo x > x.txt",
    )
    with under_way(project, worker) as process:
        until((project.folder / "up").exists)
        [pid] = project.home.glob("runs/*/pid")
        process.kill()
        os.kill(int(json.loads(pid.read_text())["pid"]), signal.SIGKILL)
        process.wait(SECONDS)
    (project.folder / "go").touch()
    assert first_bead(run(project, worker))["state"] == "landed"
    starts = (project.folder / "starts").read_text().split()
    assert len(starts) == len(set(starts)) == 2
    assert project.trailers("Oya-Bead") == ["it"]
    assert project.trailers("Oya-Key") == [starts[1]]
    project.assert_healthy()
    project.assert_no_leaks()

"""The real daemon under its tree: parts of it are killed, it gives up aloud, it stops in time."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.e2e.full_disk import Watched
from tests.projects import Project, Ran, agent

ROOT = Path(__file__).parents[2]
BEADS: list[dict[str, object]] = [
    {"id": "a", "title": "A"},
    {"id": "b", "title": "B", "deps": ["a"]},
    {"id": "c", "title": "C"},
]
STOP_S = 60.0
"""Twice what a daemon may take to stop, for a machine that is busy with other things."""


def _worker(project: Project, sleep_s: float) -> str:
    """Notes that it was started, and with which key; works a little; writes its file."""
    path = project.folder / "worker.sh"
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$OYA_EXECUTION_KEY" >> "{project.folder}/starts.log"\n'
        f"sleep {sleep_s}\n"
        'echo "$OYA_BEAD_ID" > "$OYA_BEAD_ID.txt"\n'
    )
    path.chmod(0o755)
    return str(path)


def _crashing(project: Project, task: str, times: int, worker: str) -> Ran:
    file = project.beads(*BEADS)
    mark = project.folder / "starts.log"
    argv = [task, str(times), str(file), str(project.root), worker, str(mark)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.crashing", *argv],
        env=project.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def _assert_landed_once(project: Project, starts: int) -> None:
    assert sorted(project.trailers("Oya-Bead")) == ["a", "b", "c"]
    keys = (project.folder / "starts.log").read_text().split()
    assert len(keys) == len(set(keys)) == starts
    project.assert_landed_trees_were_tested()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()


@pytest.mark.parametrize("task", ["control/engine", "control/outbox", "record/journal"])
def test_a_crash_of_record_or_control_stops_no_worker(new_project: NewProject, task: str) -> None:
    """Three within a minute: the run ends well, and no worker was started twice."""
    project = new_project()
    ran = _crashing(project, task, 3, _worker(project, 0.5))
    assert ran.code == 0, ran.err
    assert ran.err.count(f"{task} failed: {task} was cancelled from outside.") == 3
    _assert_landed_once(project, 3)


def test_the_fourth_crash_ends_the_process_and_the_next_run_goes_on(
    new_project: NewProject,
) -> None:
    """Exit 1, a sentence that names the part and its error, no process left; the record verifies,
    and the same command finishes the work."""
    project = new_project()
    worker = _worker(project, 3)
    ran = _crashing(project, "control/engine", 4, worker)
    assert ran.code == 1, ran.err
    assert "control/engine failed 4 times within 60 s and is given up" in ran.err
    assert "run the command again" in ran.err
    assert project.processes() == []
    project.assert_healthy()
    again = project.oya(
        "run", str(project.beads(*BEADS)), "--repo", str(project.root), "--worker", agent("honest")
    )
    assert again.code == 0, again.err
    assert sorted(project.trailers("Oya-Bead")) == ["a", "b", "c"]
    project.assert_landed_trees_were_tested()
    project.assert_no_leaks()


def test_a_dead_attempt_is_noticed_and_rescheduled(new_project: NewProject) -> None:
    """The task that watches a real worker is killed: the worker is stopped, the reconciler finds
    what nobody carries out, and the bead is worked on again, at no attempt's cost."""
    project = new_project()
    ran = _crashing(project, "edges/RunWorker a", 1, _worker(project, 1))
    assert ran.code == 0, ran.err
    shown = project.oya("bead", "show", "a", "--json").data
    assert (shown["attempt"], shown["failures"]) == (2, 0)
    _assert_landed_once(project, 4)


def test_the_tree_is_shown_while_a_daemon_runs(new_project: NewProject) -> None:
    """`status --tree`: every part, each attempt among them, as text and as JSON; without a daemon
    exit 6 and a sentence."""
    project = new_project()
    none = project.oya("status", "--tree")
    assert none.code == 6
    assert f"No daemon works on the home {project.home}." in none.err
    file = project.beads({"id": "a", "title": "A"})
    argv = ["run", str(file), "--repo", str(project.root), "--worker", _worker(project, 30)]
    watched = Watched(project, *argv)
    watched.until("  running ")
    shown = project.oya("status", "--tree")
    data = project.oya("status", "--tree", "--json").data
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(STOP_S) == 130
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[1].startswith("universe ")
    for name in ("├─ record", "├─ control", "└─ edges", "engine", "RunWorker a"):
        assert name in shown.out
    assert data["name"] == "universe"
    assert data["strategy"] == "rest_for_one"
    tiers = data["children"]
    assert isinstance(tiers, list)
    assert [tier["name"] for tier in tiers] == ["record", "control", "edges"]
    edges = [one["name"] for one in tiers[2]["children"]]
    assert edges == ["socket", "upkeep", "sweep", "hooks", "watcher", "web", "page", "RunWorker a"]


def test_an_end_that_hangs_is_ended(new_project: NewProject) -> None:
    """Where even the loop does not answer, the process shows where it hangs and ends with 1; the
    reapers stop its workers, and the next run goes on."""
    project = new_project()
    file = project.beads({"id": "a", "title": "A"})
    mark = project.folder / "starts.log"
    argv = [str(file), str(project.root), _worker(project, 60)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.hanging", *argv],
        env=project.environ,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until(mark.exists)
    process.terminate()
    _, said = process.communicate(timeout=STOP_S)
    assert process.returncode == 1
    assert "in hang" in said
    _until(lambda: project.processes() == [])
    again = project.run(file, "honest")
    assert again.code == 0, again.err
    project.assert_no_leaks()


def _until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + STOP_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _half_made(project: Project) -> set[str]:
    """Names that are folders or jj's entries of this home, and not both."""
    names = set(project.jj("workspace", "list", "-T", 'name ++ "\n"').split())
    control = next((name for name in names if name.startswith("oya-control-")), "")
    tag = control.removeprefix("oya-control-")
    folders = {
        f"{path.name}-{tag}"
        for path in project.home.glob("workspaces/*/*")
        if not path.name.startswith(".")
    }
    return (names - {"default", control}) ^ folders


def _stopped(process: subprocess.Popen[bytes]) -> int:
    """Send one signal after another until it has ended, and return its exit code."""
    deadline = time.monotonic() + STOP_S
    while process.poll() is None:
        process.send_signal(signal.SIGTERM if process.pid % 2 else signal.SIGINT)
        assert time.monotonic() < deadline
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.03)
    return process.returncode


@pytest.mark.timeout(300)
def test_a_stop_at_any_moment_leaves_no_process_and_nothing_half_made(
    new_project: NewProject,
) -> None:
    """B6: at seeded moments of a run, by signals that go on coming: exit 130, no traceback, in
    time."""
    project = new_project(files=200)
    beads: list[dict[str, object]] = [{"id": f"b{n}", "title": "B"} for n in range(24)]
    file = project.beads(*beads)
    argv = ["run", str(file), "--repo", str(project.root), "--slots", "4"]
    argv += ["--worker", _worker(project, 0.5)]
    dice = random.Random(6)
    for _ in range(5):
        watched = Watched(project, *argv)
        watched.until("  running ")
        process = watched.process
        with suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0, 0.6))
        code = _stopped(process)
        assert code == 130, watched.said
        assert "Traceback" not in watched.said
        assert project.processes() == []
        assert _half_made(project) == set()
        project.assert_healthy()
    ran = project.oya(*argv)
    assert ran.code == 0, ran.err
    assert len(project.trailers("Oya-Bead")) == 24
    project.assert_no_leaks()

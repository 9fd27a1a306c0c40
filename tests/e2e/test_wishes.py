"""`bead cancel|pause|resume|retry` on a real daemon with real workers, and on the record alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from oya_vcs.bootstrap import read_record
from oya_vcs.config import Home
from oya_vcs.core.beads import Bead
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import OyaError
from tests.conftest import NewProject
from tests.projects import Project, agent

LIMIT_S = 60.0
"""How long a test waits for what must happen; far more than it takes."""


def until(is_so: Callable[[], object]) -> None:
    """Return when it is so; fail after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def bead(project: Project, name: str = "it") -> Bead | None:
    """A bead as the record has it now, read beside the daemon that writes it."""
    try:
        return read_record(Home(project.home)).world.beads.get(BeadId(name))
    except OyaError:
        return None


def is_in(project: Project, state: str, name: str = "it") -> bool:
    """Whether the record has the bead in that state."""
    found = bead(project, name)
    return found is not None and found.state == state


def moving(project: Project) -> int:
    """How many processes of workers move: neither stopped nor ended."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        ours = b"OYA_EXECUTION_KEY=" in environ and str(project.home).encode() in environ
        found += ours and state not in "TZX"
    return found


@dataclass
class Running:
    """`oya-vcs run` on the project, beside the test."""

    project: Project
    process: subprocess.Popen[str]

    def ask(self, verb: str, *names: str, code: int = 0) -> list[dict[str, object]]:
        """What a person is told."""
        ran = self.project.oya("bead", verb, *names, "--json")
        assert ran.code == code, ran.err
        told = json.loads(ran.out)["data"]["beads"]
        assert isinstance(told, list)
        return told

    def kill(self) -> None:
        """SIGKILL, and wait until its reapers have done their work."""
        self.process.kill()
        self.process.wait()
        until(lambda: not self.project.processes())

    def end(self) -> tuple[int, list[dict[str, object]]]:
        """Its exit code, and the beads that it reports."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        assert out, err
        return self.process.returncode, json.loads(out)["data"]["beads"]


@contextmanager
def running(project: Project, beads: Path, worker: str, **settings: int) -> Iterator[Running]:
    """A daemon in the foreground, with these [worker] settings."""
    argv = ["run", str(beads), "--repo", str(project.root), "--worker", worker, "--json"]
    limits = {"stop_ms": 300, "slots": 2, **settings}
    process = subprocess.Popen(
        project.command(*argv),
        env={
            **project.environ,
            **{f"OYA_WORKER__{name.upper()}": str(value) for name, value in limits.items()},
        },
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(project, process)
    finally:
        process.kill()
        process.communicate()
        until(lambda: not project.processes())


def script(project: Project, *lines: str) -> str:
    """A worker of a few lines of sh, which notes each of its starts."""
    path = project.folder / "worker.sh"
    path.write_text("\n".join(("#!/bin/sh", f"echo x >> {project.folder}/starts", *lines, "")))
    path.chmod(0o755)
    return str(path)


def starts(project: Project) -> int:
    """How often the worker of `script` was started."""
    path = project.folder / "starts"
    return len(path.read_text().split()) if path.exists() else 0


def outputs(project: Project) -> bool:
    """Whether a worker has written something."""
    return any(log.stat().st_size for log in project.home.glob("logs/*/*.log"))


@pytest.mark.parametrize("worker", ["ignore_term", "forker", "slow"])
def test_a_running_bead_is_cancelled_and_nothing_is_left(
    new_project: NewProject, worker: str
) -> None:
    """A worker deaf to SIGTERM, one with grandchildren in sessions of their own, one that is well:
    cancelled when the tree is gone; what it wrote is kept; others land."""
    project = new_project()
    beads = project.beads({"id": "it", "title": "wait", "description": "3600"})
    with running(project, beads, agent(worker)) as daemon:
        until(lambda: is_in(project, "running") and (worker == "slow" or outputs(project)))
        (told,) = daemon.ask("cancel", "it", "--reason", "no longer wanted")
        assert (told["changed"], told["refused"]) == (True, False)
        assert "no longer wanted" in str(told["said"])
        code, (ended,) = daemon.end()
    assert (code, ended["state"], ended["reason"]) == (1, "cancelled", "cancelled")
    assert "(no longer wanted)" in str(ended["why"])
    shown = project.oya("bead", "show", "it").out
    assert "CancelRequested" in shown
    (kept,) = json.loads(project.oya("workspace", "list", "--json").out)["data"]
    assert kept["state"] == "kept"
    project.assert_no_leaks()
    project.assert_healthy()
    project.assert_user_untouched()


def test_a_cancelled_bead_stays_cancelled_until_it_is_retried(new_project: NewProject) -> None:
    """The same file again starts nothing; `retry` opens it, while a daemon runs and while none
    does; then it lands, and what needs it."""
    project = new_project()
    gate = project.folder / "gate"
    worker = script(project, f"test -e {gate} || sleep 3600", "echo done > $OYA_BEAD_ID.txt")
    beads = project.beads(
        {"id": "it", "title": "It"}, {"id": "after", "title": "After", "deps": ["it"]}
    )
    with running(project, beads, worker) as daemon:
        until(lambda: is_in(project, "running") and starts(project) == 1)
        daemon.ask("cancel", "it")
        code, _ = daemon.end()
        assert code == 1
    again = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
    assert (again.code, starts(project)) == (1, 1)
    assert "Waits for it (cancelled) to land." in again.out
    assert project.oya("bead", "retry", "it").code == 0
    with running(project, beads, worker) as daemon:
        until(lambda: is_in(project, "running") and starts(project) == 2)
        daemon.ask("cancel", "it")
        daemon.ask("pause", "after")
        until(lambda: is_in(project, "cancelled"))
    gate.touch()
    assert project.oya("bead", "retry", "it").code == 0
    assert project.oya("bead", "resume", "after").code == 0
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
    assert ran.code == 0, ran.err
    assert project.trailers("Oya-Bead") == ["it", "after"]
    project.assert_landed_trees_were_tested()


def test_a_daemon_killed_between_the_answer_and_the_end_leaves_the_bead_to_the_next(
    new_project: NewProject,
) -> None:
    """SIGKILL while the deaf worker is still being stopped: nothing runs, the record has the wish,
    and the next run cancels the bead without starting it again."""
    project = new_project()
    worker = script(project, "trap '' TERM", "while :; do echo deaf; sleep 0.05; done")
    beads = project.beads({"id": "it", "title": "It"})
    with running(project, beads, worker, stop_ms=3_000) as daemon:
        until(lambda: is_in(project, "running") and outputs(project))
        (told,) = daemon.ask("cancel", "it")
        daemon.kill()
        assert told["state"] == "running"
        assert "its worker is being stopped" in str(told["said"])
    left = bead(project)
    assert left is not None
    assert (left.state, left.cancelling) == ("running", True)
    listed = json.loads(project.oya("bead", "list", "--json").out)["data"]
    assert listed[0]["why"].startswith("To be cancelled by ")
    (again,) = Running(project, daemon.process).ask("cancel", "it")
    assert again["changed"] is False
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
    assert (ran.code, starts(project)) == (1, 1)
    assert is_in(project, "cancelled")
    project.assert_no_leaks()
    project.assert_healthy()


def test_a_paused_worker_stands_still_and_goes_on(new_project: NewProject) -> None:
    """The whole tree, longer than its lease; one attempt, before and after."""
    project = new_project()
    finish = project.folder / "finish"
    worker = script(
        project,
        "setsid sh -c 'while :; do sleep 0.02; done' &",
        f"while ! test -e {finish}; do echo beat; sleep 0.05; done",
        "echo done > it.txt",
    )
    beads = project.beads({"id": "it", "title": "It"})
    with running(project, beads, worker, lease_ms=2_000) as daemon:
        until(lambda: is_in(project, "running") and outputs(project))
        (told,) = daemon.ask("pause", "it", "--reason", "lunch")
        assert told["state"] == "paused"
        until(lambda: not moving(project))
        since = time.monotonic()
        assert [one["changed"] for one in daemon.ask("pause", "it")] == [False]
        assert "(lunch). Attempt 1 stands still in slot 0" in project.oya("bead", "show", "it").out
        until(lambda: time.monotonic() > since + 3)
        assert not moving(project)
        assert is_in(project, "paused")
        finish.touch()
        (told,) = daemon.ask("resume", "it")
        assert told["changed"] is True
        code, (ended,) = daemon.end()
    assert (code, ended["state"], ended["attempt"]) == (0, "landed", 1)
    assert starts(project) == 1
    project.assert_no_leaks()


def test_a_daemon_killed_during_a_pause_leaves_nothing_and_the_bead_paused(
    new_project: NewProject,
) -> None:
    """SIGKILL and SIGINT alike: what stood still is gone; the next run starts nothing until the
    bead is resumed."""
    project = new_project()
    gate = project.folder / "gate"
    worker = script(project, f"test -e {gate} || sleep 3600", "echo done > it.txt")
    beads = project.beads({"id": "it", "title": "It"})
    for number in (signal.SIGKILL, signal.SIGINT):
        with running(project, beads, worker) as daemon:
            until(lambda: is_in(project, "running") and moving(project))
            daemon.ask("pause", "it")
            until(lambda: not moving(project))
            os.kill(daemon.process.pid, number)
            daemon.process.wait()
            until(lambda: not project.processes())
        before = starts(project)
        ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
        assert (ran.code, starts(project)) == (1, before)
        assert is_in(project, "paused")
        assert project.oya("bead", "resume", "it").code == 0
    gate.touch()
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
    assert ran.code == 0, ran.err
    found = bead(project)
    assert found is not None
    assert (found.state, found.failures) == ("landed", 0)
    project.assert_no_leaks()
    project.assert_healthy()


def test_the_answers_are_the_same_without_a_daemon(new_project: NewProject) -> None:
    """Unknown: 3 and nothing done. Not to be had: 1 and a sentence. As it is already: 0. With
    several, each has its answer."""
    project = new_project()
    assert project.oya("bead", "cancel", "it").code == 3
    worker = script(project, "test $OYA_BEAD_ID = good || exit 3", "echo done > good.txt")
    beads = project.beads(
        {"id": "good", "title": "Good"},
        {"id": "bad", "title": "Bad"},
        {"id": "waits", "title": "Waits", "deps": ["bad"]},
    )
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", worker)
    assert ran.code == 1
    unknown = project.oya("bead", "cancel", "waits", "nobody", "--json")
    assert (unknown.code, json.loads(unknown.out)["error"]["code"]) == (3, "not_found")
    assert is_in(project, "pending", "waits")
    landed = project.oya("bead", "cancel", "good", "--json")
    assert (landed.code, json.loads(landed.out)["error"]["code"]) == (1, "input_invalid")
    assert "has landed" in landed.err
    several = project.oya("bead", "cancel", "good", "waits", "--json")
    answer = json.loads(several.out)
    assert (several.code, answer["ok"]) == (1, False)
    assert [one["refused"] for one in answer["data"]["beads"]] == [True, False]
    assert is_in(project, "cancelled", "waits")
    assert project.oya("bead", "cancel", "waits").code == 0
    assert project.oya("bead", "pause", "waits").code == 1
    assert project.oya("bead", "resume", "bad").code == 1
    assert project.oya("bead", "retry", "bad", "waits").code == 0
    assert project.oya("bead", "pause").code == 2
    assert not list(project.home.glob("daemon.sock"))
    project.assert_no_leaks()

"""The daemon is killed with SIGKILL, at each effect boundary and at random: nothing is lost,
doubled or left behind."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from oya_vcs.core.effects import EFFECTS, DropCandidates
from oya_vcs.core.pulls import PULL_EFFECTS
from tests.conftest import NewProject
from tests.projects import Project, agent, assert_order, plan_beads

SETTLE_S = 20.0
"""How long the reapers of a dead daemon may take: stop_ms and a little, on a busy machine."""

LANDING = [kind for kind in EFFECTS if kind not in {DropCandidates, *PULL_EFFECTS}]
"""The effects of a bead whose first attempt lands."""


def _assert_landed_once(project: Project, beads: list[dict[str, object]]) -> None:
    assert_order(project.trailers("Oya-Bead"), beads)
    starts = (project.folder / "starts.log").read_text().split()
    assert len(starts) == len(set(starts)), "an execution key ran twice"
    project.assert_landed_trees_were_tested()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()
    assert project.git("for-each-ref", "refs/oya/candidates") == ""


def _counting_worker(project: Project, slow: str = "none") -> str:
    """A worker that notes its execution key outside its workspace, works a little (longer for beads
    of the shell pattern `slow`), and writes a file."""
    path = project.folder / "worker.sh"
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$OYA_EXECUTION_KEY" >> "{project.folder}/starts.log"\n'
        f'case "$OYA_BEAD_ID" in {slow}) sleep 1.5;; *) sleep 0.05;; esac\n'
        'echo "$OYA_BEAD_ID" > "$OYA_BEAD_ID.txt"\n'
    )
    path.chmod(0o755)
    return str(path)


def _wait_until_quiet(project: Project) -> None:
    """After the daemon's death its workers are stopped by their reapers."""
    deadline = time.monotonic() + SETTLE_S
    while (left := project.processes()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


@pytest.mark.parametrize(
    ("at", "boundary", "kind"),
    [
        pytest.param(
            *(at, boundary, kind.__name__),
            id=f"{at}-{boundary}-{kind.__name__}",
            marks=pytest.mark.chaos if boundary == "recorded" else (),
        )
        for at, (kind, boundary) in enumerate(product(LANDING, ("before", "after", "recorded")))
    ],
)
def test_death_at_each_boundary_of_each_effect(
    new_project: NewProject, at: int, boundary: str, kind: str
) -> None:
    """Killed at the gate, started again: both beads land once. Every effect in both kinds of
    repository, every boundary in one of them."""
    project = new_project(colocate=at % 2 == 0)
    beads: list[dict[str, object]] = [
        {"id": "a", "title": "A", "deps": []},
        {"id": "b", "title": "B", "deps": ["a"]},
    ]
    file = project.beads(*beads)
    worker = _counting_worker(project)
    argv = [sys.executable, "-m", "tests.chaos.gated", boundary, kind, str(file)]
    killed = subprocess.run(
        [*argv, str(project.root), worker],
        env=project.environ,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ran = project.oya("run", str(file), "--repo", str(project.root), "--worker", worker)
    assert ran.code == 0, ran.err
    _assert_landed_once(project, beads)


@pytest.mark.parametrize("boundary", ["before", "after", "recorded"])
def test_death_while_candidates_are_let_go(new_project: NewProject, boundary: str) -> None:
    """The first attempt does not pass its check: killed around letting go of its candidate, the
    next attempt lands, and no candidate is kept."""
    project = new_project(check="test ! -e bad.txt")
    file = project.beads({"id": "a", "title": "A", "deps": []})
    worker = Path(_counting_worker(project))
    worker.write_text(f'{worker.read_text()}test "$OYA_ATTEMPT" != 1 || touch bad.txt\n')
    argv = [sys.executable, "-m", "tests.chaos.gated", boundary, "DropCandidates", str(file)]
    killed = subprocess.run(
        [*argv, str(project.root), str(worker)],
        env=project.environ,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ran = project.oya("run", str(file), "--repo", str(project.root), "--worker", str(worker))
    assert ran.code == 0, ran.err
    _assert_landed_once(project, [{"id": "a", "deps": []}])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "colocate",
    [True, pytest.param(False, marks=pytest.mark.chaos)],
    ids=["colocated", "plain"],
)
def test_twenty_five_random_kills_in_one_run(new_project: NewProject, *, colocate: bool) -> None:
    """20 beads, 25 SIGKILLs at seeded moments, then a run to the end: each bead exactly once.

    Half of the beads are quick and land between the kills; the others take longer than any of
    those lives lasts, so that the run cannot end before the last kill.
    """
    project = new_project(colocate=colocate, files=100)
    beads = plan_beads(20)
    file = project.beads(*beads)
    worker = _counting_worker(project, slow="b1?|end")
    argv = ["run", str(file), "--repo", str(project.root), "--worker", worker, "--slots", "4"]
    dice = random.Random(20)
    kills = 0
    while kills < 25:
        process = subprocess.Popen(
            project.command(*argv),
            env=project.environ,
            cwd=project.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=dice.uniform(0.3, 1.3))
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it was killed often enough"
        kills += 1
    _wait_until_quiet(project)
    ran = project.oya(*argv)
    assert ran.code == 0, ran.err
    _assert_landed_once(project, beads)


def test_ctrl_c_stops_the_workers_and_the_next_run_goes_on(new_project: NewProject) -> None:
    """SIGINT: exit 130, no process left; the same command finishes the work."""
    project = new_project()
    bead: dict[str, object] = {"id": "a", "title": "A", "description": "30", "deps": []}
    file = project.beads(bead)
    argv = ["run", str(file), "--repo", str(project.root)]
    process = subprocess.Popen(
        project.command(*argv, "--worker", agent("slow")),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + SETTLE_S
    while not project.processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert project.processes(), "no worker started"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SETTLE_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert project.processes() == []
    assert project.oya(*argv, "--worker", agent("honest")).code == 0
    project.assert_no_leaks()
    project.assert_healthy()


def test_sigterm_stops_a_run_that_was_started_in_the_background(new_project: NewProject) -> None:
    """A shell's `&` has SIGINT ignored; SIGTERM must work all the same, and say so as JSON."""
    project = new_project()
    file = project.beads({"id": "a", "title": "A", "description": "30", "deps": []})
    argv = ["run", str(file), "--repo", str(project.root), "--worker", agent("slow"), "--json"]
    quoted = " ".join(f"'{word}'" for word in project.command(*argv))
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"trap '' INT; exec {quoted}"],
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + SETTLE_S
    while not project.processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert project.processes(), "no worker started"
    process.terminate()
    out, _ = process.communicate(timeout=SETTLE_S)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert project.processes() == []


def test_a_reader_that_goes_away_stops_nothing(new_project: NewProject) -> None:
    """`oya-vcs run … 2>&1 | head -1`: the work goes on to its end."""
    project = new_project()
    file = project.beads(*plan_beads(4))
    argv = ["run", str(file), "--repo", str(project.root), "--worker", agent("honest")]
    quoted = " ".join(f"'{word}'" for word in project.command(*argv))
    subprocess.run(
        ["/bin/sh", "-c", f"{quoted} 2>&1 >/dev/null | head -1"],
        env=project.environ,
        cwd=project.folder,
        timeout=60,
        check=True,
    )
    assert len(project.trailers("Oya-Bead")) == 4
    project.assert_no_leaks()

"""The real daemon on a disk that fills up: it says so, waits, and goes on by itself."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.e2e.full_disk import LIMIT_S, Watched
from tests.projects import Project, agent, assert_order, plan_beads

ROOT = Path(__file__).parents[2]
WORKER = """
import os, pathlib, time
time.sleep(0.1)
bead = os.environ["OYA_BEAD_ID"]
pathlib.Path(f"{bead}.txt").write_text("done")
"""


def _require_namespaces() -> None:
    """Skip, aloud, where the kernel lets nobody mount a tmpfs of their own."""
    argv = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    if shutil.which("unshare") is None or subprocess.run(argv, check=False).returncode:
        pytest.skip("no mount namespaces here; test_a_file_that_may_not_grow stands in for this")


@pytest.mark.parametrize("part", ["journal", pytest.param("home", marks=pytest.mark.chaos)])
def test_a_full_disk_is_waited_for(new_project: NewProject, part: str) -> None:
    """ENOSPC on the journal alone, and on the whole home: the run says once that it waits, goes on
    by itself when there is room, and lands every bead once."""
    _require_namespaces()
    project = new_project()
    (project.folder / "worker.py").write_text(WORKER)
    inner = [sys.executable, "-m", "tests.e2e.full_disk", str(project.folder), part]
    ran = subprocess.run(
        ["unshare", "-rm", *inner],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


FILE_BYTES = 1 << 16
"""More than a small git object or what the run says on stderr, less than a journal in use."""


def _started(project: Project, beads: list[dict[str, object]]) -> Watched:
    """A run whose files, from the first landed bead on, may not grow beyond FILE_BYTES: writes end
    in EFBIG, until `_freed`."""
    file = project.beads(*beads)
    worker = agent("honest")
    run = ("run", str(file), "--repo", str(project.root), "--worker", worker, "--slots", "2")
    watched = Watched(project, *run)
    watched.until("  landed")
    resource.prlimit(watched.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, -1))
    watched.until("Work is stopped.")
    return watched


def _freed(watched: Watched) -> None:
    resource.prlimit(watched.process.pid, resource.RLIMIT_FSIZE, (-1, -1))


def test_a_file_that_may_not_grow(new_project: NewProject) -> None:
    """Without any privilege: writes that fail stop the work with a sentence that names the last
    event on disk and says what happens next; when they succeed again, the run goes on to its
    right end."""
    project = new_project()
    beads = plan_beads(10)
    watched = _started(project, beads)
    stopped = next(line for line in watched.said.splitlines() if "Work is stopped." in line)
    assert "is the last one acknowledged" in stopped
    assert "goes on by itself" in stopped
    watched.until("Not yet: The disk of")
    _freed(watched)
    assert watched.process.wait(LIMIT_S) == 0, watched.said
    assert watched.said.count("The disk is well again") == 1
    assert_order(project.trailers("Oya-Bead"), beads)
    project.assert_landed_trees_were_tested()
    project.assert_healthy()
    project.assert_no_leaks()


def test_ctrl_c_ends_the_waiting(new_project: NewProject) -> None:
    """While the daemon waits for its disk, SIGINT ends it with 130 and no traceback, leaving no
    process; the same command finishes the work later."""
    project = new_project()
    beads = plan_beads(8)
    watched = _started(project, beads)
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(LIMIT_S) == 130, watched.said
    assert "Traceback" not in watched.said
    assert project.processes() == []
    ran = project.run(project.folder / "beads.jsonl", "honest")
    assert ran.code == 0, ran.err
    assert_order(project.trailers("Oya-Bead"), beads)
    project.assert_healthy()
    project.assert_no_leaks()

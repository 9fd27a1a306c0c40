"""A run whose home's disk fills up in the middle and is well again later.

python -m tests.e2e.full_disk FOLDER PART, inside a mount namespace of its own (`unshare -rm`):
FOLDER holds a project, PART is `journal` (workspaces and logs have room) or `home` (nothing has).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.config import tools_folder
from tests.projects import Project, assert_order, plan_beads

DISK = "6m"
ROOMY = ("workspaces", "runs", "logs", "checkouts", "trash", "jj")
LIMIT_S = 90.0


def mount(folder: Path, size: str) -> None:
    """A tmpfs of that size on a new folder."""
    folder.mkdir()
    options = ("-o", f"size={size}")
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Take every byte that is free, also those of workspaces that were removed meanwhile."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


class Watched:
    """A running command, and what it has said on stderr so far."""

    def __init__(self, project: Project, *args: str) -> None:
        self._said = project.folder / "stderr.txt"
        with self._said.open("wb") as file:
            self.process = subprocess.Popen(
                project.command(*args),
                env=project.environ,
                cwd=project.folder,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    @property
    def said(self) -> str:
        """All of it."""
        return self._said.read_text()

    def until(self, text: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until it has said this, and do something at each look."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"{text!r} was not said in time:\n{self.said}"
            meanwhile()
            time.sleep(0.02)


def scene(project: Project, part: str) -> None:
    """Fill the disk when the first bead has landed, free it when the daemon has said so."""
    mount(project.home, DISK)
    for name in ROOMY if part == "journal" else ():
        mount(project.home / name, "64m")
    beads = plan_beads(10)
    file = project.beads(*beads)
    worker = f"{sys.executable} {project.folder / 'worker.py'}"
    run = ("run", str(file), "--repo", str(project.root), "--worker", worker, "--slots", "3")
    watched = Watched(project, *run)
    watched.until("  landed")
    ballast = project.home / "ballast"
    watched.until("Work is stopped.", partial(fill, ballast))
    assert "Event" in watched.said
    watched.until("Not yet: The disk of", partial(fill, ballast))
    ballast.unlink()
    watched.until("The disk is well again")
    code = watched.process.wait(LIMIT_S)
    assert code == 0, watched.said
    assert watched.said.count("Work is stopped.") == 1, watched.said
    assert_order(project.trailers("Oya-Bead"), beads)
    project.assert_landed_trees_were_tested()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()


if __name__ == "__main__":
    scene(Project(Path(sys.argv[1]), find_tools(tools_folder(), os.environ)), sys.argv[2])

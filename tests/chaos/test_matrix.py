"""Any part of a running system is killed at any moment with SIGKILL: the daemon, a reaper, a
worker, what a worker started in a session of its own, jj or git in the middle of a command."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oya_vcs.journal.reader import open_reader
from tests.conftest import NewProject
from tests.projects import Project, assert_order, plan_beads

SETTLE_S = 60.0
"""Far more than anything here takes, on a busy machine too."""
VICTIMS = ("daemon", "reaper", "worker", "grandchild", "program")
SEEDS_IN_EVERY_RUN = len(VICTIMS)
SEEDS = 100


@dataclass
class Siege:
    """One run of a daemon on a project, in which parts are killed."""

    project: Project
    argv: list[str]
    dice: random.Random
    struck: list[str] = field(default_factory=list)
    died_ms: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def begin(self) -> subprocess.Popen[bytes]:
        """The daemon, started where none runs."""
        if self.process is None or self.process.poll() == -signal.SIGKILL:
            self.process = subprocess.Popen(
                self.project.command(*self.argv),
                env=self.project.environ,
                cwd=self.project.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self.process

    def strike(self, victim: str) -> None:
        """Kill one of these at a random moment; nothing where the run ends before one is seen."""
        process = self.begin()
        self._pause(self.dice.uniform(0.0, 0.6))
        deadline = time.monotonic() + SETTLE_S
        while process.poll() is None and time.monotonic() < deadline:
            found = list(self._of(victim, process.pid))
            if found:
                self._pause(self.dice.uniform(0.0, 0.02))
                with suppress(ProcessLookupError):
                    os.kill(self.dice.choice(found), signal.SIGKILL)
                    self.struck.append(victim)
                    if victim == "daemon":
                        self.died_ms.append(time.time() * 1000)
                return

    def _of(self, victim: str, daemon: int) -> Iterator[int]:
        if victim == "daemon":
            yield daemon
            return
        chosen: Callable[[Path], bool] = {
            "reaper": lambda folder: b"reaper/__main__.py" in _read(folder / "cmdline"),
            "worker": lambda folder: b"worker.sh" in _read(folder / "cmdline"),
            "escort": lambda folder: b"escort/__main__.py" in _read(folder / "cmdline"),
            "agent": lambda folder: b"acp_agent.py\0busy" in _read(folder / "cmdline"),
            "grandchild": lambda folder: _read(folder / "cmdline").startswith(b"sleep\x00300"),
            "program": lambda folder: _parent(folder) == daemon and _is_program(folder),
        }[victim]
        home = str(self.project.folder).encode()
        for folder in Path("/proc").glob("[0-9]*"):
            ours = home in _read(folder / "environ") + _read(folder / "cmdline")
            if ours and chosen(folder) and int(folder.name) != daemon:  # it names its worker, too
                yield int(folder.name)

    def _pause(self, seconds: float) -> None:
        """Let the run go on for a moment that the dice chose, or to its end."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)

    def end(self) -> int:
        """Run to the end, again where the daemon was the last victim."""
        code = self.begin().wait(timeout=SETTLE_S)
        if code == -signal.SIGKILL:
            code = self.begin().wait(timeout=SETTLE_S)
        return code

    def recovered_s(self) -> Iterator[float]:
        """How long after each death of a daemon the next one, started at once, had something new on
        record."""
        with open_reader(self.project.home / "journal.db") as reader:
            written = [row.at_ms for row in reader.read()]
        for died_ms in self.died_ms:
            after = [at_ms for at_ms in written if at_ms > died_ms]
            if after:
                yield (min(after) - died_ms) / 1000


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(folder: Path) -> int:
    fields = _read(folder / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _is_program(folder: Path) -> bool:
    program = _read(folder / "cmdline").split(b"\0", 1)[0]
    return program.endswith((b"/jj", b"/git"))


def _worker(project: Project) -> str:
    """Notes its key, leaves something running in a session of its own, works a little."""
    path = project.folder / "worker.sh"
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$OYA_EXECUTION_KEY" >> "{project.folder}/starts.log"\n'
        "setsid sleep 300 &\n"
        "sleep 0.4\n"
        'echo "$OYA_BEAD_ID" > "$OYA_BEAD_ID.txt"\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.timeout(4 * SETTLE_S)
@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=() if seed < SEEDS_IN_EVERY_RUN else pytest.mark.chaos)
        for seed in range(SEEDS)
    ],
)
def test_any_part_may_be_killed(
    new_project: NewProject, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Two kills in a run of six beads: each lands once, in order and tested; no execution key runs
    twice; no process, workspace or needless pin is left; repository, journal and the user's files
    are sound."""
    project = new_project(colocate=seed % 2 == 0, files=30)
    beads = plan_beads(6, streams=2)
    file = project.beads(*beads)
    dice = random.Random(seed)
    argv = ["run", str(file), "--repo", str(project.root), "--worker", _worker(project)]
    siege = Siege(project, [*argv, "--slots", "3"], dice)
    siege.strike(VICTIMS[seed % len(VICTIMS)])
    siege.strike(dice.choice(VICTIMS))
    assert siege.end() == 0, siege.struck
    assert siege.struck, "nothing was killed"
    for victim in siege.struck:
        record_property(f"kills of a {victim}", 1)
    for seconds in siege.recovered_s():
        record_property("from the death of a daemon to the next event on record", seconds)

    assert_order(project.trailers("Oya-Bead"), beads)
    starts = (project.folder / "starts.log").read_text().split()
    assert len(starts) == len(set(starts)), "an execution key ran twice"
    record_property("workers started twice", 0)
    project.assert_landed_trees_were_tested()
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    record_property("processes or workspaces left", 0)
    project.assert_no_needless_pins()

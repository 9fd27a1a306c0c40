"""SIGKILL in the first moments of a daemon's life, and in its last ones: a run of one bead whose
worker waits, killed when a file of its home appears or goes, and what the next run makes of it."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.projects import Project

LIMIT_S = 60.0
"""Far more than anything here takes, on a busy machine too."""

Moment = Callable[[Project], bool]
"""Whether it has come."""


def _there(pattern: str) -> Moment:
    return lambda project: any(project.folder.glob(pattern))


STARTS: dict[str, Moment] = {
    "locked": _there("home/daemon.lock"),
    "our lock in the repository": _there("project/.jj/repo/oya-vcs.lock"),
    "control workspace begun": _there("home/workspaces/*/.control"),
    "journal begun": _there("home/journal.db*"),
    "journal made": _there("home/journal.db-wal"),
    "heard": _there("home/daemon.sock"),
    "workspace begun": _there("home/workspaces/*/it-*"),
    "run begun": _there("home/runs/*"),
}
ENDS: dict[str, Moment] = {
    "at once": lambda _project: True,
    "worker stopped": _there("home/runs/*/outcome.json"),
    "unheard": lambda project: not (project.home / "daemon.sock").exists(),
    "checkpoint": _there("home/checkpoints/*"),
}


def _worker(project: Project) -> str:
    """Leaves something running in a session of its own, and waits until it may go on."""
    path = project.folder / "worker.sh"
    path.write_text(
        "#!/bin/sh\n"
        "setsid sleep 300 &\n"
        f'while ! test -e "{project.folder}/go"; do sleep 0.02; done\n'
        'echo work > "$OYA_BEAD_ID.txt"\n'
    )
    path.chmod(0o755)
    return str(path)


def _begin(project: Project, file: Path) -> subprocess.Popen[bytes]:
    argv = ["run", str(file), "--repo", str(project.root), "--worker", _worker(project)]
    return subprocess.Popen(
        project.command(*argv),
        env=project.environ,
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, looking as often as the machine allows."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _pause(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let it go on for a moment that the dice chose, or to its end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)


def _finish(project: Project, file: Path) -> None:
    """The next run takes up what is there; nothing is left of either, and it landed once."""
    _until(lambda: project.processes() == [])
    (project.folder / "go").touch()
    assert _begin(project, file).wait(LIMIT_S) == 0
    assert project.trailers("Oya-Bead") == ["it"]
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()
    project.assert_user_untouched()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", STARTS)
def test_killed_while_it_starts(new_project: NewProject, moment: str) -> None:
    """The very moment that something is there for the first time: the next start is a start like
    any other."""
    project = new_project(files=5)
    file = project.beads({"id": "it", "title": "It"})
    process = _begin(project, file)
    _until(lambda: STARTS[moment](project) or process.poll() is not None)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait(LIMIT_S) == -signal.SIGKILL
    _finish(project, file)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", ENDS)
def test_killed_while_it_ends(new_project: NewProject, moment: str) -> None:
    """Told to stop, and killed on its way down: no process outlives it, and the next run goes
    on."""
    project = new_project(files=5)
    file = project.beads({"id": "it", "title": "It"})
    process = _begin(project, file)
    _until(_started(project))
    process.send_signal(signal.SIGTERM)
    _until(lambda: ENDS[moment](project) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    assert process.wait(LIMIT_S) in {-signal.SIGKILL, 130}
    _finish(project, file)


def _started(project: Project) -> Callable[[], bool]:
    return lambda: any(project.home.glob("runs/*/started"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=() if seed == 0 else pytest.mark.chaos) for seed in range(12)],
)
def test_killed_again_and_again_before_it_is_up(
    new_project: NewProject, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Six starts that are cut off at seeded moments of their first second, some on their way down,
    and one that is not."""
    project = new_project(files=5, colocate=seed % 2 == 0)
    file = project.beads({"id": "it", "title": "It"})
    dice = random.Random(seed)
    for _ in range(6):
        process = _begin(project, file)
        _pause(process, dice.uniform(0.2, 1.6))
        if dice.random() < 0.4:
            process.send_signal(signal.SIGINT)
            _pause(process, dice.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait(LIMIT_S) in {-signal.SIGKILL, -signal.SIGINT, 130}
        record_property("kills of a daemon that starts", 1)
    _finish(project, file)


LOOKS = ("--version", "git root", "bookmark list", "config get user.email", "workspace add")
"""What a start asks of jj, in this order."""


def test_a_start_does_not_fail_of_a_jj_that_somebody_killed(new_project: NewProject) -> None:
    """Killed once at each thing that is asked of it before the daemon is up: the start goes on, and
    nothing is forgotten, least of all who the author is."""
    project = new_project(files=5)
    file = project.beads({"id": "it", "title": "It"})
    (project.folder / "go").touch()
    jj = project.folder / "jj"
    deaths = "".join(
        f'case "$*" in *"{words}"*) mkdir "{project.folder}/killed{at}" 2>/dev/null'
        " && kill -9 $$;; esac\n"
        for at, words in enumerate(LOOKS)
    )
    jj.write_text(f'#!/bin/sh\n{deaths}exec "{project.tools.jj}" "$@"\n')
    jj.chmod(0o755)
    argv = ["run", str(file), "--repo", str(project.root), "--worker", _worker(project)]
    ran = project.oya(*argv, env={"OYA_JJ": str(jj)})
    assert ran.code == 0, ran.err
    assert len(list(project.folder.glob("killed*"))) == len(LOOKS)
    assert project.git("log", "-1", "--format=%an", "refs/heads/main") == "Uma User"
    _until(lambda: project.processes() == [])
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_user_untouched()

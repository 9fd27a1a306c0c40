"""One daemon a home, whatever became of the one before."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oya_vcs.errors import ExitCode, Locked, WorldFailed
from oya_vcs.journal.lock import HomeLock, holder

ROOT = Path(__file__).resolve().parents[2]

HOLDER = """
import sys
from pathlib import Path
from oya_vcs.journal.lock import HomeLock

with HomeLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_daemon_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    """While another process holds the home, acquire raises Locked with its pid, exit code 5."""
    path = tmp_path / "home" / "daemon.lock"
    with start_holder(path) as other:
        with pytest.raises(Locked, match=f"process {other.pid}") as caught, HomeLock(path):
            pass
        assert caught.value.exit_code is ExitCode.LOCKED
        assert "`kill`" in caught.value.hint
        assert holder(path) == other.pid
        other.communicate()
    assert holder(path) is None
    with HomeLock(path):
        assert holder(path) == os.getpid()


def test_a_killed_holder_locks_nobody_out(tmp_path: Path) -> None:
    """SIGKILL leaves the file with a dead pid: no lock, and nobody is said to be there."""
    path = tmp_path / "daemon.lock"
    with start_holder(path) as other:
        other.kill()
        other.wait()
        assert path.read_text() == f"{other.pid}\n"
        assert holder(path) is None
        with HomeLock(path):
            assert path.read_text() == f"{os.getpid()}\n"


def test_a_stale_pid_that_lives_again_is_no_holder(tmp_path: Path) -> None:
    """A file that names a living process that holds nothing does not fool holder or the lock."""
    path = tmp_path / "daemon.lock"
    path.write_text(f"{os.getppid()}\n")
    assert holder(path) is None
    with HomeLock(path) as lock:
        lock.acquire()
        assert holder(path) == os.getpid()


@pytest.mark.parametrize("text", ["", "nonsense", "-1", "0", "99999999999999999999"])
def test_a_spoiled_file_is_no_lock(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, without the flock nobody holds it."""
    path = tmp_path / "daemon.lock"
    path.write_text(text)
    assert holder(path) is None
    with HomeLock(path):
        assert holder(path) == os.getpid()


def test_a_holder_without_a_pid_is_still_a_holder(tmp_path: Path) -> None:
    """The message does not invent a pid where the file has none."""
    path = tmp_path / "daemon.lock"
    with HomeLock(path):
        path.write_text("")
        with pytest.raises(Locked, match="did not write its pid"):
            HomeLock(path).acquire()


def test_a_home_that_cannot_be_made_is_the_worlds_fault(tmp_path: Path) -> None:
    """A file where the home should be is an error that names the lock, and no traceback."""
    home = tmp_path / "home"
    home.touch()
    with pytest.raises(WorldFailed, match=r"daemon\.lock cannot be opened"):
        HomeLock(home / "daemon.lock").acquire()


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """A worker that outlives its daemon does not keep the home locked."""
    path = tmp_path / "daemon.lock"
    argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    pipe = subprocess.PIPE
    with HomeLock(path):
        child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, close_fds=False)
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
    with child:
        with HomeLock(path):
            assert child.poll() is None
        child.communicate()


def test_the_lock_is_private_and_can_be_given_back_twice(tmp_path: Path) -> None:
    """The file has mode 0600 and stays; release is idempotent; nothing there is None."""
    path = tmp_path / "daemon.lock"
    assert holder(path) is None
    lock = HomeLock(path)
    lock.acquire()
    lock.release()
    lock.release()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == ""
    assert holder(path) is None

"""One daemon a home: an flock on `daemon.lock`, which dies with its holder, however that ends.

The lock is the flock, never the file: a file that a killed daemon left behind locks nobody out. The
pid in it is for people and for `status`. The file is never deleted, since a daemon that waits for
the old file and one that makes a new one would both hold "the" lock.

This module does not know what the holder does, and starts and stops nobody.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from oya_vcs.errors import Locked, WorldFailed


class HomeLock:
    """The lock of one home, for use in `with`: entering takes it, leaving gives it back.

    Children started by exec do not inherit it. The folder is made (0700) where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise Locked naming the holder's pid; WorldFailed where the
        home cannot be made or written. Held already: nothing."""
        if self._descriptor is not None:
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WorldFailed(
                f"The lock {self.path} cannot be opened: {error}.",
                hint="Give the daemon a home that it can write to, with --home or OYA_HOME.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = _written_pid(descriptor)
            os.close(descriptor)
            who = "by a process that did not write its pid" if pid is None else f"by process {pid}"
            raise Locked(
                f"The home {self.path.parent} is in use {who}.",
                "Wait for it, stop it (Ctrl-C, or `kill` and its number), or name another --home.",
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, or None where nobody does.

    The lock itself is tried only where the file names a living process, and given back at once: a
    daemon that starts in that very moment after one was killed whose pid was taken over may have
    to be started again.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        pid = _written_pid(descriptor)
        return pid if pid is not None and _lives(pid) and _is_locked(descriptor) else None
    finally:
        os.close(descriptor)


def _written_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

"""The files of a run that the reaper writes, so that a crash finds all of each or nothing.

Must not know how the run went.
"""

from __future__ import annotations

import json
import os
import time

OUTCOME_BYTES_MAX = 4_096


def reserve(folder: str) -> int:
    """Say that the program may be started, durably, and take the room its outcome will need."""
    part = f"{folder}/started.part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, OUTCOME_BYTES_MAX)
    os.rename(part, f"{folder}/started")  # noqa: PTH104
    sync(fd, folder)
    return fd


def settle(fd: int, folder: str, outcome: dict[str, object]) -> None:
    """Make the outcome visible, whole and durable. Needs no room on the disk."""
    data = json.dumps({**outcome, "ended_at_ms": time.time_ns() // 1_000_000}).encode()
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    os.fsync(fd)
    os.rename(f"{folder}/started", f"{folder}/outcome.json")  # noqa: PTH104
    sync(fd, folder)


def sync(fd: int, folder: str) -> None:
    """Return when a file and its name are on disk."""
    os.fsync(fd)
    at = os.open(folder, os.O_RDONLY)
    os.fsync(at)
    os.close(at)

"""Processes as /proc shows them: which one is which, and the end of those that nobody waits for.

Used where a reaper was killed or does not answer. Must not know of runs, folders or outcomes. Where
there is no /proc (macOS) nothing is found; a process is then known by its pid alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from oya_vcs.core.ids import Key

PROC = Path("/proc")
KEY_VARIABLE = "OYA_EXECUTION_KEY"


def boot_id() -> str:
    """What tells this boot of the machine from all others; empty where it does not say."""
    try:
        return PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 where it has ended or nobody can say."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] != b"Z" else 0


def lives(pid: int, started: int) -> bool:
    """Whether exactly this process still runs: a pid used again has another start time."""
    if PROC.joinpath("stat").exists():
        return start_ticks(pid) == started != 0
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def memory_bytes() -> int:
    """What this machine has of memory; 0 where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def kill_bearers(key: Key) -> bool:
    """Kill every process with this OYA_EXECUTION_KEY in its environment, and all below each.

    Whether there was one. A single look may miss a process in the middle of execve(2).
    """
    needle = f"{KEY_VARIABLE}={key}".encode()
    bearers = {pid for pid in pids() if needle in environment(pid)}
    if bearers:
        for pid in with_descendants(bearers):
            tell(pid, signal.SIGKILL)
    return bool(bearers)


def bearing() -> set[str]:
    """The keys that processes of this machine carry in their environment."""
    name = f"{KEY_VARIABLE}=".encode()
    return {
        one.removeprefix(name).decode(errors="replace")
        for pid in pids()
        for one in environment(pid)
        if one.startswith(name)
    }


def kill_tree(root: int) -> None:
    """Kill a process and all below it, the process itself last."""
    for pid in sorted(with_descendants({root}), key=root.__eq__):
        tell(pid, signal.SIGKILL)


def with_descendants(roots: set[int]) -> set[int]:
    """Those of the processes that are there, and all below them."""
    parents = {pid: int(fields[1]) for pid in pids() if (fields := stat_fields(pid))}
    found = roots & parents.keys()
    while fresh := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= fresh
    return found


def pids() -> Iterator[int]:
    """Every process that /proc shows."""
    if PROC.joinpath("stat").exists():
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def stat_fields(pid: int) -> list[bytes]:
    """The fields of proc(5) stat from the third (state) on; empty where the process is gone."""
    try:
        return PROC.joinpath(str(pid), "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def environment(pid: int) -> list[bytes]:
    """The variables a process was started with; empty where it is gone or another user's."""
    try:
        return PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def tell(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone by now; never to this one."""
    if pid != os.getpid():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)

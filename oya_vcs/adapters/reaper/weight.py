"""What the tree of a run weighs, and whether that is too much.

Memory is the resident set as the kernel counts it for each process (proc(5) statm), added up: what
processes share counts for each of them. Sampled, so that what lasts less than a sample is not seen.
Linux only; elsewhere nothing weighs anything. Must not know what is done about it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from oya_vcs.adapters.reaper.tree import LINUX, look

SAMPLE_MS = 1_000
MEMORY = "memory_limit"
PROCESSES = "process_limit"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Scales:
    """The limits of one run; 0 is none. Weighs the tree below this process once a SAMPLE_MS."""

    def __init__(self, rss_bytes_max: int, processes_max: int) -> None:
        self.rss_bytes_peak = 0
        self.processes_peak = 0
        self._limits = (rss_bytes_max, processes_max)
        self._due = time.monotonic() if LINUX and any(self._limits) else float("inf")

    def wait_ms(self, most: int) -> int:
        """How long until the next sample, at most `most`."""
        return max(0, int(min(1000 * (self._due - time.monotonic()) + 1, most)))

    def too_much(self) -> str | None:
        """The limit that the tree breaks now, where a sample is due."""
        if time.monotonic() < self._due:
            return None
        self._due = time.monotonic() + SAMPLE_MS / 1000
        tree = set(below(os.getpid()))
        rss_bytes = sum(map(resident_bytes, tree))
        self.rss_bytes_peak = max(self.rss_bytes_peak, rss_bytes)
        self.processes_peak = max(self.processes_peak, len(tree))
        rss_bytes_max, processes_max = self._limits
        if rss_bytes_max and rss_bytes > rss_bytes_max:
            return MEMORY
        return PROCESSES if processes_max and len(tree) > processes_max else None


def resident_bytes(pid: int) -> int:
    """What a process has in memory; 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:  # noqa: PTH123 - pathlib costs 5 ms
            return int(statm.read().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def below(root: int) -> Iterator[int]:
    """Every process below this one, as far as they stay the same meanwhile."""
    if not os.path.exists(f"/proc/{root}/task/{root}/children"):  # noqa: PTH110 - as above
        yield from _below_by_parents(root)
        return
    todo = [root]
    while todo:
        children = _children(todo.pop())
        todo += children
        yield from children


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - as above
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as children:  # noqa: PTH123
                found += map(int, children.read().split())
    except OSError:
        pass
    return found


def _below_by_parents(root: int) -> Iterator[int]:
    """The same where the kernel keeps no lists of children (CONFIG_PROC_CHILDREN)."""
    here = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    parents = {pid: look(pid)[0] for pid in here}
    family = {root}
    while fresh := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= fresh
        yield from fresh

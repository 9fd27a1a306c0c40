"""How many checks this machine can run at once.

Knows the machine, and nothing of checks but that each wants a processor and some memory.
"""

from __future__ import annotations

import os
from pathlib import Path

BYTES_A_CHECK = 2 * 1024**3
"""What a compiler or a test suite may take before the machine begins to swap: a rule of thumb."""
CGROUP = Path("/sys/fs/cgroup")


def checks_that_fit(cgroup: Path = CGROUP) -> int:
    """One a processor that this process may use, as long as each has 2 GiB of memory; at least one.

    The limits of the container (`cgroup`, version 2) count, where there are any. Blocks.
    """
    by_memory = _least(_memory(), _limit(cgroup / "memory.max")) // BYTES_A_CHECK
    return max(1, int(min(_least(_processors(), _quota(cgroup / "cpu.max")), by_memory)))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _least(here: float, limit: float | None) -> float:
    return here if limit is None else min(here, limit)


def _limit(file: Path) -> int | None:
    text = _read(file)
    return int(text) if text.isdecimal() else None


def _quota(file: Path) -> float | None:
    """Processors, from `QUOTA PERIOD`; `max PERIOD` is none."""
    quota, _, period = _read(file).partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""

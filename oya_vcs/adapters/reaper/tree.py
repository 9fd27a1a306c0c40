"""The processes of a run: which they are, that they end, and that their end is noticed.

Must not know why they are to end, nor what they write.
"""

from __future__ import annotations

import os
import signal
import sys

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Tell the kernel something about this process (Linux). Raises OSError where it refuses."""
    import ctypes  # noqa: PLC0415 - it costs 3 ms, and only Linux needs it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def look(pid: int) -> tuple[int, int]:
    """The parent of a process, and when it started in clock ticks; zeros where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - pathlib costs 5 ms
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[19])


def tell(pid: int, number: int) -> bool:
    """Send a signal; whether it could be sent."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Tree:
    """The program and all that came of it."""

    def __init__(self) -> None:
        self.main = 0
        self.exit_code: int | None = None
        self.gone = False
        self._strangers: set[int] = set()

    def bury(self) -> None:
        """Wait for every child that has ended; learn whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.gone = LINUX or not tell(-self.main, 0)
                return
            if pid == 0:
                return
            if pid == self.main:
                self.exit_code = os.waitstatus_to_exitcode(status)

    def strike(
        self, *numbers: int, sparing: tuple[int, ...] = (), but: set[int] | None = None
    ) -> set[int]:
        """Send signals to every process of the tree, and return which were found.

        Each is hit the moment it is seen, so that one which does nothing but fork and exit is hit
        too. What started before the reaper is a stranger and looked at only once. `sparing`
        leaves out what is so many generations below the program (0: itself): a sandbox, which ends
        with what it holds; those in `but` have been told already.
        """
        if not LINUX:
            return {self.main for number in numbers if tell(-self.main, number)}
        reaper, told = os.getpid(), but or set()
        born = look(reaper)[1]
        here = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
        self._strangers &= here
        unknown = sorted(here - self._strangers - {reaper})
        family = {reaper}
        depths = {self.main: 0}
        for pid in unknown * 2:  # twice, since pids wrap: a child's may be below its parent's
            parent, started = look(pid)
            if parent in family and pid not in family:
                family.add(pid)
                if parent in depths:
                    depths.setdefault(pid, depths[parent] + 1)
                spared = pid in told or depths.get(pid) in sparing
                for number in numbers:
                    if not spared or number == signal.SIGCONT:
                        tell(pid, number)
            elif 0 < started < born:
                self._strangers.add(pid)
        return family - {reaper}

"""One run, from the orders to the outcome. What the package promises is done here."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from oya_vcs.adapters.reaper.hearing import Ears
from oya_vcs.adapters.reaper.orders import Orders
from oya_vcs.adapters.reaper.output import Log
from oya_vcs.adapters.reaper.program import UnstartableError, spawn
from oya_vcs.adapters.reaper.record import reserve, settle
from oya_vcs.adapters.reaper.tree import LINUX, PR_SET_CHILD_SUBREAPER, Tree, prctl
from oya_vcs.adapters.reaper.weight import MEMORY, PROCESSES, Scales

DETAIL_CHARS_MAX = 500
AT_ONCE = (MEMORY, PROCESSES)
"""Reasons that leave no time for SIGTERM: meanwhile the machine would run out of what is scarce."""
LINGER_MS = 200
"""How long background processes may outlast the program: a `tee` can write its last lines."""
KILL_MS_MAX = 10_000
"""What SIGKILL did not end by then, and nothing new came, is another user's or hangs."""


class Run:
    """One program from its start to the end of its tree. `beat` says that the reaper is awake."""

    def __init__(
        self, ears: Ears, log: Log, scales: Scales, orders: Orders, beat: Callable[[], None]
    ) -> None:
        self._ears = ears
        self._log = log
        self._scales = scales
        self._orders = orders
        self._beat = beat
        self._tree = Tree()
        self._killed: set[int] = set()
        self._due = time.monotonic()

    def carry_out(self) -> dict[str, object]:
        """Return the program's outcome, its whole tree gone. Raises UnstartableError."""
        orders = self._orders
        self._tree.main, output = spawn(orders.argv, orders.cwd, orders.env)
        self._ears.hear_output(output)
        reason = self._until_ended()
        if reason is None:
            self._until_gone(LINGER_MS)
        if not self._tree.gone and reason not in AT_ONCE:
            self._ask_to_end(orders.stop_ms)
        detail = self._kill_rest()
        while chunk := self._ears.read_output():
            self._log.write(chunk)
        self._log.close()
        return {
            "exit_code": self._tree.exit_code,
            "reason": "infrastructure" if detail else reason,
            "detail": detail,
            "output_bytes": self._log.seen,
            "log_error": self._log.error,
            "killed": len(self._killed),
            "rss_bytes_peak": self._scales.rss_bytes_peak,
            "processes_peak": self._scales.processes_peak,
        }

    def _until_ended(self) -> str | None:
        """Wait for the program's end (None) or a reason to stop it."""
        while True:
            self._turn(self._scales.wait_ms(self._orders.beat_ms))
            if self._tree.exit_code is not None:
                return None
            full = self._log.seen > self._log.bytes_max
            reason = "output_limit" if full else self._ears.stop() or self._scales.too_much()
            if reason:
                return reason

    def _ask_to_end(self, stop_ms: int) -> None:
        """SIGTERM for all; and, when the program itself has ended, for what it began meanwhile, or
        in the very moment of the look: until then that may be its way to end well."""
        deadline = time.monotonic() + stop_ms / 1000
        box = self._orders.box_depths
        told = self._tree.strike(signal.SIGTERM, signal.SIGCONT, sparing=box)
        while self._tree.exit_code is None and (left := deadline - time.monotonic()) > 0:
            self._turn(int(left * 1000) + 1)
        self._until_gone(min(LINGER_MS, stop_ms))
        if not self._tree.gone:
            self._tree.strike(signal.SIGTERM, signal.SIGCONT, sparing=box, but=told)
            self._until_gone(int((deadline - time.monotonic()) * 1000))

    def _until_gone(self, limit_ms: int) -> None:
        deadline = time.monotonic() + limit_ms / 1000
        while not self._tree.gone and (left := deadline - time.monotonic()) > 0:
            self._turn(int(left * 1000) + 1)

    def _kill_rest(self) -> str:
        """Kill until nothing is left; a sentence about what could not be killed."""
        deadline = time.monotonic() + KILL_MS_MAX / 1000
        while not self._tree.gone:
            found = self._tree.strike(signal.SIGKILL)
            if found - self._killed:
                deadline = time.monotonic() + KILL_MS_MAX / 1000
            elif time.monotonic() > deadline:
                left = ", ".join(map(str, sorted(found)))
                return f"Processes that cannot be stopped are left: {left}."[:DETAIL_CHARS_MAX]
            self._killed |= found
            self._turn(1)
        return ""

    def _turn(self, timeout_ms: int) -> None:
        beat_ms = self._orders.beat_ms
        self._log.write(self._ears.listen(min(timeout_ms, beat_ms)))
        self._tree.bury()
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + beat_ms / 1000
            self._beat()


def main() -> None:
    """Hear the orders, wait for the word, run, record."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    ears = Ears()
    line = ears.line()
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    if line is None or ears.line() != b"go":
        return
    orders = Orders(**json.loads(line))
    folder = orders.run
    os.dup2(os.open(f"{folder}/reaper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    fd = reserve(folder)
    try:
        log = Log(orders.log, orders.output_bytes_max, orders.secrets)
        scales = Scales(orders.rss_bytes_max, orders.processes_max)
        outcome = Run(ears, log, scales, orders, partial(os.utime, fd)).carry_out()
    except UnstartableError as error:
        reason, detail = error.args
        outcome = {"exit_code": None, "reason": reason, "detail": detail[:DETAIL_CHARS_MAX]}
    settle(fd, folder, outcome)

"""One run, from the orders to the outcome. What the package promises is done here."""

from __future__ import annotations

import json
import os
import signal
import time

from oya_vcs.adapters.reaper.hearing import Ears
from oya_vcs.adapters.reaper.output import Log
from oya_vcs.adapters.reaper.program import UnstartableError, spawn
from oya_vcs.adapters.reaper.record import reserve, settle
from oya_vcs.adapters.reaper.tree import LINUX, PR_SET_CHILD_SUBREAPER, Tree, prctl

DETAIL_CHARS_MAX = 500
LINGER_MS = 200
"""How long background processes may outlast the program: a `tee` can write its last lines."""
KILL_MS_MAX = 10_000
"""What SIGKILL did not end by then, and nothing new came, is another user's or hangs."""


class Run:
    """One program from its start to the end of its tree."""

    def __init__(self, ears: Ears, log: Log, stop_ms: int) -> None:
        self._ears = ears
        self._log = log
        self._stop_ms = stop_ms
        self._tree = Tree()
        self._killed: set[int] = set()

    def carry_out(self, argv: list[str], cwd: str, env: dict[str, str]) -> dict[str, object]:
        """Return the program's outcome, its whole tree gone. Raises UnstartableError."""
        self._tree.main, output = spawn(argv, cwd, env)
        self._ears.hear_output(output)
        reason = self._until_ended()
        if reason is None:
            self._until_gone(LINGER_MS)
        if not self._tree.gone:
            self._tree.strike(signal.SIGTERM, signal.SIGCONT)
            self._until_gone(self._stop_ms)
        detail = self._kill_rest()
        while chunk := self._ears.read_output():
            self._log.write(chunk)
        return {
            "exit_code": self._tree.exit_code,
            "reason": "infrastructure" if detail else reason,
            "detail": detail,
            "output_bytes": self._log.seen,
            "log_error": self._log.error,
            "killed": len(self._killed),
        }

    def _until_ended(self) -> str | None:
        """Wait for the program's end (None) or a reason to stop it."""
        while True:
            self._turn(None)
            if self._tree.exit_code is not None:
                return None
            full = self._log.seen > self._log.bytes_max
            if reason := "output_limit" if full else self._ears.stop():
                return reason

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

    def _turn(self, timeout_ms: int | None) -> None:
        self._log.write(self._ears.listen(timeout_ms))
        self._tree.bury()


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
    orders = json.loads(line)
    folder = orders["run"]
    os.dup2(os.open(f"{folder}/reaper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    fd = reserve(folder)
    try:
        run = Run(ears, Log(orders["log"], orders["output_bytes_max"]), orders["stop_ms"])
        outcome = run.carry_out(orders["argv"], orders["cwd"], orders["env"])
    except UnstartableError as error:
        reason, detail = error.args
        outcome = {"exit_code": None, "reason": reason, "detail": detail[:DETAIL_CHARS_MAX]}
    settle(fd, folder, outcome)

"""The agent's process: its standard input and output, line by line, and that nobody waits for ever.

Its standard error is the escort's own, and so the log. Must not know what is said.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

LINE_BYTES_MAX = 32 * 1024 * 1024
"""What one message may have. Agents send whole files in one: 1 MB is common."""
READ_BYTES = 262_144
ENDED_MS = 20
LINGER_S = 0.2
"""How long the output of a program that has ended is read on, where others hold it open."""


class LineTooLongError(Exception):
    """A message without end."""


class Child:
    """The agent. `talking` says that its standard input is a conversation; else it is the file
    `feed`, or nothing. Raises OSError where it cannot be started."""

    def __init__(self, argv: Sequence[str], *, talking: bool, feed: str = "") -> None:
        given = None if talking else os.open(feed or os.devnull, os.O_RDONLY)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if given is None else given,
                stdout=subprocess.PIPE,
                restore_signals=True,
            )
        finally:
            if given is not None:
                os.close(given)
        self.seen_bytes = 0
        self.asked_to_end = False
        self._unsent = bytearray()
        self._rest = bytearray()
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._out, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(self._out, select.POLLIN)
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        self._reading = True
        self._ended_at: float | None = None

    @property
    def _out(self) -> int:
        if self._process.stdout is None:
            raise ValueError("the agent's output is no pipe")
        return self._process.stdout.fileno()

    def send(self, line: bytes) -> None:
        """Queue a message; it is written while messages are read, so that neither side waits for
        the other."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._unsent += line + b"\n"
            self._write()

    def hear(self, timeout_ms: int | None = None) -> list[bytes] | None:
        """The lines that came, without their ends, perhaps none; None when there will be no more.
        Returns early on a signal. Raises LineTooLongError."""
        if not self._reading:
            return None
        if self._has_ended():
            timeout_ms = ENDED_MS
        for fd, _ in self._poll.poll(timeout_ms):
            if fd == self._wake:
                told = set(os.read(fd, 4_096)) - {signal.SIGCHLD}
                self.asked_to_end = self.asked_to_end or bool(told)
            elif fd == self._out:
                return self._read()
            else:
                self._write()
        return []

    def _has_ended(self) -> bool:
        """Whether the program is gone; its output then is over soon, whoever holds it open."""
        if self._process.poll() is None:
            return False
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        if now - self._ended_at > LINGER_S:
            self._reading = False
        return True

    def hang_up(self) -> None:
        """End its standard input: an agent that has nobody to talk to ends."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            if self._unsent:
                self._poll.unregister(self._process.stdin.fileno())
                self._unsent.clear()
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def status(self, patience_s: float) -> int | None:
        """How it ended (negative: by that signal), waiting so long for it; None: it has not."""
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None

    def tell_to_end(self) -> None:
        """SIGTERM for the agent itself; what it started is the reaper's."""
        self._process.terminate()

    def _read(self) -> list[bytes] | None:
        try:
            data = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self._reading = False
            self._poll.unregister(self._out)
            return [bytes(self._rest)] if self._rest else None
        self.seen_bytes += len(data)
        if b"\n" not in data:
            self._rest += data
            lines: list[bytes] = []
        else:
            first, *more = data.split(b"\n")
            lines = [bytes(self._rest) + first, *more[:-1]]
            self._rest = bytearray(more[-1])
        if len(self._rest) > LINE_BYTES_MAX:
            raise LineTooLongError
        return lines

    def _write(self) -> None:
        """As much as the agent takes now; the rest when it takes more."""
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        fd = stdin.fileno()
        try:
            while self._unsent:
                del self._unsent[: os.write(fd, self._unsent[:READ_BYTES])]
        except BlockingIOError:
            self._poll.register(fd, select.POLLOUT)
            return
        except BrokenPipeError:
            self._unsent.clear()
        with contextlib.suppress(KeyError):
            self._poll.unregister(fd)

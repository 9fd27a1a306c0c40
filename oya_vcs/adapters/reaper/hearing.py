"""What the reaper listens to, through one poll. Must not know what follows from what it hears."""

from __future__ import annotations

import os
import select
import signal

LIFELINE = 0


class Ears:
    """What the reaper listens to, through one poll: lifeline, signals, the program's output."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._rest = b""
        self._over = False
        self._output = -1
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(LIFELINE, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def hear_output(self, output: int) -> None:
        """From now on listen to the program's output too."""
        os.set_blocking(output, False)
        self._output = output
        self._poll.register(output, select.POLLIN)

    def listen(self, timeout_ms: int | None) -> bytes:
        """Wait until something is heard, or `timeout_ms`; return the output that came."""
        output = b""
        for fd, _ in self._poll.poll(timeout_ms):
            if fd == LIFELINE:
                self._hear_lifeline()
            elif fd == self._wake:
                if any(number != signal.SIGCHLD for number in os.read(fd, 4_096)):
                    self._over = True
            else:
                output = self.read_output()
                if not output:
                    self._poll.unregister(fd)
        return output

    def read_output(self) -> bytes:
        """What the program wrote and nobody read, at most 64 KiB; empty where that is nothing."""
        try:
            return os.read(self._output, 65_536)
        except BlockingIOError:
            return b""

    def line(self) -> bytes | None:
        """The next line of the lifeline; None where it ended or a signal came first."""
        while not self._lines and not self._over:
            self.listen(None)
        return self._lines.pop(0) if self._lines else None

    def stop(self) -> str | None:
        """The reason to stop, once there is one: the first that was said."""
        for line in self._lines:
            if line.startswith(b"stop "):
                return line[5:].decode(errors="replace")
        return "interrupted" if self._over else None

    def _hear_lifeline(self) -> None:
        try:
            heard = os.read(LIFELINE, 65_536)
        except ConnectionError:
            heard = b""
        if not heard:
            self._over = True
            self._poll.unregister(LIFELINE)
        *lines, self._rest = (self._rest + heard).split(b"\n")
        self._lines += lines

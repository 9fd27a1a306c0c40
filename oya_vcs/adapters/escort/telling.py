"""What the escort says: the log of the attempt for people, and the report for the daemon.

Must not know the agent's tongue.
"""

from __future__ import annotations

import json
import os
import time

TITLE_CHARS_MAX = 300
"""Of a title, a path or an error of the agent's, as much is told."""
REFUSALS_MAX = 20
"""Refused permissions that the report names."""
WRITE_S_MIN = 1.0
"""Between two reports while the agent works; the last one is always written."""


class Log:
    """Standard output, in lines that begin with who or what speaks. Text that comes in pieces is
    put together again."""

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._who = ""

    def stream(self, who: str, text: str) -> None:
        """A piece of what somebody says: goes on where the last piece of theirs ended."""
        if not text:
            return
        start = f"{who}: " if not self._who else f"\n{who}: "
        self._put(text if who == self._who else start + text)
        self._who = who

    def line(self, who: str, text: str) -> None:
        """One whole line of its own."""
        self._put(("\n" if self._who else "") + f"{who}: {text}\n")
        self._who = ""

    def raw(self, data: bytes) -> None:
        """Output that is passed on as it is; it ends with the end of a line."""
        self.close()
        self._write(data)

    def close(self) -> None:
        """End the line that is open."""
        if self._who:
            self._put("\n")
        self._who = ""

    def _put(self, text: str) -> None:
        self._write(text.encode(errors="replace"))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]


class Report:
    """What the daemon is told of the run: `reason` is empty as long as nothing went wrong. Counts
    are totals, in the agent's own word; `cost_micros` in millionths of a US dollar."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = ""
        self._due = 0.0
        self.reason = ""
        self.detail = ""
        self.session = ""
        self.tokens_in = 0
        self.tokens_out = 0
        self.cost_micros = 0
        self.refused: list[str] = []

    def fail(self, detail: str, reason: str = "worker_failed") -> None:
        """The attempt has failed, and why. The first reason stands."""
        if not self.reason:
            self.reason, self.detail = reason, detail

    def refuse(self, what: str) -> None:
        """The agent asked for leave and did not get it."""
        if len(self.refused) < REFUSALS_MAX:
            self.refused.append(what)

    def write(self, *, last: bool = False) -> None:
        """Replace the file, if there is something new and it is time. A disk that refuses costs
        the report, not the attempt."""
        if not last and time.monotonic() < self._due:
            return
        shown = {name: value for name, value in vars(self).items() if name[0] != "_"}
        text = json.dumps(shown)
        if text == self._written:
            return
        try:
            with open(f"{self._path}.part", "w", encoding="utf-8") as file:  # noqa: PTH123 - start
                file.write(text)
            os.replace(f"{self._path}.part", self._path)  # noqa: PTH105 - the same
        except OSError:
            return
        self._written, self._due = text, time.monotonic() + WRITE_S_MIN


def short(text: object) -> str:
    """What the agent names something, on one line and of bounded length."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= TITLE_CHARS_MAX else flat[: TITLE_CHARS_MAX - 1] + "…"


def count(value: object) -> int:
    """A number of tokens as an agent says it: a whole number, not below 0 and not absurd."""
    return int(_number(value, 1e15))


def micros(value: object) -> int:
    """US dollars as an agent says them, in millionths."""
    return round(_number(value, 1e9) * 1_000_000)


def _number(value: object, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if 0 <= value < limit else 0

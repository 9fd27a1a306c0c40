"""How far a long reading has come, on stderr: a percentage that is written over on a terminal, else
a line now and then. Knows neither what is read nor the time."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

LINE_EVERY = 250_000
"""Events between two lines where stderr is no terminal: one in about a second."""


class Meter:
    """Counts up to `total` events, for use in `with`; `doing` begins the sentence."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing = doing
        self._total = total
        self._on_terminal = sys.stderr.isatty()
        self._told = 0

    def at(self, seq: int) -> None:
        """Event `seq` has been read."""
        if self._on_terminal:
            self._told = seq
            sys.stderr.write(f"\r{self._doing}: {seq * 100 // max(self._total, 1):>3} %")
            sys.stderr.flush()
        elif seq >= self._told + LINE_EVERY:
            self._told = seq
            sys.stderr.write(f"{self._doing}: {seq} of {self._total} events\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._on_terminal and self._told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

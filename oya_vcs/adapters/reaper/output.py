"""The program's output on disk: no secret in it, and no more of it than was ordered.

Must not know the program.
"""

from __future__ import annotations

import os

from oya_vcs.adapters.reaper.program import UnstartableError
from oya_vcs.adapters.reaper.redaction import Redactor, literals


class Log:
    """The log of one run. Raises UnstartableError where it cannot be written.

    Output that is held back, or that a full disk refuses, sets the log's time stamp: a beat it is
    in any case.
    """

    def __init__(self, path: str, bytes_max: int, secrets: list[str]) -> None:
        self.seen = 0
        self.error = ""
        self.bytes_max = bytes_max
        self._left = bytes_max
        self._redactor = Redactor(literals(secrets))
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UnstartableError("infrastructure", f"No log can be written: {error}.") from error

    def write(self, chunk: bytes) -> None:
        """Take output, and keep what still fits. A disk that refuses costs the log, never the
        outcome."""
        keep = chunk[: max(0, self.bytes_max - self.seen)]
        self.seen += len(chunk)
        if chunk and not self._put(self._redactor.feed(keep)):
            os.utime(self._fd)

    def close(self) -> None:
        """Write what was held back."""
        self._put(self._redactor.finish())

    def _put(self, text: bytes) -> bool:
        """Whether any of it was written."""
        keep, self._left = text[: self._left], self._left - len(text[: self._left])
        written = 0
        while written < len(keep):
            try:
                written += os.write(self._fd, keep[written:])
            except OSError as error:
                self.error = str(error)
                break
        return written > 0

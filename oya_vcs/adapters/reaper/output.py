"""The program's output on disk.

Must not know the program.
"""

from __future__ import annotations

import os

from oya_vcs.adapters.reaper.program import UnstartableError


class Log:
    """The program's output on disk, up to a limit. Raises UnstartableError where it cannot be."""

    def __init__(self, path: str, bytes_max: int) -> None:
        self.seen = 0
        self.error = ""
        self.bytes_max = bytes_max
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UnstartableError("infrastructure", f"No log can be written: {error}.") from error

    def write(self, chunk: bytes) -> None:
        """Keep what still fits. A disk that refuses costs the log, never the outcome."""
        keep = chunk[: max(0, self.bytes_max - self.seen)]
        self.seen += len(chunk)
        while keep:
            try:
                keep = keep[os.write(self._fd, keep) :]
            except OSError as error:
                self.error = str(error)
                return

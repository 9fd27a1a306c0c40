"""Behind a quick start: the rows that a checkpoint stood for are proved while the daemon works.

A start from a checkpoint does not read the rows before it. The state is right all the same, but a
row that was changed there since would go unnoticed until somebody runs `verify`. So a thread walks
over them, a page at a time with pauses between, and a journal in which one does not verify takes no
more. Archived rows are left out: they are files that nobody writes, and may be elsewhere.

This module decodes and folds nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from oya_vcs.errors import JournalCorrupt, OyaError
from oya_vcs.journal.reader import PAGE_ROWS, open_reader

log = logging.getLogger(__name__)

PAUSE_S = 0.01
"""After each page, which takes about 3 ms: a quarter of the time at most, 75,000 rows a second."""


class Proof:
    """Proves the rows of a journal up to `upto`; `refuse` hears of the damage, in the thread."""

    def __init__(self, path: Path, upto: int, refuse: Callable[[JournalCorrupt], None]) -> None:
        self._path = path
        self._upto = upto
        self._refuse = refuse
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-proof", daemon=True)
        if upto > 0:
            self._thread.start()

    def close(self) -> None:
        """Stop, wherever it is. Idempotent; blocks for a page."""
        self._stopping.set()
        self.wait()

    def wait(self) -> None:
        """Return when every row was looked at, or damage was found. Blocks."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with open_reader(self._path) as reader:
                for row in reader.rows(reader.archived_up_to()):
                    if row[0] >= self._upto:
                        return
                    if row[0] % PAGE_ROWS == 0 and self._stopping.wait(PAUSE_S):
                        return
        except JournalCorrupt as error:
            log.error("%s", error.message)  # noqa: TRY400 - no bug of ours
            self._refuse(error)
        except OyaError as error:
            log.warning("Older events could not be proved: %s", error.message)

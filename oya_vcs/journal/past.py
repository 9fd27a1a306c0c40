"""The state as of any event, for people who look back: folded from the nearest checkpoint, or from
where the last look ended.

One look at a time, and a bounded number of events for each. The state that is kept is nobody
else's. Calls no policy; blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid
from oya_vcs.journal.checkpoint import newest
from oya_vcs.journal.reader import Reader, open_reader
from oya_vcs.journal.replay import replay

T = TypeVar("T")

EVENTS_MAX = 300_000
"""Events that one look folds: a third of a second."""


class Past:
    """Of one journal, with the checkpoints in a folder."""

    def __init__(self, journal: Path, checkpoints: Path) -> None:
        self._journal = journal
        self._checkpoints = checkpoints
        self._lock = threading.Lock()
        self._seq = 0
        self._world = World()

    def look(self, seq: int, what: Callable[[World], T]) -> tuple[int, T]:
        """What is found in the state after event `seq`, or after the last one; and which one that
        is. Raises InputInvalid where it takes too many events, NotFound and JournalCorrupt."""
        with self._lock, open_reader(self._journal) as reader:
            seq = min(seq, reader.last_seq())
            self._begin(reader, seq)
            if seq - self._seq > EVENTS_MAX:
                raise InputInvalid(
                    f"The state after event {seq} takes {seq - self._seq} events to find, and"
                    f" {EVENTS_MAX} is the most for a look.",
                    f"`oya-vcs journal replay --to {seq}` takes the time that it needs.",
                )
            if seq > self._seq:
                world, self._world, since, self._seq = self._world, World(), self._seq, 0
                replay(reader.read(since), onto=world, until=seq)
                self._world, self._seq = world, seq  # nothing half folded is kept
            return seq, what(self._world)

    def _begin(self, reader: Reader, seq: int) -> None:
        """Begin with what is kept, or with the newest checkpoint before, whichever is nearer."""
        if self._seq <= seq and seq - self._seq <= _NEAR:
            return
        found = newest(self._checkpoints, reader.hash_at, below=seq + 1)
        since = 0 if found is None else found.seq
        if self._seq > seq or since > self._seq:
            self._world, self._seq = (World(), 0) if found is None else (found.world, since)


_NEAR = 5_000
"""Events that are folded sooner than a checkpoint is read."""

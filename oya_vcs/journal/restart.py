"""The state of now, quickly: the newest checkpoint and the events after it, else all events.

Whatever is wrong with checkpoints costs time and never the state. Rows before the checkpoint are
not read here: `verify` proves them, and so does a daemon behind its start (`proof.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal.checkpoint import newest, write
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import replay
from oya_vcs.ports import Recorded

log = logging.getLogger(__name__)


class Record(Protocol):
    """What is asked of a journal; `Reader` has it."""

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """Every event with a greater `seq`, in order, the chain checked."""
        ...

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of row `seq`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """The world after event `seq`, found from the checkpoint of event `since` (0: from none)."""

    world: World
    seq: int
    since: int


def restore(
    record: Record, folder: Path, *, progress: Callable[[int], None] | None = None
) -> Restored:
    """The state that the journal holds. Blocks.

    Where the events after a checkpoint do not follow from it, it is logged and all events are read.
    Raises JournalCorrupt where these do not verify or do not follow from each other; WorldFailed
    where they cannot be read.
    """
    checkpoint = newest(folder, record.hash_at)
    if checkpoint is not None:
        try:
            return _folded(record, checkpoint.world, checkpoint.seq, progress)
        except JournalCorrupt as error:
            log.warning("Going on without checkpoints: %s", error.message)
    return _folded(record, World(), 0, progress)


def keep(journal: Path, folder: Path, seq: int, image: bytes) -> Path:
    """Write an encoded world as the checkpoint of event `seq`, which is on disk in the journal.

    Returns the file. Raises WorldFailed where the disk refuses, JournalCorrupt where the journal
    does not have the event. Blocks.
    """
    with open_reader(journal) as reader:
        digest = reader.hash_at(seq)
    if digest is None:
        message = f"{journal} does not have event {seq}, which it acknowledged."
        raise JournalCorrupt(message, "Run `oya-vcs journal verify`.")
    return write(folder, image, seq, digest)


def _folded(
    record: Record, world: World, since: int, progress: Callable[[int], None] | None
) -> Restored:
    last = since

    def rows() -> Iterator[Recorded]:
        nonlocal last
        for row in record.read(since):
            yield row
            last = row.seq

    replay(rows(), onto=world, progress=progress)
    return Restored(world, last, since)

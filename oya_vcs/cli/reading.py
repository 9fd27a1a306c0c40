"""Reading the record without a daemon: read-only, beside one that may be writing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from oya_vcs.cli.meter import Meter
from oya_vcs.cli.places import home_of
from oya_vcs.core.standing import everything
from oya_vcs.core.world import World
from oya_vcs.errors import NotFound
from oya_vcs.journal.lock import holder
from oya_vcs.journal.queries import Beads, beads_in, open_beads
from oya_vcs.journal.reader import Reader, open_reader
from oya_vcs.journal.replay import plain
from oya_vcs.journal.restart import restore
from oya_vcs.ports import Recorded


@contextmanager
def record(arguments: argparse.Namespace) -> Iterator[Reader]:
    """The journal of the home, open for reading. Raises NotFound where there is none."""
    with open_reader(home_of(arguments).journal) as reader:
        yield reader


def world_of(arguments: argparse.Namespace) -> World:
    """The state that the journal holds, from the newest checkpoint on."""
    with record(arguments) as reader, Meter("Reading the journal", reader.last_seq()) as meter:
        return restore(reader, home_of(arguments).checkpoints, progress=meter.at).world


def world_or_empty(arguments: argparse.Namespace) -> World:
    """The state that the journal holds; an empty one where there is no journal yet."""
    try:
        return world_of(arguments)
    except NotFound:
        return World()


def is_live(arguments: argparse.Namespace) -> bool:
    """Whether a daemon works on the home at this moment."""
    return holder(home_of(arguments).lock) is not None


def row_data(row: Recorded) -> dict[str, object]:
    """A journal row for programs."""
    name = type(row.event).__name__
    return {"seq": row.seq, "at_ms": row.at_ms, "type": name, "data": plain(row.event)}


def beads_of(arguments: argparse.Namespace) -> Beads:
    """The beads of the home, for questions that need no replay. Where the tables are behind the
    record (another program wrote it), the record is read instead.

    Raises NotFound where there is no journal.
    """
    return open_beads(home_of(arguments).journal) or beads_in(everything(world_of(arguments)))


def clock_time(at_ms: int) -> str:
    """Unix milliseconds as people's local time."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")

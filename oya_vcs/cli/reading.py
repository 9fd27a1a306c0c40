"""Reading the record without a daemon: read-only, beside one that may be writing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from oya_vcs.cli.places import home_of
from oya_vcs.core.world import World
from oya_vcs.errors import NotFound
from oya_vcs.journal.lock import holder
from oya_vcs.journal.reader import Reader, open_reader
from oya_vcs.journal.replay import plain, replay
from oya_vcs.ports import Recorded


@contextmanager
def record(arguments: argparse.Namespace) -> Iterator[Reader]:
    """The journal of the home, open for reading. Raises NotFound where there is none."""
    with open_reader(home_of(arguments).journal) as reader:
        yield reader


def world_of(arguments: argparse.Namespace, until: int | None = None) -> World:
    """The state that the journal holds, or held at event `until`."""
    with record(arguments) as reader:
        return replay(reader.read(), until=until)


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


def clock_time(at_ms: int) -> str:
    """Unix milliseconds as people's local time."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")

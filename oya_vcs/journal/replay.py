"""State from the record: the fold, and a digest by which two states can be told apart. Calls no
policy, ever."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum

from oya_vcs.core.fold import apply
from oya_vcs.core.ids import canonical_json
from oya_vcs.core.queues import ReadyBeads
from oya_vcs.core.world import World
from oya_vcs.errors import Bug, JournalCorrupt
from oya_vcs.journal import collector
from oya_vcs.ports import Recorded

PROGRESS_EVERY = 50_000
"""Rows between two reports of a long replay."""


def replay(
    rows: Iterable[Recorded],
    *,
    onto: World | None = None,
    until: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> World:
    """The world after every row (or after row `until`); `onto` the world before the first of them,
    which is changed, or onto an empty one. `progress` hears the sequence number now and then.

    Raises JournalCorrupt where a row cannot follow from those before it.
    """
    world = World() if onto is None else onto
    last = sys.maxsize if until is None else until
    with collector.held(stays=True):
        for row in rows:
            if row.seq > last:
                break
            try:
                apply(world, row.event, row.at_ms)
            except (Bug, KeyError) as error:
                name = type(row.event).__name__
                message = f"Event {row.seq} ({name}) cannot follow from those before it: {error}"
                hint = "Run `oya-vcs journal verify`, and report this with a copy of the home."
                raise JournalCorrupt(message, hint) from error
            if progress is not None and row.seq % PROGRESS_EVERY == 0:
                progress(row.seq)
            if row.seq == last:
                break  # what is behind is not even read: it may be damaged
    return world


def plain(value: object) -> object:
    """A state as JSON can hold it: data classes as objects, enums by value, ordered sets (queues,
    and dicts that map to None) as lists, other mappings with text keys."""
    snapshot = getattr(value, "snapshot", None)
    if callable(snapshot):
        return plain(snapshot())
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        named = {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        return {"is": type(value).__name__, **named}
    if isinstance(value, ReadyBeads):
        return list(value)
    if isinstance(value, dict) and value and all(one is None for one in value.values()):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def digest(world: World) -> str:
    """SHA-256 (hex) over everything in the world: equal worlds have equal digests, byte for
    byte."""
    return hashlib.sha256(canonical_json(plain(world))).hexdigest()

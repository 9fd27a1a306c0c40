"""Queues of ready beads: which one is dispatched next.

A queue holds each bead at most once and knows its order, nothing more: not whether a bead is ready
(`graph.py`), not whether there is a slot for it, and no clock. A strategy that orders by more than
arrival (priority, tenant) is given, when it is made, a function that tells it what it needs of a
bead, so that all strategies share one Protocol.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Protocol

from oya_vcs.core.ids import BeadId


class BeadQueue(Protocol):
    """What every strategy offers. Nothing raises: an absent bead or an empty queue is an answer."""

    def enqueue(self, bead: BeadId) -> bool:
        """Put the bead in; False, and no change at all, where it was in already."""
        ...

    def dequeue(self) -> BeadId | None:
        """Take out the bead whose turn it is; None when empty."""
        ...

    def peek(self) -> BeadId | None:
        """The bead that `dequeue` would take, left where it is; None when empty."""
        ...

    def remove(self, bead: BeadId) -> bool:
        """Take the bead out, wherever it stands; False where it was not in."""
        ...

    def __contains__(self, bead: object) -> bool:
        """Whether the bead is in."""
        ...

    def __len__(self) -> int:
        """How many beads are in."""
        ...

    def __iter__(self) -> Iterator[BeadId]:
        """The beads in the order in which they would be taken."""
        ...


class FifoQueue:
    """First in, first out. A bead that was taken and comes again goes to the end.

    Every operation is O(1). The order is kept by an OrderedDict, not a dict: a dict finds its first
    key by walking over the holes that earlier removals at its front left, which makes emptying a
    long queue quadratic.
    """

    __slots__ = ("_beads",)

    def __init__(self, beads: Iterable[BeadId] = ()) -> None:
        """Start with these beads, in this order; later duplicates of a bead are dropped."""
        self._beads: OrderedDict[BeadId, None] = OrderedDict.fromkeys(beads)

    def enqueue(self, bead: BeadId) -> bool:
        """Put the bead at the end; False, and it keeps its place, where it was in already."""
        if bead in self._beads:
            return False
        self._beads[bead] = None
        return True

    def dequeue(self) -> BeadId | None:
        """Take out the bead that waits longest; None when empty."""
        return self._beads.popitem(last=False)[0] if self._beads else None

    def peek(self) -> BeadId | None:
        """The bead that waits longest, left where it is; None when empty."""
        return next(iter(self._beads), None)

    def remove(self, bead: BeadId) -> bool:
        """Take the bead out, wherever it stands; False where it was not in."""
        if bead not in self._beads:
            return False
        del self._beads[bead]
        return True

    def __contains__(self, bead: object) -> bool:
        """Whether the bead is in."""
        return bead in self._beads

    def __len__(self) -> int:
        """How many beads are in."""
        return len(self._beads)

    def __iter__(self) -> Iterator[BeadId]:
        """The beads, the one that waits longest first."""
        return iter(self._beads)

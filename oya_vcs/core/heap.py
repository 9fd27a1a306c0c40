"""Things with a key each, the smallest first; any of them can be taken out or given another key.

The standard library's heap forgets where a thing stands. Here an entry that no longer counts stays
until it comes to the top, or until more than half of the heap is such entries and all are swept.
Knows nothing of what it holds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=str)
Weight = tuple[int, ...]
"""A key. Equal ones are told apart by the things themselves."""

SLACK = 8
"""Entries that may be stale in a heap that holds next to nothing."""


class Heap(Generic[Thing]):
    """Each thing at most once. `put` and `drop` cost O(log n), over many calls; `first` too."""

    __slots__ = ("_entries", "_heap")

    def __init__(self) -> None:
        """Start empty."""
        self._entries: dict[Thing, tuple[Weight, Thing]] = {}
        self._heap: list[tuple[Weight, Thing]] = []

    def put(self, thing: Thing, weight: Weight) -> None:
        """Put a thing in, or give it another key."""
        entry = (weight, thing)
        self._entries[thing] = entry
        heapq.heappush(self._heap, entry)
        self._sweep()

    def drop(self, thing: Thing) -> bool:
        """Take a thing out; False where it was not in."""
        if self._entries.pop(thing, None) is None:
            return False
        self._sweep()
        return True

    def first(self) -> Thing | None:
        """The thing with the smallest key, left where it is; None when empty."""
        heap, entries = self._heap, self._entries
        while heap and entries.get(heap[0][1]) is not heap[0]:
            heapq.heappop(heap)
        return heap[0][1] if heap else None

    def weight(self, thing: Thing) -> Weight:
        """The key of a thing; () where it is not in."""
        entry = self._entries.get(thing)
        return () if entry is None else entry[0]

    def __contains__(self, thing: object) -> bool:
        """Whether the thing is in."""
        return thing in self._entries

    def __len__(self) -> int:
        """How many things are in."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Thing]:
        """The things, the smallest key first. Costs a sort."""
        return (thing for _, thing in sorted(self._entries.values()))

    def _sweep(self) -> None:
        if len(self._heap) > 2 * len(self._entries) + SLACK:
            self._heap = list(self._entries.values())
            heapq.heapify(self._heap)

"""Who is next: a lane for each priority, in each the order of arrival. Knows changes by id only."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from oya_vcs.core.ids import ChangeId

OVERTAKERS_MAX = 20
"""Later arrivals that one step of priority lets pass. So a change is overtaken by no more than this
times its priority (0 is the most urgent), however many urgent ones keep coming (MERGE_QUEUE promise
7): ageing that is counted in arrivals, not in time, starves nobody in a rush either."""

Place = tuple[int, int]
"""Priority and number of arrival."""


class Line:
    """The changes that could be taken up now, each at its place."""

    __slots__ = ("_lanes", "places")

    def __init__(self) -> None:
        self.places: dict[ChangeId, Place] = {}
        self._lanes: dict[int, list[tuple[int, ChangeId]]] = {}
        """Priority -> heap of (arrival, change); it may hold entries of changes that have gone, but
        never at its head."""

    def add(self, change: ChangeId, place: Place) -> None:
        """Take the place; a second time changes nothing. O(log n)."""
        if change not in self.places:
            self.places[change] = place
            heapq.heappush(self._lanes.setdefault(place[0], []), (place[1], change))

    def remove(self, change: ChangeId) -> None:
        """Give up the place, if there is one. O(log n), on the average of all calls."""
        place = self.places.pop(change, None)
        if place is None:
            return
        priority = place[0]
        lane = self._lanes[priority]
        while lane and self.places.get(lane[0][1]) != (priority, lane[0][0]):
            heapq.heappop(lane)
        if not lane:
            del self._lanes[priority]

    def first(self, closed_above: int | None = None) -> ChangeId | None:
        """Whose turn it is, of those that the tree is open to; None where there is none. Costs the
        number of priorities, not of changes."""
        heads = [
            (rank((priority, lane[0][0])), lane[0][1])
            for priority, lane in self._lanes.items()
            if closed_above is None or priority <= closed_above
        ]
        return min(heads)[1] if heads else None

    def ordered(self) -> list[ChangeId]:
        """All of them, the next one first. Costs all of them: for people who ask."""
        return sorted(self.places, key=lambda one: (rank(self.places[one]), one))

    def __contains__(self, change: object) -> bool:
        """Whether the change is in line."""
        return change in self.places

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def snapshot(self) -> dict[ChangeId, Place]:
        """Everything that makes the line what it is."""
        return self.places

    @classmethod
    def restore(cls, places: Mapping[ChangeId, Sequence[int]]) -> Line:
        """The line that gave this snapshot."""
        line = cls()
        for change, (priority, arrival) in places.items():
            line.add(change, (priority, arrival))
        return line


def rank(place: Place) -> int:
    """What places are compared by: lower is sooner."""
    priority, arrival = place
    return arrival + priority * OVERTAKERS_MAX

"""The dependency graph, live: what waits for what, and what a finished bead makes ready.

`Graph` keeps a counter of unfinished needs for each bead, so finishing a bead costs its out-degree
and never the graph. Questions about a whole graph are in `ordering.py`.

An edge `a -> b` reads "a waits for b". This module knows ids and edges only: nothing of states,
slots, files or time, and nothing of why one bead waits for another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import TypedDict

from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import cycle_text, dangling
from oya_vcs.errors import Bug, InputInvalid


class Snapshot(TypedDict):
    """A graph as plain data: `beads` in the order they were added, `finished` sorted.

    Pairs and lists only, so that no JSON encoder's treatment of keys changes it.
    """

    beads: list[tuple[BeadId, list[BeadId]]]
    finished: list[BeadId]


class Graph:
    """The live dependency graph: always acyclic, every edge ends at a bead that is there.

    A bead is ready when it is unfinished and everything it waits for is finished. Answers come
    sorted by id, whatever the order of additions was.
    """

    __slots__ = ("_dependents", "_needs", "_waiting")

    def __init__(self) -> None:
        """Start empty."""
        self._needs: dict[BeadId, tuple[BeadId, ...]] = {}
        # Ordered sets: a bead whose needs change leaves them without a walk past its neighbours.
        self._dependents: dict[BeadId, dict[BeadId, None]] = {}
        # Of each unfinished bead: how many of its needs are unfinished.
        self._waiting: dict[BeadId, int] = {}

    def check(self, bead: BeadId, needs: Collection[BeadId]) -> None:
        """Raise InputInvalid where these needs of a bead, new or not, could not be taken.

        That is: one of them is not there, or they close a cycle, which the message names. A bead
        that nothing waits for, as every new one, is settled at the cost of its in-degree.
        """
        cycle = [bead] if bead in needs else []
        for need in needs:
            if need not in self._needs and not cycle:
                raise dangling(bead, need)
        if not cycle and bead in self._dependents:
            cycle = self._cycle_through(bead, frozenset(needs))
        if cycle:
            raise InputInvalid(
                f"The dependencies of bead {bead} close a cycle: {cycle_text(cycle)}.",
                "Take one of these dependencies out.",
            )

    def add(self, bead: BeadId, needs: Collection[BeadId] = ()) -> None:
        """Add a new bead, at the cost of its in-degree.

        Raises InputInvalid as `check` does, and Bug where the bead is there already; nothing is
        changed then.
        """
        if bead in self._needs:
            raise Bug(f"Bead {bead} is in the dependency graph already.")
        self.check(bead, needs)
        self._connect(bead, _once(needs))

    def replace(self, bead: BeadId, needs: Collection[BeadId]) -> None:
        """Give an unfinished bead other needs, at the cost of all that waits for the bead (nothing
        where they are the old ones).

        Raises InputInvalid as `check` does, and Bug where the bead is unknown or finished; nothing
        is changed then.
        """
        if bead not in self._waiting:
            raise Bug(f"Bead {bead} is not an unfinished bead of the dependency graph.")
        fresh = _once(needs)
        if fresh == self._needs[bead]:
            return
        self.check(bead, needs)
        for need in self._needs[bead]:
            del self._dependents[need][bead]
        self._connect(bead, fresh)

    def finish(self, bead: BeadId) -> list[BeadId]:
        """Record that the bead is finished, and return the beads that this made ready, sorted by
        id.

        Costs the bead's out-degree. A bead that is finished already gives an empty list. One that
        still waits may finish too: that it did is a fact. Raises Bug where the bead is unknown.
        """
        waiting = self._waiting
        if waiting.pop(bead, None) is None:
            if bead not in self._needs:
                raise Bug(f"Bead {bead} is not in the dependency graph; it cannot be finished.")
            return []
        freed: list[BeadId] = []
        for dependent in self._dependents.get(bead, ()):
            left = waiting.get(dependent)
            if left is None:
                continue
            waiting[dependent] = left - 1
            if left == 1:
                freed.append(dependent)
        freed.sort()
        return freed

    def is_ready(self, bead: BeadId) -> bool:
        """Whether the bead is unfinished and waits for nothing; False for an unknown bead."""
        return self._waiting.get(bead) == 0

    def is_finished(self, bead: BeadId) -> bool:
        """Whether the bead is there and finished."""
        return bead in self._needs and bead not in self._waiting

    def dependents(self, bead: BeadId) -> list[BeadId]:
        """What waits for the bead directly, finished or not. Raises Bug where the bead is
        unknown."""
        self._known(bead)
        return list(self._dependents.get(bead, ()))

    def waits_for(self, bead: BeadId) -> list[BeadId]:
        """The unfinished needs of the bead, in the order they were given; empty for a finished
        bead. Raises Bug where the bead is unknown."""
        self._known(bead)
        if bead not in self._waiting:
            return []
        return [need for need in self._needs[bead] if need in self._waiting]

    def waiting(self, bead: BeadId) -> int:
        """How many of the bead's needs are unfinished, as counted; 0 for an unknown bead, too."""
        return self._waiting.get(bead, 0)

    def ancestors(self, bead: BeadId) -> list[BeadId]:
        """Everything below that is unfinished: what the bead still waits for, directly or not,
        sorted. Raises Bug where it is unknown."""
        self._known(bead)
        return sorted(_reach(bead, self.waits_for))

    def descendants(self, bead: BeadId) -> list[BeadId]:
        """Everything above that is unfinished: what waits for the bead, directly or not, sorted.
        Raises Bug where it is unknown."""
        self._known(bead)
        found = _reach(bead, lambda at: self._dependents.get(at, ()))
        return sorted(one for one in found if one in self._waiting)

    def unfinished(self) -> dict[BeadId, list[BeadId]]:
        """For each unfinished bead what it still waits for: what `ordering.py` asks of."""
        return {bead: self.waits_for(bead) for bead in self._waiting}

    def snapshot(self) -> Snapshot:
        """The whole state as plain data. The same additions, replacements and completions give an
        equal snapshot."""
        return {
            "beads": [(bead, list(needs)) for bead, needs in self._needs.items()],
            "finished": sorted(bead for bead in self._needs if bead not in self._waiting),
        }

    @classmethod
    def restore(cls, snapshot: Snapshot) -> Graph:
        """The graph that gave this snapshot (tuples may have become lists). Trusts it: no check for
        cycles."""
        graph = cls()
        graph._waiting = dict.fromkeys((BeadId(bead) for bead, _ in snapshot["beads"]), 0)
        for bead in snapshot["finished"]:
            del graph._waiting[bead]
        finished = frozenset(snapshot["finished"])
        for bead, needs in snapshot["beads"]:
            graph._connect(bead, tuple(needs), finished=bead in finished)
        return graph

    def _connect(self, bead: BeadId, needs: tuple[BeadId, ...], *, finished: bool = False) -> None:
        """Store the edges of a bead, and its counter unless it is finished."""
        self._needs[bead] = needs
        for need in needs:
            self._dependents.setdefault(need, {})[bead] = None
        if not finished:
            self._waiting[bead] = sum(need in self._waiting for need in needs)

    def _known(self, bead: BeadId) -> None:
        """Raise Bug where the bead is not there."""
        if bead not in self._needs:
            raise Bug(f"Bead {bead} is not in the dependency graph.")

    def _cycle_through(self, bead: BeadId, needs: Collection[BeadId]) -> list[BeadId]:
        """The cycle that edges from the bead to these needs would close, or an empty list."""
        came_from: dict[BeadId, BeadId] = {}
        frontier = deque([bead])
        while frontier:
            at = frontier.popleft()
            for dependent in self._dependents.get(at, ()):
                if dependent in came_from:
                    continue
                came_from[dependent] = at
                if dependent in needs:
                    steps = [dependent]
                    while (step := came_from[steps[-1]]) != bead:
                        steps.append(step)
                    return [bead, *steps]
                frontier.append(dependent)
        return []


def _once(needs: Collection[BeadId]) -> tuple[BeadId, ...]:
    """The needs as a tuple, each once; the very tuple that was given where it is one: 100,000 beads
    hold theirs once."""
    if isinstance(needs, tuple) and len(set(needs)) == len(needs):
        return needs
    return tuple(dict.fromkeys(needs))


def _reach(start: BeadId, step: Callable[[BeadId], Iterable[BeadId]]) -> set[BeadId]:
    """Every bead that can be reached from `start` in one step or more."""
    seen: set[BeadId] = set()
    frontier = [start]
    while frontier:
        for found in step(frontier.pop()):
            if found not in seen:
                seen.add(found)
                frontier.append(found)
    return seen

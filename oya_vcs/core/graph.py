"""The dependency graph: what waits for what, what is ready, and what can never be.

`Graph` is live: it keeps a counter of unfinished needs for each bead, so finishing a bead costs its
out-degree and never the graph. `cycles`, `order` and `critical_path` are whole-graph questions,
asked once over plain mappings.

An edge `a -> b` reads "a waits for b". This module knows ids and edges only: nothing of states,
slots, files or time, and nothing of why one bead waits for another.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypedDict

from oya_vcs.core.ids import BeadId
from oya_vcs.errors import Bug, InputInvalid

Needs = Mapping[BeadId, Collection[BeadId]]
"""For each bead the beads that it waits for."""

CYCLES_MAX = 100
"""Cycles named from one strongly connected component: a dense one holds more than can be read."""


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

    __slots__ = ("_dependents", "_needs", "_ready", "_waiting")

    def __init__(self) -> None:
        """Start empty."""
        self._needs: dict[BeadId, tuple[BeadId, ...]] = {}
        self._dependents: dict[BeadId, list[BeadId]] = {}
        # Of each unfinished bead: how many of its needs are unfinished.
        self._waiting: dict[BeadId, int] = {}
        self._ready: set[BeadId] = set()

    def check(self, bead: BeadId, needs: Collection[BeadId]) -> None:
        """Raise InputInvalid where these needs of a bead, new or not, could not be taken.

        That is: one of them is not there, or they close a cycle, which the message names. A bead
        that nothing waits for, as every new one, is settled at the cost of its in-degree.
        """
        cycle = [bead] if bead in needs else []
        for need in needs:
            if need not in self._needs and not cycle:
                raise _dangling(bead, need)
        cycle = cycle or self._cycle_through(bead, frozenset(needs))
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
        self._connect(bead, tuple(dict.fromkeys(needs)))

    def replace(self, bead: BeadId, needs: Collection[BeadId]) -> None:
        """Give an unfinished bead other needs.

        Costs all that waits for the bead, and the out-degree of its old needs. Raises InputInvalid
        as `check` does, and Bug where the bead is unknown or finished; nothing is changed then.
        """
        if bead not in self._waiting:
            raise Bug(f"Bead {bead} is not an unfinished bead of the dependency graph.")
        self.check(bead, needs)
        for need in self._needs[bead]:
            self._dependents[need].remove(bead)
        self._connect(bead, tuple(dict.fromkeys(needs)))

    def finish(self, bead: BeadId) -> list[BeadId]:
        """Record that the bead is finished, and return the beads that this made ready, sorted by
        id.

        Costs the bead's out-degree. A bead that is finished already gives an empty list. One that
        still waits may finish too: that it did is a fact. Raises Bug where the bead is unknown.
        """
        if self._waiting.pop(bead, None) is None:
            if bead not in self._needs:
                raise Bug(f"Bead {bead} is not in the dependency graph; it cannot be finished.")
            return []
        self._ready.discard(bead)
        freed: list[BeadId] = []
        for dependent in self._dependents.get(bead, ()):
            left = self._waiting.get(dependent)
            if left is None:
                continue
            self._waiting[dependent] = left - 1
            if left == 1:
                freed.append(dependent)
        self._ready.update(freed)
        freed.sort()
        return freed

    def is_ready(self, bead: BeadId) -> bool:
        """Whether the bead is unfinished and waits for nothing; False for an unknown bead."""
        return bead in self._ready

    def is_finished(self, bead: BeadId) -> bool:
        """Whether the bead is there and finished."""
        return bead in self._needs and bead not in self._waiting

    def ready(self) -> list[BeadId]:
        """Every ready bead, sorted by id. Costs the answer, not the graph."""
        return sorted(self._ready)

    def needs(self, bead: BeadId) -> tuple[BeadId, ...]:
        """What the bead waits for directly, finished or not, as it was given. Raises Bug where the
        bead is unknown."""
        self._known(bead)
        return self._needs[bead]

    def dependents(self, bead: BeadId) -> list[BeadId]:
        """What waits for the bead directly, finished or not, sorted by id. Raises Bug where the
        bead is unknown."""
        self._known(bead)
        return sorted(self._dependents.get(bead, ()))

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
        """Everything below: what the bead waits for, directly or not, sorted. Raises Bug where it
        is unknown."""
        self._known(bead)
        return sorted(_reach(bead, lambda at: self._needs[at]))

    def descendants(self, bead: BeadId) -> list[BeadId]:
        """Everything above: what waits for the bead, directly or not, sorted. Raises Bug where it
        is unknown."""
        self._known(bead)
        return sorted(_reach(bead, lambda at: self._dependents.get(at, ())))

    def critical_path(self) -> list[BeadId]:
        """The longest chain of unfinished beads (see `critical_path` of this module)."""
        return critical_path({bead: self.waits_for(bead) for bead in self._waiting})

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

    def __contains__(self, bead: object) -> bool:
        """Whether the bead is there, finished or not."""
        return bead in self._needs

    def __len__(self) -> int:
        """How many beads are there, finished or not."""
        return len(self._needs)

    def __iter__(self) -> Iterator[BeadId]:
        """The beads in the order they were added."""
        return iter(self._needs)

    def _connect(self, bead: BeadId, needs: tuple[BeadId, ...], *, finished: bool = False) -> None:
        """Store the edges of a bead, and its counter unless it is finished."""
        self._needs[bead] = needs
        for need in needs:
            self._dependents.setdefault(need, []).append(bead)
        if finished:
            return
        waiting = sum(need in self._waiting for need in needs)
        self._waiting[bead] = waiting
        if waiting:
            self._ready.discard(bead)
        else:
            self._ready.add(bead)

    def _known(self, bead: BeadId) -> None:
        """Raise Bug where the bead is not there."""
        if bead not in self._needs:
            raise Bug(f"Bead {bead} is not in the dependency graph.")

    def _cycle_through(self, bead: BeadId, needs: Collection[BeadId]) -> list[BeadId]:
        """The cycle that edges from the bead to these needs would close, or an empty list.

        Walks what waits for the bead, so a bead that nothing waits for is settled at once.
        """
        came_from: dict[BeadId, BeadId] = {}
        frontier = deque([bead])
        while frontier:
            at = frontier.popleft()
            for dependent in self._dependents.get(at, ()):
                if dependent in came_from:
                    continue
                came_from[dependent] = at
                if dependent in needs:
                    return [bead, *_trail(dependent, bead, came_from)[:-1]]
                frontier.append(dependent)
        return []


def cycle_text(cycle: Collection[BeadId]) -> str:
    """A cycle as people read it, closed: `a -> b -> a`, where `->` reads "waits for"."""
    beads = list(cycle)
    return " -> ".join([*beads, *beads[:1]])


def order(needs: Needs) -> list[BeadId]:
    """Every bead after all it waits for; among those that could come next, the smallest id first
    (Kahn).

    Raises InputInvalid where there is a cycle, naming every one, or where a bead waits for one that
    is not a key.
    """
    for bead, wanted in needs.items():
        for need in wanted:
            if need not in needs:
                raise _dangling(bead, need)
    ordered, stuck = _peel(needs)
    if stuck:
        found = cycles({bead: needs[bead] for bead in stuck})
        raise InputInvalid(
            "Beads wait for each other: " + "; ".join(map(cycle_text, found)) + ".",
            "Take one dependency out of each cycle.",
        )
    return ordered


def cycles(needs: Needs) -> list[list[BeadId]]:
    """The cycles among the beads, sorted; each starts with its smallest id. A bead that waits for
    itself is `[bead]`.

    Every edge that lies on any cycle lies on one that is named (the shortest through it), up to
    CYCLES_MAX for each strongly connected component (Tarjan). An acyclic graph is settled without
    networkx. An edge to a bead that is not a key is on no cycle.
    """
    _, stuck = _peel(needs)
    if not stuck:
        return []
    import networkx as nx  # noqa: PLC0415 - slow to import, and most graphs are acyclic

    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(stuck))
    graph.add_edges_from(
        (bead, need) for bead in sorted(stuck) for need in needs[bead] if need in stuck
    )
    found: set[tuple[BeadId, ...]] = set()
    for component in nx.strongly_connected_components(graph):
        inside = {
            bead: sorted({need for need in needs[bead] if need in component})
            for bead in sorted(component)
        }
        found |= _cycles_inside(inside)
    return [list(cycle) for cycle in sorted(found)]


def critical_path(needs: Needs, cost: Mapping[BeadId, int] | None = None) -> list[BeadId]:
    """The chain of beads that takes longest one after the other, first to last; empty for an empty
    graph.

    `cost` is what each bead takes, in any unit, and not negative (default: 1 each). Ties go to the
    smaller id. Raises InputInvalid as `order` does.
    """
    length: dict[BeadId, int] = {}
    below: dict[BeadId, BeadId] = {}
    for bead in order(needs):
        best = min(needs[bead], key=lambda need: (-length[need], need), default=None)
        length[bead] = 1 if cost is None else cost[bead]
        if best is not None:
            below[bead] = best
            length[bead] += length[best]
    if not length:
        return []
    path = [min(length, key=lambda bead: (-length[bead], bead))]
    while path[-1] in below:
        path.append(below[path[-1]])
    return path[::-1]


def _peel(needs: Needs) -> tuple[list[BeadId], set[BeadId]]:
    """Kahn's order of all that can be ordered, ties by id; and the rest: beads on a cycle or
    waiting for one."""
    waiting = {bead: sum(need in needs for need in set(wanted)) for bead, wanted in needs.items()}
    dependents: dict[BeadId, list[BeadId]] = {}
    for bead, wanted in needs.items():
        for need in set(wanted):
            dependents.setdefault(need, []).append(bead)
    free = [bead for bead, left in waiting.items() if not left]
    heapq.heapify(free)
    ordered: list[BeadId] = []
    while free:
        bead = heapq.heappop(free)
        ordered.append(bead)
        del waiting[bead]
        for dependent in dependents.get(bead, ()):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heapq.heappush(free, dependent)
    return ordered, set(waiting)


def _cycles_inside(inside: Mapping[BeadId, list[BeadId]]) -> set[tuple[BeadId, ...]]:
    """For each edge of one strongly connected component the shortest cycle through it, smallest id
    first."""
    found: set[tuple[BeadId, ...]] = set()
    covered: set[tuple[BeadId, BeadId]] = set()
    for bead, needs in inside.items():
        for need in needs:
            if (bead, need) in covered or len(found) >= CYCLES_MAX:
                continue
            cycle = [bead, *_shortest(need, bead, inside)]
            covered.update(zip(cycle, [*cycle[1:], bead], strict=True))
            start = cycle.index(min(cycle))
            found.add(tuple(cycle[start:] + cycle[:start]))
    return found


def _shortest(start: BeadId, end: BeadId, edges: Mapping[BeadId, list[BeadId]]) -> list[BeadId]:
    """The shortest path from `start` to `end`, without its `end`: empty where the two are one.

    There is one, in a strongly connected component.
    """
    came_from: dict[BeadId, BeadId] = {}
    frontier = deque([start])
    while end != start and end not in came_from:
        at = frontier.popleft()
        for step in edges[at]:
            if step not in came_from and step != start:
                came_from[step] = at
                frontier.append(step)
    return _trail(end, start, came_from)[:0:-1]


def _trail(at: BeadId, start: BeadId, came_from: Mapping[BeadId, BeadId]) -> list[BeadId]:
    """Every step from `at` back to `start`, both included."""
    steps = [at]
    while steps[-1] != start:
        steps.append(came_from[steps[-1]])
    return steps


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


def _dangling(bead: BeadId, need: BeadId) -> InputInvalid:
    """The error for a bead that waits for one that is not there."""
    return InputInvalid(
        f"Bead {bead} waits for {need}, and there is no bead {need}.",
        f"Add {need} first, or take it out of the dependencies of {bead}.",
    )

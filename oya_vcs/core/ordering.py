"""Questions about a whole dependency graph, asked once over plain mappings: an order, every cycle,
the longest chain.

An edge `a -> b` reads "a waits for b". networkx finds strongly connected components (Tarjan), and
is loaded only where there is a cycle to name. This module knows ids and edges only.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Mapping

from oya_vcs.core.ids import BeadId
from oya_vcs.errors import InputInvalid

Needs = Mapping[BeadId, Collection[BeadId]]
"""For each bead the beads that it waits for."""

CYCLES_MAX = 100
"""Cycles named from one strongly connected component: a dense one holds more than can be read."""


def cycle_text(cycle: Collection[BeadId]) -> str:
    """A cycle as people read it, closed: `a -> b -> a`, where `->` reads "waits for"."""
    beads = list(cycle)
    return " -> ".join([*beads, *beads[:1]])


def order(needs: Needs, prefers: Needs | None = None) -> list[BeadId]:
    """Every bead after all it waits for; among those that could come next, the smallest id first
    (Kahn).

    A bead that `prefers` others comes after those of them that could come first; preferences gate
    nothing, may point anywhere, and where they contradict each other or the needs, the needs and
    then the ids decide. Raises InputInvalid where there is a cycle of needs, naming every one, or
    where a bead waits for one that is not a key.
    """
    for bead, wanted in needs.items():
        for need in wanted:
            if need not in needs:
                raise dangling(bead, need)
    ordered, stuck = _peel(needs, prefers or {})
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
    _, stuck = _peel(needs, {})
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


def critical_path(needs: Needs) -> list[BeadId]:
    """The longest chain of beads that can only come one after the other, first to last; empty for
    an empty graph. Ties go to the smaller id. Raises InputInvalid as `order` does."""
    length: dict[BeadId, int] = {}
    below: dict[BeadId, BeadId] = {}
    for bead in order(needs):
        best = min(needs[bead], key=lambda need: (-length[need], need), default=None)
        length[bead] = 1
        if best is not None:
            below[bead] = best
            length[bead] += length[best]
    if not length:
        return []
    path = [min(length, key=lambda bead: (-length[bead], bead))]
    while path[-1] in below:
        path.append(below[path[-1]])
    return path[::-1]


def _peel(needs: Needs, prefers: Needs) -> tuple[list[BeadId], set[BeadId]]:
    """Kahn's order of all that can be ordered, ties by preference and then by id; and the rest:
    beads on a cycle or waiting for one."""
    waiting = {bead: sum(need in needs for need in set(wanted)) for bead, wanted in needs.items()}
    dependents = _turned(needs)
    # Of each bead how many that it prefers are not ordered yet.
    wishes = {bead: len({*wanted} & needs.keys() - {bead}) for bead, wanted in prefers.items()}
    admirers = _turned(prefers)
    free = [(wishes.get(bead, 0) > 0, bead) for bead, left in waiting.items() if not left]
    heapq.heapify(free)
    ordered: list[BeadId] = []
    while free:
        _, bead = heapq.heappop(free)
        if waiting.pop(bead, None) is None:
            continue  # it came with its wish unfulfilled, and again when that was fulfilled
        ordered.append(bead)
        for dependent in dependents.get(bead, ()):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heapq.heappush(free, (wishes.get(dependent, 0) > 0, dependent))
        for admirer in admirers.get(bead, ()):
            wishes[admirer] -= 1
            if not wishes[admirer] and waiting.get(admirer) == 0:
                heapq.heappush(free, (False, admirer))
    return ordered, set(waiting)


def _turned(edges: Needs) -> dict[BeadId, list[BeadId]]:
    """The same edges, the other way round."""
    turned: dict[BeadId, list[BeadId]] = {}
    for bead, ends in edges.items():
        for end in set(ends):
            turned.setdefault(end, []).append(bead)
    return turned


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


def dangling(bead: BeadId, need: BeadId) -> InputInvalid:
    """The error for a bead that waits for one that is not there."""
    return InputInvalid(
        f"Bead {bead} waits for {need}, and there is no bead {need}.",
        f"Add {need} first, or take it out of the dependencies of {bead}.",
    )

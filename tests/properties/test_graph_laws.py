"""Laws of the dependency graph, on random graphs (REQUIREMENTS C1 and F4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import Needs, critical_path, cycles, order
from oya_vcs.errors import InputInvalid

NAMES = [BeadId(name) for name in "abcdefghij"]


@st.composite
def acyclic(draw: st.DrawFn) -> dict[BeadId, tuple[BeadId, ...]]:
    """Needs without a cycle, keys in an order that can be added; ids do not follow that order."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:at]), unique=True))) if at else ()
        for at, name in enumerate(names)
    }


anything = st.integers(1, 7).flatmap(
    lambda count: st.fixed_dictionaries(
        {name: st.lists(st.sampled_from(NAMES[:count]), max_size=3) for name in NAMES[:count]}
    )
)


def build(needs: Needs) -> Graph:
    """A graph of these needs, added in their order."""
    graph = Graph()
    for bead, wanted in needs.items():
        graph.add(bead, wanted)
    return graph


def as_networkx(needs: Needs) -> nx.DiGraph[BeadId]:
    """An independent implementation of the same graph, edges from a bead to its needs."""
    graph = nx.DiGraph()
    graph.add_nodes_from(needs)
    graph.add_edges_from((bead, need) for bead, wanted in needs.items() for need in wanted)
    return graph


def recomputed(needs: Needs, finished: set[BeadId]) -> list[BeadId]:
    """The ready beads, from scratch: unfinished, and nothing below is unfinished."""
    graph = as_networkx(needs)
    return sorted(
        bead for bead in needs if bead not in finished and nx.descendants(graph, bead) <= finished
    )


@settings(deadline=None)
@given(acyclic())
def test_order_respects_every_edge_and_prefers_small_ids(needs: Needs) -> None:
    """Every bead stands after all it waits for, once; it is networkx's lexicographic order."""
    found = order(needs)
    place = {bead: at for at, bead in enumerate(found)}
    assert len(found) == len(needs)
    assert all(place[need] < place[bead] for bead, wanted in needs.items() for need in wanted)
    assert found == list(nx.lexicographical_topological_sort(as_networkx(needs).reverse()))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_ready_set_is_what_a_recomputation_gives(data: st.DataObject) -> None:
    """After any mix of additions, replacements and completions, and each completion names just the
    beads that it made ready."""
    todo = data.draw(acyclic())
    graph, needs, finished = Graph(), dict[BeadId, tuple[BeadId, ...]](), set[BeadId]()
    steps: Mapping[str, Callable[[], None]] = {
        "add": lambda: _add(graph, needs, todo),
        "finish": lambda: _finish(graph, needs, finished, data),
        "replace": lambda: _replace(graph, needs, finished, data),
    }
    for step in data.draw(st.lists(st.sampled_from(["add", "add", "finish", "replace"]))):
        steps[step]()
        ready = recomputed(needs, finished)
        assert [bead for bead in NAMES if graph.is_ready(bead)] == ready
        assert [bead for bead in NAMES if graph.is_finished(bead)] == sorted(finished)
    for bead in needs:
        edges = as_networkx(needs)
        assert graph.descendants(bead) == sorted(nx.ancestors(edges, bead) - finished)
        if bead not in finished:
            assert graph.ancestors(bead) == sorted(nx.descendants(edges, bead) - finished)
        unfinished = [need for need in needs[bead] if need not in finished]
        assert graph.waits_for(bead) == unfinished
    restored = Graph.restore(json.loads(json.dumps(graph.snapshot())))
    assert json.dumps(restored.snapshot()) == json.dumps(graph.snapshot())
    assert all(restored.is_ready(bead) is graph.is_ready(bead) for bead in NAMES)


def _add(
    graph: Graph, needs: dict[BeadId, tuple[BeadId, ...]], todo: dict[BeadId, tuple[BeadId, ...]]
) -> None:
    """Add the next bead of the plan."""
    bead = next((bead for bead in todo if bead not in needs), None)
    if bead is not None:
        graph.add(bead, todo[bead])
        needs[bead] = todo[bead]


def _finish(
    graph: Graph,
    needs: dict[BeadId, tuple[BeadId, ...]],
    finished: set[BeadId],
    data: st.DataObject,
) -> None:
    """Finish one of the ready beads."""
    before = recomputed(needs, finished)
    if before:
        bead = data.draw(st.sampled_from(before))
        freed = graph.finish(bead)
        finished.add(bead)
        assert freed == sorted(set(recomputed(needs, finished)) - set(before))


def _replace(
    graph: Graph,
    needs: dict[BeadId, tuple[BeadId, ...]],
    finished: set[BeadId],
    data: st.DataObject,
) -> None:
    """Give an unfinished bead any needs at all: taken exactly if that leaves the graph acyclic."""
    unfinished = [bead for bead in needs if bead not in finished]
    if not unfinished:
        return
    bead = data.draw(st.sampled_from(unfinished))
    wanted = tuple(data.draw(st.lists(st.sampled_from(list(needs)), unique=True, max_size=3)))
    after = {**needs, bead: wanted}
    try:
        graph.replace(bead, wanted)
    except InputInvalid:
        assert not nx.is_directed_acyclic_graph(as_networkx(after))
    else:
        assert nx.is_directed_acyclic_graph(as_networkx(after))
        needs.update(after)


@settings(deadline=None)
@given(anything)
def test_cycles_are_found_exactly_where_there_are_any(needs: Needs) -> None:
    """Each one named is a cycle, none is named twice, and each edge that lies on a cycle at all
    (networkx says) lies on one that is named."""
    graph = as_networkx(needs)
    found = cycles(needs)
    assert bool(found) is not nx.is_directed_acyclic_graph(graph)
    assert found == sorted(found)
    assert len({tuple(cycle) for cycle in found}) == len(found)
    named = set[tuple[BeadId, BeadId]]()
    for cycle in found:
        assert cycle[0] == min(cycle)
        assert len(set(cycle)) == len(cycle)
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        assert all(need in needs[bead] for bead, need in steps)
        named.update(steps)
    inside = [
        (bead, need) for bead, need in graph.edges if nx.has_path(graph, source=need, target=bead)
    ]
    assert named == set(inside)


@settings(deadline=None)
@given(acyclic())
def test_the_critical_path_is_as_long_as_the_longest(needs: Needs) -> None:
    """It is a chain, and no chain is longer."""
    path = critical_path(needs)
    assert all(first in needs[then] for first, then in pairwise(path))
    assert len(path) == nx.dag_longest_path_length(as_networkx(needs)) + 1


class Counted(str):
    """An id that counts how often any of its kind is hashed, which every look-up does."""

    __slots__ = ()
    hashed = 0

    def __hash__(self) -> int:
        """Count, then be a str."""
        Counted.hashed += 1
        return super().__hash__()


@settings(deadline=None, max_examples=25)
@given(successors=st.integers(0, 20), others=st.integers(0, 300))
def test_finishing_touches_only_the_successors(successors: int, others: int) -> None:
    """Look-ups per completion grow with the out-degree and not with the rest of the graph."""
    graph = Graph()
    first, second, busy = (BeadId(Counted(name)) for name in ("first", "second", "busy"))
    for bead in (first, second, busy):
        graph.add(bead)
    for number in range(successors):
        graph.add(BeadId(Counted(f"s{number}")), (first, second) if number % 2 else (first,))
    for number in range(others):
        graph.add(BeadId(Counted(f"o{number}")), (busy, second))
    Counted.hashed = 0
    graph.finish(first)
    assert Counted.hashed <= 5 + 4 * successors

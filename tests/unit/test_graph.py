"""The dependency graph by example; its laws are in tests/properties/test_graph_laws.py."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from oya_vcs.core import ordering
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import CYCLES_MAX, critical_path, cycle_text, cycles, order
from oya_vcs.errors import Bug, InputInvalid


def ids(text: str) -> tuple[BeadId, ...]:
    """Bead ids out of words."""
    return tuple(map(BeadId, text.split()))


def needs(text: str) -> dict[BeadId, tuple[BeadId, ...]]:
    """`a: b c; b:; c:` as a mapping."""
    pairs = (part.split(":") for part in text.split(";"))
    return {BeadId(bead.strip()): ids(wanted) for bead, wanted in pairs}


def graph_of(text: str) -> Graph:
    """A graph whose beads are added in the order of the text."""
    graph = Graph()
    for bead, wanted in needs(text).items():
        graph.add(bead, wanted)
    return graph


def ready(graph: Graph) -> list[BeadId]:
    """The ready beads of a graph, one asked after the other."""
    return sorted(bead for bead, _ in graph.snapshot()["beads"] if graph.is_ready(bead))


A, B, C, D, X = ids("a b c d x")
DIAMOND = "a:; b: a; c: a; d: b c"


def test_finishing_frees_what_waited_for_nothing_else() -> None:
    """A bead is freed by the last of its needs, once, and the freed come sorted by id."""
    graph = graph_of("z:; c: z; a: z; b: a c")
    z = BeadId("z")
    assert ready(graph) == [z]
    assert graph.finish(z) == [A, C]
    assert graph.finish(C) == []
    assert graph.waits_for(B) == [A]
    assert graph.finish(A) == [B]
    assert graph.finish(A) == []
    assert ready(graph) == [B]
    assert graph.finish(B) == []
    assert ready(graph) == []


def test_needs_that_are_finished_do_not_gate() -> None:
    """A bead added after its need was finished is ready at once."""
    graph = graph_of("a:")
    graph.finish(A)
    graph.add(B, (A,))
    assert graph.is_ready(B)
    assert graph.waits_for(B) == []


def test_a_bead_that_still_waits_may_finish() -> None:
    """A completion is a fact: it is taken, and its need's later completion frees nothing twice."""
    graph = graph_of("a:; b: a; c: b")
    assert graph.finish(B) == [C]
    assert graph.is_finished(B)
    assert graph.waits_for(B) == []
    assert graph.finish(A) == []
    assert ready(graph) == [C]


def test_a_need_named_twice_counts_once() -> None:
    """Duplicates among the needs do not leave the counter above zero."""
    graph = graph_of("a:; b: a a")
    assert graph.waits_for(B) == [A]
    assert graph.finish(A) == [B]


@pytest.mark.parametrize("wanted", ["x", "a x", "b"])
def test_a_bad_addition_changes_nothing(wanted: str) -> None:
    """A dangling edge or a self-loop is refused before anything is stored."""
    graph = graph_of("a:")
    before = graph.snapshot()
    with pytest.raises(InputInvalid):
        graph.add(B, ids(wanted))
    assert graph.snapshot() == before
    assert graph.dependents(A) == []
    assert ready(graph) == [A]


def test_a_dangling_edge_is_named() -> None:
    """The message names both ends."""
    with pytest.raises(InputInvalid, match="Bead b waits for x, and there is no bead x"):
        graph_of("a:").add(B, (X,))


def test_a_self_loop_is_named_as_a_cycle() -> None:
    """Even though the new bead is not there yet."""
    with pytest.raises(InputInvalid, match="close a cycle: b -> b"):
        graph_of("a:").add(B, (A, B))


def test_replacing_may_not_close_a_cycle() -> None:
    """The cycle is named in the order of waiting, and nothing changes."""
    graph = graph_of("a:; b: a; c: b; d: c")
    before = graph.snapshot()
    with pytest.raises(InputInvalid, match="cycle: a -> c -> b -> a"):
        graph.replace(A, (C,))
    assert graph.snapshot() == before
    with pytest.raises(InputInvalid, match="cycle: a -> a"):
        graph.check(A, (A,))


def test_a_search_for_a_cycle_passes_each_bead_once() -> None:
    """Where two ways lead up to a bead, it is looked at once; what closes no cycle is taken."""
    graph = graph_of(f"{DIAMOND}; x:")
    graph.replace(A, (X,))
    assert graph.waits_for(A) == [X]


def test_replacing_moves_edges() -> None:
    """Old needs no longer free the bead, new ones do; readiness follows at once."""
    graph = graph_of("a:; b:; c: a")
    graph.replace(C, (B,))
    assert graph.finish(A) == []
    assert graph.dependents(A) == []
    assert graph.finish(B) == [C]
    graph.replace(C, ())
    assert graph.is_ready(C)
    graph.add(D)
    graph.replace(C, (D,))
    assert ready(graph) == [D]
    assert graph.waits_for(C) == [D]


def test_what_cannot_be_is_a_bug() -> None:
    """Unknown beads, a second addition and new needs for a finished bead are our own faults."""
    graph = graph_of("a:; b: a")
    graph.finish(A)
    with pytest.raises(Bug, match="already"):
        graph.add(A)
    with pytest.raises(Bug, match="not an unfinished bead"):
        graph.replace(A, ())
    with pytest.raises(Bug, match="not an unfinished bead"):
        graph.replace(X, ())
    for ask in (graph.finish, graph.waits_for, graph.dependents):
        with pytest.raises(Bug, match="Bead x is not in the dependency graph"):
            ask(X)
    for reach in (graph.ancestors, graph.descendants):
        with pytest.raises(Bug, match="Bead x is not in the dependency graph"):
            reach(X)
    assert not graph.is_ready(X)
    assert not graph.is_finished(X)


def test_above_and_below() -> None:
    """Ancestors are all that a bead still waits for, descendants all that waits for it; what is
    finished is neither."""
    graph = graph_of(DIAMOND)
    assert graph.ancestors(D) == [A, B, C]
    assert graph.descendants(A) == [B, C, D]
    assert graph.ancestors(A) == graph.descendants(D) == []
    graph.finish(A)
    assert graph.ancestors(D) == [B, C]
    assert graph.unfinished() == {B: [], C: [], D: [B, C]}


def test_a_snapshot_survives_json() -> None:
    """A graph restored from its snapshot's JSON answers and goes on as the original does."""
    graph = graph_of(DIAMOND)
    graph.replace(B, ())
    graph.finish(A)
    again = Graph.restore(json.loads(json.dumps(graph.snapshot(), sort_keys=True)))
    assert ready(again) == ready(graph) == [B, C]
    assert again.is_finished(A)
    assert again.dependents(A) == graph.dependents(A)
    assert [again.finish(B), again.finish(C)] == [graph.finish(B), graph.finish(C)] == [[], [D]]
    assert json.dumps(again.snapshot()) == json.dumps(graph.snapshot())


def test_order_breaks_ties_by_id() -> None:
    """Of those that could come next the smallest id does."""
    assert order(needs("b:; c: b; a: c; d: b")) == [B, C, A, D]
    assert order({}) == []


@pytest.mark.parametrize(
    ("prefers", "expected"),
    [
        ("a: b", "b a c d"),
        ("a: b c d", "b c d a"),
        ("a: b; b: a", "c a b d"),
        ("a: a x; x: a", "a b c d"),
        ("b: d; c: a", "a c b d"),
    ],
)
def test_preferences_order_and_never_gate(prefers: str, expected: str) -> None:
    """A bead comes after those it prefers, where they could come; where the wishes contradict each
    other or the needs, they lose; a wish for an unknown bead or itself is none."""
    assert order(needs("a:; b:; c:; d: b"), needs(prefers)) == list(ids(expected))


def test_order_names_every_cycle() -> None:
    """And the dangling edge, if there is one, before anything else."""
    with pytest.raises(InputInvalid) as caught:
        order(needs("a: b; b: a; c: c; d: a"))
    assert caught.value.message == "Beads wait for each other: a -> b -> a; c -> c."
    with pytest.raises(InputInvalid, match="no bead x"):
        order(needs("a: x; b: b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DIAMOND, []),
        ("a: a", ["a"]),
        ("a: b; b: a a", ["a b"]),
        ("c: b; b: a; a: c; d: c", ["a c b"]),
        ("a: b; b: c; c: a b", ["a b c", "b c"]),
        ("a: b; b: a; c: d c; d: c; x: gone", ["a b", "c", "c d"]),
        ("a: b c; b: a c; c: a b", ["a b", "a c", "b c"]),
    ],
)
def test_cycles_are_named(text: str, expected: list[str]) -> None:
    """Each edge on a cycle lies on one that is named; smallest id first; sorted; none twice."""
    assert cycles(needs(text)) == [list(ids(cycle)) for cycle in expected]


def test_a_dense_component_names_a_limited_number() -> None:
    """Thirty beads that all wait for each other have 435 shortest cycles; the list stays finite."""
    beads = ids(" ".join(f"b{n}" for n in range(30)))
    assert len(cycles({bead: set(beads) - {bead} for bead in beads})) == CYCLES_MAX


def test_a_cycle_reads_as_people_say_it() -> None:
    """Closed, in the order of waiting."""
    assert cycle_text([A, B]) == "a -> b -> a"
    assert cycle_text([]) == ""


def test_critical_path_is_the_longest_chain() -> None:
    """Ties go to the smaller id; what is finished no longer counts."""
    assert critical_path({}) == []
    assert critical_path(needs(DIAMOND)) == [A, B, D]
    assert critical_path(needs("b:; a:")) == [A]
    graph = graph_of("a:; b: a; c: b; d:")
    graph.finish(A)
    assert critical_path(graph.unfinished()) == [B, C]


def test_an_acyclic_graph_does_not_load_networkx() -> None:
    """Importing it costs more than a whole command may; only a cycle needs it."""
    code = (
        "import sys; from oya_vcs.core.graph import Graph;"
        "from oya_vcs.core.ordering import cycles, order;"
        "g = Graph(); g.add('a'); g.finish('a'); cycles({'a': []}); order({'a': []});"
        "sys.exit('networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
    assert "networkx" not in vars(ordering)

"""What the core pays for a graph of beads: to submit it, to keep it, to order it, to find what is
ready when a bead lands, and to take the next bead from a queue.

Everything happens in memory. In a plan a bead waits for beads that stand near it; a graph whose
edges lead anywhere is the worst there can be for a processor's caches, and is measured too. The
baselines are the barest loops over the same data, or the same thing on a small graph. Times are of
the processor, for nothing here waits.
"""

from __future__ import annotations

import gc
import heapq
import tracemalloc
from collections.abc import Iterator, Sequence
from random import Random

from oya_vcs.adapters.clock import own_time
from oya_vcs.bench.figures import Figure, median
from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import apply
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId
from oya_vcs.core.intake import take_in
from oya_vcs.core.line import line_of
from oya_vcs.core.merge import Change
from oya_vcs.core.ordering import order
from oya_vcs.core.policy import Policy
from oya_vcs.core.queues import BeadQueue, Strategy, Waiting
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.standing import touched
from oya_vcs.core.world import World
from oya_vcs.journal.codec import decode, encode

REPO = RepoId("bench")
SMALL = 1_000
"""Beads of the graph that a large one is compared with."""
EDGES = 3
"""Beads that each bead waits for."""
NEAR = 1_000
"""How far before a bead of a plan those stand that it waits for."""
FINISH_US = 20.0
FINISH_RATIO = 1.5
SUBMIT_S = 5.0
BEAD_BYTES = 2_000
SORT_MS = 10.0
_COMMIT = CommitId("c" * 40)


def graph_of(count: int, near: int | None = None) -> list[BeadSpec]:
    """Beads that wait for `EDGES` earlier ones each, of the `near` ones before it or of all."""
    random = Random(1)  # noqa: S311 - a graph, no secret
    ids = [BeadId(f"bead-{number:06}") for number in range(count)]
    return [
        BeadSpec(
            id=bead,
            title=f"Read the lines of part {number} and report what is wrong in them",
            needs=_some(ids, number, near, random),
            tenant=f"tenant-{number % 7}",
            priority=number % 5,
        )
        for number, bead in enumerate(ids)
    ]


def _some(
    ids: Sequence[BeadId], number: int, near: int | None, random: Random
) -> tuple[BeadId, ...]:
    first = 0 if near is None else max(0, number - near)
    places = random.sample(range(first, number), min(number - first, EDGES))
    return tuple(ids[place] for place in places)


def submitted(beads: Sequence[BeadSpec]) -> World:
    """The world after these beads were taken in, as a daemon does it."""
    by_id = {one.id: one for one in beads}
    ordered = order({one.id: one.needs for one in beads})
    world = World()
    apply(world, e.RepoRegistered(repo=REPO, path="/bench", target="main"), 1)
    events = [take_in(world, REPO, by_id[bead]).event for bead in ordered]
    for event in events:
        if event is not None:
            apply(world, event, 1)
    return world


def finished(count: int, rounds: int) -> Iterator[Figure]:
    """Landing a bead: its fold, what it makes ready, and the rows of the beads that it changes.

    Bare in-degree counters over the same two graphs grow, too: a processor's caches hold the small
    one and not the large one. How much stands beside the ratio.
    """
    for name, where, near in (
        ("bead-finished", "needs are near", NEAR),
        ("bead-finished-anywhere", "needs are anywhere", None),
    ):
        few, many = graph_of(SMALL, near), graph_of(count, near)
        small, large, bare = [], [], []
        for _ in range(rounds):
            small.append(median([_landing_us(few) for _ in range(5)]))
            large.append(_landing_us(many))
            bare.append(_counters_us(many) / median([_counters_us(few) for _ in range(5)]))
        ours, ratio = median(large), median([a / b for a, b in zip(large, small, strict=True)])
        yield Figure(
            name=name,
            what=f"a bead lands among {count:,} whose {where}; baseline: among {SMALL:,} (time)",
            ours=f"{ours:.1f} µs",
            baseline=f"{median(small):.1f} µs (bare counters grow {median(bare):.1f} times)",
            ratio=ratio,
            wanted=f"< {FINISH_US:.0f} µs and ≤ {FINISH_RATIO}",
            met=ours < FINISH_US and ratio <= FINISH_RATIO,
        )
    for size in (SMALL, count):
        beads = graph_of(size)
        pairs = [(_graph_us(beads), _counters_us(beads)) for _ in range(rounds)]
        yield Figure(
            name=f"graph-finished-{'large' if size == count else 'small'}",
            what=f"the graph alone, {size:,} beads; baseline: bare in-degree counters (time)",
            ours=f"{median([one for one, _ in pairs]):.2f} µs",
            baseline=f"{median([other for _, other in pairs]):.2f} µs",
            ratio=median([one / other for one, other in pairs]),
        )


def _landing_us(beads: Sequence[BeadSpec]) -> float:
    world = submitted(beads)
    policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
    line_of(world, world.repos[REPO], policy)
    ordered = order({one.id: one.needs for one in beads})
    events = []
    for bead in ordered:
        change = ChangeId(f"{bead}.1")
        world.changes[change] = Change(id=change, repo=REPO, bead=bead, attempt=1, head=_COMMIT)
        events.append(e.FoundLanded(bead=bead, change=change, commit=_COMMIT))
    with _Uncollected():
        begin = own_time()
        for event in events:
            world.beads[event.bead].state = State.TESTING
            apply(world, event, 2)
            touched(world, (event,))
        return 1e6 * (own_time() - begin) / len(events)


def _graph_us(beads: Sequence[BeadSpec]) -> float:
    graph = Graph()
    for one in beads:
        graph.add(one.id, one.needs)
    with _Uncollected():
        begin = own_time()
        for one in beads:
            graph.finish(one.id)
        return 1e6 * (own_time() - begin) / len(beads)


def _counters_us(beads: Sequence[BeadSpec]) -> float:
    waiting: dict[BeadId, int] = {}
    dependents: dict[BeadId, list[BeadId]] = {}
    for one in beads:
        waiting[one.id] = len(one.needs)
        for need in one.needs:
            dependents.setdefault(need, []).append(one.id)
    ready: list[BeadId] = []
    with _Uncollected():
        begin = own_time()
        for one in beads:
            for dependent in dependents.get(one.id, ()):
                waiting[dependent] -= 1
                if not waiting[dependent]:
                    ready.append(dependent)
        return 1e6 * (own_time() - begin) / len(beads)


def taken_in(count: int, rounds: int) -> Iterator[Figure]:
    """Submitting the graph, and what a bead that waits takes of the memory."""
    beads = graph_of(count)
    ours, bare = [], []
    for _ in range(rounds):
        with _Uncollected():
            begin = own_time()
            submitted(beads)
            middle = own_time()
            _networkx(beads)
            ours.append(middle - begin)
            bare.append(own_time() - middle)
    yield Figure(
        name="graph-submitted",
        what=f"{count:,} beads with {count * EDGES:,} edges taken in; baseline: networkx builds and"
        " sorts them (time)",
        ours=f"{median(ours):.2f} s",
        baseline=f"{median(bare):.2f} s",
        ratio=median(ours) / median(bare),
        wanted=f"< {SUBMIT_S:.0f} s",
        met=median(ours) < SUBMIT_S,
    )
    size = _bytes_a_bead(beads)
    yield Figure(
        name="bead-memory",
        what=f"memory of one of {count:,} beads that wait, read from the record; baseline: the"
        " promise",
        ours=f"{size:,.0f} bytes",
        baseline=f"{BEAD_BYTES:,} bytes",
        ratio=size / BEAD_BYTES,
        wanted="< 2 kB",
        met=size < BEAD_BYTES,
    )


def _bytes_a_bead(beads: Sequence[BeadSpec]) -> float:
    """Each bead is decoded from its row, so that it shares nothing with the others but what the
    world shares; the bead that the first ones wait for never lands."""
    rows = []
    for one in beads:
        event = take_in(World(), REPO, one).event
        if event is not None:
            rows.append(encode(event))
    gc.collect()
    tracemalloc.start()
    try:
        world = World()
        apply(world, e.RepoRegistered(repo=REPO, path="/bench", target="main"), 1)
        for row in rows:
            apply(world, decode(row[0], row[1], row[4]), 1)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(world.beads)
    finally:
        tracemalloc.stop()


def _networkx(beads: Sequence[BeadSpec]) -> None:
    import networkx as nx  # noqa: PLC0415 - slow to import

    graph = nx.DiGraph()
    graph.add_nodes_from(one.id for one in beads)
    graph.add_edges_from((need, one.id) for one in beads for need in one.needs)
    for _ in nx.lexicographical_topological_sort(graph):
        pass


def sorted_out(count: int, rounds: int) -> Iterator[Figure]:
    """Kahn's order with ties by id, of a small graph and of a large one, beside networkx."""
    for size, times in ((100, 20), (count, 1)):
        beads = graph_of(size)
        needs = {one.id: one.needs for one in beads}
        ours, bare = [], []
        for _ in range(rounds * times):
            with _Uncollected():
                begin = own_time()
                order(needs)
                middle = own_time()
                _networkx(beads)
                ours.append(middle - begin)
                bare.append(own_time() - middle)
        spent = median(ours)
        yield Figure(
            name=f"order-{'small' if size == 100 else 'large'}",
            what=f"{size:,} beads in order; baseline: networkx (time)",
            ours=f"{1e3 * spent:.2f} ms",
            baseline=f"{1e3 * median(bare):.2f} ms",
            ratio=spent / median(bare),
            wanted=f"< {SORT_MS:.0f} ms" if size == 100 else "",
            met=1e3 * spent < SORT_MS if size == 100 else None,
        )


def queued(count: int, rounds: int) -> Iterator[Figure]:
    """A bead into a queue and out of it again, each strategy beside a bare heap of the same."""
    beads = [
        Waiting(BeadId(f"bead-{n:06}"), f"tenant-{n % 7}", n % 5, 1_000 * n) for n in range(count)
    ]
    for strategy in Strategy:
        ours, bare = [], []
        for _ in range(rounds):
            with _Uncollected():
                begin = own_time()
                queue = BeadQueue(strategy, 600_000)
                for one in beads:
                    queue.enqueue(one)
                while queue.dequeue() is not None:
                    pass
                middle = own_time()
                plain: list[tuple[int, int, BeadId]] = []
                for one in beads:
                    heapq.heappush(plain, (one.priority, one.since_ms, one.bead))
                while plain:
                    heapq.heappop(plain)
                ours.append(middle - begin)
                bare.append(own_time() - middle)
        yield Figure(
            name=f"queue-{strategy}",
            what=f"{strategy}: one of {count:,} beads in and out; baseline: a bare heap (time)",
            ours=f"{1e6 * median(ours) / count:.2f} µs",
            baseline=f"{1e6 * median(bare) / count:.2f} µs",
            ratio=median(ours) / median(bare),
        )


class _Uncollected:
    """No collection of garbage in the middle of a measurement; all of it before."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()

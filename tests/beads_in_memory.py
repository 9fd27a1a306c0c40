"""What ready, blocked and chain are by the state in memory: the answers that queries must give."""

from __future__ import annotations

from oya_vcs.core.beads import TERMINAL, State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import critical_path
from oya_vcs.core.world import World
from oya_vcs.journal.queries import Beads


def agree(world: World, beads: Beads) -> None:
    """Every answer of the tables is the answer of the world: ready, blocked, each bead's chain."""
    waiting = [bead for bead in world.beads.values() if bead.state is State.READY]
    waiting.sort(key=lambda bead: (bead.spec.priority, bead.since_ms, bead.id))
    found = beads.ready()
    assert found == [
        (bead.id, bead.repo, bead.spec.title, bead.state, bead.spec.priority, bead.since_ms)
        for bead in waiting
    ]
    queues = {bead for repo in world.repos.values() for bead in repo.ready}
    assert {one.id for one in found} == queues
    assert {one.bead.id: one.waits_for for one in beads.blocked()} == {
        bead.id: tuple((need, world.bead(need).state) for need in sorted(needs))
        for bead in world.beads.values()
        if bead.state not in TERMINAL and (needs := world.graph.waits_for(bead.id))
    }
    for bead in world.beads:
        chain = beads.chain(bead)
        assert chain is not None
        assert chain.bead.state is world.bead(bead).state
        assert [one.id for one in chain.below] == below(world, bead)
        assert [one.id for one in chain.above] == above(world, bead)


def below(world: World, bead: BeadId) -> list[BeadId]:
    """The longest chain of unfinished beads that the bead waits for, in the order of work."""
    graph = world.graph
    seen = {bead}
    frontier = [bead]
    while frontier:
        fresh = set(graph.waits_for(frontier.pop())) - seen
        seen |= fresh
        frontier += fresh
    return critical_path({one: graph.waits_for(one) for one in seen})[:-1]


def above(world: World, bead: BeadId) -> list[BeadId]:
    """The longest chain of unfinished beads that waits for the bead, in the order of work."""
    graph = world.graph
    if graph.is_finished(bead):
        return []
    seen = {bead}
    frontier = [bead]
    while frontier:
        dependents = graph.dependents(frontier.pop())
        fresh = {one for one in dependents if not graph.is_finished(one)} - seen
        seen |= fresh
        frontier += fresh
    needs = {one: [need for need in graph.waits_for(one) if need in seen] for one in seen}
    return critical_path({**needs, bead: []})[1:]

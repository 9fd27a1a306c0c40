"""Laws of following a tracker's file, whatever is in it and whatever has become of its beads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import cycles
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.tracking import follow
from oya_vcs.core.world import World
from oya_vcs.runtime.daemon import in_order
from tests.daemons import REPO, spec

NAMES = [f"b{number}" for number in range(7)]
LEFT_ALONE = {State.RUNNING, State.PAUSED, State.CANCELLED, State.LANDED}


@st.composite
def files(draw: st.DrawFn) -> list[BeadSpec]:
    """Some of the beads, in an order of their own in which none waits for a later one."""
    order = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    found = []
    for at, name in enumerate(order):
        needs = draw(st.lists(st.sampled_from(order[:at]), unique=True)) if at else []
        found.append(spec(name, *needs, priority=draw(st.integers(0, 1))))
    return in_order(found)


def settle(world: World, name: str, state: State) -> None:
    """The bead has come to that state, by whatever way."""
    bead = world.beads[BeadId(name)]
    if bead.state is State.LANDED:
        return
    bead.state = state
    if state is State.LANDED:
        world.graph.finish(bead.id)


@given(
    st.lists(
        st.tuples(
            files(),
            st.lists(
                st.tuples(
                    st.sampled_from(NAMES), st.sampled_from(sorted(LEFT_ALONE | {State.FAILED}))
                ),
                max_size=3,
            ),
        ),
        max_size=4,
    )
)
def test_what_follows_can_always_be_recorded_and_follows_once(
    story: list[tuple[list[BeadSpec], list[tuple[str, State]]]],
) -> None:
    """Through any story of files and of what becomes of beads: every event folds, no bead ever
    waits for itself, what is worked on or over is left alone, and the same file again is no
    news; but for what had to be left out, which comes in when what was in its way has gone."""
    world = World()
    apply(world, e.RepoRegistered(repo=REPO, path="/memory", target="main"), 1)
    for beads, becomes in story:
        before = {str(one.id): (one.state, one.key) for one in world.beads.values()}
        found = follow(world, REPO, beads, name="FILE")
        for event in found.events:
            apply(world, event, 2)
        for name, (state, key) in before.items():
            if state in LEFT_ALONE:
                assert (world.beads[BeadId(name)].state, world.beads[BeadId(name)].key) == (
                    state,
                    key,
                )
        assert not cycles({one.id: one.spec.needs for one in world.beads.values()})
        assert {one.id for one in beads} <= world.beads.keys() | set(found.later)
        rounds = 0
        while again := follow(world, REPO, beads, name="FILE").events:
            rounds += 1
            assert found.later
            assert rounds <= len(beads)
            for event in again:
                apply(world, event, 3)
        for name, state in becomes:
            if name in world.beads:
                settle(world, name, state)

"""What holds of every state that can come about: it survives as bytes, and a fold may be begun at
any of its events."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.core.beads import Bead
from oya_vcs.core.merge import Change
from oya_vcs.core.world import Workspace, World
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal import snapshot
from oya_vcs.journal.difference import difference, state
from oya_vcs.journal.replay import digest, replay
from tests.histories import History, told
from tests.strategies import KEYS, effects, instances

HISTORIES = st.builds(
    told, st.lists(st.integers(0, 2**16), max_size=400), st.integers(min_value=0, max_value=60)
)


@given(HISTORIES)
@settings(max_examples=60, deadline=None)
def test_a_state_survives_as_bytes(history: History) -> None:
    """Whatever happened: the world comes back with the same digest, and as the same bytes again,
    so that nothing was kept in another order either."""
    image = snapshot.encode(history.world)
    back = snapshot.decode(image)
    assert digest(back) == digest(history.world)
    assert snapshot.encode(back) == image


@given(HISTORIES)
@settings(max_examples=40, deadline=None)
def test_the_fold_of_the_rows_is_the_live_state(history: History) -> None:
    """Replay calls no policy and gives the state that policy and facts had made, byte for byte."""
    assert digest(replay(history.rows)) == digest(history.world)


@given(HISTORIES)
@settings(max_examples=25, deadline=None)
def test_a_checkpoint_and_the_tail_are_the_full_replay(history: History) -> None:
    """At every event: the state there, taken to bytes and back, goes on to the same end."""
    live = World()
    for cut, row in enumerate([None, *history.rows]):
        if row is not None:
            replay([row], onto=live)
        restored = snapshot.decode(snapshot.encode(live))
        assert digest(replay(history.rows[cut:], onto=restored)) == digest(history.world)


@given(HISTORIES, st.data())
@settings(max_examples=40, deadline=None)
def test_no_difference_means_the_same_things(history: History, data: st.DataObject) -> None:
    """Between two events a difference is told exactly where a digest of the compared parts
    differs; and what is told of a field are its values at both ends."""
    first = data.draw(st.integers(0, len(history.rows)))
    world = replay(history.rows[:first])
    before = state(world)
    after = state(replay(history.rows[first:], onto=world))
    told_of = {(one.thing, one.id): one for one in difference(before, after)}
    for thing, things in after.items():
        for name in {*things, *before[thing]}:
            old, new = before[thing].get(name, {}), things.get(name, {})
            found = told_of.pop((thing, name), None)
            changes = {} if found is None else dict(found.fields)
            changed = {**old, **{key: pair[1] for key, pair in changes.items()}}
            assert {key: one for key, one in changed.items() if key in new or one} == new
            assert (old == new) == (found is None)
            assert all(pair == (old.get(k), new.get(k)) for k, pair in changes.items())
    assert not told_of


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds whose beads, changes, workspaces and effects have any values at all."""
    world = World(now_ms=draw(st.integers(0, 2**62)))
    world.beads = {one.id: one for one in draw(st.lists(instances(Bead), max_size=3))}
    world.changes = {one.id: one for one in draw(st.lists(instances(Change), max_size=3))}
    found = draw(st.lists(instances(Workspace), max_size=3))
    world.workspaces = {one.name: one for one in found}
    world.of_bead = {one.bead: [one.name] for one in found}
    world.open = draw(st.dictionaries(KEYS, effects(), max_size=3))
    world.timers = [(one.until_ms, one.id) for one in world.beads.values()]
    return world


@given(worlds())
@settings(max_examples=80, deadline=None)
def test_any_value_of_any_field_survives(world: World) -> None:
    """Text of every script, 64-bit numbers, empty and absent values: all come back as they were."""
    back = snapshot.decode(snapshot.encode(world))
    for one in fields(World):
        if one.name != "graph":
            assert getattr(back, one.name) == getattr(world, one.name)


@given(st.binary(max_size=200), st.integers(0, snapshot.FORMAT + 1))
def test_rubbish_is_refused_and_never_a_crash(image: bytes, version: int) -> None:
    """Bytes that hold no world raise JournalCorrupt, of whatever version they say they are."""
    with pytest.raises(JournalCorrupt, match=f"format {version}"):
        snapshot.decode(image, version)

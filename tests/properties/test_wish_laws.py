"""Wishes in the middle of anything: what holds after every legal history."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId, Key
from oya_vcs.core.wishes import Verb, Wish, facts_of, judge
from oya_vcs.core.world import World
from oya_vcs.journal.replay import digest, replay
from tests.histories import History

SEEDS = st.integers(0, 2**32)
STEPS = st.integers(1, 120)


def told(seed: int, steps: int) -> History:
    """A random legal history, with wishes of all kinds in it."""
    story = History(Random(seed).randrange, trouble=60)
    for _ in range(steps):
        story.step()
    return story


TIDYING = f.RemoveWorkspace | f.DropCandidates


def under_way(world: World, bead: BeadId) -> dict[Key, f.Effect]:
    """What is open of a bead, but what tidies up after it."""
    return {
        key: effect
        for key, effect in world.open.items()
        if effect.bead == bead and not isinstance(effect, TIDYING)
    }


def is_consistent(world: World, bead: Bead) -> None:
    """What holds of a bead at all times."""
    ready = bead.id in set(world.repos[bead.repo].ready)
    assert ready is (bead.state is State.READY)
    assert (bead.paused_in is not None) is (bead.state is State.PAUSED)
    assert bead.paused_in not in TERMINAL | {State.PAUSED}
    if bead.state in (State.CANCELLED, State.FAILED):
        assert not under_way(world, bead.id)
        assert bead.id not in world.repos[bead.repo].slots.values()
    if bead.cancelling and bead.state not in TERMINAL:
        assert under_way(world, bead.id)
    if bead.state is State.PAUSED and bead.id in world.repos[bead.repo].slots.values():
        assert under_way(world, bead.id)


@settings(max_examples=60, deadline=None)
@given(SEEDS, STEPS)
def test_no_wish_leaves_a_bead_between_two_states(seed: int, steps: int) -> None:
    """After each step: who is ready stands in line and no one else; nothing is under way for what
    has ended; what is being cancelled, and what is paused and holds a slot, has something under
    way; and stops are of what is open."""
    story = History(Random(seed).randrange, trouble=60)
    for _ in range(steps):
        story.step()
        for bead in story.world.beads.values():
            is_consistent(story.world, bead)
        assert story.world.stops.keys() <= story.world.open.keys()
    assert digest(replay(story.rows)) == digest(story.world)


@settings(max_examples=100, deadline=None)
@given(SEEDS, STEPS, st.data())
def test_a_bead_that_is_to_be_cancelled_ends_with_what_was_under_way(
    seed: int, steps: int, data: st.DataObject
) -> None:
    """Whatever its state and however each open step of it ends: when the last has ended it is
    cancelled, or has landed; nothing new began for it, and its change is in no queue."""
    story = told(seed, steps)
    living = [bead for bead in story.world.beads.values() if bead.state not in TERMINAL]
    if not living:
        return
    bead = data.draw(st.sampled_from(living))
    wish = Wish(verb=Verb.CANCEL, beads=(bead.id,))
    story.take(*facts_of(judge(story.world, wish)))
    open_ = under_way(story.world, bead.id)
    for key, effect in open_.items():
        story.take(story._outcome(key, effect))
    assert not under_way(story.world, bead.id)
    assert bead.state in (State.CANCELLED, State.LANDED)
    if bead.state is State.LANDED:
        assert any(isinstance(effect, f.Land) for effect in open_.values())
    elif bead.change is not None:
        assert story.world.repos[bead.repo].queue.place(bead.change) == 0
    story.take(*facts_of(judge(story.world, Wish(verb=Verb.RETRY, beads=(bead.id,)))))
    assert bead.state not in (State.CANCELLED, State.PAUSED)
    assert digest(replay(story.rows)) == digest(story.world)


@settings(max_examples=100, deadline=None)
@given(SEEDS, STEPS, st.data())
def test_nothing_new_begins_for_a_paused_bead(seed: int, steps: int, data: st.DataObject) -> None:
    """However long the world goes on: no attempt, no worker and no change of it begins before it is
    resumed; and then it is where it can go on."""
    story = told(seed, steps)
    pausable = [
        verdict.event
        for bead in story.world.beads.values()
        for verdict in judge(story.world, Wish(verb=Verb.PAUSE, beads=(bead.id,)))
        if isinstance(verdict.event, e.BeadPaused)
    ]
    if not pausable:
        return
    pause = data.draw(st.sampled_from(pausable))
    bead = story.world.beads[pause.bead]
    story.take(pause)
    since = len(story.rows)
    for _ in range(data.draw(st.integers(0, 40))):
        story._moves[story._pick(len(story._moves))]()
    for row in story.rows[since:]:
        if row.event.subject == bead.id:
            assert not isinstance(row.event, e.AttemptClaimed)
            if isinstance(row.event, e.Requested):
                assert isinstance(row.event.effect, f.CollectResult | f.RemoveWorkspace)
    assert bead.state in (State.PAUSED, State.FAILED)
    if bead.state is State.PAUSED:
        apply(story.world, e.BeadResumed(bead=bead.id), story.world.now_ms)
        assert bead.state not in TERMINAL | {State.PAUSED}
        is_consistent(story.world, bead)

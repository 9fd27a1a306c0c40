"""What follows from what people ask of a bead: its end, a pause, to go on."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, Bead, State
from oya_vcs.core.decide.attempts import hand_in
from oya_vcs.core.decide.candidates import drop_candidates
from oya_vcs.core.decide.decisions import Decisions, Rule, stop
from oya_vcs.core.merge import Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World


def is_being_cancelled(world: World, fact: e.Outcome) -> bool:
    """Whether the fact is about a bead whose end is asked for, so that its end is all that may
    follow. A bead that landed all the same has landed."""
    bead = world.beads.get(fact.bead)
    return bead is not None and bead.cancelling and bead.state not in TERMINAL


def end(world: World, bead: Bead) -> Decisions:
    """The bead is cancelled when nothing is under way for it any more; its change, if it has one in
    the queue, leaves that. Costs the effects under way."""
    if any(_moves(effect, bead) for effect in world.open.values()):
        return
    change = None if bead.change is None else world.changes[bead.change]
    leaves = change is not None and change.stage is not Stage.FAILED
    yield e.BeadCancelled(bead=bead.id)
    if change is not None and leaves:
        yield from drop_candidates(change)


def _moves(effect: f.Effect, bead: Bead) -> bool:
    """Whether the outcome will move the bead: of all effects but those that tidy up."""
    return effect.bead == bead.id and not isinstance(effect, f.TIDYING)


def _cancel_requested(
    world: World, fact: e.CancelRequested, at_ms: int, policy: Policy
) -> Decisions:
    yield from cancel(world, world.bead(fact.bead))


def cancel(world: World, bead: Bead) -> Decisions:
    """Stop what runs for a bead whose end is asked for, and end it where nothing does."""
    yield from stop(world, bead.id, e.Reason.CANCELLED)
    yield from end(world, bead)


def _bead_paused(world: World, fact: e.BeadPaused, at_ms: int, policy: Policy) -> Decisions:
    """A worker that runs stands still meanwhile (`runtime/freezing.py`); one that is only asked for
    does not begin."""
    if world.bead(fact.bead).paused_in is State.CLAIMED:
        yield from stop(world, fact.bead, e.Reason.PAUSED)


def _bead_resumed(world: World, fact: e.BeadResumed, at_ms: int, policy: Policy) -> Decisions:
    """A result that was collected during the pause goes on its way."""
    bead = world.bead(fact.bead)
    if bead.state is State.CHECKING and bead.commit is not None:
        yield hand_in(world, bead, bead.commit, policy)


RULES: Mapping[type[e.Event], Rule] = {
    e.CancelRequested: _cancel_requested,
    e.BeadPaused: _bead_paused,
    e.BeadResumed: _bead_resumed,
}

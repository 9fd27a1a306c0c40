"""Folds of submissions: a person's own commit is the result of its bead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oya_vcs.core import events as e
from oya_vcs.core.fold.changes import amend
from oya_vcs.core.world import World


def _change_submitted(world: World, event: e.ChangeSubmitted) -> None:
    bead = world.bead(event.bead)
    bead.spec, bead.key = event.spec, event.key
    bead.attempt, bead.commit, bead.tree = event.attempt, event.head, None
    bead.reason, bead.detail, bead.feedback = None, "", ""


def _change_resubmitted(world: World, event: e.ChangeResubmitted) -> None:
    bead, change = world.bead(event.bead), world.changes[event.change]
    bead.spec, bead.key = event.spec, event.key
    bead.commit, bead.tree = event.head, None
    now = change.amended or change.pins
    amend(world, change, replace(now, head=event.head, tree=None, message=event.message))


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.ChangeSubmitted: _change_submitted,
    e.ChangeResubmitted: _change_resubmitted,
}

"""What the merge queue is to make of what people want of a pull request: take it up, let it go on,
or nothing, for it is so already.

Knows no command and nobody's rights: who may want what is decided before.
"""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.beads import TAKEABLE, Bead
from oya_vcs.core.decide.decisions import Decisions
from oya_vcs.core.ids import BeadId, ChangeId
from oya_vcs.core.merge import Change
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.pull_request import Pull, difference
from oya_vcs.core.pull_words import change_message, spec_of
from oya_vcs.core.pulls import PullState
from oya_vcs.core.spec import spec_key
from oya_vcs.core.world import World


def bead_of(world: World, pull: Pull) -> Bead | None:
    """The bead whose work the pull request is, as far as it still is: a later attempt may have
    another one."""
    if pull.bead is None or world.pull_of.get(pull.bead) != pull.key:
        return None
    return world.beads.get(pull.bead)


def change_of(world: World, pull: Pull) -> Change | None:
    """Its newest change in the merge queue, over or not."""
    bead = bead_of(world, pull)
    return None if bead is None or bead.change is None else world.changes[bead.change]


def live_change(world: World, pull: Pull) -> Change | None:
    """Its change in the merge queue, where that is not over."""
    change = change_of(world, pull)
    if change is None or change.id not in world.repos[change.repo].queue.members:
        return None
    return None if change.stage in OVER else change


def name_of(world: World, pull: Pull) -> BeadId:
    """The bead that the pull request is, or would be: `pr-7`, where nobody else is called so."""
    if pull.bead is not None:
        return pull.bead
    name, number = BeadId(f"pr-{pull.number}"), 1
    while name in world.beads or world.pull_of.get(name, pull.key) != pull.key:
        number += 1
        name = BeadId(f"pr-{pull.number}-{number}")
    return name


def settle(world: World, pull: Pull) -> Decisions:
    """Let the queue do what people want, as far as it does not yet."""
    change = live_change(world, pull)
    if change is not None:
        yield from _approve(world, pull, change)
    elif pull.approval is not None and pull.approval.change is None:
        yield from _take_up(world, pull)


def _approve(world: World, pull: Pull, change: Change) -> Decisions:
    """It waits for an approval, and there is one. What people merged themselves they want."""
    waits = change.id in world.repos[change.repo].queue.unapproved or change.withdrawn is not None
    if not waits or change.exit is not None or change.amended is not None:
        return
    by = ""
    if pull.state is PullState.MERGED:
        by = pull.by or pull.author
    elif pull.approval is not None and not pull.hold:
        worded = world.bead(change.bead).by_hand
        by = "" if difference(pull, pull.approval, worded=worded) else pull.approval.by
    if by and change.head == pull.head:
        yield e.ChangeApproved(
            bead=change.bead,
            change=change.id,
            head=change.head,
            by=by,
            priority=pull.priority,
        )


def _take_up(world: World, pull: Pull) -> Decisions:
    """A person's pull request becomes a change, and the first time a bead."""
    if pull.hold or pull.state is not PullState.OPEN or pull.approval is None:
        return
    bead = bead_of(world, pull)
    if bead is None:
        name = name_of(world, pull)
        spec = spec_of(pull, name)
        yield e.BeadAdded(
            repo=pull.repo, bead=name, key=spec_key(spec), spec=spec, pull=pull.number
        )
        bead = world.bead(name)
    if not bead.by_hand or bead.cancelling or bead.state not in TAKEABLE:
        return
    attempt = bead.attempt + 1
    change = ChangeId(f"{bead.id}.{attempt}")
    yield e.PullTaken(
        repo=pull.repo,
        bead=bead.id,
        number=pull.number,
        change=change,
        attempt=attempt,
        head=pull.approval.head,
    )
    yield e.ChangeQueued(
        bead=bead.id,
        change=change,
        head=pull.approval.head,
        target=pull.approval.target,
        message=change_message(pull, change),
        priority=bead.spec.priority if pull.priority is None else pull.priority,
    )

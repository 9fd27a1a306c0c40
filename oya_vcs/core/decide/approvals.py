"""Commands about whether a pull request may land: approve, take back, hold, release, try again; and
how: its priority, squashed.

They change what people want, and `pull_queue.settle` what the queue makes of it.
"""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.decide.decisions import Decisions, request
from oya_vcs.core.decide.pull_queue import bead_of, change_of, live_change, settle
from oya_vcs.core.decide.said import Said, done, obeyed, refuse, respond
from oya_vcs.core.merge import Change, Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.pull_request import Pull, unready
from oya_vcs.core.pull_words import change_message
from oya_vcs.core.pulls import PullState
from oya_vcs.core.world import World


def obstacle(world: World, pull: Pull, policy: Policy) -> str:
    """Why the pull request cannot be approved as it is, as half a sentence; empty where it can."""
    target = world.repos[pull.repo].target
    bead = bead_of(world, pull)
    if not pull.seen:
        return "it has not been seen yet"
    if pull.state is PullState.MERGED or (bead is not None and bead.state is State.LANDED):
        return "it is merged already"
    if pull.state is PullState.CLOSED:
        return "it is closed"
    if pull.base != target:
        return f"it is to land on {pull.base}, and this queue lands on {target}"
    if (why := unready(pull, policy.pulls)) or pull.mergeable is not False:
        return why
    return f"it does not merge into {target}"


def approve(said: Said) -> Decisions:
    """At the newest commit, or at the very one that is named."""
    pull, command = said.pull, said.command
    why = obstacle(said.world, pull, said.policy)
    if why:
        yield refuse(said, f"{why}.", "Approve it again when that is no longer so.")
        return
    bead, change = bead_of(said.world, pull), live_change(said.world, pull)
    if (bead is not None and bead.cancelling) or (change is not None and change.exit is not None):
        yield refuse(said, "it is leaving the queue.", "Approve it again when it has left.")
        return
    if bead is not None and not bead.by_hand and change is None:
        yield refuse(said, f"bead {bead.id} is {bead.state}: a worker is at it, or nobody.")
        return
    if command.head and not pull.head.startswith(command.head):
        why = f"the newest commit is {pull.head}, and not {command.head}."
        yield refuse(said, why, "Look at that one, and approve it.")
        return
    if not command.head and pull.head_ms >= said.ask.written_ms > 0:
        why = f"commit {pull.head} came about when this was written."
        yield refuse(said, why, f"To approve that one, say r+ {pull.head[:12]}.")
        return
    by = ", ".join(command.reviewers) or said.who
    yield obeyed(said, by=by, head=pull.head)
    yield from _approved(said)


def retry(said: Said) -> Decisions:
    """After a failure, of the very commit that failed; what the world refused is looked at
    again."""
    world, pull = said.world, said.pull
    bead, change = bead_of(world, pull), change_of(world, pull)
    live = live_change(world, pull)
    if live is not None and live.id in world.repos[pull.repo].queue.held:
        yield obeyed(said, by=_approver(pull, said), head=live.head)
        yield e.QueueResumed(repo=pull.repo)
        yield done(said, "It is tried again.")
    elif bead is None or change is None or live is not None:
        why = "it has not failed."
        yield refuse(said, why, "It can be approved with r+." if live is None else "")
    elif not bead.by_hand:
        yield from _retry_bead(said, bead)
    elif change.head != pull.head or change_message(pull, change.id) != change.message:
        yield refuse(said, "it is not what failed any more.", "Approve what is there with r+.")
    elif why := obstacle(world, pull, said.policy):
        yield refuse(said, f"{why}.")
    else:
        yield obeyed(said, head=pull.head)
        yield from _approved(said)


def _approver(pull: Pull, said: Said) -> str:
    return pull.approval.by if pull.approval is not None else said.who


def _retry_bead(said: Said, bead: Bead) -> Decisions:
    if bead.state not in {State.FAILED, State.CANCELLED}:
        yield refuse(said, f"bead {bead.id} is {bead.state}: a worker is still at it.")
        return
    yield e.BeadRetried(bead=bead.id, who=said.who)
    yield done(said, f"Bead {bead.id} gets new attempts.")


def _approved(said: Said) -> Decisions:
    """The queue does what it is to do, and the answer names the commit."""
    world, pull = said.world, said.pull
    yield from settle(world, pull)
    change = live_change(world, pull)
    if change is not None and said.command.priority not in {None, change.priority}:
        yield from _change_priority(said, change)
    queue = world.repos[pull.repo].queue
    note = f"It is held by {pull.hold}: nothing of it lands until that ends." if pull.hold else ""
    yield request(
        respond(
            said,
            "approved",
            head=pull.head,
            by="" if pull.approval is None else pull.approval.by,
            place=queue.place(change.id) or "" if change is not None and not pull.hold else "",
            target=world.repos[pull.repo].target,
            note=note,
        )
    )


def unapprove(said: Said) -> Decisions:
    """Back to waiting; one that is landing lands."""
    world, pull = said.world, said.pull
    change = live_change(world, pull)
    if change is not None and change.stage is Stage.MERGING:
        yield refuse(said, "it is landing: that is not stopped any more.")
        return
    approved = pull.approval is not None and pull.approval.change is None
    yield obeyed(said)  # an approval that was written before it may come later
    if change is None and not approved:
        yield refuse(said, "it is not approved.")
        return
    if change is not None:
        yield _withdrawn(said, change, e.Reason.UNAPPROVED)
    yield done(said, "It is no longer approved.")


def _withdrawn(said: Said, change: Change, reason: e.Reason) -> e.Event:
    return e.ApprovalWithdrawn(bead=change.bead, change=change.id, by=said.who, reason=reason)


def hold(said: Said) -> Decisions:
    """Nothing of it lands; what was approved stays so."""
    change = live_change(said.world, said.pull)
    if change is not None and change.stage is Stage.MERGING:
        yield refuse(said, "it is landing: that is not stopped any more.")
        return
    yield obeyed(said)
    if change is not None:
        yield _withdrawn(said, change, e.Reason.HELD)
    yield done(said, "It is held: nothing of it lands until release is said.")


def release(said: Said) -> Decisions:
    """What was approved goes on as it was: by people, or because nobody has to."""
    world, pull = said.world, said.pull
    held_by = pull.hold
    yield obeyed(said)  # a hold that was written before it may come later
    if not held_by:
        yield refuse(said, "it is not held.")
        return
    yield from settle(world, pull)
    change = live_change(world, pull)
    held = change is not None and e.Reason.HELD in {change.reason, change.withdrawn}
    if change is not None and held and _by_itself(said, change):
        yield e.ChangeApproved(bead=change.bead, change=change.id, head=change.head, by=said.who)
    yield done(said, "It is held no longer.")


def _by_itself(said: Said, change: Change) -> bool:
    """Whether nobody has to approve it: a worker's result, where the configuration says so."""
    bead = said.world.bead(change.bead)
    auto = said.policy.merge.approval == "auto"
    return auto and not bead.by_hand and change.head == bead.commit


def prioritize(said: Said) -> Decisions:
    """Of the change that is in the queue, and of those to come."""
    yield obeyed(said)
    change = live_change(said.world, said.pull)
    if change is not None:
        yield from _change_priority(said, change)
    yield done(said, f"Its priority is {said.command.priority}.")


def _change_priority(said: Said, change: Change) -> Decisions:
    """One that waits for an approval gets it with that: a priority approves nothing."""
    waits = change.id in said.world.repos[change.repo].queue.unapproved
    if not waits and not change.leaves:
        yield e.ChangeApproved(
            bead=change.bead,
            change=change.id,
            head=change.head,
            by=said.who,
            priority=said.command.priority,
        )


def squash(said: Said) -> Decisions:
    """What was built is built again; an approval stands."""
    change = live_change(said.world, said.pull)
    if change is not None and change.stage is Stage.MERGING:
        yield refuse(said, "it is landing: that is not stopped any more.")
        return
    news = not said.pull.squash
    yield obeyed(said)
    if news and change is not None and change.candidate is not None and not change.leaves:
        yield _withdrawn(said, change, e.Reason.EDITED)
    yield done(said, "It lands as one commit.")

"""What follows from what is seen of a pull request: whose turn it is to be answered, what moved,
and what the merge queue is to make of what people want.

What a command comes to is in `decide/commands.py`, how it is said in `core/pull_words.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, Bead
from oya_vcs.core.commands import of_label
from oya_vcs.core.decide import commands
from oya_vcs.core.decide.decisions import Decisions, Rule, request
from oya_vcs.core.decide.pull_queue import bead_of, live_change, name_of, settle
from oya_vcs.core.decide.wishes import cancel
from oya_vcs.core.effects import OpenChange
from oya_vcs.core.ids import PullKey, pull_key
from oya_vcs.core.merge import Change, Stage
from oya_vcs.core.merge.lifecycle import Pins
from oya_vcs.core.policy import Policy
from oya_vcs.core.pull_request import Ask, Pull, difference, unready
from oya_vcs.core.pull_words import change_message, dropped, status, tried
from oya_vcs.core.pulls import AskPermission, PullState
from oya_vcs.core.reasons import Reason
from oya_vcs.core.world import World

PULL_KINDS = frozenset({"AskPermission", "Reply", "TellStatus", "TryPull"})
"""Effects that `EffectFailed` may name, and that move no bead."""


# --- What is seen ---------------------------------------------------------------------------------


def _pull_seen(world: World, fact: e.PullSeen, at_ms: int, policy: Policy) -> Decisions:
    pull = world.pulls[pull_key(fact.repo, fact.number)]
    yield from _labels(pull, policy)
    yield from _movement(world, pull, policy)
    yield from settle(world, pull)
    yield from _answer(world, pull, at_ms, policy)


def _labels(pull: Pull, policy: Policy) -> Decisions:
    """A label of ours that was set or removed since the last look is a word, too."""
    prefix = policy.pulls.prefix
    for removed, names in (
        (False, [name for name in pull.labels if name not in pull.labelled]),
        (True, [name for name in pull.labelled if name not in pull.labels]),
    ):
        for name in names:
            command = of_label(name, prefix)
            if command is None:
                continue
            wanted = commands.LABEL_ENDS.get(command.verb, ()) if removed else (command,)
            yield e.LabelChanged(
                repo=pull.repo,
                number=pull.number,
                asked=f"label-{pull.label_changes + 1}",
                label=name,
                removed=removed,
                written_ms=pull.updated_ms,
                commands=wanted,
            )


def _movement(world: World, pull: Pull, policy: Policy) -> Decisions:
    """What is not what was approved any more is dropped, with one notice; what is closed leaves."""
    change = live_change(world, pull)
    if pull.state is PullState.CLOSED:
        yield from _closed(world, pull, change)
        return
    if pull.state is PullState.MERGED:
        return  # the queue finds that the target holds it
    bead = bead_of(world, pull)
    worded = bead is None or bead.by_hand
    reason: Reason | None = None
    standing = pull.approval is not None and (change is not None or pull.approval.change is None)
    if pull.approval is not None and standing:
        reason = difference(pull, pull.approval, worded=worded)
    now = None if change is None or bead is None else _pins_now(pull, bead, change)
    moved = change is not None and now not in {None, change.amended or change.pins}
    approved = change is not None and _approved(world, change)
    if reason is None and moved and approved and change is not None and now is not None:
        reason = _moved(change, now)
    if reason is None and unready(pull, policy.pulls) and (standing or approved):
        reason = Reason.UNREADY
    if reason is not None:
        yield from _dropped(world, pull, change if approved else None, reason, policy)
    if moved and change is not None and now is not None:
        yield e.ChangeAmended(
            bead=change.bead,
            change=change.id,
            head=now.head,
            tree=now.tree,
            target=now.target,
            message=now.message,
        )


def _pins_now(pull: Pull, bead: Bead, change: Change) -> Pins:
    """What a live change would be approved at now. The message of a worker's result is its bead's,
    whatever the pull request is called."""
    tree = change.head_tree if pull.head == change.head else None
    message = change_message(pull, change.id) if bead.by_hand else change.message
    return Pins(head=pull.head, tree=tree, target=pull.base, message=message)


def _moved(change: Change, now: Pins) -> Reason:
    if now.head != change.head:
        return Reason.PUSHED
    return Reason.RETARGETED if now.target != change.target else Reason.EDITED


def _approved(world: World, change: Change) -> bool:
    """Whether the queue is to land it, as far as people have not taken that back."""
    waits = change.id in world.repos[change.repo].queue.unapproved
    return not (waits or change.withdrawn or change.exit or change.stage is Stage.MERGING)


def _dropped(
    world: World, pull: Pull, change: Change | None, reason: Reason, policy: Policy
) -> Decisions:
    by, was = pull.by or pull.author, pull.approval
    head = change.head if change is not None else was.head if was is not None else pull.head
    yield e.PullApprovalEnded(repo=pull.repo, number=pull.number, reason=reason)
    if change is not None:
        yield e.ApprovalWithdrawn(bead=change.bead, change=change.id, by=by, reason=reason)
    name = name_of(world, pull)
    yield request(dropped(pull, name, reason, head, unready(pull, policy.pulls)))


def _closed(world: World, pull: Pull, change: Change | None) -> Decisions:
    by = pull.by or "somebody"
    if pull.approval is not None:
        yield e.PullApprovalEnded(repo=pull.repo, number=pull.number, reason=Reason.CLOSED)
    if change is not None:
        if change.exit is None:
            yield e.ChangeClosed(bead=change.bead, change=change.id, by=by)
        return
    bead = bead_of(world, pull)
    if bead is None or pull.was is PullState.CLOSED:
        return
    if bead.state not in TERMINAL and not bead.cancelling:
        why = f"its pull request #{pull.number} was closed"
        yield e.CancelRequested(bead=bead.id, who=by, why=why)
        yield from cancel(world, bead)


def _comment_seen(world: World, fact: e.CommentSeen, at_ms: int, policy: Policy) -> Decisions:
    yield from _answer(world, world.pulls[pull_key(fact.repo, fact.number)], at_ms, policy)


# --- One after the other --------------------------------------------------------------------------


def _answer(world: World, pull: Pull, at_ms: int, policy: Policy) -> Decisions:
    """Answer those that wait until one of them needs to know what its author may do."""
    while pull.asks and pull.asking is None and not _opening(world, pull):
        ask = pull.asks[0]
        if ask.level is None and commands.needs_permission(world, pull, ask):
            yield request(_question(world, pull, ask))
            return
        yield from _one(world, pull, ask, at_ms, policy)


def _one(world: World, pull: Pull, ask: Ask, at_ms: int, policy: Policy) -> Decisions:
    yield from commands.answer(world, pull, ask, at_ms, policy)
    yield e.CommentAnswered(repo=pull.repo, number=pull.number, asked=ask.asked)


def _question(world: World, pull: Pull, ask: Ask) -> AskPermission:
    return AskPermission(
        repo=pull.repo,
        bead=name_of(world, pull),
        number=pull.number,
        asked=ask.asked,
        user=ask.user,
        user_id=ask.user_id,
        label=ask.label,
        removed=ask.removed,
        names=tuple(one.user for one in ask.commands if one.user),
    )


def _opening(world: World, pull: Pull) -> bool:
    """Whether a bead of ours is about to be tied to it: its result is this head. Costs the effects
    under way."""
    return pull.bead is None and any(
        isinstance(effect, OpenChange) and (effect.repo, effect.head) == (pull.repo, pull.head)
        for effect in world.open.values()
    )


def _permission_known(
    world: World, fact: e.PermissionKnown, at_ms: int, policy: Policy
) -> Decisions:
    yield from _answer(world, world.pulls[pull_key(fact.repo, fact.number)], at_ms, policy)


def refused(world: World, fact: e.EffectFailed, at_ms: int, policy: Policy) -> Decisions:
    """The world refused what was asked for a pull request, for good. What could not be said stays
    unsaid; who cannot be judged may do nothing."""
    pull = world.pulls[world.pull_of[fact.bead]]
    if fact.kind == AskPermission.__name__ and pull.asks:
        yield from commands.unanswerable(world, pull, pull.asks[0], fact.message)
        asked = pull.asks[0].asked
        yield e.CommentAnswered(repo=pull.repo, number=pull.number, asked=asked)
        yield from _answer(world, pull, at_ms, policy)


def _pull_tried(world: World, fact: e.PullTried, at_ms: int, policy: Policy) -> Decisions:
    pull = world.pulls[pull_key(fact.repo, fact.number)]
    yield request(tried(pull, name_of(world, pull), fact))


def opened(world: World, fact: e.ChangeOpened, at_ms: int, policy: Policy) -> Decisions:
    """A bead's pull request is known: what was said there meanwhile is answered now."""
    key = world.pull_of.get(fact.bead)
    if key is not None:
        yield from settle(world, world.pulls[key])
        yield from _answer(world, world.pulls[key], at_ms, policy)


# --- Afterwards -----------------------------------------------------------------------------------


def touched(world: World, events: Iterable[e.Event]) -> list[Pull]:
    """The pull requests that events are about, each once."""
    found: dict[PullKey, Pull] = {}
    for event in events:
        key = _pull_of(world, event)
        if key is not None and key in world.pulls:
            found[key] = world.pulls[key]
    return list(found.values())


def _pull_of(world: World, event: e.Event) -> PullKey | None:
    about = event.effect if isinstance(event, e.Requested) else event
    repo, number = getattr(about, "repo", None), getattr(about, "number", 0)
    if repo is not None and number:
        return pull_key(repo, number)
    bead = getattr(about, "bead", None)
    return None if bead is None else world.pull_of.get(bead)


def tell(world: World, pull: Pull) -> Decisions:
    """Where the status of a pull request says something else by now, let it be told; one at a time,
    so that of many changes the last one is said."""
    bead = bead_of(world, pull)
    if bead is None or pull.telling is not None:
        return
    now = status(world, pull, bead)
    if now is not None:
        yield request(now)


RULES: Mapping[type[e.Event], Rule] = {
    e.PullSeen: _pull_seen,
    e.CommentSeen: _comment_seen,
    e.PermissionKnown: _permission_known,
    e.PullTried: _pull_tried,
}

"""Folds of pull requests: what is seen of them, what people asked for, and what was answered.

What the merge queue makes of it is folded with the changes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import replace

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead
from oya_vcs.core.commands import Command, Verb
from oya_vcs.core.fold.moves import free_slot
from oya_vcs.core.ids import ChangeId, CommitId, Key, RepoId, pull_key
from oya_vcs.core.merge import Change
from oya_vcs.core.pull_request import (
    NOTE_MAX,
    NOTES_MAX,
    OURS_MAX,
    SUBJECTS,
    Approval,
    Ask,
    Pull,
    message_of,
)
from oya_vcs.core.pulls import AskPermission, PullEffect, PullState, TellStatus, TryPull
from oya_vcs.core.world import World


def _pull(world: World, repo: RepoId, number: int) -> Pull:
    return world.pulls.setdefault(pull_key(repo, number), Pull(repo=repo, number=number))


# --- What is seen ---------------------------------------------------------------------------------


def _pull_seen(world: World, event: e.PullSeen) -> None:
    """The newest snapshot counts. What has been merged stays so."""
    pull = _pull(world, event.repo, event.number)
    if event.head not in pull.ours and event.head != pull.head:
        pull.head_ms = event.pushed_ms or (event.updated_ms if pull.seen else 0)
        pull.head = event.head
    pull.was = pull.state
    pull.state = PullState.MERGED if pull.was is PullState.MERGED else event.state
    pull.seen, pull.base, pull.title = True, event.base, event.title
    pull.message = message_of(event)
    pull.author, pull.author_id, pull.draft = event.author, event.author_id, event.draft
    pull.labels, pull.mergeable = event.labels, event.mergeable
    pull.updated_ms, pull.by = event.updated_ms, event.by


def _comment_seen(world: World, event: e.CommentSeen) -> None:
    """It waits behind those that were written before it, and behind the one that is being
    answered."""
    pull = _pull(world, event.repo, event.number)
    pull.heard[event.comment] = None
    ask = Ask(
        asked=event.comment,
        user=event.author,
        user_id=event.author_id,
        written_ms=event.written_ms,
        commands=event.commands,
        faults=event.faults,
        tacit=event.tacit,
    )
    _line_up(pull, ask)


def _label_changed(world: World, event: e.LabelChanged) -> None:
    pull = _pull(world, event.repo, event.number)
    if event.removed:
        pull.labelled.pop(event.label, None)
    else:
        pull.labelled[event.label] = None
    pull.label_changes += 1
    ask = Ask(
        asked=event.asked,
        user="",
        user_id=0,
        written_ms=event.written_ms,
        commands=event.commands,
        label=event.label,
        removed=event.removed,
    )
    _line_up(pull, ask)


def _line_up(pull: Pull, ask: Ask) -> None:
    first = 1 if pull.asking is not None else 0
    insort(pull.asks, ask, lo=first, key=lambda one: (one.written_ms, one.asked))


def _review_seen(world: World, event: e.ReviewSeen) -> None:
    notes = _pull(world, event.repo, event.number).notes
    who = f"{event.author} ({event.state})" if event.state else event.author
    notes[event.review] = f"{who}: {event.text[:NOTE_MAX]}" if event.text else ""
    told = [review for review, text in notes.items() if text]
    for review in told[:-NOTES_MAX]:
        notes[review] = ""


# --- What is asked --------------------------------------------------------------------------------


def _permission_known(world: World, event: e.PermissionKnown) -> None:
    pull = _pull(world, event.repo, event.number)
    if pull.asks and pull.asks[0].asked == event.asked:
        ask = pull.asks[0]
        ask.user, ask.user_id, ask.level = event.user, event.user_id, event.level
        ask.named = {one.login.lower(): one.id for one in event.named}


def _comment_answered(world: World, event: e.CommentAnswered) -> None:
    pull = _pull(world, event.repo, event.number)
    pull.asks = [one for one in pull.asks if one.asked != event.asked]


def _command_obeyed(world: World, event: e.CommandObeyed) -> None:
    pull, command = _pull(world, event.repo, event.number), event.command
    subject = SUBJECTS.get(command.verb)
    order = (event.written_ms, event.comment, event.line)
    if subject is not None:
        pull.obeyed[subject] = order
    if command.verb is Verb.APPROVE and command.priority is not None:
        pull.obeyed[SUBJECTS[Verb.PRIORITY]] = order
    change = _WANTED.get(command.verb)
    if change is not None:
        change(pull, event, command)
    if command.verb in {Verb.APPROVE, Verb.RETRY} and pull.approval is not None:
        pull.approval = replace(pull.approval, change=_live(world, pull))


def _live(world: World, pull: Pull) -> ChangeId | None:
    """The change that an approval is for, where there is one in the queue: it is used up with
    that."""
    bead = None if pull.bead is None else world.beads.get(pull.bead)
    change = None if bead is None else bead.change
    return change if change in world.repos[pull.repo].queue.members else None


def _approved(pull: Pull, event: e.CommandObeyed, command: Command) -> None:
    pull.approval = Approval(
        head=event.head or pull.head, target=pull.base, message=pull.message, by=event.by
    )
    if command.priority is not None:
        pull.priority = command.priority


def _unapproved(pull: Pull, _event: e.CommandObeyed, _command: Command) -> None:
    pull.approval = None


def _reworked(pull: Pull, _event: e.CommandObeyed, _command: Command) -> None:
    """Its reviews are told to whoever does it again, once."""
    pull.approval = None
    pull.notes = dict.fromkeys(pull.notes, "")


def _prioritized(pull: Pull, _event: e.CommandObeyed, command: Command) -> None:
    pull.priority = command.priority


def _held(pull: Pull, event: e.CommandObeyed, _command: Command) -> None:
    pull.hold = event.by


def _released(pull: Pull, _event: e.CommandObeyed, _command: Command) -> None:
    pull.hold = ""


def _squashed(pull: Pull, _event: e.CommandObeyed, _command: Command) -> None:
    pull.squash = True


def _delegated(pull: Pull, event: e.CommandObeyed, command: Command) -> None:
    pull.delegates[command.user.lower()] = None
    if event.user_id:
        pull.delegated[event.user_id] = None


def _undelegated(pull: Pull, _event: e.CommandObeyed, _command: Command) -> None:
    pull.delegates.clear()
    pull.delegated.clear()


_WANTED: Mapping[Verb, Callable[[Pull, e.CommandObeyed, Command], None]] = {
    Verb.APPROVE: _approved,
    Verb.RETRY: _approved,
    Verb.UNAPPROVE: _unapproved,
    Verb.CANCEL: _unapproved,
    Verb.REWORK: _reworked,
    Verb.PRIORITY: _prioritized,
    Verb.HOLD: _held,
    Verb.RELEASE: _released,
    Verb.SQUASH: _squashed,
    Verb.DELEGATE: _delegated,
    Verb.UNDELEGATE: _undelegated,
}


def _pull_approval_ended(world: World, event: e.PullApprovalEnded) -> None:
    pull = _pull(world, event.repo, event.number)
    pull.approval = None
    pull.notices += 1


# --- The merge queue ------------------------------------------------------------------------------


def tie(world: World, bead: Bead, number: int, head: CommitId) -> None:
    """The bead's change request is this pull request; what it was at before was ours, too."""
    pull = _pull(world, bead.repo, number)
    if pull.head not in ("", head):
        remember(pull, pull.head)
    pull.bead, pull.head = bead.id, head
    world.pull_of[bead.id] = pull.key


def remember(pull: Pull, head: CommitId) -> None:
    """We put this commit in the place of the pull request's head, or are about to."""
    if head not in pull.ours:
        pull.ours = [*pull.ours, head][-OURS_MAX:]


def landing(world: World, change: Change) -> None:
    """A change is about to land: where it is squashed or rebased, its pull request is moved to what
    lands first."""
    key = world.pull_of.get(change.bead)
    if key is not None and change.candidate is not None:
        remember(world.pulls[key], change.candidate)


def _pull_taken(world: World, event: e.PullTaken) -> None:
    bead, pull = world.bead(event.bead), _pull(world, event.repo, event.number)
    free_slot(world, bead)
    bead.attempt, bead.change = event.attempt, event.change
    bead.reason, bead.detail, bead.feedback = None, "", ""
    world.changes[event.change] = _change_of(bead, event.change, event.head)
    pull.bead = bead.id
    world.pull_of[bead.id] = pull.key
    if pull.approval is not None:
        pull.approval = replace(pull.approval, change=event.change)


def _change_of(bead: Bead, change: ChangeId, head: CommitId) -> Change:
    return Change(id=change, repo=bead.repo, bead=bead.id, attempt=bead.attempt, head=head)


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    e.PullSeen: _pull_seen,
    e.CommentSeen: _comment_seen,
    e.ReviewSeen: _review_seen,
    e.LabelChanged: _label_changed,
    e.PermissionKnown: _permission_known,
    e.CommentAnswered: _comment_answered,
    e.CommandObeyed: _command_obeyed,
    e.PullApprovalEnded: _pull_approval_ended,
    e.PullTaken: _pull_taken,
}


# --- Effects --------------------------------------------------------------------------------------


def begun(world: World, key: Key, effect: PullEffect) -> None:
    """An effect is asked for. From now on its bead's name belongs to the pull request."""
    pull = _pull(world, effect.repo, effect.number)
    world.pull_of[effect.bead] = pull.key
    if isinstance(effect, AskPermission):
        pull.asking = key
    elif isinstance(effect, TellStatus):
        pull.telling, pull.rounds, pull.told = key, effect.round, told(effect)
    elif isinstance(effect, TryPull):
        pull.trying, pull.tries = key, effect.round


def settled(world: World, key: Key, effect: PullEffect) -> None:
    """An effect has its outcome, or was refused for good."""
    pull = _pull(world, effect.repo, effect.number)
    if pull.asking == key:
        pull.asking = None
    elif pull.telling == key:
        pull.telling = None
    elif pull.trying == key:
        pull.trying = None


def told(effect: TellStatus) -> tuple[str, ...]:
    """What makes a status another one. A place in the queue does not: with each landing all of them
    change."""
    return (effect.state, effect.head, effect.by, str(effect.priority), str(effect.candidate))

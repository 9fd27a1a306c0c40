"""What the commands of a comment, or of a label, come to: who may, whether it can be had now, and
which events follow. They are the same that `oya-vcs queue` and `oya-vcs bead` make.

Each command meets the state that the one before it left. Every one is answered, once: obeyed or
refused with the reason. Knows no forge, and not how an answer is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.commands import Command, Verb
from oya_vcs.core.decide import approvals, trials
from oya_vcs.core.decide.decisions import Decisions, request
from oya_vcs.core.decide.pull_queue import (
    bead_of,
    live_change,
    name_of,
)
from oya_vcs.core.decide.said import Said, done, obeyed, refuse, respond
from oya_vcs.core.decide.wishes import cancel
from oya_vcs.core.merge import Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.pull_request import SUBJECTS, Ask, Pull
from oya_vcs.core.pull_words import reply, where
from oya_vcs.core.pulls import Level
from oya_vcs.core.queue_words import QueueVerb, Word, hear
from oya_vcs.core.world import World
from oya_vcs.errors import InputInvalid

# --- Who may --------------------------------------------------------------------------------------

WRITERS = frozenset({Level.WRITE, Level.MAINTAIN, Level.ADMIN})
TRIERS = WRITERS | {Level.TRIAGE}


@dataclass(frozen=True, slots=True)
class Right:
    """Those who have one of the `levels`, and where it says so the `author` of the pull request and
    those it is `delegated` to."""

    levels: frozenset[Level] = WRITERS
    author: bool = False
    delegated: bool = False
    words: str = "write permission"


_OWN = Right(author=True, delegated=True, words="write permission, or to be the author")
_DELEGATED = Right(delegated=True)
RIGHTS: Mapping[Verb, Right] = {
    Verb.APPROVE: _DELEGATED,
    Verb.UNAPPROVE: _OWN,
    Verb.PRIORITY: Right(),
    Verb.TRY: Right(TRIERS, delegated=True, words="triage permission"),
    Verb.TRY_CANCEL: Right(TRIERS, author=True, delegated=True, words="triage permission"),
    Verb.RETRY: _DELEGATED,
    Verb.CANCEL: _OWN,
    Verb.DELEGATE: Right(),
    Verb.UNDELEGATE: Right(),
    Verb.SQUASH: _DELEGATED,
    Verb.HOLD: _OWN,
    Verb.RELEASE: _DELEGATED,
    Verb.CLOSE_TREE: Right(),
    Verb.OPEN_TREE: Right(),
    Verb.REWORK: Right(),
}
"""What each command takes; those that are not here change nothing, and anybody may say them."""

LABEL_ENDS: Mapping[Verb, tuple[Command, ...]] = {
    Verb.APPROVE: (Command(verb=Verb.UNAPPROVE),),
    Verb.HOLD: (Command(verb=Verb.RELEASE),),
    Verb.TRY: (Command(verb=Verb.TRY_CANCEL),),
}
"""What it means that a label is taken away; with any other, nothing."""


def needs_permission(world: World, pull: Pull, ask: Ask) -> bool:
    """Whether what is asked depends on who asks: a label always does, for it says nothing else;
    what was not said to us only where it may come to something."""
    if ask.tacit and live_change(world, pull) is None:
        return False
    return any(command.verb in RIGHTS for command in ask.commands)


def _may(said: Said, right: Right) -> bool:
    ask, pull = said.ask, said.pull
    if not ask.user_id:
        return False
    return (
        ask.level in right.levels
        or (right.author and ask.user_id == pull.author_id)
        or (right.delegated and ask.user_id in pull.delegated)
    )


# --- Answering ------------------------------------------------------------------------------------


def answer(world: World, pull: Pull, ask: Ask, at_ms: int, policy: Policy) -> Decisions:
    """All commands of one comment, in their order, and what in it was not understood."""
    for line, command in enumerate(ask.commands, 1):
        said = Said(world, pull, ask, command, line, at_ms, policy)
        right = RIGHTS.get(command.verb)
        if ask.tacit and not _heeds(said):
            continue
        if right is not None and not _may(said, right):
            yield refuse(said, f"{said.who} may not say {command.verb} here.", _takes(right))
        elif _is_late(said):
            yield refuse(said, "something that was said later has decided that already.")
        else:
            yield from _OBEY[command.verb](said)
    if ask.faults:
        said = Said(world, pull, ask, Command(verb=Verb.HELP), 0, at_ms, policy)
        yield request(replace(respond(said, "faults"), faults=ask.faults))


def _heeds(said: Said) -> bool:
    """Whether what was not said to us comes to something; else nobody is told of it."""
    change = live_change(said.world, said.pull)
    can = change is not None and change.stage is not Stage.MERGING and change.exit is None
    return can and not _is_late(said) and _may(said, RIGHTS[said.command.verb])


def unanswerable(world: World, pull: Pull, ask: Ask, why: str) -> Decisions:
    """Nobody can say what the author of a comment may do."""
    name = name_of(world, pull)
    what = f"what {ask.user or 'its author'} may do here cannot be found out: {why}"
    mend = "Say it again later."
    yield request(reply(pull, name, ask.asked, 0, "refused", why=what, mend=mend))


def _takes(right: Right) -> str:
    others = " A delegate may, too." if right.delegated else ""
    return f"It takes {right.words}.{others}"


def _is_late(said: Said) -> bool:
    subject = SUBJECTS.get(said.command.verb)
    return subject is not None and said.order < said.pull.obeyed.get(subject, (-1, "", 0))


# --- The others -----------------------------------------------------------------------------------


def _delegate(said: Said) -> Decisions:
    """To the account that has the name now, whatever that is called later."""
    number = said.ask.named.get(said.command.user.lower(), 0)
    if not number:
        yield refuse(said, f"nobody is called {said.command.user}.", "Look at how it is written.")
        return
    yield obeyed(said, user_id=number)
    yield done(said, f"{said.command.user} may approve it.")


def _undelegate(said: Said) -> Decisions:
    yield obeyed(said)
    yield done(said, "It is delegated to nobody.")


def _cancel(said: Said) -> Decisions:
    """Out of the queue, with the work under way for it; a later approval brings it back."""
    world, pull = said.world, said.pull
    bead, change = bead_of(world, pull), live_change(world, pull)
    if change is not None and change.stage is Stage.MERGING:
        yield refuse(said, "it is landing: that is not stopped any more.")
        return
    yield obeyed(said)  # an approval that was written before it may come later
    if bead is None or bead.cancelling or bead.state in _OVER:
        yield refuse(said, "there is nothing to cancel.")
        return
    yield e.CancelRequested(bead=bead.id, who=said.who)
    yield from cancel(world, bead)
    yield done(said, "It is taken out of the queue.")


_OVER = frozenset({State.LANDED, State.FAILED, State.CANCELLED})


def _rework(said: Said) -> Decisions:
    """Out of the queue and back to its worker, with the note and what reviews said."""
    world, pull = said.world, said.pull
    change = live_change(world, pull)
    if change is None:
        yield refuse(said, "it is not in the queue.")
        return
    if change.stage is Stage.MERGING or change.exit is not None:
        yield refuse(said, "it is leaving the queue already.")
        return
    notes = [text for text in pull.notes.values() if text]
    told = "\n\n".join(one for one in (said.command.note, *notes) if one)
    yield obeyed(said)
    yield e.ChangeRejected(bead=change.bead, change=change.id, by=said.who, note=told)
    who = "its author" if world.bead(change.bead).by_hand else "a worker"
    yield done(said, f"It goes back to {who}.")


def _close_tree(said: Said) -> Decisions:
    word = Word(
        verb=QueueVerb.CLOSE,
        repo=said.pull.repo,
        who=said.who,
        why=said.command.note,
        priority=said.command.priority,
    )
    yield from _hear(said, word)


def _open_tree(said: Said) -> Decisions:
    yield from _hear(said, Word(verb=QueueVerb.OPEN, repo=said.pull.repo, who=said.who))


def _hear(said: Said, word: Word) -> Decisions:
    """As `oya-vcs queue` would."""
    try:
        heard = hear(said.world, word)
    except InputInvalid as error:
        yield refuse(said, str(error))
        return
    if heard.event is not None:
        yield heard.event
    yield done(said, heard.said)


def _status(said: Said) -> Decisions:
    world, pull = said.world, said.pull
    bead = bead_of(world, pull)
    what = "Nobody has approved it yet." if bead is None else where(world, pull, bead)[1]
    yield done(said, what)


def _help(said: Said) -> Decisions:
    yield request(respond(said, "help"))


_OBEY: Mapping[Verb, Callable[[Said], Decisions]] = {
    Verb.APPROVE: approvals.approve,
    Verb.UNAPPROVE: approvals.unapprove,
    Verb.PRIORITY: approvals.prioritize,
    Verb.TRY: trials.begin,
    Verb.TRY_CANCEL: trials.end,
    Verb.RETRY: approvals.retry,
    Verb.CANCEL: _cancel,
    Verb.DELEGATE: _delegate,
    Verb.UNDELEGATE: _undelegate,
    Verb.SQUASH: approvals.squash,
    Verb.HOLD: approvals.hold,
    Verb.RELEASE: approvals.release,
    Verb.CLOSE_TREE: _close_tree,
    Verb.OPEN_TREE: _open_tree,
    Verb.STATUS: _status,
    Verb.HELP: _help,
    Verb.REWORK: _rework,
}

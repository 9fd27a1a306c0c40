"""What people may ask of a bead, and whether it may be asked of this one now. Pure: says which fact
follows from a wish, or why none does.

    cancel   ends it: at once where nothing of it runs; else its worker or its checks are stopped,
             and it is cancelled when they are gone. A landing that is under way is not stopped.
    pause    nothing new begins for it; a worker that runs stands still, and keeps its slot
    resume   lets it go on
    retry    opens a failed or cancelled one again, with new attempts

Asking again for what is so already changes nothing and is no error. What follows from the facts is
in `decide/wishes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core import events as e
from oya_vcs.core.beads import PAUSABLE, TERMINAL, Bead, State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import World
from oya_vcs.errors import NotFound


class Verb(StrEnum):
    """What may be asked."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one person asks of one or more beads; `who` and `why` may be empty."""

    verb: Verb
    beads: tuple[BeadId, ...]
    who: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`event` is the fact that a wish makes, None where it changes nothing; `refusal` is the
    sentence that says why it cannot be had, or empty."""

    bead: BeadId
    event: e.Event | None = None
    refusal: str = ""


def judge(world: World, wish: Wish) -> list[Verdict]:
    """A verdict for each bead of the wish, once each and in order. Raises NotFound, before any,
    where one is not known."""
    beads = [find_bead(world, name) for name in dict.fromkeys(wish.beads)]
    return [_JUDGES[wish.verb](bead, wish) for bead in beads]


def facts_of(verdicts: Iterable[Verdict]) -> list[e.Event]:
    """The facts of the verdicts that have one."""
    return [verdict.event for verdict in verdicts if verdict.event is not None]


def find_bead(world: World, name: BeadId) -> Bead:
    """The bead of that name. Raises NotFound, with the way to all of them."""
    found = world.beads.get(name)
    if found is None:
        raise missing_bead(name)
    return found


def missing_bead(name: BeadId) -> NotFound:
    """The error of a bead that nobody knows."""
    message = f"There is no bead {name!r} in this home."
    return NotFound(message, "`oya-vcs bead list` lists all of them; --home names another home.")


def _cancel(bead: Bead, wish: Wish) -> Verdict:
    if bead.state is State.CANCELLED or bead.cancelling:
        return Verdict(bead.id)
    if bead.state is State.LANDED:
        return Verdict(bead.id, refusal=f"Bead {bead.id} has landed: it cannot be cancelled.")
    if bead.state is State.FAILED:
        return Verdict(bead.id, refusal=f"Bead {bead.id} has failed: there is nothing to cancel.")
    return Verdict(bead.id, e.CancelRequested(bead=bead.id, who=wish.who, why=wish.why))


def _pause(bead: Bead, wish: Wish) -> Verdict:
    if refusal := _over(bead, "paused"):
        return Verdict(bead.id, refusal=refusal)
    if bead.state is State.PAUSED:
        return Verdict(bead.id)
    if bead.by_hand:
        refusal = f"Bead {bead.id} is a pull request, and no worker's: hold it there."
        if bead.is_submission:
            refusal = f"Bead {bead.id} is a person's own commit, and no worker's: cancel it."
        return Verdict(bead.id, refusal=refusal)
    if bead.state not in PAUSABLE or (bead.state is State.CHECKING and bead.commit is not None):
        refusal = (
            f"Bead {bead.id} is {bead.state}: its result is in the merge queue, and no worker of it"
            " runs. It can be cancelled, not paused."
        )
        return Verdict(bead.id, refusal=refusal)
    return Verdict(bead.id, e.BeadPaused(bead=bead.id, who=wish.who, why=wish.why))


def _resume(bead: Bead, wish: Wish) -> Verdict:
    if refusal := _over(bead, "resumed"):
        return Verdict(bead.id, refusal=refusal)
    if bead.state is not State.PAUSED:
        return Verdict(bead.id)
    return Verdict(bead.id, e.BeadResumed(bead=bead.id, who=wish.who, why=wish.why))


def _retry(bead: Bead, wish: Wish) -> Verdict:
    if bead.by_hand:
        refusal = f"Bead {bead.id} is a pull request: whoever may approve it there says retry."
        if bead.is_submission:
            refusal = f"Bead {bead.id} is a person's own commit: submit it again."
        return Verdict(bead.id, refusal=refusal)
    if bead.state in (State.FAILED, State.CANCELLED):
        return Verdict(bead.id, e.BeadRetried(bead=bead.id, who=wish.who, why=wish.why))
    is_now = "being cancelled" if bead.cancelling else bead.state
    refusal = f"Bead {bead.id} is {is_now}; only a failed or cancelled one can be retried."
    return Verdict(bead.id, refusal=refusal)


def _over(bead: Bead, done: str) -> str:
    """Why a bead that has ended, or is about to, cannot be `done`; empty for one that lives."""
    if bead.state in TERMINAL:
        return f"Bead {bead.id} is {bead.state}: it cannot be {done}."
    if bead.cancelling:
        return f"Bead {bead.id} is being cancelled: it cannot be {done}."
    return ""


_JUDGES: Mapping[Verb, Callable[[Bead, Wish], Verdict]] = {
    Verb.CANCEL: _cancel,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.RETRY: _retry,
}

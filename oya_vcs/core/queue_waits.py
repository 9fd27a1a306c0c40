"""What a change in the merge queue waits for, as one sentence. Pure, reads the world only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile

from oya_vcs.core.ids import ChangeId
from oya_vcs.core.merge import Change, MergeQueue, Stage
from oya_vcs.core.reasons import Reason
from oya_vcs.core.world import World

NAMED_MAX = 4
"""Changes, or files, that a sentence names before it counts the rest."""


CLOSED_TO_ALL = -1
"""Above which priority a tree is closed that takes up no change at all."""


def closed(above: int) -> str:
    """How a closed tree is called."""
    return "The tree is closed" if above < 0 else f"The tree is closed above priority {above}"


def waits_for(world: World, change: Change) -> str:
    """The sentence. Costs the window for a change in it, and the queue for one in line."""
    queue = world.repos[change.repo].queue
    if change.exit is not None:
        return f"It leaves the queue ({change.exit}) as soon as nothing of it is under way."
    if queue.paused:
        return f"The merge queue is paused: {queue.paused}"
    if change.id in queue.held:
        why = first_line(queue.held[change.id])
        return f"Held in the merge queue until the next run: {why}"
    if change.id in queue.unapproved:
        return _unapproved(world, change)
    if queue.gates.pause and change.stage is not Stage.MERGING:
        return f"The merge queue is paused: {queue.gates.pause}"
    if change.id in queue.aside:
        aside = queue.aside[change.id]
        what = "does not merge" if change.conflict else "failed its checks"
        return (
            f"It {what} on top of {_named(aside.ahead)}, and waits for them: if they land it goes "
            "back to a worker, if one leaves it is tried again."
        )
    if change.id in queue.parked:
        return f"Waits for what it stands on: {_named(queue.needs.get(change.id, ()))}."
    if queue.in_flight(change.id):
        return _in_flight(world, queue, change)
    return _in_line(queue, change)


def _unapproved(world: World, change: Change) -> str:
    key = world.pull_of.get(change.bead)
    holder = "" if key is None else world.pulls[key].hold
    if holder:
        return f"Held by {holder}."
    return f"Waits for an approval{since(change)}: `oya-vcs queue approve {change.id}`."


def since(change: Change) -> str:
    """Why it waits for another approval, as the end of a sentence; empty where it had none."""
    return "" if change.reason is None else _SINCE.get(change.reason, "")


_SINCE: Mapping[Reason, str] = {
    Reason.PUSHED: ", for it was pushed to since the last one",
    Reason.RETARGETED: ", for it was given another branch to land on since the last one",
    Reason.EDITED: ", for its title or its text was edited since the last one",
    Reason.UNREADY: ", for it was marked as not ready to land",
    Reason.UNAPPROVED: ", for the last one was taken back",
}


def _in_flight(world: World, queue: MergeQueue, change: Change) -> str:
    ahead = queue.ahead_of(change.id)
    if change.stage is Stage.MERGING:
        if change.asked_ms is not None and change.passed is None:
            return "It is landing with a change on top of it that shares no path, which has passed."
        return "It has passed and is landing."
    if change.candidate is None or change.base is None:
        behind = f"on top of {_named(ahead)}" if ahead else "on the target"
        return f"Its candidate is being built {behind}."
    where = f"candidate {change.candidate[:12]} on {change.base[:12]}"
    if change.passed:
        if queue.gates.frozen_until_ms > world.now_ms:
            return f"Its {where} has passed; nothing lands now: {queue.gates.frozen_why}"
        waits = f"waits for {_named(ahead)}" if ahead else "waits for its turn to land"
        return f"Its {where} has passed and {waits}{_shared(world, change, ahead)}."
    if change.passed is False:
        return f"Its {where} failed; others behind it may show that it was a fluke."
    group = next(group.changes for group in queue.chain if change.id in group.changes)
    others = [one for one in group if one != change.id]
    shared = f" together with {_named(others)}" if others else ""
    return f"Its {where} is being tested{shared}."


def _shared(world: World, change: Change, ahead: Iterable[ChangeId]) -> str:
    """Why its test does not speak for those ahead, where their paths are known."""
    for one in ahead:
        for path in world.changes[one].paths or ():
            if path in (change.paths or ()):
                return f" (both {one} and it touch {path})"
    return ""


def _in_line(queue: MergeQueue, change: Change) -> str:
    gates = queue.gates
    if gates.closed_above is not None and change.priority > gates.closed_above:
        why = f": {gates.closed_why}" if gates.closed_why else "."
        return f"{closed(gates.closed_above)}{why}"
    return f"Waits in the merge queue at place {queue.place(change.id)}."


def _named(several: Iterable[str]) -> str:
    named = list(several)
    rest = len(named) - NAMED_MAX
    return ", ".join(named[:NAMED_MAX]) + (f" and {rest} more" if rest > 0 else "")


def first_line(text: str) -> str:
    """The first line of a text that may be long, and what it announces: where it ends in a colon,
    the indented lines below it, as far as a sentence names them."""
    line, _, rest = text.strip().partition("\n")
    below = takewhile(lambda one: one.startswith("  "), rest.splitlines())
    items = [one.strip() for one in below] if line.endswith(":") else []
    return f"{line} {_named(items)}." if items else line

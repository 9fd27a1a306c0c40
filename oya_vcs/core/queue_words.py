"""What people may say to a merge queue, and whether it may be said now. Pure: says which fact
follows from a word, or why none does.

    approve  a change that waits for that may land, as it is at its head; or gets another priority
    reject   takes a change out: its bead goes back to a worker with the note
    pause    nothing begins and nothing lands, until `resume`
    freeze   nothing lands until a time; tests go on
    close    no change less urgent than a priority is taken up, until `open`

Saying again what is so already changes nothing and is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, RepoId
from oya_vcs.core.merge import Change, Stage
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.queue_waits import CLOSED_TO_ALL, closed
from oya_vcs.core.world import Repo, World
from oya_vcs.errors import InputInvalid, NotFound


class QueueVerb(StrEnum):
    """What may be said."""

    APPROVE = "approve"
    REJECT = "reject"
    PAUSE = "pause"
    RESUME = "resume"
    FREEZE = "freeze"
    CLOSE = "close"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`change` is the change (or its bead) that is approved or rejected; `repo` the path or id
    of the repository whose queue is meant, where the home has more than one. `head` is what was
    seen by who speaks, or empty; `priority` that of an approval, or where the tree closes;
    `until_ms` (Unix time) ends a freeze.
    """

    verb: QueueVerb
    change: str = ""
    repo: str = ""
    who: str = ""
    why: str = ""
    head: str = ""
    priority: int | None = None
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """The fact that a word makes (None: it is so already), in which repository, and a sentence."""

    repo: RepoId
    event: e.Event | None
    said: str


def hear(world: World, word: Word) -> Heard:
    """What follows from the word. Raises NotFound for a change or repository that is not known, and
    InputInvalid, with the reason, for what cannot be had."""
    if word.verb in {QueueVerb.APPROVE, QueueVerb.REJECT}:
        change = find_change(world, word.change)
        return (_approve if word.verb is QueueVerb.APPROVE else _reject)(world, change, word)
    return _GATES[word.verb](find_repo(world, word.repo), word)


def find_change(world: World, name: str) -> Change:
    """The change of that id, or the newest one of the bead of that id. Raises NotFound."""
    bead = world.beads.get(BeadId(name))
    found = world.changes.get(ChangeId(name))
    if found is None and bead is not None and bead.change is not None:
        found = world.changes.get(bead.change)
    if found is None:
        message = f"There is no change request {name!r} in this home."
        raise NotFound(message, "`oya-vcs queue list` lists those that are in the queue.")
    return found


def find_repo(world: World, name: str) -> Repo:
    """The repository of that id or path, or the only one. Raises NotFound and InputInvalid."""
    if not world.repos:
        message = "This home knows no repository yet."
        raise NotFound(message, "`oya-vcs run` makes one known.")
    known = ", ".join(sorted(one.path for one in world.repos.values()))
    if name:
        found = [one for one in world.repos.values() if name in {one.id, one.path}]
        if not found:
            raise NotFound(f"No repository {name!r} is known to this home.", f"It knows {known}.")
        return found[0]
    if len(world.repos) != 1:
        message = f"This home has {len(world.repos)} repositories."
        raise InputInvalid(message, f"Say with --repo which one is meant: {known}.")
    return next(iter(world.repos.values()))


def _approve(world: World, change: Change, word: Word) -> Heard:
    if change.stage in OVER:
        raise InputInvalid(f"Change {change.id} is {change.stage}: nothing is left to approve.")
    if word.head and not change.head.startswith(word.head):
        raise InputInvalid(
            f"Change {change.id} is at {change.head}, not at {word.head}.",
            "Look at what it is now, and approve that.",
        )
    repo = world.repos[change.repo]
    if change.target not in {"", repo.target}:
        raise InputInvalid(
            f"Change {change.id} is for {change.target}, and this queue lands on {repo.target}.",
            f"Let it be for {repo.target} again, then approve it.",
        )
    _require_priority(word.priority)
    waits = change.id in repo.queue.unapproved
    if not waits and word.priority in {None, change.priority}:
        return Heard(change.repo, None, f"Change {change.id} is approved at {change.head}.")
    event = e.ChangeApproved(
        bead=change.bead,
        change=change.id,
        head=change.head,
        by=word.who or "somebody",
        priority=word.priority,
    )
    urgent = "" if word.priority is None else f", with priority {word.priority}"
    return Heard(change.repo, event, f"Approved {change.id} at {change.head}{urgent}.")


def _require_priority(priority: int | None) -> None:
    if priority is not None and priority < 0:
        message = f"There is no priority {priority}."
        raise InputInvalid(message, "0 is the most urgent, higher ones are less so.")


def _reject(world: World, change: Change, word: Word) -> Heard:
    if change.stage in OVER:
        raise InputInvalid(f"Change {change.id} is {change.stage}: it cannot be rejected.")
    if change.stage is Stage.MERGING:
        raise InputInvalid(f"Change {change.id} is landing: it cannot be rejected any more.")
    if change.exit is not None:
        return Heard(change.repo, None, f"Change {change.id} leaves the queue ({change.exit}).")
    event = e.ChangeRejected(
        bead=change.bead, change=change.id, by=word.who or "somebody", note=word.why
    )
    return Heard(change.repo, event, f"Rejected {change.id}; its bead goes back to a worker.")


def _pause(repo: Repo, word: Word) -> Heard:
    why = word.why or f"Paused by {word.who or 'somebody'}."
    event = e.QueuePaused(repo=repo.id, by=word.who, reason=why)
    return Heard(repo.id, event, "The queue is paused: what runs ends, nothing begins or lands.")


def _resume(repo: Repo, word: Word) -> Heard:
    queue = repo.queue
    if not (queue.paused or queue.held or queue.gates.pause):
        return Heard(repo.id, None, "The queue is not paused.")
    return Heard(repo.id, e.QueueResumed(repo=repo.id, unpaused=True), "The queue goes on.")


def _freeze(repo: Repo, word: Word) -> Heard:
    if not (word.until_ms or repo.queue.gates.frozen_until_ms):
        return Heard(repo.id, None, "The queue is not frozen.")
    why = word.why or f"Frozen by {word.who or 'somebody'}."
    event = e.QueueFrozen(repo=repo.id, by=word.who, until_ms=word.until_ms, reason=why)
    said = "Nothing lands now; tests go on." if word.until_ms else "Changes land again."
    return Heard(repo.id, event, said)


def _close(repo: Repo, word: Word) -> Heard:
    _require_priority(word.priority)
    above = word.priority if word.priority is not None else CLOSED_TO_ALL
    event = e.TreeClosed(repo=repo.id, by=word.who, above=above, reason=word.why)
    return Heard(repo.id, event, f"{closed(above)}; what is being tested goes on.")


def _open(repo: Repo, word: Word) -> Heard:
    if repo.queue.gates.closed_above is None:
        return Heard(repo.id, None, "The tree is open.")
    event = e.TreeClosed(repo=repo.id, by=word.who, above=None, reason="")
    return Heard(repo.id, event, "The tree is open again.")


_GATES: Mapping[QueueVerb, Callable[[Repo, Word], Heard]] = {
    QueueVerb.PAUSE: _pause,
    QueueVerb.RESUME: _resume,
    QueueVerb.FREEZE: _freeze,
    QueueVerb.CLOSE: _close,
    QueueVerb.OPEN: _open,
}

"""What follows at once from operations of jj that others made: the target stands elsewhere, or what
the merge queue waits for may have been done.

Pure, and judged in the very step that records the operations. Where the target is, the queue finds
by itself when it next builds or lands; this only spares what would be tested in vain meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from oya_vcs.core.events import Event, QueueResumed, TargetMoved
from oya_vcs.core.ids import RepoId
from oya_vcs.core.merge.lifecycle import Stage
from oya_vcs.core.operations import (
    Movement,
    MovementKind,
    OperationSeen,
    OperationsPassed,
    Subject,
)
from oya_vcs.core.world import Repo, World

Seen = OperationSeen | OperationsPassed


def following(world: World, repo: RepoId, seen: Sequence[Seen]) -> list[Event]:
    """The facts of what was seen, in a repository whose bookmark is what is landed on, and what
    follows. Nothing where the record does not stand at what they stand on: they were told already,
    or are to be looked at anew.

    A queue that the world had paused looks again whenever somebody did something: a bookmark that
    was set, a working copy that was left may have been what it waited for.
    """
    known = world.repos.get(repo)
    if known is None or not seen or known.seen != seen[0].since:
        return []
    moves = [one for event in seen for one in event.movements if _is_of(one, known.target)]
    if moves and (moves[-1].conflicted or not moves[-1].after):
        return [*seen]  # the queue will say so when it needs its target
    if known.queue.paused and any(isinstance(event, OperationSeen) for event in seen):
        return [*seen, QueueResumed(repo=repo)]
    return [*seen, *_moved(world, known, moves)]


def _is_of(one: Movement, target: str) -> bool:
    is_bookmark = one.subject is Subject.BOOKMARK and one.name == target
    return is_bookmark and one.kind is MovementKind.BOOKMARK_MOVED


def _moved(world: World, repo: Repo, moves: Sequence[Movement]) -> list[Event]:
    """The queue learns where the target is, if it was moved from where it was known to be: else
    what we landed ourselves, seen late, would pass for somebody's move. A landing that is under way
    tells for itself."""
    tip = repo.queue.tip
    for one in moves:
        if tip is not None and one.before == (tip,):
            (tip,) = one.after
    first = next(repo.queue.flying(), None)
    lands = first is not None and world.changes[first].stage is Stage.MERGING
    if tip is None or tip == repo.queue.tip or lands:
        return []
    return [TargetMoved(repo=repo.id, commit=tip)]

"""Folds of what was seen of jj: up to which operation all is known, and which bookmarks are
conflicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oya_vcs.core import events as e
from oya_vcs.core.operations import (
    ANEW,
    OperationSeen,
    OperationsPassed,
    Subject,
)
from oya_vcs.core.world import World


def _known(world: World, event: OperationSeen | OperationsPassed) -> None:
    repo = world.repos[event.repo]
    repo.seen = event.heads
    if isinstance(event, OperationsPassed) and event.why in ANEW:
        repo.conflicts.clear()
    for one in event.movements:
        if one.subject is not Subject.BOOKMARK:
            continue
        if one.conflicted:
            repo.conflicts[one.name] = one.after
        else:
            repo.conflicts.pop(one.name, None)


FOLDS: Mapping[type[e.Event], Callable[..., None]] = {
    OperationSeen: _known,
    OperationsPassed: _known,
}

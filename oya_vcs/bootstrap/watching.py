"""The follower of what others do in the repositories of a daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from oya_vcs.adapters.watch import stirred
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.roster import Roster
from oya_vcs.runtime.watching import Watched, Watching


def watching_of(roster: Roster, door: Door, say: Callable[[str], None]) -> Watching:
    """The follower of every repository that is on the roster, whenever that is."""

    def places() -> Iterable[Watched]:
        return [
            Watched(repo=one.repo, operations=one.operations, lands_here=one.lands_here)
            for one in roster
            if one.operations is not None
        ]

    return Watching(door=door, places=places, stirred=stirred, say=say)

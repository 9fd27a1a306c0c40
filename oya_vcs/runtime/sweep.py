"""The hourly look at what is left of workspaces: what was kept for long enough goes, and what
nobody expects is removed, a few at a time and each in the safe order.

Decides nothing itself (`core/leftovers.py`) and removes nothing itself: kept workspaces are
discarded through the record, and what the record does not know is handed to the place where it is.
Must not know jj or the disk. An error of the world costs this turn at most.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from oya_vcs.core import leftovers
from oya_vcs.core.events import WorkspaceDiscarded, WorkspaceSwept
from oya_vcs.core.ids import RepoId
from oya_vcs.core.leftovers import Finding, Standing
from oya_vcs.core.world import World
from oya_vcs.errors import JournalStopped, WorldFailed
from oya_vcs.ports import Clock, Site

log = logging.getLogger(__name__)

EVERY_MS = 3_600_000
"""Between two looks (D4)."""
PAUSE_MS = 10_000
"""Between two looks whether there is a new place, or a look is due at one."""
COUNT_MAX = 20
"""Removals at one look: a fault in the judgement cannot empty a home at once."""

Offer = Callable[..., Awaitable[None]]
"""Hands the engine facts; returns when they are on disk."""


State = Callable[[], Awaitable[World]]
"""The state of now, whichever life has it."""


Places = Callable[[], Iterable[tuple[RepoId, Site]]]
"""The repositories that are worked on now, and where their workspaces stand."""


async def sweep(*, state: State, places: Places, offer: Offer, clock: Clock) -> None:
    """Look at each place as soon as there is one and every hour, until cancelled. Raises what the
    engine does where it has failed."""
    looked_ms: dict[RepoId, int] = {}
    while True:
        for repo, site in places():
            now_ms = clock.now_ms()
            if 0 <= now_ms - looked_ms.get(repo, -EVERY_MS) < EVERY_MS:
                continue
            looked_ms[repo] = now_ms
            try:
                await look(world=await state(), repo=repo, site=site, offer=offer, now_ms=now_ms)
            except JournalStopped:
                raise
            except (WorldFailed, OSError) as error:
                log.warning("The sweep of workspaces met: %s", error)
        await clock.sleep(PAUSE_MS)


async def look(*, world: World, repo: RepoId, site: Site, offer: Offer, now_ms: int) -> None:
    """One look. Raises WorldFailed where the place cannot be looked at."""
    here = [one for one in world.workspaces.values() if one.repo == repo]
    due = leftovers.overdue(here, now_ms, leftovers.KEPT_MS, COUNT_MAX)
    if due:
        await offer(*(WorkspaceDiscarded(bead=one.bead, workspace=one.name) for one in due))
    found = await site.survey(leftovers.standings(world, repo))
    left = COUNT_MAX - len(due)
    for one in leftovers.orphaned(found, now_ms, leftovers.ORPHANED_MS, left):
        await take_away(one, world=world, repo=repo, site=site, offer=offer)


async def take_away(
    one: Finding, *, world: World, repo: RepoId, site: Site, offer: Offer
) -> WorkspaceSwept | None:
    """Remove one finding and put it on record; None where that was refused, which is logged, or an
    attempt has the workspace by now."""
    known = world.workspaces.get(one.name)
    if known is not None and leftovers.standing(known) is Standing.LIVE:
        return None
    try:
        pinned = await site.sweep(one)
    except JournalStopped:
        raise
    except WorldFailed as error:
        log.warning("%s %s", error.message, error.hint)
        return None
    swept = WorkspaceSwept(repo=repo, workspace=one.name, why=one.why, pinned=pinned)
    await offer(swept)
    return swept

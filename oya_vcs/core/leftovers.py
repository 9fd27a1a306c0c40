"""What may be left of workspaces, and which of it is to go: found by an adapter, judged here.

Knows no disk, no jj and no clock. What is not ours by record, name and home is only ever explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core.ids import RepoId, WorkspaceName
from oya_vcs.core.world import Keep, Workspace, World

KEPT_MS = 24 * 3_600_000
"""How long a failed attempt's workspace is kept for people to look into (D4)."""
ORPHANED_MS = 2 * 3_600_000
"""How long nothing has to have touched what nobody expects before it is swept (D4)."""


class Standing(StrEnum):
    """What the record says of a workspace."""

    LIVE = "live"
    """An attempt works in it, or is about to; or it is being removed."""
    KEPT = "kept"
    """Its attempt is over; it is kept for people to look into."""
    REMOVED = "removed"
    """It is gone, and should be."""


class Kind(StrEnum):
    """What was found of a workspace."""

    LIVE = "live"
    KEPT = "kept"
    ORPHAN = "orphan"
    """Folder and entry are well, but the record does not expect them."""
    HALF_MADE = "half_made"
    """A folder that is not, or not yet, a workspace; or one that never left the root commit."""
    ENTRY_ONLY = "entry_only"
    FOLDER_ONLY = "folder_only"
    MOVED = "moved"
    """jj has the workspace at another place than where it was made."""
    GIT_WORKTREE = "git_worktree"
    """git believes in a worktree where a workspace was."""
    TRASH = "trash"
    """Verified, moved to the trash, and not yet deleted."""
    OTHER_HOME = "other_home"
    """Another home's, and that home is gone."""
    NOT_OURS = "not_ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a survey found.

    `why` is a sentence, with the mend where a person has to do it; `safe_to_remove` says that
    removing may be tried: it keeps what is worth keeping. `since_ms` (Unix time) is when something
    was last done to it, None where nothing tells.
    """

    name: WorkspaceName
    path: str
    kind: Kind
    why: str
    safe_to_remove: bool
    since_ms: int | None = None


EXPECTED = frozenset({Kind.LIVE, Kind.KEPT})
"""What the record knows of, and removes by itself."""


def standings(world: World, repo: RepoId) -> Mapping[WorkspaceName, Standing]:
    """What the record says of each workspace of a repository."""
    return {one.name: standing(one) for one in world.workspaces.values() if one.repo == repo}


def standing(workspace: Workspace) -> Standing:
    """What the record says of a workspace."""
    match workspace.keep:
        case Keep.LIVE | Keep.REMOVING:
            return Standing.LIVE
        case Keep.KEPT:
            return Standing.KEPT
        case Keep.REMOVED:
            return Standing.REMOVED


def overdue(
    workspaces: Iterable[Workspace], now_ms: int, kept_ms: int, count: int
) -> list[Workspace]:
    """Kept workspaces that were kept for long enough, the oldest first, at most `count`."""
    due = (one for one in workspaces if one.keep is Keep.KEPT and now_ms - one.since_ms >= kept_ms)
    return sorted(due, key=lambda one: (one.since_ms, one.name))[:count]


def orphaned(
    findings: Iterable[Finding], now_ms: int, orphaned_ms: int, count: int
) -> list[Finding]:
    """What nobody expects, may be removed, and was left alone for long enough; at most `count`.

    What tells no time counts as old: nothing is there that could have been touched.
    """
    due = (
        one
        for one in findings
        if one.kind not in EXPECTED
        and one.safe_to_remove
        and now_ms - (one.since_ms or 0) >= orphaned_ms
    )
    return sorted(due, key=lambda one: (one.since_ms or 0, one.name))[:count]

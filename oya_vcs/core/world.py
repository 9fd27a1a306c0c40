"""The state that the journal's events add up to: what the daemon knows, and nothing derived twice.

Knows neither how an event changes it (`fold/`) nor what follows from it (`decide/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from oya_vcs.core import effects as f
from oya_vcs.core.beads import TERMINAL, Bead
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.merge import Change, MergeQueue
from oya_vcs.core.queues import FifoQueue
from oya_vcs.core.reasons import Reason
from oya_vcs.errors import Bug


class Keep(StrEnum):
    """What is to become of a workspace."""

    LIVE = "live"
    KEPT = "kept"
    REMOVING = "removing"
    REMOVED = "removed"


@dataclass(slots=True, kw_only=True)
class Workspace:
    """A workspace that the journal says is ours. `pinned` keeps what it held and no commit of the
    bead does."""

    name: WorkspaceName
    repo: RepoId
    bead: BeadId
    attempt: int
    path: str = ""
    keep: Keep = Keep.LIVE
    since_ms: int = 0
    pinned: CommitId | None = None
    removals: int = 0
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Repo:
    """A registered repository with its ready queue, its merge queue, and who holds which worker
    slot."""

    id: RepoId
    path: str
    target: str
    ready: FifoQueue = field(default_factory=FifoQueue)
    queue: MergeQueue = field(default_factory=MergeQueue)
    slots: dict[int, BeadId] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """Everything the daemon knows. Made by folding events, never loaded in any other way.

    `stops` are the open effects that are being ended, and why; each until its outcome settles it.
    """

    now_ms: int = 0
    repos: dict[RepoId, Repo] = field(default_factory=dict)
    beads: dict[BeadId, Bead] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)
    changes: dict[ChangeId, Change] = field(default_factory=dict)
    workspaces: dict[WorkspaceName, Workspace] = field(default_factory=dict)
    of_bead: dict[BeadId, list[WorkspaceName]] = field(default_factory=dict)
    open: dict[Key, f.Effect] = field(default_factory=dict)
    stops: dict[Key, Reason] = field(default_factory=dict)
    timers: list[tuple[int, BeadId]] = field(default_factory=list)

    def bead(self, bead: BeadId) -> Bead:
        """The bead. Raises Bug where an event speaks of one that was never added."""
        found = self.beads.get(bead)
        if found is None:
            message = f"An event speaks of bead {bead}, which was never added."
            raise Bug(message)
        return found


def unfinished(world: World) -> list[Bead]:
    """Every bead that is not terminal, in the order of their ids."""
    return sorted((b for b in world.beads.values() if b.state not in TERMINAL), key=lambda b: b.id)

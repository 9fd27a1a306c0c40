"""The state that the journal's events add up to: what the daemon knows, and nothing derived twice.

Knows neither how an event changes it (`fold/`) nor what follows from it (`decide/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from oya_vcs.core import effects as f
from oya_vcs.core.beads import TERMINAL, Bead
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, PullKey, RepoId, WorkspaceName
from oya_vcs.core.merge import Change, MergeQueue
from oya_vcs.core.operations import Head
from oya_vcs.core.policy import Rules
from oya_vcs.core.pull_request import Pull
from oya_vcs.core.queues import ReadyBeads
from oya_vcs.core.reasons import Reason
from oya_vcs.core.usage import Spent, Streak
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
class Tenant:
    """Whose beads were claimed: `turn` is the number of the newest claim among all of its
    repository, `tokens` (thousandths; None: as many as there can be) what that claim left at
    `at_ms` (Unix time)."""

    turn: int = 0
    tokens: int | None = None
    at_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Refusals:
    """How often in a row the world refused to begin an attempt in a slot, and when it last did."""

    count: int = 0
    at_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Repo:
    """A registered repository with its ready beads, its merge queue, and its worker slots.

    `slots` says who holds which; `idle` are those that were held and are free, the one that is free
    longest first; `refused` are those in which the world refused the newest attempt. `claims`
    counts the attempts that were begun, of each tenant the newest in `tenants`. `total` and `rules`
    are what the newest daemon works by (0, None: not on record). Of jj, everything up to the
    operations `seen` is known; `conflicts` are the bookmarks that are conflicted, and between what.
    """

    id: RepoId
    path: str
    target: str
    ready: ReadyBeads = field(default_factory=ReadyBeads)
    queue: MergeQueue = field(default_factory=MergeQueue)
    slots: dict[int, BeadId] = field(default_factory=dict)
    idle: dict[int, None] = field(default_factory=dict)
    refused: dict[int, Refusals] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    claims: int = 0
    total: int = 0
    rules: Rules | None = None
    spent: Spent = field(default_factory=Spent)
    streak: Streak = field(default_factory=Streak)
    seen: tuple[Head, ...] = ()
    conflicts: dict[str, tuple[CommitId, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """Everything the daemon knows. Made by folding events, never loaded in any other way.

    `stops` are the open effects that are being ended, and why; each until its outcome settles it.
    `pull_of` has the pull request of a bead, and of a name that is kept for one.
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
    pulls: dict[PullKey, Pull] = field(default_factory=dict)
    pull_of: dict[BeadId, PullKey] = field(default_factory=dict)

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

"""The state that the journal's events add up to: `apply` folds one event into it, and replay is
nothing else.

Nothing here decides; policy (`machine.py`) may change without breaking an old journal. Applying an
event costs the same however many came before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL, Bead, State, move
from oya_vcs.core.graph import Graph
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.merge import Change, MergeQueue, Stage
from oya_vcs.core.queues import FifoQueue
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
    """Everything the daemon knows. Made by folding events, never loaded in any other way."""

    now_ms: int = 0
    repos: dict[RepoId, Repo] = field(default_factory=dict)
    beads: dict[BeadId, Bead] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)
    changes: dict[ChangeId, Change] = field(default_factory=dict)
    workspaces: dict[WorkspaceName, Workspace] = field(default_factory=dict)
    of_bead: dict[BeadId, list[WorkspaceName]] = field(default_factory=dict)
    open: dict[Key, f.Effect] = field(default_factory=dict)
    timers: list[tuple[int, BeadId]] = field(default_factory=list)

    def bead(self, bead: BeadId) -> Bead:
        """The bead. Raises Bug where an event speaks of one that was never added."""
        found = self.beads.get(bead)
        if found is None:
            message = f"An event speaks of bead {bead}, which was never added."
            raise Bug(message)
        return found


def apply(world: World, event: e.Event, at_ms: int) -> None:
    """Fold one event into the world. Raises Bug where the event cannot have happened."""
    world.now_ms = max(world.now_ms, at_ms)
    if isinstance(event, e.Outcome) and world.open.pop(event.key, None) is None:
        message = f"{type(event).__name__} settles an effect that is not open."
        raise Bug(message)
    bead = world.beads.get(getattr(event, "bead", None))  # type: ignore[arg-type]
    if bead is not None:
        move(bead, event, at_ms)
    handler = _APPLY.get(type(event))
    if handler is not None:
        handler(world, event)


def _repo_registered(world: World, event: e.RepoRegistered) -> None:
    known = world.repos.get(event.repo)
    if known is None:
        world.repos[event.repo] = Repo(id=event.repo, path=event.path, target=event.target)
    else:
        known.target = event.target


def _bead_added(world: World, event: e.BeadAdded) -> None:
    world.beads[event.bead] = Bead(
        repo=event.repo,
        spec=event.spec,
        key=event.key,
        state=State.PENDING,
        since_ms=world.now_ms,
    )
    world.graph.add(event.bead, event.spec.needs)
    _promote(world, event.bead)


def _bead_revised(world: World, event: e.BeadRevised) -> None:
    bead = world.bead(event.bead)
    bead.spec, bead.key = event.spec, event.key
    world.repos[bead.repo].ready.remove(bead.id)
    _drop_timer(world, bead.id)
    world.graph.replace(bead.id, event.spec.needs)
    _start_over(world, bead)


def _bead_retried(world: World, event: e.BeadRetried) -> None:
    _start_over(world, world.bead(event.bead))


def _start_over(world: World, bead: Bead) -> None:
    bead.failures = bead.deferrals = 0
    bead.reason, bead.detail = None, ""
    _promote(world, bead.id)


def _promote(world: World, bead_id: BeadId) -> None:
    """A pending bead with nothing unfinished below it is ready."""
    bead = world.bead(bead_id)
    if bead.state is State.PENDING and world.graph.is_ready(bead_id):
        _to_ready(world, bead)


def _to_ready(world: World, bead: Bead) -> None:
    bead.state, bead.since_ms = State.READY, world.now_ms
    world.repos[bead.repo].ready.enqueue(bead.id)


def _attempt_claimed(world: World, event: e.AttemptClaimed) -> None:
    bead = world.bead(event.bead)
    repo = world.repos[bead.repo]
    if event.slot in repo.slots:
        message = f"{bead.id} claimed slot {event.slot}, which {repo.slots[event.slot]} holds."
        raise Bug(message)
    repo.ready.remove(bead.id)
    repo.slots[event.slot] = bead.id
    bead.attempt, bead.slot, bead.workspace = event.attempt, event.slot, event.workspace
    bead.base = bead.commit = bead.change = bead.pid = None
    world.workspaces[event.workspace] = Workspace(
        name=event.workspace,
        repo=bead.repo,
        bead=bead.id,
        attempt=event.attempt,
        since_ms=world.now_ms,
    )
    world.of_bead.setdefault(bead.id, []).append(event.workspace)


def _requested(world: World, event: e.Requested) -> None:
    world.open[event.key] = event.effect
    if isinstance(event.effect, f.RemoveWorkspace):
        _keep(world, event.effect.workspace, Keep.REMOVING).removals = event.effect.round
    elif isinstance(event.effect, f.BuildCandidate):
        change = world.changes[event.effect.change]
        change.round = event.effect.round
        world.repos[change.repo].queue.start(change.id)
    elif isinstance(event.effect, f.Land):
        world.changes[event.effect.change].stage = Stage.MERGING


def _keep(world: World, name: WorkspaceName, keep: Keep) -> Workspace:
    workspace = world.workspaces[name]
    workspace.keep, workspace.since_ms = keep, world.now_ms
    return workspace


def _workspace_created(world: World, event: e.WorkspaceCreated) -> None:
    world.workspaces[event.workspace].path = event.path
    world.bead(event.bead).base = event.base


def _workspace_blocked(world: World, event: e.WorkspaceBlocked) -> None:
    bead = world.bead(event.bead)
    _free_slot(world, bead)
    bead.workspace = None
    del world.workspaces[event.workspace]
    world.of_bead[bead.id].remove(event.workspace)
    world.repos[bead.repo].queue.paused = event.detail
    _to_ready(world, bead)


def _worker_spawned(world: World, event: e.WorkerSpawned) -> None:
    world.bead(event.bead).pid = event.pid


def _worker_finished(world: World, event: e.WorkerFinished) -> None:
    bead = world.bead(event.bead)
    bead.pid = None
    _free_slot(world, bead)


def _free_slot(world: World, bead: Bead) -> None:
    slots = world.repos[bead.repo].slots
    if bead.slot is not None and slots.get(bead.slot) == bead.id:
        del slots[bead.slot]


def _result_collected(world: World, event: e.ResultCollected) -> None:
    world.bead(event.bead).commit = event.commit


def _change_opened(world: World, event: e.ChangeOpened) -> None:
    bead = world.bead(event.bead)
    bead.change = event.change
    world.changes[event.change] = Change(
        id=event.change,
        repo=bead.repo,
        bead=event.bead,
        attempt=event.attempt,
        head=event.head,
    )


def _change_queued(world: World, event: e.ChangeQueued) -> None:
    world.repos[world.bead(event.bead).repo].queue.join(event.change)


def _candidate_built(world: World, event: e.CandidateBuilt) -> None:
    change = world.changes[event.change]
    change.stage, change.reason = Stage.TESTING, None
    change.base, change.candidate, change.tree = event.base, event.commit, event.tree


def _candidate_redundant(world: World, event: e.CandidateRedundant) -> None:
    change = world.changes[event.change]
    change.stage, change.reason = Stage.TESTING, e.Reason.ALREADY_LANDED
    change.base, change.candidate, change.tree = event.base, event.base, event.tree


def _found_landed(world: World, event: e.FoundLanded) -> None:
    _merged(world, event.change, event.commit)


def _landed(world: World, event: e.Landed) -> None:
    _merged(world, event.change, event.commit)


def _merged(world: World, change_id: ChangeId, commit: CommitId) -> None:
    change = world.changes[change_id]
    change.stage = Stage.MERGED
    world.repos[change.repo].queue.leave(change_id)
    bead = world.bead(change.bead)
    bead.landed = commit
    bead.reason, bead.detail, bead.feedback = None, "", ""
    for unblocked in world.graph.finish(bead.id):
        _promote(world, unblocked)


def _landing_stale(world: World, event: e.LandingStale) -> None:
    _put_back(world, event.change)


def _target_blocked(world: World, event: e.TargetBlocked) -> None:
    _put_back(world, event.change).paused = event.detail


def _put_back(world: World, change_id: ChangeId) -> MergeQueue:
    change = world.changes[change_id]
    change.stage = Stage.PENDING
    queue = world.repos[change.repo].queue
    queue.put_back(change_id)
    return queue


def _workspace_removed(world: World, event: e.WorkspaceRemoved) -> None:
    workspace = _keep(world, event.workspace, Keep.REMOVED)
    workspace.pinned = event.pinned
    names = world.of_bead[event.bead]
    names.remove(event.workspace)


def _effect_failed(world: World, event: e.EffectFailed) -> None:
    if event.kind == f.RemoveWorkspace.__name__ and event.workspace is not None:
        _keep(world, event.workspace, Keep.KEPT).detail = event.message


def _bead_backed_off(world: World, event: e.BeadBackedOff) -> None:
    bead = world.bead(event.bead)
    _free_slot(world, bead)
    bead.until_ms = event.until_ms
    bead.reason, bead.detail = event.reason, event.detail
    if event.counted:
        bead.failures += 1
        bead.feedback = event.detail
    elif event.reason is e.Reason.WORKER_DEFERRED:
        bead.deferrals += 1
    heapq.heappush(world.timers, (event.until_ms, bead.id))
    _keep_workspaces(world, bead, event.detail)


def _bead_reworked(world: World, event: e.BeadReworked) -> None:
    bead = world.bead(event.bead)
    bead.failures += 1
    bead.feedback = event.feedback
    bead.reason, bead.detail = event.reason, event.feedback
    _close(world, event.change, event.reason, event.feedback)


def _change_held(world: World, event: e.ChangeHeld) -> None:
    change = world.changes[event.change]
    change.stage, change.reason, change.detail = Stage.PENDING, event.reason, event.detail
    world.repos[change.repo].queue.hold(change.id, event.detail)


def _close(world: World, change_id: ChangeId, reason: e.Reason, detail: str) -> None:
    change = world.changes[change_id]
    change.stage, change.reason, change.detail = Stage.FAILED, reason, detail
    world.repos[change.repo].queue.leave(change_id)


def _bead_readied(world: World, event: e.BeadReadied) -> None:
    bead = world.bead(event.bead)
    if world.timers and world.timers[0][1] == bead.id:
        heapq.heappop(world.timers)
    _to_ready(world, bead)


def _drop_timer(world: World, bead: BeadId) -> None:
    world.timers = [timer for timer in world.timers if timer[1] != bead]
    heapq.heapify(world.timers)


def _bead_failed(world: World, event: e.BeadFailed) -> None:
    bead = world.bead(event.bead)
    _free_slot(world, bead)
    bead.failures += 1
    bead.reason, bead.detail = event.reason, event.detail
    if bead.change is not None:
        _close(world, bead.change, event.reason, event.detail)
    _keep_workspaces(world, bead, event.detail)


def _keep_workspaces(world: World, bead: Bead, detail: str) -> None:
    for name in world.of_bead.get(bead.id, ()):
        workspace = world.workspaces[name]
        if workspace.keep is Keep.LIVE:
            _keep(world, name, Keep.KEPT).detail = detail


def _queue_resumed(world: World, event: e.QueueResumed) -> None:
    world.repos[event.repo].queue.resume()


_APPLY: dict[type[e.Event], Callable[..., None]] = {
    e.RepoRegistered: _repo_registered,
    e.BeadAdded: _bead_added,
    e.BeadRevised: _bead_revised,
    e.BeadRetried: _bead_retried,
    e.AttemptClaimed: _attempt_claimed,
    e.Requested: _requested,
    e.WorkspaceCreated: _workspace_created,
    e.WorkspaceBlocked: _workspace_blocked,
    e.WorkerSpawned: _worker_spawned,
    e.WorkerFinished: _worker_finished,
    e.ResultCollected: _result_collected,
    e.ChangeOpened: _change_opened,
    e.ChangeQueued: _change_queued,
    e.CandidateBuilt: _candidate_built,
    e.CandidateRedundant: _candidate_redundant,
    e.Landed: _landed,
    e.LandingStale: _landing_stale,
    e.TargetBlocked: _target_blocked,
    e.WorkspaceRemoved: _workspace_removed,
    e.EffectFailed: _effect_failed,
    e.BeadBackedOff: _bead_backed_off,
    e.BeadReworked: _bead_reworked,
    e.ChangeHeld: _change_held,
    e.FoundLanded: _found_landed,
    e.BeadReadied: _bead_readied,
    e.BeadFailed: _bead_failed,
    e.QueueResumed: _queue_resumed,
}


def unfinished(world: World) -> list[Bead]:
    """Every bead that is not terminal, in the order of their ids."""
    return sorted((b for b in world.beads.values() if b.state not in TERMINAL), key=lambda b: b.id)

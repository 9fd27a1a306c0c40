"""Moves that several folds share. Each keeps the graph, the queues and the slots in step."""

from __future__ import annotations

from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.ids import BeadId, ChangeId, WorkspaceName
from oya_vcs.core.merge import Stage
from oya_vcs.core.merge.adaptive import learnt
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.world import Keep, Repo, Workspace, World


def promote(world: World, bead_id: BeadId) -> None:
    """A pending bead with nothing unfinished below it is ready, unless no worker works on it."""
    bead = world.bead(bead_id)
    if bead.by_hand:
        return
    if bead.state is State.PENDING and world.graph.is_ready(bead_id):
        to_ready(world, bead)


def to_ready(world: World, bead: Bead) -> None:
    """The bead waits for a slot; a paused one, to go on."""
    if bead.state is State.PAUSED:
        return
    repo = world.repos[bead.repo]
    bead.state, bead.since_ms, bead.since_claim = State.READY, world.now_ms, repo.claims
    repo.ready.enqueue(bead.id)


def free_slot(world: World, bead: Bead) -> None:
    """Let go of the bead's slot, where it holds one."""
    repo = world.repos[bead.repo]
    if bead.slot is not None and repo.slots.get(bead.slot) == bead.id:
        del repo.slots[bead.slot]
        repo.idle[bead.slot] = None
        bead.chosen = ""


def take_slot(repo: Repo, bead: Bead, slot: int) -> None:
    """Give the bead a slot that is free. Slots that none was given before this one are idle."""
    for skipped in range(len(repo.slots) + len(repo.idle), slot):
        repo.idle[skipped] = None
    repo.idle.pop(slot, None)
    repo.slots[slot] = bead.id
    bead.slot = slot


def keep(world: World, name: WorkspaceName, keep: Keep) -> Workspace:
    """What is to become of the workspace from now on. Returns it."""
    workspace = world.workspaces[name]
    workspace.keep, workspace.since_ms = keep, world.now_ms
    return workspace


def keep_workspaces(world: World, bead: Bead, detail: str) -> None:
    """What is left of a bead's attempts stays for a person to look at."""
    for name in world.of_bead.get(bead.id, ()):
        workspace = world.workspaces[name]
        if workspace.keep is Keep.LIVE:
            keep(world, name, Keep.KEPT).detail = detail


def close_change(world: World, change_id: ChangeId, reason: e.Reason, detail: str) -> None:
    """The change leaves the queue and is over, for `reason`; one that failed its checks is a lesson
    to the queue. One that is over stays as it is (MERGE_QUEUE promise 13)."""
    change = world.changes[change_id]
    if change.stage in OVER:
        return
    change.stage, change.reason, change.detail = Stage.FAILED, reason, detail
    change.said = ""
    queue = world.repos[change.repo].queue
    queue.leave(change_id)
    if reason in FAILURES:
        queue.pace.failing_ppm = learnt(queue.pace.failing_ppm, failed=True)


FAILURES = frozenset({e.Reason.CHECK_FAILED, e.Reason.CHECK_TIMEOUT, e.Reason.CHECK_NOT_STARTED})
"""Reasons that a failed test gives."""

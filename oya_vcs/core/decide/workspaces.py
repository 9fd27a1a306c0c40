"""Which workspaces have no more use. What is in them is pinned by whoever removes them."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.beads import Bead, State
from oya_vcs.core.decide.decisions import Decisions, Rule, request
from oya_vcs.core.merge import Stage
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import Keep, Workspace, World


def remove_workspaces(world: World, bead: Bead) -> Decisions:
    """Every workspace of a bead that has no more use; what the newest holds is in its commit
    already."""
    for name in tuple(world.of_bead.get(bead.id, ())):
        workspace = world.workspaces[name]
        if workspace.keep is Keep.REMOVING:
            continue
        if workspace.keep is Keep.KEPT and bead.state is not State.LANDED:
            continue
        yield _removal(world, bead, workspace)


def _removal(world: World, bead: Bead, workspace: Workspace) -> e.Requested:
    """What the newest attempt's workspace holds is in the bead's commit, if it has one.

    A change that the target was found to hold is landed like any other: after a landing whose
    outcome was lost (a full disk) that is how it is found.
    """
    change = world.changes.get(bead.change) if bead.change is not None else None
    merged = change is not None and change.stage is Stage.MERGED
    return request(
        f.RemoveWorkspace(
            repo=bead.repo,
            bead=bead.id,
            workspace=workspace.name,
            round=workspace.removals + 1,
            kept_as=bead.commit if workspace.name == bead.workspace else None,
            landed=merged and workspace.name == bead.workspace,
        )
    )


def _workspace_discarded(
    world: World, fact: e.WorkspaceDiscarded, at_ms: int, policy: Policy
) -> Decisions:
    workspace = world.workspaces.get(fact.workspace)
    if workspace is not None and workspace.keep is Keep.KEPT:
        yield _removal(world, world.bead(fact.bead), workspace)


RULES: Mapping[type[e.Event], Rule] = {
    e.WorkspaceDiscarded: _workspace_discarded,
}

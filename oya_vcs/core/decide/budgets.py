"""What follows when a bead has used all that it may: its worker is stopped, and nothing follows."""

from __future__ import annotations

from dataclasses import replace

from oya_vcs.core import events as e
from oya_vcs.core.budget import bead_spent
from oya_vcs.core.decide.decisions import Decisions, stop
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World


def stop_spent(world: World, at_ms: int, policy: Policy) -> Decisions:
    """Stop every worker whose bead may use no more tokens, or money: a worker's time is limited by
    who runs it. Costs the slots, where beads have such a budget."""
    budget, repo = policy.rules.budget, world.repos.get(policy.repo)
    if repo is None or not (budget.bead_tokens or budget.bead_cents):
        return
    for bead in [world.bead(one) for one in repo.slots.values()]:
        if bead.began_ms and bead_spent(bead, replace(budget, bead_ms=0), at_ms):
            yield from stop(world, bead.id, e.Reason.BUDGET_SPENT)

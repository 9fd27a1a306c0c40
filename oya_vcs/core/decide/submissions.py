"""What follows from a submission: its change request is opened, as that of a worker's result is."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.core import events as e
from oya_vcs.core.decide.attempts import open_change
from oya_vcs.core.decide.decisions import Decisions, Rule
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World


def _change_submitted(
    world: World, fact: e.ChangeSubmitted, at_ms: int, policy: Policy
) -> Decisions:
    yield open_change(world.bead(fact.bead), fact.head)


RULES: Mapping[type[e.Event], Rule] = {e.ChangeSubmitted: _change_submitted}

"""What was pinned for a change is let go when the change leaves the queue."""

from __future__ import annotations

from oya_vcs.core import effects as f
from oya_vcs.core.decide.decisions import Decisions, request
from oya_vcs.core.merge import Change


def drop_candidates(change: Change) -> Decisions:
    """Let go of the candidates of a change that leaves the queue, unless it never had one.

    Not needed for the change that a `Land` names: the landing lets go of its own.
    """
    if change.round:
        yield request(
            f.DropCandidates(
                repo=change.repo, bead=change.bead, change=change.id, round=change.round
            )
        )

"""Which ready bead gets which slot, now. Pure policy over the world; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.ids import BeadId
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World


@dataclass(frozen=True, slots=True)
class Choice:
    """A bead and the slot it gets."""

    bead: BeadId
    slot: int


def choose(world: World, policy: Policy) -> Choice | None:
    """The next bead to start and its slot, or None where nothing is ready or nothing is free, or
    nothing can start: the queue is paused because the target is not well.

    First come, first served; a bead that ran before gets its old slot where that is free, else the
    lowest.
    """
    repo = world.repos.get(policy.repo)
    if repo is None or repo.queue.paused or len(repo.slots) >= policy.slots:
        return None
    first = repo.ready.peek()
    if first is None:
        return None
    last = world.bead(first).slot
    if last is not None and last < policy.slots and last not in repo.slots:
        return Choice(first, last)
    free = next((slot for slot in range(policy.slots) if slot not in repo.slots), None)
    return None if free is None else Choice(first, free)


def backoff_ms(base_ms: int, count: int, ceiling_ms: int) -> int:
    """Exponential back-off: `base_ms` for the first (`count` 0), doubled each time, never above
    `ceiling_ms`."""
    return min(base_ms << min(count, 32), ceiling_ms)

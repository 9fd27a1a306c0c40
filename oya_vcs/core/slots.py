"""Worker slots: which are free, which rest, and that every one of them is accounted for.

A slot in which the world refused to begin an attempt rests, longer each time, so that a machine
that is out of processes or memory is asked for less, and a fault of the world does not use up every
bead's attempts. Knows no bead's state and no queue; changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.world import Repo

REST_MS = 1_000
"""Rest after the first refusal; doubled for each one after it."""
REST_MS_MAX = 60_000


@dataclass(frozen=True, slots=True)
class Pool:
    """How many slots there are, and what of them is claimed, unhealthy (at rest) and idle:
    total = idle + claimed + unhealthy, always. Where the number of slots was lowered, those beyond
    it are counted for as long as they are claimed."""

    total: int
    idle: int
    claimed: int
    unhealthy: int


def pool_of(repo: Repo, total: int, now_ms: int) -> Pool:
    """The account of a repository's slots, `total` of them, at `now_ms` (Unix time)."""
    claimed = len(repo.slots)
    beyond = sum(slot >= total for slot in repo.slots)
    unhealthy = sum(
        slot < total and slot not in repo.slots and _rests(repo, slot, now_ms)
        for slot in repo.refused
    )
    total += beyond
    return Pool(total, total - claimed - unhealthy, claimed, unhealthy)


def rests_until(repo: Repo, slot: int) -> int:
    """Until when (Unix time) the slot is given to nobody; 0 where the world refused nothing in
    it."""
    refused = repo.refused.get(slot)
    if refused is None:
        return 0
    return refused.at_ms + backoff_ms(REST_MS, refused.count - 1, REST_MS_MAX)


def _rests(repo: Repo, slot: int, now_ms: int) -> bool:
    """Whether it rests. No rest is longer than REST_MS_MAX: where one seems to be, the machine's
    clock was set back."""
    return 0 < rests_until(repo, slot) - now_ms <= REST_MS_MAX


def is_free(repo: Repo, slot: int, total: int, now_ms: int) -> bool:
    """Whether the slot is one of the `total`, nobody's, and not at rest."""
    return slot < total and slot not in repo.slots and not _rests(repo, slot, now_ms)


def free_slot(repo: Repo, total: int, now_ms: int) -> int | None:
    """A free slot: one that never was given, else the one that is free longest, so that a bead
    which comes back soon finds its own. None where there is none.

    Costs the slots that rest or are beyond `total`, and nothing for those that are taken.
    """
    given = len(repo.slots) + len(repo.idle)
    if given < total:
        return given
    return next((slot for slot in repo.idle if is_free(repo, slot, total, now_ms)), None)


def backoff_ms(base_ms: int, count: int, ceiling_ms: int) -> int:
    """Exponential back-off: `base_ms` for the first (`count` 0), doubled each time, never above
    `ceiling_ms`."""
    return min(base_ms << min(count, 32), ceiling_ms)

"""Which ready bead gets which slot, now. Pure policy over the world, whose ready beads it keeps in
line (`line.py`); changes nothing else.

The order is the strategy's (`queues.py`), with three exceptions, each asked for by the bead itself:

- A bead that ran before and wants its slot again (`sticky`) gets it as soon as it is free, before
  its turn; but not, with "soft" and by priority, before a more urgent one. With "soft" it lets
  others go first for a while where another slot is free (`line.py`), and takes that where there is
  nobody else.
- One that insists on it ("hard") gets no other; it waits so long, and then its attempt has failed.
- A bead lets a ready one that it prefers to come first go first. It never waits for one that is not
  ready.

A tenant without a token is passed over, whatever the strategy.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.core.beads import Bead
from oya_vcs.core.budget import closed
from oya_vcs.core.ids import BeadId
from oya_vcs.core.line import Line, line_of
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.queues import Strategy
from oya_vcs.core.slots import free_slot, is_free
from oya_vcs.core.tokens import after_claim
from oya_vcs.core.world import Repo, World


@dataclass(frozen=True, slots=True)
class Choice:
    """A bead and the slot it gets; `why` in a few words, and what it leaves to its tenant
    (`AttemptClaimed.tokens`)."""

    bead: BeadId
    slot: int
    why: str
    tokens: int | None


def choose(world: World, policy: Policy, now_ms: int) -> Choice | None:
    """The next bead to start and its slot, or None where nothing is ready or nothing is free, or
    nothing can start: the queue is paused because the target is not well, or a budget is spent.

    `now_ms` is Unix time. Costs O(log n) of the ready beads, and the slots that are wanted or rest.
    """
    repo = world.repos.get(policy.repo)
    if repo is None or repo.queue.paused or len(repo.slots) >= policy.slots or not repo.ready:
        return None
    if closed(world, repo, policy.rules.budget, now_ms):
        return None
    line = line_of(world, repo, policy)
    first = line.first(now_ms)
    for slot, bead, insists in line.wanted():
        if (
            is_free(repo, slot, policy.slots, now_ms)
            and line.has_token(bead, now_ms)
            and (insists or _may_jump(world, line, bead, first))
        ):
            return _choice(world, repo, line, bead, slot, "its slot is free", now_ms)
    if first is None:
        return None
    bead = _preferred(world, line, first, now_ms)
    free = _slot_for(world.bead(bead), repo, policy, now_ms)
    if free is None:
        return None
    why = _turn(world, line, bead, now_ms) if bead == first else f"{first} lets it go first"
    return _choice(world, repo, line, bead, free, why, now_ms)


def overdue(world: World, policy: Policy, now_ms: int) -> Bead | None:
    """A ready bead that insists on its slot and has waited for it for as long as it may; asked when
    there is nothing to `choose`."""
    repo = world.repos.get(policy.repo)
    if repo is None or repo.queue.paused or not repo.ready:
        return None
    if closed(world, repo, policy.rules.budget, now_ms):
        return None
    bead = line_of(world, repo, policy).overdue(now_ms)
    return None if bead is None else world.bead(bead)


def has_rested(world: World, policy: Policy, now_ms: int) -> bool:
    """Whether the next back-off is over: its time has come, or is further ahead than a back-off can
    be, for the machine's clock was set back, and nobody is to wait for as long."""
    if not world.timers:
        return False
    wait_ms = world.timers[0][0] - now_ms
    return wait_ms <= 0 or wait_ms > policy.backoff_ms_max


def is_due(world: World, policy: Policy, now_ms: int) -> bool:
    """Whether the time itself is a reason for a step: a back-off ends, a tenant has a token again,
    a slot has rested, a bead has waited for its slot for too long."""
    if has_rested(world, policy, now_ms):
        return True
    if policy.idle:
        return False
    return choose(world, policy, now_ms) is not None or overdue(world, policy, now_ms) is not None


def urgency(bead: Bead, rules: Rules, now_ms: int) -> str:
    """What a ready bead weighs by priority: `priority 2, by its age 0.4`."""
    aged = bead.spec.priority - max(0, now_ms - bead.since_ms) / rules.age_ms
    return f"priority {bead.spec.priority}, by its age {aged:.1f}"


def _may_jump(world: World, line: Line, bead: BeadId, first: BeadId | None) -> bool:
    if first is None or line.rules.strategy is not Strategy.PRIORITY:
        return True
    return world.bead(bead).spec.priority <= world.bead(first).spec.priority


def _preferred(world: World, line: Line, bead: BeadId, now_ms: int) -> BeadId:
    """The bead, or the ready one that it would rather see first, and so on; a circle ends where it
    closes. Costs the preferences that are followed."""
    seen = {bead}
    while True:
        better = (one for one in world.bead(bead).spec.prefers if one not in seen)
        found = next((b for b in better if b in line and line.has_token(b, now_ms)), None)
        if found is None:
            return bead
        seen.add(found)
        bead = found


def _slot_for(bead: Bead, repo: Repo, policy: Policy, now_ms: int) -> int | None:
    """The slot that the bead had before, where that is free, else any."""
    if bead.slot is not None and is_free(repo, bead.slot, policy.slots, now_ms):
        return bead.slot
    return free_slot(repo, policy.slots, now_ms)


def _turn(world: World, line: Line, bead_id: BeadId, now_ms: int) -> str:
    """Why it is this bead's turn."""
    bead, count = world.bead(bead_id), len(line)
    if line.rules.strategy is Strategy.PRIORITY:
        return f"most urgent of {count} ready, {urgency(bead, line.rules, now_ms)}"
    if line.rules.strategy is Strategy.ROUND_ROBIN:
        return f"turn of tenant {bead.spec.tenant}, one of {line.queue.tenants()}"
    which = "newest" if line.rules.strategy is Strategy.LIFO else "first"
    return f"{which} of {count} ready"


def _choice(
    world: World, repo: Repo, line: Line, bead_id: BeadId, slot: int, why: str, now_ms: int
) -> Choice:
    bead = world.bead(bead_id)
    if bead.slot is not None:
        why += f"; slot {slot} again" if slot == bead.slot else f"; slot {bead.slot} is not free"
    tenant = repo.tenants.get(bead.spec.tenant)
    return Choice(bead_id, slot, why, after_claim(tenant, line.rules, now_ms))

"""What work may use: of a bead, of a day, and after how many failures nobody tries any more.

The numbers are policy; what was used is in the state. Everything here says *why not*, in a sentence
that people are shown, or nothing. Costs the slots where time is limited, else nothing that grows.
"""

from __future__ import annotations

from oya_vcs.core.beads import Bead
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.texts import clock_text
from oya_vcs.core.usage import DAY_MS, NOTHING, Budget, Spent, Streak, Usage
from oya_vcs.core.world import Repo, World

MICROS = 10_000
"""Of a US dollar, in a cent."""


def bead_spent(bead: Bead, budget: Budget, now_ms: int, using: Usage | None = None) -> str:
    """Why the bead may use no more. `using` is what its newest attempt used, where somebody knows
    better than the record."""
    used = bead.used.plus(bead.using if using is None else using)
    if 0 < budget.bead_ms <= worked_ms(bead, now_ms):
        return f"Its time is spent: {_minutes(budget.bead_ms)} of work (budget.bead_ms_max)."
    if 0 < budget.bead_tokens <= used.tokens:
        of = f"{used.tokens:,} of {budget.bead_tokens:,}"
        return f"Its tokens are spent: {of} (budget.bead_tokens_max)."
    if 0 < budget.bead_cents * MICROS <= used.cost_micros:
        of = f"{_dollars(used.cost_micros)} of {_dollars(budget.bead_cents * MICROS)}"
        return f"Its money is spent: {of} (budget.bead_cents_max)."
    return ""


def day_spent(
    world: World, repo: Repo, budget: Budget, now_ms: int, more: Usage | None = None
) -> str:
    """Why the repository may use no more today; `more` is what is used and not on record yet."""
    if not (budget.day_ms or budget.day_tokens or budget.day_cents):
        return ""
    more = more or NOTHING
    today = repo.spent if repo.spent.day == now_ms // DAY_MS else Spent()
    until = f"nothing begins before {clock_text((now_ms // DAY_MS + 1) * DAY_MS)}"
    if budget.day_ms:
        runs = sum(
            now_ms - max(bead.began_ms, now_ms // DAY_MS * DAY_MS)
            for bead in map(world.bead, repo.slots.values())
            if bead.began_ms
        )
        if today.ms + runs >= budget.day_ms:
            limit = _minutes(budget.day_ms)
            return f"The time of this day is spent, {limit} (budget.day_ms_max): {until}."
    if 0 < budget.day_tokens <= today.tokens + more.tokens:
        limit = f"{budget.day_tokens:,}"
        return f"The tokens of this day are spent, {limit} (budget.day_tokens_max): {until}."
    if 0 < budget.day_cents * MICROS <= today.cost_micros + more.cost_micros:
        limit = _dollars(budget.day_cents * MICROS)
        return f"The money of this day is spent, {limit} (budget.day_cents_max): {until}."
    return ""


def broken(streak: Streak, budget: Budget, now_ms: int) -> str:
    """Why nobody tries any more, after too many failures in a row."""
    if not 0 < budget.failures_max <= streak.failures:
        return ""
    again_ms = streak.failed_ms + budget.cool_ms
    said = f"{streak.failures} attempts failed in a row, the last because of {streak.why}"
    if now_ms < again_ms:
        return f"{said}: nothing begins before {clock_text(again_ms)} (budget.failures_max)."
    if streak.trial is not None:
        return f"{said}: {streak.trial} is tried first (budget.failures_max)."
    return ""


def closed(world: World, repo: Repo, budget: Budget, now_ms: int) -> str:
    """Why no attempt may begin in the repository now."""
    return broken(repo.streak, budget, now_ms) or day_spent(world, repo, budget, now_ms)


def may_use(world: World, work: RunWorker, used: Usage, budget: Budget, now_ms: int) -> str:
    """Why the worker may use no more, which used so much so far; empty where it may."""
    bead, repo = world.beads.get(work.bead), world.repos.get(work.repo)
    if bead is None or repo is None or bead.attempt != work.attempt:
        return "Its attempt is over."
    more = Usage(
        tokens_in=max(0, used.tokens - bead.using.tokens),
        cost_micros=max(0, used.cost_micros - bead.using.cost_micros),
    )
    spent = bead_spent(bead, budget, now_ms, used)
    return spent or day_spent(world, repo, budget, now_ms, more)


def worked_ms(bead: Bead, now_ms: int) -> int:
    """How long workers have worked on the bead, the one that runs included."""
    return bead.worked_ms + (max(0, now_ms - bead.began_ms) if bead.began_ms else 0)


def left_ms(bead: Bead, budget: Budget) -> int:
    """How long a worker that begins now may work on the bead; 0 where that has no limit."""
    return max(1, budget.bead_ms - bead.worked_ms) if budget.bead_ms else 0


def summary(bead: Bead, now_ms: int) -> str:
    """What all attempts at the bead used, in words; empty where that is nothing."""
    used, ms = bead.used.plus(bead.using), worked_ms(bead, now_ms)
    parts = []
    if used.tokens:
        parts.append(f"{used.tokens_in:,} tokens read, {used.tokens_out:,} written")
    if used.cost_micros:
        parts.append(_dollars(used.cost_micros))
    if parts and not (bead.using.metered or bead.used.metered):
        parts.append("by the agent's word")
    if ms:
        parts.append(f"{ms / 60_000:.1f} min of work")
    return ", ".join(parts)


def _minutes(ms: int) -> str:
    return f"{ms / 60_000:g} min" if ms >= 60_000 else f"{ms / 1_000:g} s"


def _dollars(micros: int) -> str:
    return f"${micros / 1_000_000:.2f}"

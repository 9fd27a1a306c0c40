"""The token bucket of a tenant (REQUIREMENTS B5): who has begun many attempts waits for a token,
and nobody else waits with them.

Whole numbers and the times of the journal only, so that the same record gives the same levels. What
a claim left is in the record; how fast it fills again is policy, and may change from one daemon to
the next. Knows no queue and no bead.
"""

from __future__ import annotations

from oya_vcs.core.policy import Rules
from oya_vcs.core.world import Tenant

TOKEN = 1_000
"""One attempt, in the thousandths that levels are counted in: a rate of N a second is N of them a
millisecond."""


def level(tenant: Tenant | None, rules: Rules, now_ms: int) -> int:
    """What the tenant has at `now_ms` (Unix time), in thousandths; a full bucket for a tenant that
    is not known, and for one whose newest claim lies further in the future than filling takes: the
    clock was put back."""
    full = rules.tokens_max * TOKEN
    if tenant is None or tenant.tokens is None:
        return full
    passed_ms = now_ms - tenant.at_ms
    if passed_ms < -(full // rules.tokens_per_s):
        return full
    return min(full, tenant.tokens + max(0, passed_ms) * rules.tokens_per_s)


def dry_until(tenant: Tenant | None, rules: Rules, now_ms: int) -> int | None:
    """When (Unix time) the tenant has a token again; None where it has one, or none is asked
    for."""
    if tenant is None or tenant.tokens is None or rules.tokens_max == 0:
        return None
    if level(tenant, rules, now_ms) >= TOKEN:
        return None
    return tenant.at_ms - (tenant.tokens - TOKEN) // rules.tokens_per_s


def after_claim(tenant: Tenant | None, rules: Rules, now_ms: int) -> int | None:
    """What a claim now leaves; None where tokens are not counted."""
    return level(tenant, rules, now_ms) - TOKEN if rules.tokens_max > 0 else None

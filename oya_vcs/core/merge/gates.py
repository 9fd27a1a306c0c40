"""When the queue may not go on, by people's word or by the calendar. Pure: asks no clock."""

from __future__ import annotations

import re

from oya_vcs.core.merge.lifecycle import Gates
from oya_vcs.core.merge.rules import MergeRules

MINUTE_MS = 60_000
WEEK_MINUTES = 7 * 24 * 60
MONDAY_MS = 4 * 24 * 60 * MINUTE_MS
"""The first Monday of Unix time, 5 January 1970, 00:00 UTC."""


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):([0-5]\d)"
SPAN = rf"{_TIME} ?- ?{_TIME}"
"""How people write a weekly span: `Fri 16:00 - Mon 08:00`, in UTC."""


def span_of(text: str) -> tuple[int, int]:
    """The span as minutes since Monday 00:00 UTC. Raises ValueError for what is not like `SPAN`."""
    found = re.fullmatch(SPAN, text)
    if found is None:
        raise ValueError(text)
    day, hour, minute, to_day, to_hour, to_minute = found.groups()
    return (
        (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute),
        (_DAYS.index(to_day) * 24 + int(to_hour)) * 60 + int(to_minute),
    )


def frozen_until(gates: Gates, rules: MergeRules, now_ms: int) -> int:
    """Until when (Unix time) nothing may land; not after `now_ms` where it may land now.

    Windows that touch or overlap are one.
    """
    until_ms = now_ms
    for _ in range(len(rules.freezes) + 1):
        longer_ms = max((gates.frozen_until_ms, *(_end(span, until_ms) for span in rules.freezes)))
        if longer_ms <= until_ms:
            break
        until_ms = longer_ms
    return until_ms


def _end(span: tuple[int, int], now_ms: int) -> int:
    """When the weekly span ends that holds `now_ms`; 0 where it does not hold it. One that ends
    before it begins goes on over the end of the week."""
    start, end = span
    length = (end - start) % WEEK_MINUTES or WEEK_MINUTES
    minute, within_ms = divmod(now_ms - MONDAY_MS, MINUTE_MS)
    since = (minute - start) % WEEK_MINUTES
    return now_ms - within_ms + (length - since) * MINUTE_MS if since < length else 0

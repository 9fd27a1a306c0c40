"""How fast GitHub may be asked: what it says in its headers, and how long everybody waits then.

Pure: answers and times in, waits out. One `Pace` is one installation's, or one token's: what one
request is told counts for all. Numbers are those of GitHub's documentation of its rate limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from oya_vcs.adapters.github.outcomes import is_limited

SECONDARY_MS = 60_000
"""How long to wait after a secondary limit that gives no time: a minute, doubled each time."""
WAIT_MS_MAX = 3_700_000
"""No limit lasts longer than the hour in which it is counted; a little for clocks that differ."""
WRITES_MAX = 20
"""Requests that change something and may follow each other at once."""
WRITE_MS = 1_000
"""And then one in so long: GitHub asks for a second between them."""


class Pace:
    """When the next request may go out. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._until_ms = 0
        self._strikes = 0
        self._writes_ms = 0
        self.remaining: int | None = None
        """Requests that are left until the count begins anew; None where nobody said so yet."""

    def left_ms(self, now_ms: int) -> int:
        """How long nobody may ask anything."""
        return max(0, self._until_ms - now_ms)

    def write_left_ms(self, now_ms: int) -> int:
        """How long nobody may change anything."""
        return max(self.left_ms(now_ms), self._next_ms(now_ms) - now_ms)

    def book_write(self, now_ms: int) -> None:
        """Something is changed now: it is counted."""
        self._writes_ms = self._next_ms(now_ms)

    def _next_ms(self, now_ms: int) -> int:
        return max(self._writes_ms + WRITE_MS, now_ms - (WRITES_MAX - 1) * WRITE_MS)

    def heard(self, status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> bool:
        """Take in an answer; returns whether it was refused by a limit, so that asking the same
        again, later, is right."""
        limited = is_limited(status, headers, body)
        left = headers.get("x-ratelimit-remaining", "")
        if left.isascii() and left.isdigit():
            self.remaining = int(left[:12])
        if limited:
            self.limited(headers, now_ms)
        elif status < 400:
            self._strikes = 0
            if headers.get("x-ratelimit-remaining") == "0":
                self._wait(_reset_ms(headers, now_ms), now_ms)
        elif status == 503 and "retry-after" in headers:
            self._wait(_after_ms(headers, now_ms), now_ms)
        return limited

    def limited(self, headers: Mapping[str, str], now_ms: int) -> None:
        """Take in a refusal by a limit: its own time where it names one, else longer each time."""
        if "retry-after" in headers:
            wait_ms = _after_ms(headers, now_ms)
        elif headers.get("x-ratelimit-remaining") == "0":
            wait_ms = _reset_ms(headers, now_ms)
        else:
            wait_ms = SECONDARY_MS * 2 ** min(self._strikes, 6)
        self._strikes += 1
        self._wait(wait_ms, now_ms)

    def _wait(self, wait_ms: int, now_ms: int) -> None:
        self._until_ms = max(self._until_ms, now_ms + min(max(0, wait_ms), WAIT_MS_MAX))


def _after_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    said = headers["retry-after"].strip()
    if said.isascii() and said.isdigit():
        return int(said[:6]) * 1_000
    return _date_ms(said, now_ms + SECONDARY_MS) - _date_ms(headers.get("date", ""), now_ms)


def _reset_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """Until the count begins anew, by GitHub's own clock, and a second more: it counts in those."""
    said = headers.get("x-ratelimit-reset", "")
    if not (said.isascii() and said.isdigit()):
        return SECONDARY_MS
    return int(said[:12]) * 1_000 - _date_ms(headers.get("date", ""), now_ms) + 1_000


def _date_ms(text: str, otherwise: int) -> int:
    """A date as HTTP writes it, or something else where it is none."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return otherwise
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000)

"""How often a provider may be asked: a number of requests a minute, from all workers together, and
not before the time that it named itself.

Pure: told the time (milliseconds, from any start), it knows no clock.
"""

from __future__ import annotations

HOLD_S_MAX = 600
"""Longer than this nobody is kept waiting, whatever a provider says."""


class Pace:
    """Of one provider. A minute's requests may come at once; then they come one by one."""

    def __init__(self, requests_per_min: int) -> None:
        self._per_min = requests_per_min
        self._left = float(requests_per_min)
        self._at_ms = 0
        self._held_until_ms = 0

    def take(self, now_ms: int) -> int:
        """Take leave for one request: 0, or the seconds after which to ask again."""
        if now_ms < self._held_until_ms:
            return -(-(self._held_until_ms - now_ms) // 1_000)
        if not self._per_min:
            return 0
        passed = now_ms - self._at_ms if self._at_ms else 0
        self._left = min(self._per_min, self._left + passed * self._per_min / 60_000)
        self._at_ms = now_ms
        if self._left < 1:
            return max(1, -(-int((1 - self._left) * 60_000) // (self._per_min * 1_000)))
        self._left -= 1
        return 0

    def hold(self, now_ms: int, retry_after: str) -> None:
        """The provider said that it was asked too often: nobody asks before the time it named
        (seconds; another form, or none, is one second)."""
        try:
            wait_s = float(retry_after)
        except ValueError:
            wait_s = 1.0
        wait_s = min(max(wait_s, 1.0), HOLD_S_MAX) if wait_s == wait_s else 1.0  # noqa: PLR0124
        self._held_until_ms = max(self._held_until_ms, now_ms + int(wait_s * 1_000))

"""GitHub's rate limits: so many requests an hour, so many writes a minute, for each who asks."""

from __future__ import annotations

from dataclasses import dataclass, field

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@dataclass
class Window:
    """What one asker has used of the current hour."""

    ends_ms: int
    used: int = 0
    writes_ms: list[int] = field(default_factory=list)


@dataclass
class Limits:
    """The limits, and what is used of them. `writes_a_minute` None: no secondary limit."""

    requests_an_hour: int = 5_000
    writes_a_minute: int | None = None
    windows: dict[str, Window] = field(default_factory=dict)

    def window(self, who: str, now_ms: int) -> Window:
        """The asker's current hour."""
        held = self.windows.get(who)
        if held is None or held.ends_ms <= now_ms:
            held = self.windows[who] = Window(now_ms + HOUR_MS)
        return held

    def spent(self, who: str, now_ms: int) -> bool:
        """Whether nothing is left of the hour."""
        return self.window(who, now_ms).used >= self.requests_an_hour

    def count(self, who: str, now_ms: int) -> None:
        """One more request."""
        self.window(who, now_ms).used += 1

    def too_fast(self, who: str, now_ms: int) -> int:
        """Count a write; the seconds to wait where it is one too many, else 0."""
        if self.writes_a_minute is None:
            return 0
        window = self.window(who, now_ms)
        window.writes_ms = [at for at in window.writes_ms if at > now_ms - MINUTE_MS]
        if len(window.writes_ms) >= self.writes_a_minute:
            return max(1, (window.writes_ms[0] + MINUTE_MS - now_ms) // 1000)
        window.writes_ms.append(now_ms)
        return 0

    def headers(self, who: str, now_ms: int) -> dict[str, str]:
        """What every answer says about the hour."""
        window = self.window(who, now_ms)
        return {
            "X-RateLimit-Limit": str(self.requests_an_hour),
            "X-RateLimit-Remaining": str(max(0, self.requests_an_hour - window.used)),
            "X-RateLimit-Used": str(window.used),
            "X-RateLimit-Reset": str(window.ends_ms // 1000),
            "X-RateLimit-Resource": "core",
        }

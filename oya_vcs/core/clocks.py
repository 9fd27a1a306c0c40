"""The four clocks of a run, and when one of them is reason enough to stop it.

- **process**: since when the program is there. Its end is noticed at once and needs no clock.
- **transport**: when what stands between it and the daemon was last heard (a reaper's beat, a
  server's). It proves nothing about the program.
- **progress**: when the program itself last gave output or a beat.
- **deadline**: when its time is up.

Every time must come from one monotonic clock that stands still while the machine is suspended; the
caller counts a beat at the moment of the poll that noticed it, never by a file's own time stamp, so
that a wall clock that jumps stops nobody. Knows no clock, file or process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from oya_vcs.core.reasons import Reason

BEAT_MS = 10_000
"""How often a transport says that it is there (D2)."""
TRANSPORT_MS_MAX = 30_000
"""How long it may be silent: three beats (D2). With the next poll that is 31 s, below the 35 s in
which a death has to be noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a run may be silent, how long it may take, and how long its transport may be silent.
    0 is no limit."""

    lease_ms: int
    wall_ms_max: int
    transport_ms_max: int = TRANSPORT_MS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What a run's clocks show. `deadline_ms` None: it may take as long as it likes."""

    process_ms: int
    transport_ms: int
    progress_ms: int
    deadline_ms: int | None

    def heard(self, now_ms: int, *, transport: bool, progress: bool) -> Clocks:
        """The clocks after a poll that noticed a beat of either, or of none. Progress is heard
        through the transport."""
        return replace(
            self,
            transport_ms=now_ms if transport or progress else self.transport_ms,
            progress_ms=now_ms if progress else self.progress_ms,
        )

    def unwatched(self, gap_ms: int, poll_ms: int) -> Clocks:
        """The clocks, moved by what nobody could see.

        `gap_ms` is the time since the previous poll, `poll_ms` what it should have been. A watcher
        that slept (a suspended machine, a stopped daemon) saw no silence, and the program may have
        slept as well: what goes beyond twice the poll is not counted, by any of the clocks.
        """
        unseen_ms = max(0, gap_ms - 2 * poll_ms)
        return Clocks(
            process_ms=self.process_ms + unseen_ms,
            transport_ms=self.transport_ms + unseen_ms,
            progress_ms=self.progress_ms + unseen_ms,
            deadline_ms=None if self.deadline_ms is None else self.deadline_ms + unseen_ms,
        )

    def judge(self, now_ms: int, limits: Limits) -> Reason | None:
        """Why the run has to be stopped now, or None.

        At exactly a limit it goes on, one millisecond later it does not. Where several are broken,
        the deadline outweighs the rest, and a lost transport the silence behind it.
        """
        if self.deadline_ms is not None and now_ms > self.deadline_ms:
            return Reason.WALL_TIME
        if limits.transport_ms_max and now_ms - self.transport_ms > limits.transport_ms_max:
            return Reason.TRANSPORT_LOST
        if limits.lease_ms and now_ms - self.progress_ms > limits.lease_ms:
            return Reason.LEASE_EXPIRED
        return None


def begun(now_ms: int, limits: Limits) -> Clocks:
    """The clocks of a run that begins now."""
    return Clocks(
        process_ms=now_ms,
        transport_ms=now_ms,
        progress_ms=now_ms,
        deadline_ms=now_ms + limits.wall_ms_max if limits.wall_ms_max else None,
    )


def sentences(clocks: Clocks, now_ms: int, limits: Limits) -> dict[str, str]:
    """What each clock shows, in words, by its name."""
    ends = f"; {_span(limits.lease_ms)} of silence end it" if limits.lease_ms else ""
    left = "none"
    if clocks.deadline_ms is not None:
        ms = clocks.deadline_ms - now_ms
        left = f"in {_span(ms)}" if ms >= 0 else f"{_span(-ms)} ago"
    return {
        "process": f"started {_span(now_ms - clocks.process_ms)} ago",
        "transport": f"its reaper was heard {_span(now_ms - clocks.transport_ms)} ago",
        "progress": f"output or beat {_span(now_ms - clocks.progress_ms)} ago{ends}",
        "deadline": left,
    }


def _span(ms: int) -> str:
    """A time as people say it: 0.4 s, 12 s, 59 min, 2.5 h."""
    seconds = max(0, ms) / 1000
    for limit, size, unit in ((10, 1, "s"), (120, 1, "s"), (7_200, 60, "min")):
        if seconds < limit:
            return f"{seconds / size:.{1 if limit == 10 else 0}f} {unit}"
    return f"{seconds / 3600:.1f} h"

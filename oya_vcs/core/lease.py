"""When silence or length of a run is reason enough to stop it. Knows no clock, file or process.

Every time given to `judge` must come from one monotonic clock: the caller counts a beat at the
moment of the poll that noticed it, never by a file's own time stamp, so that a wall clock that
jumps stops nobody.
"""

from __future__ import annotations

from oya_vcs.core.events import Reason


def judge(
    started_ms: int, last_beat_ms: int, now_ms: int, lease_ms: int, wall_ms_max: int
) -> Reason | None:
    """Why a run has to be stopped now, or None.

    `lease_ms` and `wall_ms_max` are the longest silence and the longest run that are allowed: at
    exactly the limit the run goes on, one millisecond later it does not. 0 means no limit. Where
    both are broken, the run was too long, whatever it said last: WALL_TIME.
    """
    if wall_ms_max and now_ms - started_ms > wall_ms_max:
        return Reason.WALL_TIME
    if lease_ms and now_ms - last_beat_ms > lease_ms:
        return Reason.LEASE_EXPIRED
    return None


def forgive(last_beat_ms: int, gap_ms: int, poll_ms: int) -> int:
    """The last beat, moved by what nobody could see.

    `gap_ms` is the time since the previous poll, `poll_ms` what it should have been. A watcher that
    slept (a suspended machine, a stopped daemon) saw no silence, and the worker may have slept as
    well: what goes beyond twice the poll is not counted.
    """
    return last_beat_ms + max(0, gap_ms - 2 * poll_ms)

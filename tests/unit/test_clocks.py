"""The four clocks of a run, at their boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.core.clocks import BEAT_MS, TRANSPORT_MS_MAX, Clocks, Limits, begun, sentences
from oya_vcs.core.reasons import Reason

LEASE = 30_000
WALL = 3_600_000
LIMITS = Limits(lease_ms=LEASE, wall_ms_max=WALL)
POLL = 1_000


def clocks(
    *, process: int = 0, transport: int = 0, progress: int = 0, limits: Limits = LIMITS
) -> Clocks:
    """Clocks that show this."""
    return Clocks(
        process_ms=process,
        transport_ms=transport,
        progress_ms=progress,
        deadline_ms=begun(process, limits).deadline_ms,
    )


@pytest.mark.parametrize(
    ("transport", "progress", "now", "expected"),
    [
        (1_000, 1_000, 1_000, None),
        (20_000, 1_000, 31_000, None),
        (20_000, 1_000, 31_001, Reason.LEASE_EXPIRED),
        (1_000, 20_000, 31_000, None),
        (1_000, 20_000, 31_001, Reason.TRANSPORT_LOST),
        (WALL - 1, WALL - 1, WALL, None),
        (WALL - 1, WALL - 1, WALL + 1, Reason.WALL_TIME),
    ],
)
def test_a_run_may_use_its_limits_up_and_not_a_millisecond_more(
    transport: int, progress: int, now: int, expected: Reason | None
) -> None:
    """At exactly the limit the run goes on; one millisecond later it is stopped."""
    assert clocks(transport=transport, progress=progress).judge(now, LIMITS) is expected


def test_too_long_outweighs_unheard_outweighs_silent() -> None:
    """A run that broke several limits is reported as too long, else as out of reach."""
    assert clocks().judge(WALL + 1, LIMITS) is Reason.WALL_TIME
    assert clocks().judge(LEASE + 1, LIMITS) is Reason.TRANSPORT_LOST


def test_zero_is_no_limit() -> None:
    """A limit of 0 never stops a run; the others still hold."""
    free = Limits(lease_ms=0, wall_ms_max=0, transport_ms_max=0)
    assert clocks(limits=free).judge(10**12, free) is None
    silent = Limits(lease_ms=LEASE, wall_ms_max=0, transport_ms_max=0)
    assert clocks(limits=silent).judge(10**12, silent) is Reason.LEASE_EXPIRED
    unheard = Limits(lease_ms=0, wall_ms_max=0)
    assert clocks(limits=unheard).judge(10**12, unheard) is Reason.TRANSPORT_LOST


def test_a_beat_of_the_transport_is_no_progress() -> None:
    """A reaper, or a server, that says it is there proves nothing about the program."""
    heard = clocks().heard(25_000, transport=True, progress=False)
    assert heard.judge(LEASE + 1, LIMITS) is Reason.LEASE_EXPIRED
    assert clocks().heard(25_000, transport=False, progress=True).judge(LEASE + 1, LIMITS) is None


@settings(deadline=None)
@given(
    st.integers(-(10**15), 10**15),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
    st.integers(0, 10**8),
)
def test_only_differences_count(shift: int, transport: int, progress: int, now: int) -> None:
    """Moving the clock's origin changes no judgement: any monotonic clock will do."""
    here = clocks(transport=transport, progress=progress).judge(now, LIMITS)
    moved = clocks(process=shift, transport=shift + transport, progress=shift + progress)
    assert moved.judge(shift + now, LIMITS) is here


@pytest.mark.parametrize(
    ("gap", "moved"), [(0, 0), (POLL, 0), (2 * POLL, 0), (2 * POLL + 1, 1), (90_000, 88_000)]
)
def test_a_gap_nobody_watched_is_forgiven_to_every_clock(gap: int, moved: int) -> None:
    """Time beyond twice the poll interval is neither silence, nor use of the time allowed."""
    assert clocks(transport=5, progress=5).unwatched(gap, POLL) == clocks(
        process=moved, transport=5 + moved, progress=5 + moved
    )


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["beat", "silence"]), st.integers(0, 10**7)), max_size=30)
)
def test_a_suspended_machine_stops_nobody(naps: list[tuple[str, int]]) -> None:
    """Polls a second apart with naps of any length between them: a run that beats is never stopped
    before it has been watched for as long as its limit."""
    now, run, watched = 0, begun(0, LIMITS), 0
    for kind, nap in naps:
        now += POLL + nap
        run = run.unwatched(POLL + nap, POLL)
        watched += min(POLL + nap, 2 * POLL)
        if kind == "beat" or watched <= LEASE:
            assert run.judge(now, LIMITS) is None
        run = run.heard(now, transport=True, progress=kind == "beat")
        watched = 0 if kind == "beat" else watched


def test_a_death_is_noticed_within_35_seconds() -> None:
    """Three beats of the transport, and the poll behind them (D2)."""
    assert 3 * BEAT_MS <= TRANSPORT_MS_MAX
    assert TRANSPORT_MS_MAX + POLL < 35_000


def test_what_the_clocks_show_in_words() -> None:
    """Each has its name and a time that people can read."""
    shown = sentences(clocks(transport=120_000, progress=124_600), 125_000, LIMITS)
    assert shown == {
        "process": "started 2 min ago",
        "transport": "its reaper was heard 5.0 s ago",
        "progress": "output or beat 0.4 s ago; 30 s of silence end it",
        "deadline": "in 58 min",
    }
    late = sentences(clocks(), 3 * WALL, LIMITS)
    assert (late["process"], late["deadline"]) == ("started 3.0 h ago", "2.0 h ago")
    free = Limits(lease_ms=0, wall_ms_max=0)
    assert sentences(clocks(limits=free), 1_000, free)["deadline"] == "none"

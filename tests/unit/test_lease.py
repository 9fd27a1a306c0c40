"""Lease judgement at its boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core.events import Reason
from oya_vcs.core.lease import forgive, judge

LEASE = 30_000
WALL = 3_600_000


@pytest.mark.parametrize(
    ("last_beat", "now", "expected"),
    [
        (1_000, 1_000, None),
        (1_000, 31_000, None),
        (1_000, 31_001, Reason.LEASE_EXPIRED),
        (3_600_999, 3_601_000, None),
        (3_600_999, 3_601_001, Reason.WALL_TIME),
    ],
)
def test_a_run_may_use_its_limits_up_and_not_a_millisecond_more(
    last_beat: int, now: int, expected: Reason | None
) -> None:
    """At exactly the limit the run goes on; one millisecond later it is stopped."""
    assert judge(1_000, last_beat, now, LEASE, WALL) is expected


def test_too_long_outweighs_too_silent() -> None:
    """A run that broke both limits is reported as too long."""
    assert judge(0, 0, WALL + 1, LEASE, WALL) is Reason.WALL_TIME


def test_zero_is_no_limit() -> None:
    """A limit of 0 never stops a run; the other limit still holds."""
    assert judge(0, 0, 10**12, 0, 0) is None
    assert judge(0, 0, 10**12, 0, WALL) is Reason.WALL_TIME
    assert judge(0, 0, 10**12, LEASE, 0) is Reason.LEASE_EXPIRED


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**8), st.integers(0, 10**8))
def test_only_differences_count(shift: int, beat: int, now: int) -> None:
    """Moving the clock's origin changes no judgement: any monotonic clock will do."""
    here = judge(0, beat, beat + now, LEASE, WALL)
    assert judge(shift, shift + beat, shift + beat + now, LEASE, WALL) is here


@pytest.mark.parametrize(
    ("gap", "moved"), [(0, 0), (1_000, 0), (2_000, 0), (2_001, 1), (90_000, 88_000)]
)
def test_a_gap_nobody_watched_is_forgiven(gap: int, moved: int) -> None:
    """Time beyond twice the poll interval counts as neither silence nor beat."""
    assert forgive(5_000, gap, 1_000) == 5_000 + moved


def test_a_suspended_machine_stops_nobody() -> None:
    """Beats every second, then an hour in which nothing ran: the next poll finds no reason."""
    last_beat = forgive(100_000, 3_600_000, 1_000)
    assert judge(0, last_beat, 3_700_000, LEASE, 0) is None

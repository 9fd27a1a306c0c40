"""The laws of the restart decision: whom it stops, how long it waits, when it gives up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.core.supervision import (
    Fault,
    Limits,
    Restart,
    Restarts,
    Strategy,
    affected,
    fault_of,
    judge,
)
from oya_vcs.errors import Bug, GaveUp, JournalCorrupt, JournalStopped, Stopped, WorldFailed

LIMITS = Limits()
gaps = st.lists(st.integers(0, 200_000), max_size=40)
limits = st.builds(
    Limits,
    restarts_max=st.integers(0, 12),
    within_ms=st.integers(1, 100_000),
    wait_ms=st.integers(1, 500),
    wait_ms_max=st.integers(500, 4_000),
    waits_out=st.booleans(),
)


def crashes(gaps_ms: list[int], rules: Limits) -> list[tuple[int, Restart | None]]:
    """What is decided at each crash of one child, these times apart, until it is given up."""
    at_ms, past = 0, Restarts()
    found: list[tuple[int, Restart | None]] = []
    for gap in gaps_ms:
        at_ms += gap
        verdict = judge(past, at_ms, Fault.CRASH, rules)
        found.append((at_ms, verdict))
        if verdict is None:
            break
        past = verdict.restarts
    return found


@given(gaps, limits)
def test_never_more_restarts_within_the_window_than_allowed(
    gaps_ms: list[int], rules: Limits
) -> None:
    """In any `within_ms` at most `restarts_max` are started again; given up exactly when one more
    would be too many."""
    decided = crashes(gaps_ms, rules)
    started = [at for at, verdict in decided if verdict is not None]
    for at in started:
        assert sum(at - rules.within_ms < one <= at for one in started) <= rules.restarts_max
    for at, verdict in decided:
        if verdict is None:
            recent = sum(at - rules.within_ms < one <= at for one in started)
            assert recent >= rules.restarts_max


@given(gaps, limits)
def test_the_wait_doubles_with_each_recent_restart_up_to_its_ceiling(
    gaps_ms: list[int], rules: Limits
) -> None:
    """wait_ms * 2^n, n being the restarts that are remembered, never above wait_ms_max; and what is
    remembered is bounded."""
    for _, verdict in crashes(gaps_ms, rules):
        if verdict is not None:
            recent = len(verdict.restarts) - 1
            assert verdict.wait_ms == min(rules.wait_ms * 2**recent, rules.wait_ms_max)
            assert len(verdict.restarts) <= rules.restarts_max


def test_the_fourth_crash_within_a_minute_is_the_last() -> None:
    """REQUIREMENTS B2: 100, 200, 400 ms, and then the parent's; a minute later all is forgotten."""
    waits = [
        verdict and verdict.wait_ms for _, verdict in crashes([0, 9_000, 9_000, 9_000], LIMITS)
    ]
    assert waits == [100, 200, 400, None]
    spread = [verdict and verdict.wait_ms for _, verdict in crashes([0] + [20_000] * 50, LIMITS)]
    assert set(spread) == {100, 200, 400}
    patient = Limits(restarts_max=8)
    waits = [verdict and verdict.wait_ms for _, verdict in crashes([0] * 9, patient)]
    assert waits == [100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200, None]


@given(st.lists(st.integers(0, 100_000), max_size=3), st.integers(0, 100_000), limits)
def test_an_outage_counts_against_nobody_and_ends_at_whoever_waits_it_out(
    past: list[int], at_ms: int, rules: Limits
) -> None:
    """However often: it is started again without a mark, or handed to the parent at once."""
    verdict = judge(tuple(past), at_ms, Fault.OUTAGE, rules)
    assert (verdict is not None) is rules.waits_out
    if verdict is not None:
        assert set(verdict.restarts) <= set(past)
    assert judge(tuple(past), at_ms, Fault.HOPELESS, rules) is None
    moved = judge(tuple(past), at_ms, Fault.MOVED, rules)
    assert moved is not None
    assert set(moved.restarts) <= set(past)


@given(st.integers(-(10**9), 10**9))
def test_a_clock_that_was_set_back_locks_nobody_out(back_ms: int) -> None:
    """A restart in the future is forgotten, one in the window is not."""
    past: Restarts = (10_000, 10_000, 10_000)
    verdict = judge(past, 10_000 + back_ms, Fault.CRASH, LIMITS)
    assert (verdict is None) is (0 <= back_ms < LIMITS.within_ms)


names = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)


@given(names, st.data())
def test_whom_a_failure_takes_along(children: list[str], data: st.DataObject) -> None:
    """Itself; all; itself and what was started after it. Always in the order of start."""
    failed = data.draw(st.sampled_from(children))
    at = children.index(failed)
    assert affected(Strategy.ONE_FOR_ONE, children, failed) == (failed,)
    assert affected(Strategy.ONE_FOR_ALL, children, failed) == tuple(children)
    assert affected(Strategy.REST_FOR_ONE, children, failed) == tuple(children[at:])


def test_errors_are_sorted_by_what_helps() -> None:
    """Only a journal that stopped is waited for; damage is nothing that a restart mends; who stood
    on what was started again has not failed."""
    assert fault_of(JournalStopped("Full.")) is Fault.OUTAGE
    assert fault_of(JournalCorrupt("Event 7.")) is Fault.HOPELESS
    assert fault_of(Stopped("Below.")) is Fault.MOVED
    for error in (Bug("Ours."), WorldFailed("jj."), GaveUp("Below."), ValueError("x")):
        assert fault_of(error) is Fault.CRASH

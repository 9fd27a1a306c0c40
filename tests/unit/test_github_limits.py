"""How long GitHub's limits are waited for: pure decisions from headers and times."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from oya_vcs.adapters.github.limits import SECONDARY_MS, WAIT_MS_MAX, WRITES_MAX, Pace
from oya_vcs.adapters.github.outcomes import (
    GithubFailed,
    Why,
    graphql_failed,
    is_limited,
    read_answer,
)

NOW = 1_700_000_000_000
JSON = {"content-type": "application/json; charset=utf-8"}


def waits(status: int, headers: dict[str, str], body: bytes = b"") -> int:
    """How long everybody waits after one answer."""
    pace = Pace()
    pace.heard(status, headers, body, NOW)
    return pace.left_ms(NOW)


def test_nothing_is_waited_for_while_something_is_left() -> None:
    """An ordinary answer, an ordinary refusal and a failure hold nobody up."""
    assert waits(200, {"x-ratelimit-remaining": "1"}) == 0
    assert waits(403, {"x-ratelimit-remaining": "1"}, b'{"message": "Forbidden"}') == 0
    assert waits(500, {}) == 0


def test_a_spent_hour_is_waited_for_by_githubs_clock() -> None:
    """Until the reset as GitHub's own clock has it, whatever ours says; also after an answer that
    was the last one of the hour."""
    there_s = NOW // 1_000 + 5_000  # GitHub's clock is far ahead of ours
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(there_s + 120),
        "date": formatdate(there_s, usegmt=True),
    }
    for status in (200, 403, 429):
        assert waits(status, headers) == 121_000


def test_retry_after_is_obeyed() -> None:
    """In seconds, or as a date; for a secondary limit, and for a server that is busy."""
    assert waits(403, {"retry-after": "30"}) == 30_000
    assert waits(429, {"retry-after": "7"}) == 7_000
    assert waits(503, {"retry-after": "7"}) == 7_000
    now_s = NOW // 1_000
    dated = {"retry-after": formatdate(now_s + 40, usegmt=True), "date": formatdate(now_s)}
    assert waits(429, dated) == 40_000


def test_without_a_time_each_refusal_doubles_the_wait() -> None:
    """A minute, two, four; a good answer ends that; nothing is longer than the hour."""
    pace, now_ms = Pace(), NOW
    body = b'{"message": "You have exceeded a secondary rate limit."}'
    for times in range(12):
        assert pace.heard(403, {}, body, now_ms)
        assert pace.left_ms(now_ms) == min(SECONDARY_MS * 2 ** min(times, 6), WAIT_MS_MAX)
        now_ms += pace.left_ms(now_ms)
    pace.heard(200, {}, b"", now_ms)
    pace.heard(403, {}, body, now_ms)
    assert pace.left_ms(now_ms) == SECONDARY_MS


@pytest.mark.parametrize("said", ["", "soon", "-1", "9" * 40])
def test_odd_headers_hold_nobody_up_for_ever(said: str) -> None:
    """What is no time, or an absurd one, is a wait all the same, and bounded."""
    assert 0 < waits(429, {"retry-after": said}) <= WAIT_MS_MAX
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": said}
    assert 0 < waits(403, spent) <= WAIT_MS_MAX


def test_writes_may_come_in_a_burst_and_then_one_a_second() -> None:
    """The first WRITES_MAX wait for nothing; the next ones a second each; a pause earns them
    back."""
    pace, now_ms, waited = Pace(), NOW, list[int]()
    for _ in range(WRITES_MAX + 3):
        waited.append(pace.write_left_ms(now_ms))
        now_ms += waited[-1]
        pace.book_write(now_ms)
    assert waited == [0] * WRITES_MAX + [1_000] * 3
    assert pace.write_left_ms(now_ms + 60_000) == 0
    pace.heard(403, {"retry-after": "30"}, b"", now_ms + 60_000)
    assert pace.write_left_ms(now_ms + 60_000) == 30_000


@pytest.mark.parametrize(
    ("status", "message", "why", "retryable"),
    [
        (401, "Bad credentials", Why.UNAUTHORISED, False),
        (403, "Resource not accessible by integration", Why.UNAUTHORISED, False),
        (404, "Not Found", Why.MISSING, False),
        (409, "Merge conflict", Why.CONFLICT, False),
        (409, "You're not authorized to push to this branch.", Why.UNAUTHORISED, True),
        (410, "Issues are disabled", Why.MISSING, False),
        (422, "Update is not a fast forward", Why.NOT_FORWARD, False),
        (422, "Required status check is expected.", Why.INVALID, False),
        (429, "Slow down", Why.LIMITED, True),
        (403, "You have exceeded a secondary rate limit.", Why.LIMITED, True),
        (500, "Server Error", Why.UNKNOWN, True),
        (502, "Bad Gateway", Why.UNKNOWN, True),
    ],
)
def test_refusals_are_told_apart(status: int, message: str, why: Why, *, retryable: bool) -> None:
    """Conflict, not authorised, not fast-forward and missing are four outcomes; two meanings of 409
    are two; what may have been done is said to be unknown."""
    body = f'{{"message": "{message}"}}'.encode()
    with pytest.raises(GithubFailed) as failed:
        read_answer("PATCH /x", status, JSON, body)
    assert (failed.value.why, failed.value.retryable) == (why, retryable)
    assert message.rstrip(".") in failed.value.message


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"{", Why.UNKNOWN),
        (502, b"<html>Bad Gateway</html>", Why.UNKNOWN),
        (422, b"nonsense", Why.INVALID),
        (422, b"{}", Why.INVALID),
    ],
)
def test_answers_that_cannot_be_read(status: int, body: bytes, why: Why) -> None:
    """A cut or odd body is a failure like others, and never an error of ours."""
    with pytest.raises(GithubFailed) as failed:
        read_answer("GET /x", status, JSON, body)
    assert failed.value.why is why


@pytest.mark.parametrize(
    ("kind", "message", "why"),
    [
        ("RATE_LIMITED", "API rate limit exceeded", Why.LIMITED),
        ("FORBIDDEN", "Resource not accessible by integration", Why.UNAUTHORISED),
        ("NOT_FOUND", "Could not resolve", Why.MISSING),
        ("UNPROCESSABLE", "Reference is not a fast-forward", Why.NOT_FORWARD),
        ("STALE_DATA", "Expected refs/heads/main to be at 1", Why.INVALID),
        ("", "Something went wrong while executing your query.", Why.UNKNOWN),
    ],
)
def test_errors_in_a_good_answer_of_graphql(kind: str, message: str, why: Why) -> None:
    """GraphQL says 200 and means its body."""
    error = graphql_failed("POST /graphql", [{"type": kind, "message": message}])
    assert error.why is why
    assert graphql_failed("POST /graphql", "odd").why is Why.INVALID


def test_a_plain_refusal_is_no_limit() -> None:
    """403 alone is a refusal; only what says that it is a limit is waited for."""
    assert not is_limited(403, {}, b'{"message": "Forbidden"}')
    assert not is_limited(401, {"retry-after": "5"}, b"")
    assert is_limited(403, {}, b"abuse detection mechanism")


def test_what_is_left_of_the_hour_is_known() -> None:
    """As the newest answer says it; nothing is made of what is no number."""
    pace = Pace()
    assert pace.remaining is None
    for said in ("4999", "soon", ""):
        pace.heard(200, {"x-ratelimit-remaining": said}, b"", NOW)
        assert pace.remaining == 4_999

"""What the checks of one commit add up to, and what is required of it."""

from __future__ import annotations

from typing import Any

import pytest

from oya_vcs.adapters.github.verdict import (
    OWN_CHECK,
    Required,
    Seen,
    of_protection,
    of_rules,
    of_run,
    of_status,
    others,
    weigh,
)

OURS = 77


def seen(name: str, result: str, *, app: int = 1, at: str = "2026-01-01T00:00:00Z") -> Seen:
    """A check run."""
    return Seen(name=name, app=app, result=result, at=at, detail="")


def test_zero_checks_are_waiting() -> None:
    """Nothing reported is no pass, and nobody has begun."""
    verdict = weigh([Required("test")], [], OURS)
    assert (verdict.failed, verdict.waiting, verdict.begun) == (None, (Required("test"),), False)


@pytest.mark.parametrize("result", ["success", "neutral", "skipped"])
def test_all_required_pass(result: str) -> None:
    """What GitHub itself takes as fulfilled is; checks that are not required have no say."""
    found = [seen("test", result), seen("lint", "failure")]
    verdict = weigh([Required("test")], found, OURS)
    assert (verdict.failed, verdict.waiting, verdict.begun) == (None, (), True)


@pytest.mark.parametrize("result", ["failure", "cancelled", "timed_out", "action_required", "odd"])
def test_one_failure_decides_at_once(result: str) -> None:
    """Whatever the others still do; an unknown result is no pass."""
    verdict = weigh([Required("a"), Required("b")], [seen("a", result), seen("b", "")], OURS)
    assert verdict.failed == seen("a", result)


def test_the_first_result_counts() -> None:
    """A check that is run again changes nothing, in either direction and in any order."""
    early, late = "2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z"
    for first, second in (("failure", "success"), ("success", "failure")):
        runs = [seen("t", first, at=early), seen("t", second, at=late)]
        for order in (runs, runs[::-1]):
            verdict = weigh([Required("t")], order, OURS)
            assert (verdict.failed is not None) == (first == "failure")
            assert verdict.waiting == ()


def test_a_running_check_is_waited_for() -> None:
    """Also one that GitHub has given up on: stale is no result."""
    for result in ("", "stale"):
        verdict = weigh([Required("t")], [seen("t", result)], OURS)
        assert (verdict.waiting, verdict.begun) == ((Required("t"),), True)


def test_our_own_check_never_blocks_us() -> None:
    """Neither required by name nor by App, failed or not."""
    required = [Required(OWN_CHECK), Required("queue", OURS), Required("test")]
    found = [
        seen(OWN_CHECK, "failure"),
        seen("queue", "failure", app=OURS),
        seen("test", "success"),
    ]
    verdict = weigh(required, found, OURS)
    assert (verdict.failed, verdict.waiting) == (None, ())
    assert others(required, OURS) == (Required("test"),)


def test_a_check_bound_to_an_app_counts_from_that_app() -> None:
    """Another App's check of the same name, or a status, is none."""
    required = [Required("test", 5)]
    assert weigh(required, [seen("test", "success", app=6)], OURS).waiting == (required[0],)
    assert weigh(required, [seen("test", "success", app=5)], OURS).waiting == ()


def test_what_protection_and_rulesets_require() -> None:
    """Both kinds of rules, with their Apps; null and -1 are anybody; switched off is nothing."""
    needed: dict[str, Any] = {
        "contexts": ["a", "old"],
        "checks": [{"context": "a", "app_id": 5}, {"context": "b", "app_id": -1}],
    }
    branch = {"protection": {"enabled": True, "required_status_checks": needed}}
    assert of_protection(branch) == [Required("a", 5), Required("b"), Required("old")]
    needed["enforcement_level"] = "off"
    assert of_protection(branch) == of_protection({}) == []
    rules: list[dict[str, Any]] = [
        {"type": "deletion"},
        {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [
                    {"context": "c", "integration_id": 9},
                    {"context": "d"},
                ]
            },
        },
    ]
    assert of_rules(rules) == [Required("c", 9), Required("d")]


def test_runs_and_statuses_are_read() -> None:
    """Only a completed run has a result; pending is none; what failed says where to look."""
    run = {
        "name": "test",
        "status": "completed",
        "conclusion": "failure",
        "completed_at": "2026-01-01T00:00:00Z",
        "app": {"id": 5},
        "details_url": "https://ci.example/1",
        "output": {"title": "1 failed", "summary": None},
    }
    read = of_run(run)
    assert (read.name, read.app, read.result) == ("test", 5, "failure")
    assert "https://ci.example/1" in read.detail
    assert "1 failed" in read.detail
    assert of_run(run | {"status": "in_progress"}).result == ""
    assert of_run({}) == Seen("", 0, "", "", "")
    assert of_status({"context": "old", "state": "pending"}).result == ""
    assert of_status({"context": "old", "state": "error"}).result == "error"

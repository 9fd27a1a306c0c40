"""The table of `make chaos`: what it adds up, and that a failure cannot be overlooked in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from tests.chaos.report import SAYS, Reporter, ranges, spread


def told(
    case: str,
    outcome: Literal["passed", "failed"] = "passed",
    when: Literal["setup", "call", "teardown"] = "call",
    **counted: object,
) -> pytest.TestReport:
    """The report of one phase of `test_kills[CASE]`."""
    return pytest.TestReport(
        nodeid=f"tests/test_x.py::test_kills[{case}]",
        location=("tests/test_x.py", 1, "test_kills"),
        keywords={},
        outcome=outcome,
        longrepr=None,
        when=when,
        user_properties=[(SAYS, "Nothing is lost"), *counted.items()],
        duration=30.0,
    )


def test_what_the_cases_counted_is_added_up(tmp_path: Path) -> None:
    """One row a test: its seeds as a range, sums of what they counted, its docstring."""
    file = tmp_path / "CHAOS.md"
    reporter = Reporter(file)
    for seed in range(3):
        reporter.pytest_runtest_logreport(told(str(seed), when="setup"))
        reporter.pytest_runtest_logreport(told(str(seed), kills=50, missing=0))
        reporter.pytest_runtest_logreport(told(str(seed), when="teardown"))
    reporter.pytest_sessionfinish()
    row = "| Nothing is lost (`test_kills`) | 0–2 | 150 kills; 0 missing | 0 | 1.5 |"
    assert row in file.read_text()
    assert "3 cases, 0 failed." in file.read_text()


def test_times_are_ranked_and_not_added(tmp_path: Path) -> None:
    """Those of all seeds together, behind what was counted."""
    file = tmp_path / "CHAOS.md"
    reporter = Reporter(file)
    for seed in range(3):
        reporter.pytest_runtest_logreport(told(str(seed), back=float(seed), kills=1))
    reporter.pytest_sessionfinish()
    assert "| 3 kills; back: p50 1.00 s, p99 2.00 s of 3 |" in file.read_text()
    assert spread([float(one) for one in range(200, 0, -1)]) == "p50 100.00 s, p99 198.00 s of 200"


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_failure_is_named_in_whatever_phase(
    tmp_path: Path, when: Literal["setup", "call", "teardown"]
) -> None:
    """The table counts it, and the line above says how to run it again."""
    file = tmp_path / "CHAOS.md"
    reporter = Reporter(file)
    reporter.pytest_runtest_logreport(told("7", kills=50))
    reporter.pytest_runtest_logreport(told("8", "failed", when))
    reporter.pytest_sessionfinish()
    assert "1 failed." in file.read_text()
    assert "- failed: `tests/test_x.py::test_kills[8]`" in file.read_text()


def test_nothing_run_is_nothing_written(tmp_path: Path) -> None:
    """A session that selected no test leaves the table of the last one."""
    file = tmp_path / "CHAOS.md"
    Reporter(file).pytest_sessionfinish()
    assert not file.exists()


@pytest.mark.parametrize(
    ("cases", "short"),
    [
        (["1", "0", "2"], "0–2"),
        (["1", "3"], "1, 3"),
        (["200-eio", "201-eio", "200-short"], "200–201-eio, 200-short"),
        (["home"], "home"),
        ([""], ""),
    ],
)
def test_seeds_that_follow_on_one_another_are_a_range(cases: list[str], short: str) -> None:
    """Whoever replays one can read off which there are."""
    assert ranges(cases) == short

"""A pytest plugin that writes what the chaos tests did into a table: `make chaos`.

    python -m pytest -m chaos -p tests.chaos.report --chaos-report docs/CHAOS.md

A test notes what it counted by `record_property(WHAT, NUMBER)`; the numbers of all its seeds are
added. A float is a time in seconds: of all of them the table has the median and p99. Runs in one
process or under xdist.
"""

from __future__ import annotations

import math
import os
import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oya_vcs.bench.figures import put

HEAD = ("what", "seeds or cases", "counted", "failed", "minutes")
SAYS = "what it says"
"""The property that carries a test's docstring: the process that writes the report may not have
the test itself."""


@dataclass
class Row:
    """What is known of one test function: its cases by id, what they counted, which failed."""

    says: str = ""
    cases: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def cells(self, name: str) -> tuple[str, ...]:
        """As a row under `HEAD`."""
        counted = "; ".join(
            [
                *(f"{count:,} {what}" for what, count in self.counted.items()),
                *(f"{what}: {spread(times)}" for what, times in self.times.items()),
            ]
        )
        minutes = f"{self.seconds / 60:.1f}"
        says = f"{self.says} (`{name}`)"
        return says, ranges(self.cases), counted, str(len(self.failed)), minutes


def spread(times: list[float]) -> str:
    """Median and p99 of times in seconds, each one of them (nearest rank), and of how many."""
    ranked = sorted(times)
    p50, p99 = (ranked[math.ceil(part * len(ranked)) - 1] for part in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s of {len(ranked)}"


def ranges(cases: list[str]) -> str:
    """Ids of cases in short: numbers that follow on one another as a range, for each other part of
    the id."""
    numbers: dict[str, list[int]] = {}
    for case in cases:
        found = re.search(r"\d+", case)
        if found is None:
            numbers.setdefault(case, [])
            continue
        rest = f"{case[: found.start()]}{{}}{case[found.end() :]}"
        numbers.setdefault(rest, []).append(int(found[0]))
    return ", ".join(_range(rest, sorted(found)) for rest, found in numbers.items() if rest)


def _range(form: str, numbers: list[int]) -> str:
    if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return form.format(f"{numbers[0]}–{numbers[-1]}")
    return ", ".join(form.format(number) for number in numbers) or form


class Reporter:
    """Collects what tests report, and writes it at the end of the session."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test in: its call, and whatever failed before or after it."""
        if report.when != "call" and report.passed:
            return
        place, _, case = report.nodeid.partition("[")
        row = self.rows.setdefault(place.rpartition("::")[2], Row())
        row.seconds += report.duration
        if report.failed:
            row.failed.append(report.nodeid)
        if report.when == "call":
            row.cases.append(case.removesuffix("]"))
        for what, value in report.user_properties:
            if what == SAYS:
                row.says = str(value)
            elif isinstance(value, int) and report.when == "call":
                row.counted[what] += value
            elif isinstance(value, float) and report.when == "call":
                row.times.setdefault(what, []).append(value)

    def pytest_sessionfinish(self) -> None:
        """Write the table; nothing where no test ran."""
        if not self.rows:
            return
        failed = [nodeid for row in self.rows.values() for nodeid in row.failed]
        said = (
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()},"
            f" {os.cpu_count()} processors:"
            f" {sum(len(row.cases) for row in self.rows.values())} cases, {len(failed)} failed."
        )
        told = [f"- failed: `{nodeid}`" for nodeid in failed]
        table = [HEAD, *(row.cells(name) for name, row in sorted(self.rows.items()))]
        put(self._file, "chaos", "\n".join([said, *told]), table)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--chaos-report FILE`."""
    parser.addoption("--chaos-report", metavar="FILE", help="put the table into this Markdown file")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, in the process that hears of all tests."""
    file = config.getoption("--chaos-report")
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(Path(file)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give the report the first sentence of what the test says of itself."""
    test = getattr(item, "obj", None)
    says = " ".join((test.__doc__ or "").split())
    item.user_properties.append((SAYS, re.split(r"(?<=\.)\s", says)[0].rstrip(".")))

"""`oya-vcs queue simulate`: the ways to test changes, side by side, on a virtual clock."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from oya_vcs.bench import plot
from oya_vcs.bench.queueing import Result, Setting
from oya_vcs.bench.queueing import simulate as run
from oya_vcs.cli.output import Output, duration, table
from oya_vcs.core.merge import MergeRules
from oya_vcs.core.merge.theory import batch_rate, serial_rate, window_rate
from oya_vcs.errors import ConfigurationInvalid, ExitCode, WorldFailed

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Shares of bad changes that a plot shows."""
PLOT_CHANGES_MAX = 800
"""Changes of each point of a plot."""


def simulate(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Run each way and print a table; draw it where `--plot` says so."""
    _require_sane(arguments)
    ways = _ways(arguments)
    setting = _setting(arguments)
    rows, data = [], []
    for name, rules in ways.items():
        result = run(replace(setting, rules=rules))
        expected = _theory(name, rules, setting.failing, setting)
        rows.append(_row(name, result, expected))
        data.append({"merge": name, **_data(result), "theory": expected})
    head = ("merge", "rate", "theory", "landed", "tests", "a change", "waits p50", "p95", "wronged")
    lines = [table(head, rows), "", *LEGEND]
    if arguments.plot:
        _draw(Path(arguments.plot), arguments, ways, setting)
        lines.append(f"Drawn: {arguments.plot}")
    output.answer("queue-simulate", {"ways": data}, "\n".join(lines))
    return ExitCode.DONE


LEGEND = (
    "rate: changes landed in the time of one test",
    "a change: tests for each change that landed",
    "wronged: good changes that were sent back",
)
BOUNDS: Mapping[str, tuple[float, float]] = {
    "changes": (1, 1_000_000),
    "fail": (0, 1),
    "flake": (0, 0.99),
    "flaky_depth": (0, 1_000),
    "window": (1, 1_000),
    "batch": (1, 1_000),
    "slots": (0, 1_000),
    "test_minutes": (0.001, 10_000),
    "load": (0, 1_000),
    "spread": (0, 0.99),
}
"""What can be simulated: from and to."""


def _require_sane(arguments: argparse.Namespace) -> None:
    for name, (least, most) in BOUNDS.items():
        given = getattr(arguments, name)
        if not least <= given <= most:
            flag = f"--{name.replace('_', '-')}"
            message = f"{flag} {given:g} cannot be simulated."
            raise ConfigurationInvalid(message, f"Give {flag} from {least:,} to {most:,}.")


def _setting(arguments: argparse.Namespace) -> Setting:
    return Setting(
        rules=MergeRules(),
        changes=arguments.changes,
        failing=arguments.fail,
        flaky=arguments.flake,
        test_ms=int(arguments.test_minutes * 60_000),
        slots=arguments.slots,
        per_test=arguments.load,
        spread=arguments.spread,
        seed=arguments.seed,
    )


def _ways(arguments: argparse.Namespace) -> Mapping[str, MergeRules]:
    width, size, depth = arguments.window, arguments.batch, arguments.flaky_depth
    wide = MergeRules(window_max=width, flaky_depth=depth, disjoint=arguments.disjoint)
    return {
        "serial": MergeRules(),
        "window": wide,
        "batch": MergeRules(batch_max=size),
        "adaptive": replace(wide, batch_max=size, adaptive=True),
    }


def _theory(name: str, rules: MergeRules, failing: float, setting: Setting) -> float | None:
    """The closed form, where there is one for this way and size, and tests of one length."""
    passing = (1 - failing) * (1 - setting.flaky)
    forms: Mapping[str, Callable[[], float]] = {
        "serial": lambda: serial_rate(passing),
        "window": lambda: window_rate(passing, rules.window_max),
        "batch": lambda: batch_rate(passing, rules.batch_max),
    }
    other = rules.flaky_depth or rules.disjoint or setting.spread
    if name not in forms or other or rules.batch_max & (rules.batch_max - 1):
        return None
    return forms[name]()


def _row(name: str, result: Result, expected: float | None) -> tuple[str, ...]:
    return (
        name,
        f"{result.rate:.2f}",
        "-" if expected is None else f"{expected:.2f}",
        str(result.landed),
        str(result.tests),
        *_of_landed(result),
        str(result.wronged),
    )


def _of_landed(result: Result) -> tuple[str, str, str]:
    """Tests for each change that landed, and how long those waited."""
    if not result.landed:
        return "-", "-", "-"
    waits = duration(result.wait_ms(0.5)), duration(result.wait_ms(0.95))
    return f"{result.tests / result.landed:.2f}", *waits


def _data(result: Result) -> dict[str, object]:
    return {
        "rate": round(result.rate, 4),
        "landed": result.landed,
        "refused": result.refused,
        "wronged": result.wronged,
        "tests": result.tests,
        "end_ms": result.end_ms,
        "wait_p50_ms": result.wait_ms(0.5),
        "wait_p95_ms": result.wait_ms(0.95),
    }


def _draw(
    file: Path, arguments: argparse.Namespace, ways: Mapping[str, MergeRules], setting: Setting
) -> None:
    """Rates over shares of bad changes; dashed, what the closed forms say."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, rules in ways.items():
        for share in SHARES:
            changes = min(setting.changes, PLOT_CHANGES_MAX)
            point = replace(setting, rules=rules, failing=share, changes=changes)
            lines.setdefault(name, []).append((share, run(point).rate))
            expected = _theory(name, rules, share, setting)
            if expected is not None:
                lines.setdefault(f"{name} (theory)", []).append((share, expected))
    top = max(rate for name, line in lines.items() if name != "adaptive" for _, rate in line)
    shown = {name: [(x, min(y, 1.25 * top)) for x, y in line] for name, line in lines.items()}
    title = f"Merge queue: window {arguments.window}, batch {arguments.batch}"
    across, up = "share of changes that fail", "landed in the time of one test"
    try:
        file.write_text(plot.svg(title, across, up, shown, dashed=" (theory)"), encoding="utf-8")
    except OSError as error:
        raise WorldFailed(f"{file} cannot be written: {error.strerror}.") from error

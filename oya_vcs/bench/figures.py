"""What a benchmark says: figures with their baselines, and the limits that a gate holds them to.

Times are of one machine and one hour; a ratio of two things that were measured turn by turn is
what can be compared. This module measures nothing.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import ConfigurationInvalid

HEAD = ("what", "ours", "baseline", "ratio", "wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing beside its baseline.

    `ratio` is ours divided by the baseline, of rates or of times as `what` says; `wanted` is what
    was promised of it, for people. `met` is None where nothing was promised.
    """

    name: str
    what: str
    ours: str
    baseline: str
    ratio: float
    wanted: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """As a row under `HEAD`."""
        verdict = {None: "", True: ": met", False: ": MISSED"}[self.met]
        return self.what, self.ours, self.baseline, f"{self.ratio:.2f}", self.wanted + verdict

    def data(self) -> dict[str, object]:
        """As JSON."""
        return {
            "name": self.name,
            "what": self.what,
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": round(self.ratio, 3),
            "wanted": self.wanted,
            "met": self.met,
        }


def median(values: Sequence[float]) -> float:
    """The middle one of several rounds: a neighbour's burst moves a mean, and not this."""
    return statistics.median(values)


def regressed(figures: Sequence[Figure], gate: Path) -> list[str]:
    """A sentence for each figure that is beyond its limit in the gate's file.

    The file: `{"figures": {NAME: {"at_least": RATIO} or {"at_most": RATIO}}}`. A figure that the
    file does not name, or that was not measured, is not judged. Raises ConfigurationInvalid for a
    file that cannot be used.
    """
    try:
        limits = json.loads(gate.read_text("utf-8"))["figures"]
        return [
            said
            for one in figures
            if one.name in limits and (said := _beyond(one, **limits[one.name]))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"The gate {gate} cannot be used: {error!r}."
        raise ConfigurationInvalid(message, "See docs/bench-gate.json for its form.") from error


def _beyond(figure: Figure, at_least: float = 0.0, at_most: float = float("inf")) -> str:
    if figure.ratio < at_least:
        return f"{figure.name} regressed: its ratio is {figure.ratio:.2f}, below {at_least}."
    if figure.ratio > at_most:
        return f"{figure.name} regressed: its ratio is {figure.ratio:.2f}, above {at_most}."
    return ""


def put(path: Path, block: str, said: str, rows: Sequence[Sequence[str]]) -> None:
    """Put a sentence and a table (its head first) between the marks of `block` in a Markdown file,
    or at its end."""
    begin, end = f"<!-- bench {block}: begin -->", f"<!-- bench {block}: end -->"
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    text = path.read_text("utf-8") if path.exists() else ""
    before, begun, rest = text.partition(begin)
    after = rest.partition(end)[2] if begun else "\n"
    between = "\n".join([begin, said, "", *lines, end])
    path.write_text(f"{before}{between}{after}", encoding="utf-8")

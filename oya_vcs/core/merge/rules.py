"""What of the configuration the merge queue goes by. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRules:
    """Up to `window_max` groups of up to `batch_max` changes are tested at once, each on top of the
    one before; `adaptive` lets the queue use less as failures teach it. With 1 and 1 it is serial.

    `flaky_depth`: how many groups behind a failed one may still show that it was a fluke.
    `disjoint`: a change lands with those on top of it that have passed, before its own test has
    ended, where they share no path with it.
    `test_ms_max`: how long a candidate's checks may take from when they were asked for;
    `dispatch_ms_max`: how long until somebody begins them; 0: no limit. `freezes`: weekly times in
    which nothing lands, as minutes (from, to) since Monday 00:00 UTC. `approval` "auto" approves
    every change that a worker finished, "manual" leaves it to people.
    """

    window_max: int = 1
    batch_max: int = 1
    adaptive: bool = False
    flaky_depth: int = 0
    disjoint: bool = False
    method: str = "merge"
    approval: str = "auto"
    test_ms_max: int = 0
    dispatch_ms_max: int = 0
    freezes: tuple[tuple[int, int], ...] = ()

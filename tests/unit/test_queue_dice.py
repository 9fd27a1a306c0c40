"""A thousand stories of a merge queue under everything at once (tests/merge_dice.py)."""

from __future__ import annotations

import pytest

from tests.merge_dice import Dice

SEEDS = 1_000
PARTS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_only_tested_trees_land_once_and_all_is_explained(part: int) -> None:
    """Random changes, real merges, failures, flukes, people, pushes from outside, force-pushes,
    refusals and crashes, in one repository or two. `python -m tests.merge_dice N` replays seed N.
    """
    for seed in range(part, SEEDS, PARTS):
        try:
            Dice(seed).run()
        except Exception as error:
            error.add_note(f"Replay it with `python -m tests.merge_dice {seed}`.")
            raise

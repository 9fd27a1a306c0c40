"""Random stories of the merge queue with real merges, pushes and force-pushes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.dice import play
from tests.scenarios.ground import Ground

SEEDS = 3
MORE = 100
"""Seeds of `make chaos`."""


def played(seed: int, ground: Ground, folder: Path) -> None:
    """A story; where it fails, how to have it again."""
    try:
        play(seed, ground, folder)
    except Exception as error:
        error.add_note(f"Replay it with `python -m tests.scenarios.dice {seed}`.")
        raise


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_the_bare_repository_knows_tested_trees_only(
    first_ground: Ground, tmp_path: Path, seed: int
) -> None:
    """By its own record of main: each move that is ours went forwards to a tree that was tested;
    each change landed once at most, and everything came to an end or says why not."""
    played(seed, first_ground, tmp_path)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(SEEDS, SEEDS + MORE))
def test_whatever_happens_in_many_more_stories(
    first_ground: Ground, tmp_path: Path, seed: int
) -> None:
    """A merge queue on real repositories, whatever else moves there: only tested trees reach main,
    each change lands once at most. The same as above, for seeds enough to find what is rare."""
    played(seed, first_ground, tmp_path)

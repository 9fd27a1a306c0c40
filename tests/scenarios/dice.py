"""A story of the dice (tests/merge_dice.py) on real ground: `python -m tests.scenarios.dice N`
replays seed N in a temporary folder and tells what happened.

The merges, the pushes, the force-pushes and what a crash leaves are git's; the rest is as there.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.config import tools_folder
from oya_vcs.core.policy import Policy
from tests.merge_dice import Dice, tell
from tests.scenarios.ground import Ground
from tests.scenarios.place import RealPlace


def play(seed: int, ground: Ground, folder: Path, *, telling: bool = False) -> None:
    """The story of a seed, each repository on a copy of the ground in `folder`, with its target at
    the remote (even seeds) or here (odd ones); then git's own record of the target is read."""
    places: list[RealPlace] = []

    def place(policy: Policy) -> RealPlace:
        mine = ground.copy_to(folder / policy.repo, here=bool(seed % 2))
        places.append(RealPlace(policy, ground=mine))
        return places[-1]

    story = Dice(seed, place)
    try:
        story.run()
        for one in places:
            one.kept_promises(one.outside.tested)
    finally:
        for one in places:
            one.close()
        if telling:
            tell(story.scene)


def main(seed: int) -> None:
    """Tell the story of a seed."""
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name) / "ground", find_tools(tools_folder(), os.environ))
        ground.make()
        play(seed, ground, Path(name), telling=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""What runs at this moment, as its clocks show it: read from the runs' folders, beside a daemon."""

from __future__ import annotations

from collections.abc import Mapping

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process.folder import RunFolder
from oya_vcs.config import Home
from oya_vcs.core.clocks import sentences
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import BeadId
from oya_vcs.core.world import World


def clocks_of(home: Home, world: World) -> Mapping[BeadId, Mapping[str, str]]:
    """What the clocks of each bead's running worker show, in words, by the clock's name. A bead
    whose worker does not run now has none."""
    found: dict[BeadId, Mapping[str, str]] = {}
    for key, effect in world.open.items():
        if not isinstance(effect, RunWorker):
            continue
        folder = RunFolder(home.runs / key)
        clocks = folder.clocks()
        if clocks is not None:
            found[effect.bead] = sentences(clocks, SystemClock().now_ms(), folder.limits())
    return found

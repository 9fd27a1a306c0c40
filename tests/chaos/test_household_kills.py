"""The daemon of a home killed again and again while it works on two GitHubs and locally."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from oya_vcs.config import Home
from oya_vcs.journal.lock import holder
from tests.conftest import NewProject
from tests.shires import Shire, shire_at

KILLS = 4
BEADS = 3
APART = 25
"""Requests to either GitHub between two kills, at most."""


class Reaper:
    """Kills the daemon before or after a request is done, at numbers that a seed chooses."""

    def __init__(self, shire: Shire, seed: int) -> None:
        self._dice = random.Random(seed)
        self._lock = Home(shire.local.home).lock
        self._left = self._dice.randint(1, APART)
        self.fell: list[str] = []

    def cut(self, boundary: str, operation: str, _path: str) -> bool:
        """Whether this was one too many: whoever had asked gets no answer."""
        self._left -= 1
        pid = holder(self._lock)
        if self._left > 0 or pid is None or len(self.fell) >= KILLS:
            return False
        self._left = self._dice.randint(1, APART)
        self.fell.append(f"{boundary} {operation}")
        os.kill(pid, signal.SIGKILL)
        return True


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
async def test_whenever_it_is_killed_every_bead_lands_once(
    new_project: NewProject, tmp_path: Path, seed: int
) -> None:
    """Three beads in each of three repositories, the daemon killed at four random requests and
    begun again: all land, each in its own repository, with one pull request that is merged and
    spoken of once."""
    async with shire_at(new_project(files=2), tmp_path) as shire:
        reaper = Reaper(shire, seed)
        places = {"local": shire.local} | {name: one for name, (one, _) in shire.there.items()}
        names = [f"{place}-{number}" for place in places for number in range(BEADS)]
        for place, project in places.items():
            await shire.oya("init", str(project.root))
            for number in range(BEADS):
                await shire.hand_in(project, f"{place}-{number}")
        for _, hub in shire.there.values():
            hub.server.cut = reaper.cut

        async def all_landed() -> bool:
            if await shire.is_gone():
                await shire.begins()
            return await shire.landed(*names)

        await shire.until(all_landed)
        assert reaper.fell
        for name, (_, hub) in shire.there.items():
            pulls = hub.repo.pulls.values()
            heads = {f"oya/bead/{name}-{number}" for number in range(BEADS)}
            assert {pull.head_ref for pull in pulls} == heads, reaper.fell
            assert all(pull.merged for pull in pulls), reaper.fell
            assert [len(hub.said(pull)) for pull in pulls] == [1] * BEADS, reaper.fell
        if not await shire.is_gone():
            await shire.oya("down")
        assert shire.local.oya("journal", "verify").code == 0
        assert not shire.local.processes()

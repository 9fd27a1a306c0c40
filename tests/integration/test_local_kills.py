"""SIGKILL while a change is built, checked and landed: another process finishes it, once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import Changes
from tests.integration.local_victim import carry, forge

CALLS = 21
"""Calls of git and jj from the first build to the landing, with a new checkout and two checks."""
KILLS = 16
"""A repository kind; the seeds fix the moments."""
WAIT_S = 30


@pytest.mark.timeout(240)
async def test_killed_anywhere_the_change_lands_once(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path
) -> None:
    """The target holds each change exactly once, on the tree that was tested; git and jj are sound
    and agree; the user's files and @ are as they were."""
    at = user_repo.commit("@")
    killed = 0
    for seed in range(KILLS):
        changes = Changes(user_repo, repository, tmp_path / f"oya-{seed}")
        base = changes.commit("main")
        head = changes.head({"new.txt": f"{seed}\n"})
        killed += await _victim(changes, programs, head, random.Random(seed))
        event = await _successor(changes, head)
        assert isinstance(event, e.Landed), (seed, event)
        assert changes.branch() == changes.commit("main") == event.commit
        assert changes.tree(event.commit) == event.tree
        assert changes.git("rev-list", "--first-parent", f"{base}..main") == event.commit
        assert changes.git("rev-list", "--parents", "-n1", event.commit).split()[1:] == [base, head]
        assert changes.pins() == []
        changes.whole()
    assert killed >= KILLS // 2
    assert user_repo.commit("@") == at
    assert (user_repo.root / "dirty.txt").read_bytes() == DIRTY


async def _victim(changes: Changes, programs: Programs, head: str, dice: random.Random) -> bool:
    """Run a process that is killed on the way, some with every child of theirs."""
    orders = {
        "root": str(changes.user.root),
        "home": str(changes.home),
        "workspaces": str(changes.repository.control.parent.parent),
        "jj": str(programs.jj),
        "git": str(programs.git),
        "jj_home": str(programs.home),
        "user": json.dumps(dict(programs.user)),
        "head": head,
        "call": dice.randint(1, CALLS),
        "delay_us": dice.choice([0, dice.randint(0, 8_000)]),
        "all": dice.random() < 0.5,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.local_victim", json.dumps(orders)),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    code = await asyncio.wait_for(process.wait(), WAIT_S)
    assert code in (0, -signal.SIGKILL), orders
    return code != 0


async def _successor(changes: Changes, head: str) -> e.Event:
    """Probe and do, again while the world says that it may help (as the outbox does)."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        try:
            local = forge(changes.repository, changes.home)
            return await carry(local, changes.home, CommitId(head))
        except WorldFailed as error:
            late = asyncio.get_running_loop().time() > deadline
            if late or not error.retryable:
                raise

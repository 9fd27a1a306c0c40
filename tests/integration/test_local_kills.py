"""SIGKILL while a stack of changes is built, checked and landed, here or at a remote: another
process finishes it, once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_remote
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import Changes
from tests.integration.local_victim import carry, forge
from tests.integration.remotes import origin_of

CALLS = {False: 43, True: 68}
"""About how many calls of git, jj and the remote carry a stack of two changes from the first build
to the last landing, without a remote and with one."""
KILLS = 8
"""A kind of repository and target; the seeds fix the moments."""
WAIT_S = 60


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["", "file"], ids=["local", "remote"])
async def test_killed_anywhere_a_stack_lands_once(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path, way: str
) -> None:
    """The target holds each change exactly once, on the tree that was tested; git, jj and the
    remote are sound and agree; the user's files and @ are as they were."""
    with ExitStack() as stack:
        origin = stack.enter_context(origin_of(user_repo, tmp_path, way)) if way else None
        remote = await open_remote(repository, "origin", user_repo.environ) if way else None
        at = user_repo.commit("@")
        killed = 0
        for seed in range(KILLS):
            home = tmp_path / f"oya-{seed}"
            changes = Changes(user_repo, repository, home, remote=remote)
            base = changes.commit("main")
            heads = [changes.head({f"new-{number}.txt": f"{seed}\n"}) for number in range(2)]
            killed += await _victim(changes, programs, heads, random.Random(seed))
            one, two = await _successor(changes, heads)
            assert isinstance(one, e.Landed), (seed, one)
            assert isinstance(two, e.Landed), (seed, two)
            assert changes.branch() == changes.commit("main") == two.commit, seed
            assert origin is None or origin.main() == two.commit
            line = changes.git("log", "--first-parent", "--format=%H %T %P", f"{base}..main")
            assert line.splitlines() == [
                f"{two.commit} {two.tree} {one.commit} {heads[1]}",
                f"{one.commit} {one.tree} {base} {heads[0]}",
            ]
            assert changes.pins() == []
            changes.whole()
        assert killed >= KILLS // 2
        assert user_repo.commit("@") == at
        assert (user_repo.root / "dirty.txt").read_bytes() == DIRTY


async def _victim(
    changes: Changes, programs: Programs, heads: list[CommitId], dice: random.Random
) -> bool:
    """Run a process that is killed on the way, some with every child of theirs."""
    remote = changes.remote is not None
    orders = {
        "root": str(changes.user.root),
        "home": str(changes.home),
        "workspaces": str(changes.repository.control.parent.parent),
        "jj": str(programs.jj),
        "git": str(programs.git),
        "jj_home": str(programs.home),
        "user": json.dumps(dict(programs.user)),
        "heads": " ".join(heads),
        "remote": "origin" if remote else "",
        "call": dice.randint(1, CALLS[remote]),
        "delay_us": dice.choice([0, dice.randint(0, 40_000 if remote else 8_000)]),
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


async def _successor(changes: Changes, heads: list[CommitId]) -> list[e.Event]:
    """Probe and do, again while the world says that it may help (as the outbox does)."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        try:
            local = forge(changes.repository, changes.home, changes.remote)
            return await carry(local, changes.home, heads)
        except WorldFailed as error:
            late = asyncio.get_running_loop().time() > deadline
            if late or not error.retryable:
                raise

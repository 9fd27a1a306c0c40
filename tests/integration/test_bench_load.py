"""`bench load` at its smallest: many beads at once while a user works. No test here depends on a
time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oya_vcs.adapters.jj.program import run_program
from oya_vcs.bench.load import PHASES, USERS_FILE, Times, User
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug
from oya_vcs.ports import Recorded
from tests.integration.conftest import UserRepo
from tests.integration.test_bench import GATE, OF_LOAD


@pytest.fixture
def user(user_repo: UserRepo) -> User:
    """The repository's user, as the benchmark has them."""
    return User(user_repo.root, user_repo.tools.jj, user_repo.environ)


@pytest.mark.usefixtures("tools")
def test_twelve_beads_land_while_a_user_works(tmp_path: Path) -> None:
    """Sixteen slots, edits and `jj st` all along: every bead lands, no operation of ours is in the
    user's workspace and no edit is lost, for else there are no figures; every phase is told."""
    file = tmp_path / "figures.md"
    argv = [sys.executable, "-m", "oya_vcs", "--json", "bench", "load", "--load", "12"]
    ran = subprocess.run(
        [*argv, "--dir", str(tmp_path), "--write", str(file)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found = {one["name"]: one for one in json.loads(ran.stdout)["data"]["figures"]}
    assert set(OF_LOAD) <= set(found) & set(json.loads(GATE.read_text())["figures"])
    assert sum(found[f"load-phase-{n}"]["ratio"] for n in range(len(PHASES))) == pytest.approx(
        1, abs=0.01
    )
    assert found["load-look"]["met"]
    assert "`oya-vcs bench load --load 12 --rounds 3`" in file.read_text()
    assert [path.name for path in tmp_path.glob("oya-vcs-bench-*")] == []


async def test_an_operation_of_ours_in_the_users_workspace_is_found(user: User) -> None:
    """By who made it and where: what the user does there, and what we do elsewhere, is none."""
    await user.edit()
    other = user.repo.parent / "other"
    await user.run("workspace", "add", str(other))
    ours = {**user.environ, "JJ_OP_USERNAME": "oya-vcs", "JJ_OP_HOSTNAME": "oya-vcs"}
    await run_program([str(user.jj), "-R", str(other), "new", "-m", "elsewhere"], env=ours)
    assert await user.intruders() == []
    await run_program([str(user.jj), "-R", str(user.repo), "new", "-m", "here"], env=ours)
    assert await user.intruders() == ["new empty commit"]


async def test_an_edit_that_is_gone_is_noticed(user: User) -> None:
    """On disk at the next edit and at the end, and in the user's commit."""
    await user.edit()
    assert not await user.lost()
    (user.repo / USERS_FILE).write_text("older\n")
    assert await user.lost()
    with pytest.raises(Bug, match="Edit 1 of the user is not in"):
        await user.edit()


def test_the_phases_of_a_bead_add_up_to_its_whole() -> None:
    """From ready to landed nothing is left out and nothing counts twice, and what a bead goes
    through again is added."""
    bead = BeadId("a")
    spec = BeadSpec(id=bead, title="A")
    change, commit = ChangeId("a.1"), CommitId("c")
    told: list[tuple[int, e.Event]] = [
        (0, e.BeadAdded(repo=RepoId("r"), bead=bead, key=Key("k"), spec=spec)),
        (5, _claim(bead, 1)),
        (7, _finished(bead, 1)),
        (10, _claim(bead, 2)),
        (30, _finished(bead, 2)),
        (70, e.FoundLanded(bead=bead, change=change, commit=commit)),
    ]
    times = Times()
    times.publish([Recorded(n, at_ms, event) for n, (at_ms, event) in enumerate(told)])
    assert times.whole() == [70]
    assert times.claimed() == [62]
    assert times.of("its worker runs") == [22]
    assert times.of("it lands") == [40]


def _claim(bead: BeadId, attempt: int) -> e.AttemptClaimed:
    name = WorkspaceName(f"a-{attempt}")
    return e.AttemptClaimed(bead=bead, attempt=attempt, slot=0, workspace=name)


def _finished(bead: BeadId, attempt: int) -> e.WorkerFinished:
    return e.WorkerFinished(
        key=Key("k"), bead=bead, attempt=attempt, reason=None, exit_code=0, detail=""
    )

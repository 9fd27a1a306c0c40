"""Any part of a daemon whose workers are spoken to is killed at any moment: the daemon, a reaper,
an escort, an agent, the shells that agents started in sessions of their own."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.chaos.test_matrix import SETTLE_S, Siege
from tests.conftest import NewProject
from tests.projects import AGENTS, Project, assert_order, plan_beads

VICTIMS = ("escort", "agent", "grandchild", "daemon", "reaper")
SEEDS_IN_EVERY_RUN = 1
SEEDS = 50


def with_agents(project: Project) -> None:
    """Let its worker be an ACP agent that notes its key when it begins."""
    worker = project.folder / "worker.sh"
    worker.write_text(
        "#!/bin/sh\n"
        f'echo "$OYA_EXECUTION_KEY" >> "{project.folder}/starts.log"\n'
        f'exec "{AGENTS / "acp_agent.py"}" busy\n'
    )
    worker.chmod(0o755)
    toml = project.root / "oya.toml"
    acp = f'[worker]\nkind = "acp"\ncommand = ["{worker}"]\n'
    toml.write_text(toml.read_text().replace("[worker]\n", acp, 1))
    dirty = project.root / "dirty.txt"
    text = dirty.read_text()
    dirty.unlink()
    project.commit_all("Agents")
    dirty.write_text(text)


@pytest.mark.timeout(4 * SETTLE_S)
@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=() if seed < SEEDS_IN_EVERY_RUN else pytest.mark.chaos)
        for seed in range(SEEDS)
    ],
)
def test_any_part_of_an_agent_may_be_killed(
    new_project: NewProject, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Two kills in a run of three beads: each lands once, in order and tested; no execution key
    runs twice; nothing of any agent is left."""
    project = new_project(colocate=seed % 2 == 0, files=10)
    with_agents(project)
    beads = plan_beads(3, streams=2)
    argv = ["run", str(project.beads(*beads)), "--repo", str(project.root), "--slots", "3"]
    dice = random.Random(seed)
    siege = Siege(project, argv, dice)
    siege.strike(VICTIMS[seed % len(VICTIMS)])
    siege.strike(dice.choice(VICTIMS))
    assert siege.end() == 0, siege.struck
    assert siege.struck, "nothing was killed"
    for victim in siege.struck:
        record_property(f"kills of an agent's {victim}", 1)
    assert_order(project.trailers("Oya-Bead"), beads)
    starts = (project.folder / "starts.log").read_text().split()
    assert len(starts) == len(set(starts)), "an execution key ran twice"
    project.assert_landed_trees_were_tested(began_with=2)
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()

"""`oya-vcs run` on GitHub is killed with SIGKILL at the boundaries of its requests, and started
again: everything lands once, and is said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools
from oya_vcs.core.marks import key_in
from tests.on_github import Kill, Siege, besieged
from tests.projects import Project

WRITES = (
    pytest.param("POST /repos/{owner}/{repo}/pulls", marks=pytest.mark.chaos),
    pytest.param(
        "POST /repos/{owner}/{repo}/issues/{issue_number}/comments", marks=pytest.mark.chaos
    ),
    "POST /graphql",
)
"""A pull request is open, a comment written, the target moved, and nobody has heard of it. The last
one is part of every run of the tests."""
SHARDS = 8
"""The requests of a story are dealt to so many tests, each with every eighth of them."""


def _at(operation: str, boundary: str) -> Kill:
    return lambda _number, at, asked: (at, asked) == (boundary, operation)


def _numbered(wanted: int, boundary: str) -> Kill:
    return lambda number, at, _asked: (at, number) == (boundary, wanted)


async def _story(folder: Path, tools: Tools, kill: Kill) -> str:
    """A bead that becomes a pull request, a person's that is approved; killed, and run to the
    end. Returns where it was killed, empty where the run ended before."""
    project = Project(folder, tools)
    project.init(colocate=True, files=5, checks="")
    async with besieged(project, folder / "hub") as siege:
        hub, siege.kill = siege.hub, kill
        before = await hub.target()
        pull = await hub.alice.opens({"a.txt": "A"})
        hub.bob.comments(pull, "@oya r+")
        beads = project.beads({"id": "b0", "title": "B"})
        ran = await siege.run(beads)
        if siege.fell:
            assert ran.code == -9, ran.err
            ran = await siege.run(beads)
        assert ran.code == 0, f"{siege.fell}: {ran.err}"
        await _assert_all_once(siege, before)
    project.assert_landed_trees_were_tested(began_with=2)
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()
    return siege.fell


async def _assert_all_once(siege: Siege, before: str) -> None:
    """One pull request a bead, each landing one commit on the target, nothing said twice."""
    hub, project = siege.hub, siege.project
    pulls = hub.repo.pulls.values()
    heads = sorted((one.head_ref, one.merged) for one in pulls)
    assert heads == [("change-1", True), ("oya/bead/b0", True)], siege.fell
    assert await hub.target() == project.git("rev-parse", "refs/heads/main")
    landings = project.git("rev-list", "--first-parent", f"{before}..refs/heads/main").split()
    assert len(landings) == 2, siege.fell
    assert project.trailers("Oya-Bead").count("b0") == 1
    for pull in pulls:
        said = hub.said(pull)
        marks = Counter(key_in(body) for body in said)
        assert None not in marks, said
        assert set(marks.values()) == {1}, f"{siege.fell}: {said}"
        assert len([body for body in said if "**landed**" in body]) == 1, f"{siege.fell}: {said}"
    checks = Counter(run.sha for run in hub.repo.runs.values() if run.app is hub.app)
    assert set(checks.values()) == {1}, f"{siege.fell}: {checks}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", WRITES)
async def test_killed_before_it_heard_of_a_write(
    tools: Tools, tmp_path: Path, operation: str
) -> None:
    """Where it matters most: the next run finds out that it was done."""
    assert await _story(tmp_path, tools, _at(operation, "after")), "nothing was killed"


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("boundary", ["before", "after"])
@pytest.mark.parametrize("shard", range(SHARDS))
async def test_killed_at_every_request(
    tools: Tools,
    tmp_path: Path,
    shard: int,
    boundary: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Each request of the story, until it is over before the request is made."""
    number = shard + 1
    while await _story(tmp_path / str(number), tools, _numbered(number, boundary)):
        record_property("kills at a request to GitHub", 1)
        number += SHARDS
    assert number > SHARDS, "nothing was killed"

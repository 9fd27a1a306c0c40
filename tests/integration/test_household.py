"""The daemon of a home in this process: whatever blocks its event loop fails the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.bootstrap import keeper, trackers
from oya_vcs.bootstrap.household import open_home
from oya_vcs.config import Home
from tests.conftest import NewProject
from tests.projects import agent

LIMIT_S = 90.0


async def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so; fail after LIMIT_S."""
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_planning_and_following_hold_up_nobody(
    new_project: NewProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository is planned, planned anew when its configuration changes, and its tracker's file
    is followed and written back to, beside a loop that no file and no program blocks."""
    for name in ("LOOK_S", "PLAN_S"):
        monkeypatch.setattr(keeper, name, 0.1)
    monkeypatch.setattr(trackers, "LOOK_MS", 50)
    project = new_project(files=1)
    monkeypatch.setenv("OYA_WORKER__COMMAND", json.dumps(agent("honest").split()))
    toml = project.root / "oya.toml"
    (project.root / ".gitignore").write_text(".beads/\n")
    project.commit_all("leave the tracker's file alone")
    assert project.oya("init", str(project.root)).code == 0
    file = project.root / ".beads" / "issues.jsonl"
    file.parent.mkdir()
    file.write_text('{"id":"a","title":"A","status":"open"}\n')
    said: list[str] = []
    async with open_home(Home(project.home), config_file=None, say=said.append) as house:
        (row,) = await house.settled_in()
        assert row["serving"], row["error"]
        await asyncio.to_thread(
            toml.write_text, toml.read_text() + "[tracker]\nlive = true\nwrite_back = true\n"
        )
        await asyncio.to_thread(project.commit_all, "follow it")
        await until(lambda: "closed" in file.read_text())
    assert any("the configuration has changed" in text for text in said)
    assert project.trailers("Oya-Bead") == ["a"]

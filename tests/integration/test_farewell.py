"""The hook before a workspace is removed. Real processes, workspaces in memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from oya_vcs.adapters.agents.command import unboxed
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.farewell import Farewell
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.bootstrap.hooking import together
from oya_vcs.core.effects import CollectResult, Effect, RemoveWorkspace, effect_key
from oya_vcs.core.events import Event, Reason, WorkspaceRemoved
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.ports import Probe, Report

ENVIRON = {"PATH": os.environ["PATH"], "SECRET": "s3cr3t"}
SPACE = WorkspaceName("b-a1")


def _names(place: Path) -> list[str]:
    """What is in a folder, if it is there."""
    return sorted(path.name for path in place.glob("*"))


class Spaces:
    """Workspaces that are removed by word alone; `seen` is what was in the folder then."""

    kinds: tuple[type[Effect], ...] = (RemoveWorkspace,)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[list[str]] = []

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        assert isinstance(effect, RemoveWorkspace)
        place = self.folder / effect.workspace
        names = await asyncio.to_thread(partial(_names, place))
        self.seen.append([name for name in names if name != ".jj"])
        return WorkspaceRemoved(key=key, bead=effect.bead, workspace=effect.workspace, pinned=None)

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        return Probe.ABSENT

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        return None


def farewell(home: Path, command: str, wall_ms_max: int = 60_000) -> tuple[Spaces, Farewell]:
    """Workspaces, and the hook around them."""
    (home / "spaces" / SPACE / ".jj").mkdir(parents=True, exist_ok=True)
    spaces = Spaces(home / "spaces")
    return spaces, Farewell(
        spaces,
        ReaperRunner(home / "runs", SystemClock()),
        command,
        folder=home / "spaces",
        runs=home / "runs",
        logs=home / "logs",
        environ=ENVIRON,
        box=unboxed,
        wall_ms_max=wall_ms_max,
    )


def removal(name: WorkspaceName = SPACE) -> RemoveWorkspace:
    """A workspace of bead b is to go."""
    return RemoveWorkspace(
        repo=RepoId("r"), bead=BeadId("b"), workspace=name, round=1, kept_as=None, landed=True
    )


async def never(event: Event) -> None:
    """Nothing is told before it settles."""
    raise AssertionError(event)


async def test_it_runs_in_the_workspace_before_that_goes_and_once(tmp_path: Path) -> None:
    """With little of the environment; asked for again, the removal alone is done again."""
    spaces, performer = farewell(tmp_path, "env > seen; echo bye")
    work = removal()
    for _ in range(2):
        event = await performer.do(effect_key(work), work, never)
        assert isinstance(event, WorkspaceRemoved)
    assert spaces.seen == [["seen"], ["seen"]]
    seen = (tmp_path / "spaces" / SPACE / "seen").read_text()
    assert "OYA_LANDED=true" in seen
    assert "s3cr3t" not in seen
    assert [log.read_text() for log in (tmp_path / "logs" / "b").iterdir()] == ["bye\n"]


@pytest.mark.parametrize("command", ["exit 3", "sleep 600 & sleep 600"])
async def test_whatever_comes_of_it_the_workspace_goes(
    tmp_path: Path, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure and a command without an end are said, and hold up nothing."""
    spaces, performer = farewell(tmp_path, command, wall_ms_max=300)
    work = removal()
    await performer.do(effect_key(work), work, never)
    assert len(spaces.seen) == 1
    assert "did not end well" in caplog.text


async def test_a_workspace_that_is_gone_hears_nothing(tmp_path: Path) -> None:
    """Nor do effects that remove none."""
    spaces, performer = farewell(tmp_path, "echo never")
    work = removal(WorkspaceName("gone"))
    await performer.do(effect_key(work), work, never)
    assert len(spaces.seen) == 1
    assert not (tmp_path / "logs").exists()
    assert CollectResult not in performer.kinds
    assert await performer.probe(effect_key(work), work) is Probe.ABSENT
    assert await performer.stopped(effect_key(work), work, Reason.CANCELLED) is None


def test_several_commands_are_one() -> None:
    """Each runs where those before it went well, and an `exit` ends itself alone."""
    assert together([]) == ""
    assert together(["", " ", "make"]) == "make"
    for first, status in (("exit 0", 4), ("exit 3", 3)):
        ran = subprocess.run(["/bin/sh", "-c", together([first, "exit 4"])], check=False)
        assert ran.returncode == status

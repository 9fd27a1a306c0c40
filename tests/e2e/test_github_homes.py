"""Two homes, each with a daemon of its own, on one repository on GitHub."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.on_github import Siege, besieged


@pytest.mark.timeout(600)
async def test_one_works_and_the_other_says_so(new_project: NewProject, tmp_path: Path) -> None:
    """Started at the same moment, with a bead of the same name: one exits with 5 and a sentence,
    the other does and says everything, once; and so it stays when that one has ended."""
    project = new_project(files=5)
    async with besieged(project, tmp_path / "hub") as siege:
        hub = siege.hub
        other = Siege(replace(project, folder=tmp_path / "other"), hub)
        await asyncio.to_thread(shutil.copytree, project.root, other.project.root, symlinks=True)
        shutil.copy(project.folder / ".jjconfig.toml", other.project.folder)
        both = (siege, other)
        beads = [one.project.beads({"id": "b0", "title": "B"}) for one in both]
        ran = await asyncio.gather(*map(Siege.run, both, beads))
        assert sorted(one.code for one in ran) == [0, 5], [one.err for one in ran]
        late = both[ran[0].code == 0]
        refs = await hub.repo.bare.refs()
        again = await late.run(late.project.beads({"id": "b0", "title": "B"}))
        assert (again.code, refs) == (5, await hub.repo.bare.refs())
        assert "Another home of oya-vcs works on origin since" in again.err
        (pull,) = hub.repo.pulls.values()
        assert (pull.head_ref, pull.merged) == ("oya/bead/b0", True)
        assert len(hub.said(pull)) == 1

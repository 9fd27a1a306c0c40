"""`oya-vcs run` where changes are pull requests on GitHub: the command as a process, on a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import NewProject
from tests.github_model.conversation import hub_at
from tests.on_github import put_on_github
from tests.projects import agent

TOKEN = "OYA_TEST_TOKEN"


async def test_beads_land_as_pull_requests(new_project: NewProject, tmp_path: Path) -> None:
    """Two beads, one after the other: each has a pull request that GitHub shows as merged, tested
    by its checks; the branch here follows; the token is in no file of the home."""
    project = new_project()
    async with hub_at(tmp_path / "hub", str(project.tools.git)) as hub:
        hub.protects(checks=("test",))
        token = hub.bob.token
        let_in = f'token_env = "{TOKEN}"\n'
        await asyncio.to_thread(put_on_github, project, hub, let_in)
        beads = project.beads(
            {"id": "b0", "title": "B"}, {"id": "b1", "title": "B", "deps": ["b0"]}
        )
        args = ("run", str(beads), "--repo", str(project.root), "--worker", agent("honest"))
        ran = await asyncio.to_thread(project.oya, *args, env={TOKEN: token})
        assert ran.code == 0, ran.err
        assert await hub.target() == project.git("rev-parse", "refs/heads/main")
        pulls = hub.repo.pulls.values()
        assert [(pull.head_ref, pull.merged) for pull in pulls] == [
            ("oya/bead/b0", True),
            ("oya/bead/b1", True),
        ]
        assert not [ref for ref in await hub.repo.bare.refs() if "oya/queue" in ref]
        doctor = await asyncio.to_thread(
            project.oya, "doctor", "--repo", str(project.root), env={TOKEN: token}
        )
    assert "GitHub: required checks of main: test" in doctor.out
    files = [path for path in project.home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if token.encode() in path.read_bytes()]
    assert token not in ran.out + ran.err + doctor.out + doctor.err
    project.assert_user_untouched()
    project.assert_healthy()

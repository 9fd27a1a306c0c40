"""`oya-vcs run` where changes are pull requests on GitHub: the command as a process, on a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import NewProject
from tests.github_model.conversation import hub_at
from tests.projects import Project, agent

TOKEN = "OYA_TEST_TOKEN"


def on_github(project: Project, bare: Path, url: str, api_url: str) -> None:
    """Have the project's main on GitHub, with an oya.toml that says so."""
    toml = project.root / "oya.toml"
    github = f'api_url = "{api_url}"\nrepo = "acme/widget"\ntoken_env = "{TOKEN}"\npoll_ms = 200\n'
    worker = "[worker]\nslots = 2\n"
    toml.write_text(f'[repo]\nforge = "github"\n[github]\n{github}{worker}')
    (project.root / "dirty.txt").rename(project.folder / "dirty.txt")
    project.commit_all("The target is on GitHub")
    (project.folder / "dirty.txt").rename(project.root / "dirty.txt")
    project.jj("git", "remote", "add", "origin", url)
    project.jj("git", "export")
    project.git("push", "-q", "--force", str(bare), "refs/heads/main:refs/heads/main")


async def test_beads_land_as_pull_requests(new_project: NewProject, tmp_path: Path) -> None:
    """Two beads, one after the other: each has a pull request that GitHub shows as merged, tested
    by its checks; the branch here follows; the token is in no file of the home."""
    project = new_project()
    async with hub_at(tmp_path / "hub", str(project.tools.git)) as hub:
        hub.protects(checks=("test",))
        token = hub.bob.token
        await asyncio.to_thread(on_github, project, hub.repo.bare.path, hub.git_url, hub.url)
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

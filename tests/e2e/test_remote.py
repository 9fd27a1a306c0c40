"""`oya-vcs run` where the target is at a remote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.projects import Project, agent


def remote_of(project: Project, *, declared: bool = True) -> Path:
    """A bare repository as the project's `origin`, with main pushed to it."""
    bare = project.folder / "origin.git"
    git = str(project.tools.git)
    for argv in (
        [git, "init", "-q", "--bare", "-b", "main", str(bare)],
        [git, f"--git-dir={bare}", "config", "receive.denyDeleteCurrent", "ignore"],
    ):
        subprocess.run(argv, env=project.environ, check=True)
    if declared:
        toml = project.root / "oya.toml"
        toml.write_text(f'[repo]\nremote = "origin"\n{toml.read_text()}')
        (project.root / "dirty.txt").rename(project.folder / "dirty.txt")
        project.commit_all("The target is at a remote")
        (project.folder / "dirty.txt").rename(project.root / "dirty.txt")
    project.jj("git", "remote", "add", "origin", str(bare))
    project.jj("git", "export")
    project.git("push", "-q", str(bare), "refs/heads/main:refs/heads/main")
    return bare


def main_at(project: Project, bare: Path) -> str:
    """Where the remote's main stands."""
    argv = [str(project.tools.git), f"--git-dir={bare}", "rev-parse", "refs/heads/main"]
    ran = subprocess.run(argv, env=project.environ, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.mark.parametrize("colocate", [True, False], ids=["colocated", "plain"])
def test_beads_land_at_the_remote_and_here(new_project: NewProject, *, colocate: bool) -> None:
    """Three beads, one after the other: the remote, the branch and the bookmark end at the same
    commit, every tree of which was tested; the user is not disturbed."""
    project = new_project(colocate=colocate)
    bare = remote_of(project)
    beads: list[dict[str, object]] = [
        {"id": f"b{n}", "title": "B", "deps": [f"b{n - 1}"] if n else []} for n in range(3)
    ]
    ran = project.run(project.beads(*beads), "honest")
    assert ran.code == 0, ran.err
    tip = project.git("rev-parse", "refs/heads/main")
    assert main_at(project, bare) == tip
    assert project.jj("log", "--no-graph", "-r", "main", "-T", "commit_id") == tip
    assert sorted(project.trailers("Oya-Bead")) == ["b0", "b1", "b2"]
    assert project.git("for-each-ref", "refs/oya/candidates") == ""
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()


def test_a_remote_that_is_away_pauses_the_queue_and_the_next_run_lands(
    new_project: NewProject,
) -> None:
    """The result is kept and tested; the run says what it waits for; with the remote back, the same
    command lands it without working on it again."""
    project = new_project()
    bare = remote_of(project)
    away = bare.rename(bare.with_name("away.git"))
    file = project.beads({"id": "a", "title": "A", "deps": []})
    ran = project.run(file, "honest")
    assert ran.code == 1, ran.err
    said = project.oya("status").out
    assert "remote origin" in said, said
    away.rename(bare)
    ran = project.run(file, "honest")
    assert ran.code == 0, ran.err
    assert main_at(project, bare) == project.git("rev-parse", "refs/heads/main")
    assert project.trailers("Oya-Attempt") == ["1"]


def test_a_remote_that_nobody_knows_is_a_mistake_in_the_configuration(
    new_project: NewProject,
) -> None:
    """Exit code 2 before anything is begun, with the mend."""
    project = new_project()
    remote_of(project)
    project.jj("git", "remote", "remove", "origin")
    file = project.beads({"id": "a", "title": "A", "deps": []})
    argv = ["run", str(file), "--repo", str(project.root), "--worker", agent("honest")]
    ran = project.oya(*argv)
    assert ran.code == 2
    assert "jj git remote add origin" in ran.err

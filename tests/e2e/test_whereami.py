"""`oya-vcs whereami`, from a user's folder and from within a worker's workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import NewProject
from tests.projects import Project


def where(project: Project, folder: Path, *, home: bool = True) -> Any:
    """What it says of a folder; without `home` nobody names one."""
    env = {} if home else {"OYA_HOME": ""}
    ran = project.oya("whereami", str(folder), "--json", env=env)
    assert ran.code == 0, ran.err
    return ran.data


def test_every_folder_is_told_where_it_belongs(new_project: NewProject, tmp_path: Path) -> None:
    """A user's folder: its repository, and whether it is registered. A workspace of an attempt: the
    same repository, its bead, and its home without being told. Elsewhere: exit code 3."""
    project = new_project(files=2)
    before = where(project, project.root / "d0")
    assert before["repo"]["path"] == str(project.root)
    assert (before["repo"]["registered"], before["bead"], before["daemon"]) == (False, None, None)
    beads = project.beads({"id": "sad", "title": "A sad one"})
    flags = {"OYA_WORKER__ATTEMPTS_MAX": "1"}
    assert project.run(beads, "broken", env=flags).code == 1
    kept = next(project.home.glob("workspaces/*/sad-*"))
    inside = where(project, kept, home=False)
    assert inside["repo"] == {**before["repo"], "registered": True}
    assert inside["home"] == str(project.home)
    assert inside["workspace"]["attempt"] == 1
    assert inside["bead"] == {"id": "sad", "title": "A sad one", "state": "failed"}
    said = project.oya("whereami", str(kept)).out
    assert "attempt 1 of bead sad" in said
    assert project.oya("whereami", str(tmp_path)).code == 3

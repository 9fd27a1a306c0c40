"""The user's own jj, asked in the user's own words."""

from __future__ import annotations

import pytest

from oya_vcs.adapters.users.jj import UsersJj
from oya_vcs.cli.submitting import require
from oya_vcs.errors import InputInvalid, NotFound, WorldFailed
from tests.conftest import NewProject
from tests.projects import Project


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A repository whose user has an alias of a revset."""
    project = new_project(files=1)
    config = project.folder / ".jjconfig.toml"
    config.write_text(f"{config.read_text()}[revset-aliases]\nlatest = 'main'\n")
    return project


def asking(project: Project) -> UsersJj:
    """The jj of the project's user."""
    return UsersJj(project.tools.jj, project.root, project.environ)


def test_a_revision_is_read_as_its_user_names_it(project: Project) -> None:
    """Aliases count, and no operation comes of it, though there is something to snapshot."""
    heads = project.root / ".jj" / "repo" / "op_heads" / "heads"
    before = [path.name for path in heads.iterdir()]
    found = asking(project).revision("latest")
    assert found.commit == project.git("rev-parse", "refs/heads/main")
    assert found.description == "start\n"
    assert (found.edited, found.conflicted, found.root) == (False, False, False)
    require(found, "latest")
    assert asking(project).count("root()..@") == 2
    assert [path.name for path in heads.iterdir()] == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("@", "is being edited"),
        ("root()", "the root of all commits"),
        ("none()", "names no revision"),
        ("all()", "names several revisions"),
        ("bogus(", "does not understand"),
    ],
)
def test_what_is_no_finished_work_is_refused(project: Project, words: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(InputInvalid, match=why):
        require(asking(project).revision(words), words)


def test_conflicts_and_commits_without_words_are_refused(project: Project) -> None:
    """Neither has ever landed."""
    project.jj("new", "main", "-m", "")
    project.jj("new")
    with pytest.raises(InputInvalid, match="has no description"):
        require(asking(project).revision("@-"), "@-")


def test_what_jj_cannot_tell_is_said(project: Project) -> None:
    """No repository, no program, two newest operations: an error each, and nothing is guessed."""
    with pytest.raises(NotFound):
        UsersJj(project.tools.jj, project.folder, project.environ)
    with pytest.raises(WorldFailed, match="did not answer"):
        UsersJj(project.folder / "nothing", project.root, project.environ).revision("@")
    (project.root / ".jj" / "repo" / "op_heads" / "heads" / ("a" * 128)).touch()
    with pytest.raises(InputInvalid, match="2 newest operations"):
        asking(project).revision("@")

"""`hooks install|uninstall|list`, and what is installed, on real jj and git and a real daemon."""

from __future__ import annotations

import json

import pytest

from oya_vcs.cli import main
from tests.conftest import NewProject
from tests.projects import Project

THEIRS = "#!/bin/sh\ncat >> seen.txt\n[ ! -e theirs-say-no ]\n"


@pytest.fixture
def project(new_project: NewProject, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A colocated repository, and the environment of its user here."""
    project = new_project(files=1)
    for name, text in project.environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(project.root)
    return project


def hooks(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """What the command says, and its exit code."""
    capsys.readouterr()
    code = main(["hooks", *words])
    said = capsys.readouterr()
    return code, said.out + said.err


def aliases(project: Project) -> str:
    """Every alias of the project's user there."""
    return project.jj("config", "list", "aliases")


def git_hooks(project: Project) -> dict[str, tuple[bytes, int]]:
    """The hooks of git: content and mode."""
    folder = project.root / ".git" / "hooks"
    found = [path for path in folder.iterdir() if not path.name.endswith(".sample")]
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in found}


def test_installing_is_shown_first_and_uninstalling_leaves_no_trace(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run changes nothing; installed again nothing changes; all is as it was in the end."""
    before = aliases(project), git_hooks(project)
    code, said = hooks(capsys, "install", "--dry-run")
    assert (code, "+ #!/bin/sh" in said, "jj submit" in said) == (0, True, True)
    assert (aliases(project), git_hooks(project)) == before
    code, said = hooks(capsys, "install")
    assert code == 0, said
    assert json.loads(aliases(project).splitlines()[0].partition(" = ")[2])[:3] == [
        *("util", "exec", "--"),
    ]
    assert git_hooks(project).keys() - before[1].keys() == {"pre-push"}
    installed = aliases(project), git_hooks(project)
    code, said = hooks(capsys, "install")
    assert "Everything is installed" in said
    assert (aliases(project), git_hooks(project)) == installed
    assert hooks(capsys, "list")[1].count("installed") == 4
    assert hooks(capsys, "uninstall")[0] == 0
    assert (aliases(project), git_hooks(project)) == before
    assert hooks(capsys, "list")[1].count("absent") == 4


def test_what_is_somebodys_is_never_overwritten(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alias of the user's, one of the repository's, a git hook: named, and nothing is changed;
    with --take-over they are back afterwards, byte for byte."""
    config = project.folder / ".jjconfig.toml"
    config.write_text(f'{config.read_text()}[aliases]\nland = ["log"]\n')
    project.jj("config", "set", "--repo", "aliases.push", '["status"]')
    hook = project.root / ".git" / "hooks" / "pre-push"
    hook.write_text(THEIRS)
    hook.chmod(0o700)
    before = aliases(project), git_hooks(project)
    code, said = hooks(capsys, "install")
    assert code == 1
    assert all(name in said for name in ("`jj land`", "`jj push`", "`git pre-push`")), said
    assert (aliases(project), git_hooks(project)) == before
    code, said = hooks(capsys, "install", "--take-over")
    assert code == 0, said
    assert '["status"]' not in aliases(project)
    assert git_hooks(project)["pre-push.before-oya-vcs"] == before[1]["pre-push"]
    assert hooks(capsys, "uninstall")[0] == 0
    assert sorted(aliases(project).splitlines()) == sorted(before[0].splitlines())
    assert git_hooks(project) == before[1]


def test_what_was_changed_since_is_left_and_said(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody's work of after the installation is lost with it."""
    assert hooks(capsys, "install")[0] == 0
    project.jj("config", "set", "--repo", "aliases.push", '["status"]')
    hook = project.root / ".git" / "hooks" / "pre-push"
    hook.write_text(THEIRS)
    code, said = hooks(capsys, "uninstall")
    assert (code, said.count("is left as it is")) == (0, 2)
    assert aliases(project).split() == ["aliases.push", "=", '["status"]']
    assert hook.read_text() == THEIRS


def test_where_git_looks_elsewhere_its_hooks_are_left_alone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that core.hooksPath names may be anybody's; without git's hook the rest goes on."""
    project.git("config", "core.hooksPath", str(project.folder / "shared"))
    code, said = hooks(capsys, "install")
    assert (code, "core.hooksPath" in said, "--no-git" in said) == (1, True, True)
    assert aliases(project) == ""
    assert hooks(capsys, "install", "--no-git")[0] == 0
    assert not (project.folder / "shared").exists()

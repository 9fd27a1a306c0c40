"""What every test gets: jj and git by name, and no way to the user's own home."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.config import tools_folder
from oya_vcs.errors import OyaError
from tests.projects import Project

NewProject = Callable[..., Project]


def pytest_configure(config: pytest.Config) -> None:
    """Name jj and git for this process and all it starts, before a test changes PATH or XDG_*."""
    try:
        found = find_tools(tools_folder(), os.environ)
    except OyaError:
        return  # the tests that need them say so, through the fixture `tools`
    os.environ["OYA_JJ"], os.environ["OYA_GIT"] = str(found.jj), str(found.git)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the record or the configuration of whoever runs it."""
    monkeypatch.setenv("OYA_HOME", str(tmp_path / "oya-home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "oya-config"))


@pytest.fixture(scope="session")
def tools() -> Tools:
    """jj and git, as the product finds them; an error that says the mend where they are missing."""
    return find_tools(tools_folder(), os.environ)


@pytest.fixture
def new_project(tmp_path: Path, tools: Tools) -> NewProject:
    """Makes a user's project: `new_project(colocate=True, files=20, check="true")`.

    No checks at all with `check=""`.
    """

    def make(*, colocate: bool = True, files: int = 20, check: str = "true") -> Project:
        project = Project(tmp_path, tools)
        checks = f"[checks]\ntest = '''{check}'''\n" if check else ""
        project.init(colocate=colocate, files=files, checks=checks)
        return project

    return make

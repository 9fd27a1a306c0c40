"""What every test gets: jj and git by name, and no way to the user's own home."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.config import tools_folder
from oya_vcs.errors import OyaError
from tests.projects import Project

settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
"""The same code is given the same examples, however busy the machine is; `make chaos` searches for
new ones (`--hypothesis-profile=search`)."""

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
    """No test reads or writes the record or the configuration of whoever runs it, or takes the
    address of their web server."""
    monkeypatch.setenv("OYA_HOME", str(tmp_path / "oya-home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "oya-config"))
    monkeypatch.setenv("OYA_WEB__LISTEN", "")


CALLED_BY_TESTS = [
    "oya_vcs.journal",
    "oya_vcs.adapters.toolbox",
    "oya_vcs.adapters.jj.locks",
    "oya_vcs.adapters.jj.places",
    "oya_vcs.bench",
    "oya_vcs.cli",
]
"""Rooms whose blocking functions tests call on the loop, where the product uses a thread. Through
any other room they count."""


@pytest.fixture(autouse=True)
def unblocked_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Code of the product that blocks the event loop raises `BlockingError` (STYLE); the tests' own
    code may block it, and says so with a marker where the product calls it."""
    if request.node.get_closest_marker("callback_blocks"):
        yield
        return
    with blockbuster_ctx("oya_vcs", excluded_modules=CALLED_BY_TESTS) as blockbuster:
        blockbuster.functions["threading.Lock.acquire"].deactivate()  # held for moments only
        for function in blockbuster.functions.values():
            function.can_block_in("oya_vcs/bootstrap/running.py", "taken")  # nor here
            function.can_block_in("oya_vcs/bootstrap/plan.py", "configured")  # one small file
            function.can_block_in("oya_vcs/adapters/jj/repository.py", "name_of")
        yield


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

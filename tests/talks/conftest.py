"""A hub with a daemon that listens, in three ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from oya_vcs.adapters.github import limits
from oya_vcs.adapters.toolbox import Tools
from tests.github_model.conversation import Hub, hub_at
from tests.talks.listener import Clone, Listener, Passing, Way, listener_on


@pytest.fixture(params=list(Way), ids=[one.name.lower() for one in Way])
def way(request: pytest.FixtureRequest) -> Way:
    """How the daemon hears of what happens. A conversation that is had in one way only says so
    itself."""
    found: Way = request.param
    return found


@pytest_asyncio.fixture
async def oya(
    tmp_path: Path, tools: Tools, way: Way, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Listener]:
    """The daemon, and the hub that it listens on (`oya.hub`), whose main requires the check
    `test`, of all but ann."""
    monkeypatch.setattr(limits, "WRITE_MS", 1)  # the pace that GitHub wants, shown elsewhere
    clock = Passing()
    async with hub_at(tmp_path / "hub", str(tools.git), clock) as hub:
        hub.protects(checks=("test",), bypass=frozenset({"ann"}))
        clone = Clone(tmp_path / "clone", tools)
        await clone.make(hub)
        monkeypatch.setenv("OYA_GITHUB_WEBHOOK_SECRET", hub.hooks.secret)
        async with listener_on(hub, clock, clone, way) as oya:
            yield oya


@pytest.fixture
def hub(oya: Listener) -> Hub:
    """The hub."""
    return oya.hub

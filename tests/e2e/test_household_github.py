"""`oya-vcs up` on repositories whose changes are pull requests on GitHub, beside one that is local:
the daemon as a process, on models of GitHub."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.github.claim import CLAIM
from tests.conftest import NewProject
from tests.shires import shire_at


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_several_repositories_on_github_are_worked_on_beside_a_local_one(
    new_project: NewProject, tmp_path: Path
) -> None:
    """One daemon: each has its part in the tree, its own App and a desk for its own webhooks, also
    one that is registered while the daemon runs; after SIGKILL in the middle the next daemon goes
    on. Every bead lands once, where it belongs, and is spoken of once."""
    async with shire_at(new_project(files=2), tmp_path) as shire:
        (one, hub_one), (two, hub_two) = shire.there["one"], shire.there["two"]
        for project in (shire.local, one):
            await shire.oya("init", str(project.root))
        shire.hooked(hub_one, "HOOK_ONE")
        first = await shire.oya("up")
        assert [row["serving"] for row in first["repos"]] == [True, True]
        await shire.oya("init", str(two.root))
        await shire.until(lambda: shire.serves(two))
        tree = await shire.asks("tree")
        edges = {part["name"]: part for part in tree["children"][-1]["children"]}
        parts = [part["name"] for part in edges["github"]["children"]]
        assert parts == [f"github acme/widget at {hub.url[7:]}" for hub in (hub_one, hub_two)]
        heard = {row["api_url"]: row for row in await shire.asks("github")}
        assert all(heard[hub.url]["webhooks"] for hub in (hub_one, hub_two))
        assert (await shire.asks("web"))["address"] == f"http://{shire.address}"

        for name, project in (("b0", shire.local), ("b1", one), ("b2", two)):
            await shire.hand_in(project, name)
        await shire.until(lambda: _true(hub_two.repo.pulls))
        os.kill(first["pid"], signal.SIGKILL)
        await shire.until(shire.is_gone)
        assert [row["serving"] for row in (await shire.oya("up"))["repos"]] == [True] * 3
        await shire.until(lambda: shire.landed("b0", "b1", "b2"))
        await hub_one.settled()
        assert 202 in {each.status_code for each in hub_one.hooks.log}
        hub_one.hooks.url = None
        for name, hub in (("b1", hub_one), ("b2", hub_two)):
            (pull,) = hub.repo.pulls.values()
            assert (pull.head_ref, pull.merged) == (f"oya/bead/{name}", True)
            assert len(hub.said(pull)) == 1
        await shire.oya("down")
        assert shire.local.oya("journal", "verify").code == 0
        assert not shire.local.processes()


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_who_is_not_let_in_stands_aside_and_is_tried_again(
    new_project: NewProject, tmp_path: Path
) -> None:
    """One whose App is suspended, and one that another home has, stand aside with their sentences
    and stop nobody; each is worked on when it may be. One whose App is suspended while it is worked
    on, or whose folder goes away, stands aside, its webhooks mean nothing, and comes back."""
    async with shire_at(new_project(files=2), tmp_path) as shire:
        (one, hub_one), (two, hub_two) = shire.there["one"], shire.there["two"]
        hub_one.owner.suspends()
        foreign = await hub_two.ann.commits({}, on=None, message="A home", repo=hub_two.repo)
        await hub_two.repo.bare.run("update-ref", CLAIM, foreign)
        copy = replace(two, folder=tmp_path / "copy")
        await asyncio.to_thread(shutil.copytree, two.root, copy.root, symlinks=True)
        for project in (shire.local, one, two):
            await shire.oya("init", str(project.root))
        rows = {row["path"]: row for row in (await shire.oya("up"))["repos"]}
        assert "has been suspended" in rows[str(one.root)]["error"]
        assert "Another home of oya-vcs works on" in rows[str(two.root)]["error"]
        await shire.hand_in(shire.local, "b0")
        await shire.hand_in(one, "b1")
        await shire.until(lambda: shire.landed("b0"))
        await hub_two.repo.bare.run("update-ref", "-d", CLAIM)
        hub_one.owner.suspends(suspended=False)
        shire.hooked(hub_one, "HOOK_ONE")
        await shire.until(lambda: shire.serves(two))
        await shire.until(lambda: shire.landed("b1"))
        await shire.oya("init", str(copy.root))
        assert "is worked on from another clone" in (await shire.row(copy))["error"]
        said = (await asyncio.to_thread(shire.local.oya, "doctor")).out
        assert f"http://{shire.address} answers" in said
        assert said.count("acme/widget was asked ") == 2

        hub_one.owner.suspends()
        await shire.until(lambda: shire.is_aside(one))
        assert "has been suspended" in (await shire.row(one))["error"]
        hub_one.owner.suspends(suspended=False)
        await shire.until(lambda: shire.serves(one))
        one.root.rename(one.folder / "elsewhere")
        await shire.until(lambda: shire.is_aside(one))
        assert [row["api_url"] for row in await shire.asks("github")] == [hub_two.url]
        hub_one.pings()
        await hub_one.settled()
        assert hub_one.hooks.log[-1].status_code == 401
        (one.folder / "elsewhere").rename(one.root)
        await shire.until(lambda: shire.serves(one))
        await shire.oya("down")
        await hub_one.settled()


async def _true(value: object) -> object:
    return value

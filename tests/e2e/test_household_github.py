"""`oya-vcs up` on repositories whose changes are pull requests on GitHub, beside one that is local:
the daemon as a process, on models of GitHub."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.adapters.github.claim import CLAIM
from oya_vcs.cli.asking import ask
from oya_vcs.config import Home
from oya_vcs.journal.lock import holder
from oya_vcs_bot.serving import listening
from tests.conftest import NewProject
from tests.github_model.conversation import Hub, hub_at
from tests.on_github import as_app, put_on_github
from tests.projects import Project, agent

LIMIT_S = 120.0
"""How long a test waits for what must happen; far more than it takes."""
SECRETS = {"HOOK_ONE": "hush one", "HOOK_TWO": "hush two"}


def free_port() -> int:
    """A port that nobody has at this moment."""
    sock = listening("127.0.0.1:0")
    port: int = sock.getsockname()[1]
    sock.close()
    return port


class Shire:
    """A home with a local repository, and two that are on a GitHub each."""

    def __init__(self, local: Project, there: dict[str, tuple[Project, Hub]]) -> None:
        self.local = local
        self.there = there
        self.address = f"127.0.0.1:{free_port()}"

    async def oya(self, *args: str, code: int = 0) -> dict[str, Any]:
        """The data of a command that ends with this code."""
        env = {
            "OYA_WORKER__COMMAND": json.dumps(agent("honest").split()),
            "OYA_WEB__LISTEN": self.address,
            **SECRETS,
        }
        ran = await asyncio.to_thread(self.local.oya, *args, "--json", env=env)
        assert ran.code == code, (args, ran.out, ran.err, self.log())
        return ran.data

    def log(self) -> str:
        """The daemon's own log."""
        path = self.local.home / "logs" / "daemon.log"
        return path.read_text() if path.exists() else ""

    async def hand_in(self, project: Project, name: str) -> None:
        """Give a bead to a repository."""
        beads = self.local.beads({"id": name, "title": name.title()}, name=f"{name}.jsonl")
        await self.oya("bead", "import", str(beads), "--repo", str(project.root))

    async def landed(self, *names: str) -> bool:
        """Whether these beads have landed."""
        ran = await asyncio.to_thread(self.local.oya, "bead", "list", "--state", "landed", "--json")
        return {row["id"] for row in json.loads(ran.out)["data"]} >= set(names)

    async def asks(self, what: str) -> Any:
        """What the running daemon answers."""
        return await asyncio.to_thread(ask, Home(self.local.home), what)

    async def is_gone(self) -> bool:
        """Whether no daemon has the home."""
        return await asyncio.to_thread(holder, Home(self.local.home).lock) is None

    async def row(self, project: Project) -> dict[str, Any]:
        """What the daemon says of a repository."""
        rows: list[dict[str, Any]] = await self.asks("repos")
        return next(one for one in rows if one["path"] == str(project.root))

    async def serves(self, project: Project) -> bool:
        """Whether it is worked on."""
        return bool((await self.row(project))["serving"])

    async def is_aside(self, project: Project) -> bool:
        """Whether it is not."""
        return not await self.serves(project)

    async def until(self, is_so: Callable[[], Awaitable[object]]) -> None:
        """Return when it is so; fail, with the daemon's log, after LIMIT_S."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not await is_so():  # noqa: ASYNC110 - a process tells of no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(self.log()) from None

    def hooked(self, hub: Hub, variable: str) -> None:
        """Have a GitHub deliver its webhooks here."""
        hub.hooks.secret = SECRETS[variable]
        hub.hooks.url = f"http://{self.address}/github/webhook"


@asynccontextmanager
async def shire_at(project: Project, folder: Path) -> AsyncIterator[Shire]:
    """It; with no daemon left behind."""
    async with AsyncExitStack() as held:
        there = {}
        for name, variable in zip(("one", "two"), SECRETS, strict=True):
            other = replace(project, folder=folder / name)
            await asyncio.to_thread(shutil.copytree, project.root, other.root, symlinks=True)
            shutil.copy(project.folder / ".jjconfig.toml", other.folder)
            hub = await held.enter_async_context(hub_at(folder / f"{name}-hub", _git(project)))
            hub.protects(checks=("test",))
            let_in = as_app(hub, other.folder) + f'webhook_secret_env = "{variable}"\n'
            await asyncio.to_thread(put_on_github, other, hub, let_in)
            there[name] = (other, hub)
        shire = Shire(project, there)
        try:
            yield shire
        finally:
            pid = holder(Home(project.home).lock)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)


def _git(project: Project) -> str:
    return str(project.tools.git)


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
        assert f"served at http://{shire.address}, webhooks at /github/webhook" in said
        assert said.count("GitHub for acme/widget was asked ") == 2

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

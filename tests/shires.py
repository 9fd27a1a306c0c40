"""A home with repositories that are on models of GitHub, beside one that is local, and the daemon
of it as a process."""

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

from oya_vcs.cli.asking import ask
from oya_vcs.config import Home
from oya_vcs.journal.lock import holder
from oya_vcs_bot.serving import listening
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

    @property
    def environ(self) -> dict[str, str]:
        """What the user's environment holds besides."""
        return {
            "OYA_WORKER__COMMAND": json.dumps(agent("honest").split()),
            "OYA_WEB__LISTEN": self.address,
            **SECRETS,
        }

    async def oya(self, *args: str, code: int = 0) -> dict[str, Any]:
        """The data of a command that ends with this code."""
        ran = await asyncio.to_thread(self.local.oya, *args, "--json", env=self.environ)
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

    async def begins(self) -> bool:
        """Begin the daemon; whether it came to that: it may be killed before it answers."""
        ran = await asyncio.to_thread(self.local.oya, "up", "--json", env=self.environ)
        return ran.code == 0

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

"""A daemon that listens on the model of GitHub: the product as it is put together for its users, on
a real jj clone, in the process of the test.

Knows nobody's words: what is said stands in the tests.
"""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx
import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap import find_plan, open_daemon, web  # noqa: F401 - read before the loop runs
from oya_vcs.config import Home
from oya_vcs.core.beads import Bead
from oya_vcs.core.ids import BeadId
from oya_vcs.runtime.daemon import Daemon
from tests.github_model.clock import RealClock
from tests.github_model.conversation import Hub
from tests.github_model.hooks import doubled_and_shuffled, signed
from tests.github_model.records import CheckRun, Comment, Pull

DEADLINE_MS = 60_000
"""What is not so after this long will not be so: far beyond what the slowest machine needs."""
LOOK_MS = 10


class Way(StrEnum):
    """How the daemon hears what happens on GitHub."""

    WEBHOOKS = "webhooks"
    POLLING = "polling alone"
    DOUBLED = "every delivery twice and out of order"


ONE_WAY = pytest.mark.parametrize("way", [Way.WEBHOOKS], ids=["webhooks"])
"""For a conversation that is about something else than how it is heard."""
POLL_MS = {Way.WEBHOOKS: 1_000, Way.POLLING: 150, Way.DOUBLED: 500}


class Passing(RealClock):
    """GitHub's time, which a test may let pass: GitHub counts whole seconds, people take some."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


@dataclass
class Clone:
    """The repository of the user of oya-vcs: a jj clone of what is on GitHub."""

    root: Path
    tools: Tools

    async def make(self, hub: Hub) -> None:
        """Clone it, by file; from then on it is reached over HTTP."""
        await self._jj("git", "clone", "--no-colocate", str(hub.repo.bare.path), str(self.root))
        await self.at(hub)

    async def at(self, hub: Hub) -> None:
        """Have GitHub where this model of it is."""
        await self._jj("-R", str(self.root), "git", "remote", "set-url", "origin", hub.git_url)

    async def fetches(self) -> None:
        """Have here what is there."""
        await self._jj("-R", str(self.root), "--ignore-working-copy", "git", "fetch")

    async def takes(self, branch: str) -> None:
        """Do without what the branch here has and GitHub's has not: the way out that is named."""
        at = ("-R", str(self.root))
        await self._jj(*at, "git", "fetch", "--remote", "origin")
        back = ("-r", f"{branch}@origin", "--allow-backwards")
        await self._jj(*at, "bookmark", "set", branch, *back)

    async def _jj(self, *args: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(str(self.tools.jj), "--quiet", "--no-pager", *args),
            env={
                "HOME": str(self.root.parent),
                "PATH": str(self.tools.git.parent),
                "JJ_USER": "Uma User",
                "JJ_EMAIL": "uma@example.org",
            },
            stderr=asyncio.subprocess.PIPE,
        )
        said = (await process.communicate())[1]
        assert process.returncode == 0, said.decode()


@dataclass
class Listener:
    """The daemon on a hub, through all its lives, and what it made of what was said."""

    hub: Hub
    clock: Passing
    clone: Clone
    way: Way
    port: int
    daemon: Daemon | None = None
    warned: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def listens(self, **settings: object) -> AsyncIterator[Daemon]:
        """One life of it, with these keys of its configuration (`queue__method`)."""
        folder = self.clone.root.parent
        key = folder / "key.pem"
        key.write_text(self.hub.private_key)
        flags: dict[str, object] = {
            "repo.forge": "github",
            "github.api_url": self.hub.url,
            "github.repo": self.hub.repo.full_name,
            "github.app_id": self.hub.app.id,
            "github.private_key_file": str(key),
            "github.poll_ms": POLL_MS[self.way],
            "web.listen": f"127.0.0.1:{self.port}",
            "worker.command": "true",
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        home = Home(folder / "home")
        plan = await find_plan(home, self.clone.root, config_file=None, flags=flags)
        async with open_daemon(plan, say=self.warned.append) as self.daemon:
            yield self.daemon
        self.daemon = None

    async def delivers(self, event: str, payload: dict[str, object], *, secret: str = "") -> int:
        """Deliver a webhook that GitHub did not send; the status of the answer."""
        body = json.dumps(payload).encode()
        headers = signed(body, secret or self.hub.hooks.secret) | {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": str(uuid.uuid4()),
        }
        url = f"http://127.0.0.1:{self.port}/github/webhook"
        async with httpx.AsyncClient() as client:
            return (await client.post(url, content=body, headers=headers)).status_code

    def bead(self, name: str | Pull) -> Bead | None:
        """What the daemon knows of a bead, or of a person's pull request."""
        assert self.daemon is not None
        bead = f"pr-{name.number}" if isinstance(name, Pull) else name
        return self.daemon.world.beads.get(BeadId(bead))

    def later(self, seconds: int = 2) -> None:
        """Let GitHub's time pass."""
        self.clock.ahead_ms += 1_000 * seconds

    async def until(self, is_so: Callable[[], object] | Callable[[], Awaitable[object]]) -> None:
        """Wait until it is so."""
        clock = SystemClock()
        last_ms = clock.now_ms() + DEADLINE_MS
        while True:
            found = is_so()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return
            assert clock.now_ms() < last_ms, self.told()
            await clock.sleep(LOOK_MS)

    async def passes_all(self) -> None:
        """Let all that waits in the CI pass, if anything does."""
        if self.hub.ci.waiting():
            await self.hub.ci.passes()

    async def hears(self, comment: Comment, words: str = "") -> str:
        """Wait for an answer below a comment that says this; the answer."""
        pull = self.hub.repo.pulls[comment.pull]
        await self.until(lambda: [one for one in self.answers(pull) if words in one])
        return next(one for one in self.answers(pull) if words in one)

    def answers(self, pull: Pull) -> list[str]:
        """What was said to it, but for the living status."""
        return [one for one in self.hub.said(pull) if not one.startswith("<!-- oya-vcs:status:")]

    def status(self, pull: Pull) -> str:
        """What the one living comment says now; empty where there is none."""
        found = [one for one in self.hub.said(pull) if one not in self.answers(pull)]
        assert len(found) <= 1, found
        return found[0] if found else ""

    def check(self, sha: str) -> CheckRun | None:
        """Our check at a commit."""
        runs = self.hub.repo.runs.values()
        found = [one for one in runs if (one.sha, one.app) == (sha, self.hub.app)]
        assert len(found) <= 1, found
        return found[0] if found else None

    def told(self) -> str:
        """All that was said, and asked, for whoever reads why a conversation came to no end."""
        lines = [f"{one.author.login} on #{one.pull}: {one.body}" for one in self._comments()]
        lines += [f"{status} {what}" for what, _, status in self.hub.server.requests[-40:]]
        world = None if self.daemon is None else self.daemon.world
        if world is not None:
            lines += [f"{one.id}: {one.state} {one.detail}" for one in world.beads.values()]
            lines += [f"open: {one}" for one in world.open.values()]
        return "\n".join([*lines, *self.warned])

    def _comments(self) -> list[Comment]:
        return list(self.hub.repo.comments.values())


def free_port() -> tuple[socket.socket, int]:
    """A port of loopback that nobody else is given while the socket is open."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


@asynccontextmanager
async def listener_on(hub: Hub, clock: Passing, clone: Clone, way: Way) -> AsyncIterator[Listener]:
    """Somebody who will listen on the hub in this way."""
    held, port = free_port()
    with held:
        if way is not Way.POLLING:
            hub.hooks.url = f"http://127.0.0.1:{port}/github/webhook"
        if way is Way.DOUBLED:
            hub.hooks.way = doubled_and_shuffled(seed=6)
        yield Listener(hub, clock, clone, way, port)

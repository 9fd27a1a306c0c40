"""A daemon's page without a daemon: an engine on a real journal, served over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.bootstrap.page import Page
from oya_vcs.bootstrap.web import WebServer
from oya_vcs.config import Home, WebConfig
from oya_vcs.core import events as e
from oya_vcs.core.ids import RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.standing import everything
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.restart import restore
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime.daemon import submitted
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine

REPO = RepoId("repo-1")
LIMIT_S = 60.0
"""How long a test waits for what must happen; far more than it takes."""


class Served:
    """A page that is served. `token` is the home's."""

    def __init__(self, home: Home, door: Door, page: Page, web: WebServer, engine: Engine) -> None:
        self.home, self.door, self.page, self.web, self.engine = home, door, page, web, engine
        self.client = httpx.AsyncClient(base_url=web.address, timeout=LIMIT_S)

    @property
    def token(self) -> dict[str, str]:
        """What changes something."""
        return {"Authorization": f"Bearer {self.home.token.read_text().strip()}"}

    async def get(self, path: str, **headers: str) -> Any:
        """The JSON of an answer that is one."""
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        """The answer."""
        return await self.client.post(path, json=body, headers=headers or self.token)

    async def submit(self, *beads: BeadSpec) -> None:
        """Put beads on record."""
        await submitted(self.door, REPO, beads)

    def listening(self, after: int | None = None) -> AbstractAsyncContextManager[Ear]:
        """A WebSocket, after an event."""
        return connected(self.web.address, after)


class Ear:
    """What comes over a WebSocket."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self.events: list[dict[str, Any]] = []
        self.beads: dict[str, dict[str, Any]] = {}
        self.frames = 0

    async def message(self) -> dict[str, Any]:
        """The next one."""
        async with asyncio.timeout(LIMIT_S):
            said: dict[str, Any] = json.loads(await self._wire.recv())
        if said["is"] == "frame":
            self.frames += 1
            self.events += said["events"]
            self.beads |= {one["id"]: one for one in said["beads"]}
        return said

    async def until(self, seq: int) -> None:
        """Listen until an event has come."""
        while not self.events or self.events[-1]["seq"] < seq:
            await self.message()


@asynccontextmanager
async def connected(address: str, after: int | None = None) -> AsyncIterator[Ear]:
    """A WebSocket to whoever serves at "http://host:port"."""
    where = address.replace("http", "ws") + "/api/ws"
    async with connect(where if after is None else f"{where}?after={after}") as wire:
        yield Ear(wire)


def seqs(events: Sequence[dict[str, Any]]) -> list[int]:
    """Their numbers."""
    return [int(one["seq"]) for one in events]


@asynccontextmanager
async def served(folder: Path, listen: str = "127.0.0.1:0") -> AsyncIterator[Served]:
    """A page on the home `folder`, which may have a record already. The first bead is claimed, and
    nothing carries that out."""
    home, loop = Home(folder), asyncio.get_running_loop()
    folder.mkdir(exist_ok=True)
    journal = await asyncio.to_thread(SqliteJournal, home.journal)
    with open_reader(home.journal) as reader:
        restored = restore(reader, home.checkpoints)
    await journal.refill(everything(restored.world))
    policy = Policy(repo=REPO, slots=1, attempts_max=2, backoff_ms=1)
    engine = Engine(
        world=restored.world,
        journal=journal,
        clock=SystemClock(),
        policy=policy,
        seq=restored.seq,
    )
    door = Door()
    page = Page(
        home,
        kind="up",
        web=WebConfig(listen=listen, url="https://oya.example.org"),
        repositories={},
        hide=lambda _values: None,
    )
    engine.listen(page)
    web = WebServer(listen, say=lambda _said: None, routes=page.routes)
    running = [
        loop.create_task(web.run(door, lambda: None)),
        loop.create_task(page.run(lambda: None)),
    ]
    try:
        with door.held(Life(engine=engine, resumed=0)):
            if not restored.world.repos:
                known = e.RepoRegistered(
                    repo=REPO, path="/r", target="main", slots=1, rules=policy.rules
                )
                await engine.offer(known)
            tried = loop.create_task(web.tried.wait())
            await asyncio.wait({tried, *running}, return_when=asyncio.FIRST_COMPLETED)
            assert tried.done(), [one for one in running if one.done()]
            here = Served(home, door, page, web, engine)
            async with here.client:
                yield here
    finally:
        for one in running:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
        await asyncio.to_thread(journal.close)

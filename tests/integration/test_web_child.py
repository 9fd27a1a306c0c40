"""The web server as a daemon has it: a child before the door of the engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap.github import open_desk, render_of, translator_of
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.bootstrap.web import AGAIN_MS, WebServer
from oya_vcs.config import Config, GithubConfig, Home
from oya_vcs.core import events as e
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs_bot.reception import Desk, Reception
from oya_vcs_bot.serving import listening
from tests.hooks import NAME, REPO, SECRET, examples, signed

VARIABLE = "OYA_GITHUB_WEBHOOK_SECRET"


def plan(tmp_path: Path, *, secret: str = SECRET.decode()) -> Plan:
    """What a daemon was asked to do."""
    return Plan(
        home=Home(tmp_path),
        repo=REPO,
        root=tmp_path,
        tools=Tools(jj=tmp_path, git=tmp_path),
        config=Config(github=GithubConfig(repo=NAME)),
        checks_at=lambda _text: {},
        environ={VARIABLE: secret} if secret else {},
    )


class Daemon:
    """An engine on a journal in memory, behind a door, with a web server before it."""

    def __init__(self, listen: str = "127.0.0.1:0") -> None:
        self.journal = MemoryJournal()
        self.clock = ManualClock()
        policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
        engine = Engine(world=World(), journal=self.journal, clock=self.clock, policy=policy)
        self.life = Life(engine=engine, resumed=0)
        self.door = Door()
        self.said: list[str] = []
        self.web = WebServer(listen, say=self.said.append, clock=self.clock)

    def events(self) -> list[e.Event]:
        """What is on record."""
        return [row.event for row in self.journal.read()]

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """The server runs, and has had its first try."""
        running = asyncio.create_task(self.web.run(self.door, lambda: None))
        try:
            with self.door.held(self.life):
                await asyncio.wait_for(self.web.tried.wait(), 60)
                yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def until(self, is_so: Callable[[], object]) -> None:
        """Return when it is so."""
        async with asyncio.timeout(60):
            while not is_so():  # noqa: ASYNC110 - what a socket does has no event here
                await asyncio.sleep(0.01)


def desk(tmp_path: Path) -> Desk:
    """Where the deliveries for a plan are taken."""
    read = translator_of(plan(tmp_path)).read
    return Desk(name=NAME, secret=SECRET, understand=read)


async def test_a_delivery_is_on_record_once_when_it_is_accepted(tmp_path: Path) -> None:
    """A receipt and its facts in one step; the same delivery again adds no row, and what tells no
    fact none at all."""
    daemon = Daemon()
    daemon.web.reception.open(REPO, desk(tmp_path))
    await daemon.life.engine.offer(e.RepoRegistered(repo=REPO, path="/r", target="main"))
    payload = next(one for _, one in examples("pull_request") if one["action"] == "opened")
    body = json.dumps(payload).encode()
    async with daemon.served(), httpx.AsyncClient(timeout=60) as client:
        url = f"{daemon.web.address}/github/webhook"
        for event in ("pull_request", "pull_request", "star"):
            headers = signed(body, event)[1:]
            answer = await client.post(url, content=body, headers=headers)
            assert answer.status_code == 202
    seen = [type(one).__name__ for one in daemon.events()]
    assert seen[:2] == ["RepoRegistered", "Received"]
    assert seen.count("Received") == 1
    assert daemon.events()[1] == e.Received(delivery="github:d-1")
    assert "PullSeen" in seen


async def test_the_server_is_up_without_any_repository() -> None:
    """For health, and whatever else is hung into it; it says where it is, and takes no webhook."""
    daemon = Daemon()
    async with daemon.served(), httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{daemon.web.address}/api/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        hook = f"{daemon.web.address}/github/webhook"
        assert (
            await client.post(hook, headers=signed(b"{}")[1:], content=b"{}")
        ).status_code == 401
    assert daemon.web.address == ""


async def test_a_taken_address_costs_what_is_served_there_only() -> None:
    """The daemon says so once, and goes on; the address is tried again, and had when it is free."""
    taken = listening("127.0.0.1:0")
    taken.listen()
    daemon = Daemon(f"127.0.0.1:{taken.getsockname()[1]}")
    async with daemon.served():
        assert daemon.web.error.startswith(f"Nothing can be served at {daemon.web.listen}")
        began_ms = daemon.clock.now_ms()
        await daemon.until(lambda: daemon.clock.now_ms() >= began_ms + 2 * AGAIN_MS)
        taken.close()
        await daemon.until(lambda: daemon.web.address)
        assert (daemon.web.address, daemon.web.error) == (f"http://{daemon.web.listen}", "")
    assert len(daemon.said) == 1
    assert "It is tried again" in daemon.said[0]


async def test_where_nothing_is_served_nothing_is_said() -> None:
    """An empty address is a wish."""
    daemon = Daemon("")
    async with daemon.served():
        assert await daemon.web.standing() == {
            "listen": "",
            "address": "",
            "error": "",
            "dropped": 0,
        }
    assert daemon.said == []


def test_without_a_secret_no_webhook_is_taken(tmp_path: Path) -> None:
    """And the daemon says so, and how it goes on; with one, it is."""
    said: list[str] = []
    reception = Reception()
    for secret in ("", "hush"):
        asked = plan(tmp_path, secret=secret)
        open_desk(asked, translator_of(asked).read, lambda _hint: None, reception, said.append)
        assert (REPO in reception) == bool(secret)
    why = f"No webhook is taken for {NAME}: {VARIABLE} is not set."
    assert said == [f"{why} GitHub is asked every 60 s instead."]


def test_replies_use_the_prefix_of_the_plan(tmp_path: Path) -> None:
    """People read how to speak to this queue, not to another."""
    named = plan(tmp_path)
    github = GithubConfig(repo=NAME, prefix="@robot")
    render = render_of(replace(named, config=replace(named.config, github=github)))
    assert "`@robot help`" in render("faults", {"faults": ()})


def test_the_secret_never_reaches_a_log(tmp_path: Path) -> None:
    """Whatever its variable is called."""
    named = plan(tmp_path)
    github = GithubConfig(repo=NAME, webhook_secret_env="MY_HOOK", token_env="MY_LOGIN")
    other = replace(
        named,
        config=replace(named.config, github=github),
        environ={"MY_HOOK": "hush-hush", "MY_LOGIN": "let-me-in"},
    )
    assert {"hush-hush", "let-me-in"} <= set(other.secrets)

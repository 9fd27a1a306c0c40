"""The web server as a daemon has it: a child before the door of the engine."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.bootstrap.web import render_of, translator_of, web_of
from oya_vcs.config import Config, GithubConfig, Home, WebConfig
from oya_vcs.core import events as e
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs_bot.serving import listening
from tests.hooks import NAME, REPO, SECRET, examples, signed

VARIABLE = "OYA_GITHUB_WEBHOOK_SECRET"


def plan(tmp_path: Path, port: int, *, secret: str = SECRET.decode()) -> Plan:
    """What a daemon was asked to do."""
    return Plan(
        home=Home(tmp_path),
        repo=REPO,
        root=tmp_path,
        tools=Tools(jj=tmp_path, git=tmp_path),
        config=Config(github=GithubConfig(repo=NAME), web=WebConfig(listen=f"127.0.0.1:{port}")),
        checks_at=lambda _text: {},
        environ={VARIABLE: secret} if secret else {},
    )


def free_port() -> int:
    """A port that nobody has at this moment."""
    sock = listening("127.0.0.1:0")
    port: int = sock.getsockname()[1]
    sock.close()
    return port


class Daemon:
    """An engine on a journal in memory, behind a door."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
        engine = Engine(world=World(), journal=self.journal, clock=ManualClock(), policy=policy)
        self.life = Life(engine=engine, resumed=0)
        self.door = Door()

    def events(self) -> list[e.Event]:
        """What is on record."""
        return [row.event for row in self.journal.read()]


async def test_a_delivery_is_on_record_once_when_it_is_accepted(tmp_path: Path) -> None:
    """A receipt and its facts in one step; the same delivery again adds no row, and what tells no
    fact none at all."""
    daemon, port = Daemon(), free_port()
    asked = plan(tmp_path, port)
    read = translator_of(asked).read
    (child,) = web_of(asked, daemon.door, lambda _said: None, read, lambda _hint: None)
    await daemon.life.engine.offer(e.RepoRegistered(repo=REPO, path="/r", target="main"))
    ready = asyncio.Event()
    running = asyncio.create_task(child.run(ready.set))
    await asyncio.wait_for(ready.wait(), 30)
    payload = next(one for _, one in examples("pull_request") if one["action"] == "opened")
    body = json.dumps(payload).encode()
    url = f"http://127.0.0.1:{port}/github/webhook"
    with daemon.door.held(daemon.life):
        async with httpx.AsyncClient(timeout=60) as client:
            for event in ("pull_request", "pull_request", "star"):
                headers = signed(body, event)[1:]
                answer = await client.post(url, content=body, headers=headers)
                assert answer.status_code == 202
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    seen = [type(one).__name__ for one in daemon.events()]
    assert seen[:2] == ["RepoRegistered", "Received"]
    assert seen.count("Received") == 1
    assert daemon.events()[1] == e.Received(delivery="github:d-1")
    assert "PullSeen" in seen


def test_without_a_secret_nothing_is_served(tmp_path: Path) -> None:
    """And the daemon says so, and how it goes on."""
    said: list[str] = []
    asked = plan(tmp_path, 1, secret="")
    read = translator_of(asked).read
    assert web_of(asked, Door(), said.append, read, lambda _hint: None) == []
    assert said == [
        f"No webhook is taken: {VARIABLE} is not set. GitHub is asked every 60 s instead."
    ]


async def test_a_taken_address_costs_the_webhooks_only(tmp_path: Path) -> None:
    """The daemon says so and goes on; polling finds what they would have told."""
    said: list[str] = []
    taken = listening("127.0.0.1:0")
    taken.listen()
    asked = plan(tmp_path, taken.getsockname()[1])
    read = translator_of(asked).read
    (child,) = web_of(asked, Door(), said.append, read, lambda _hint: None)
    ready = asyncio.Event()
    running = asyncio.create_task(child.run(ready.set))
    await asyncio.wait_for(ready.wait(), 30)
    assert "No webhook is taken" in said[0]
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    taken.close()


def test_replies_use_the_prefix_of_the_plan(tmp_path: Path) -> None:
    """People read how to speak to this queue, not to another."""
    named = plan(tmp_path, 1)
    github = GithubConfig(repo=NAME, prefix="@robot")
    render = render_of(replace(named, config=replace(named.config, github=github)))
    assert "`@robot help`" in render("faults", {"faults": ()})


def test_the_secret_never_reaches_a_log(tmp_path: Path) -> None:
    """Whatever its variable is called."""
    named = plan(tmp_path, 1)
    github = GithubConfig(repo=NAME, webhook_secret_env="MY_HOOK", token_env="MY_LOGIN")
    other = replace(
        named,
        config=replace(named.config, github=github),
        environ={"MY_HOOK": "hush-hush", "MY_LOGIN": "let-me-in"},
    )
    assert {"hush-hush", "let-me-in"} <= set(other.secrets)

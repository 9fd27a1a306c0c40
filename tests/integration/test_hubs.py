"""GitHub for the repositories of one home, in the process of the test: who is let in, what a new
configuration changes, and what becomes of it when GitHub shuts somebody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.github import client
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.bootstrap import find_plan, hubs, keeper, open_daemon
from oya_vcs.bootstrap.household import House, open_home
from oya_vcs.cli.asking import ask
from oya_vcs.config import Home
from oya_vcs.errors import InputInvalid
from tests.github_model.conversation import Hub, hub_at
from tests.talks.listener import Clone

DEADLINE_MS = 60_000
"""What is not so after this long will not be so: far beyond what the slowest machine needs."""


class Village:
    """A home with one repository on GitHub, and the daemon that works on it."""

    def __init__(self, folder: Path, hub: Hub, clone: Clone) -> None:
        self.home = Home(folder / "home")
        self.hub = hub
        self.clone = clone
        self.key = folder / "key.pem"
        self.key.write_text(hub.private_key)
        self.said: list[str] = []

    async def configured(self, *, more: str = "", **github: object) -> None:
        """Have this under [github] of oya.toml on the target, here and there; and `more`."""
        settings: dict[str, object] = {
            "api_url": self.hub.url,
            "repo": self.hub.repo.full_name,
            "app_id": self.hub.app.id,
            "private_key_file": str(self.key),
            "poll_ms": 200,
            "webhook_secret_env": "HOOK",
            **github,
        }
        lines = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
        text = f"[repo]\nforge = 'github'\n[worker]\ncommand = ['true']\n[github]\n{lines}{more}"
        await self.hub.ann.pushes_to("main", {"oya.toml": text})
        await self.clone.fetches()

    async def asks(self, what: str, **fields: object) -> Any:
        """What the daemon answers."""
        return await asyncio.to_thread(ask, self.home, what, **fields)

    async def row(self) -> dict[str, Any]:
        """What it says of the repository."""
        found: dict[str, Any] = (await self.asks("repos"))[0]
        return found

    async def heard(self) -> dict[str, Any]:
        """What it says of GitHub; nothing where it hears nothing."""
        rows: list[dict[str, Any]] = await self.asks("github")
        return rows[0] if rows else {}

    async def parts(self) -> list[str]:
        """Who stands below `github` in its tree."""
        tree = await self.asks("tree")
        edges = {part["name"]: part for part in tree["children"][-1]["children"]}
        return [part["name"] for part in edges["github"]["children"]]

    async def until(self, is_so: Callable[[], Awaitable[object]]) -> None:
        """Wait until it is so."""
        clock = SystemClock()
        last_ms = clock.now_ms() + DEADLINE_MS
        while not await is_so():
            assert clock.now_ms() < last_ms, self.said
            await clock.sleep(20)

    async def until_row(self, **wanted: object) -> None:
        """Wait until the daemon says this of the repository: a part of a text is enough."""

        async def is_so() -> bool:
            row = await self.row()
            return all(
                one in row[name] if isinstance(one, str) and one else row[name] == one
                for name, one in wanted.items()
            )

        await self.until(is_so)

    @asynccontextmanager
    async def lives(self, config_file: Path | None = None) -> AsyncIterator[House]:
        """One life of the daemon, which has the repository."""
        async with open_home(self.home, config_file=config_file, say=self.said.append) as house:
            await house.settled_in()
            await self.asks("repo.add", path=str(self.clone.root))
            yield house


@pytest.fixture
async def village(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Village]:
    """One, whose daemon looks often; it takes webhooks at a free port."""
    monkeypatch.setattr(keeper, "LOOK_S", 0.05)
    monkeypatch.setattr(keeper, "PLAN_S", 0.1)
    monkeypatch.setattr(client, "READ_AGAIN_MS", 10)
    monkeypatch.setenv("HOOK", "hush")
    monkeypatch.setenv("OYA_WEB__LISTEN", "127.0.0.1:0")
    async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
        clone = Clone(tmp_path / "clone", tools)
        await clone.make(hub)
        made = Village(tmp_path, hub, clone)
        await made.configured()
        yield made


async def test_a_new_configuration_begins_anew_and_a_wrong_one_changes_nothing(
    village: Village,
) -> None:
    """What is new under [github] has another poller take the place of the one before, in the tree,
    too; what GitHub cannot be entered by is said, and the last good one goes on."""
    place = f"github acme/widget at {village.hub.url[7:]}"
    async with village.lives():
        await village.until_row(serving=True, error="")
        assert await village.parts() == [place]
        first = await village.heard()
        assert (first["poll_ms"], first["webhooks"]) == (200, True)
        await village.configured(poll_ms=300, webhook_secret_env="NO_HOOK")

        async def is_new() -> bool:
            return (await village.heard()).get("poll_ms") == 300

        await village.until(is_new)
        assert (await village.heard())["webhooks"] is False
        assert await village.parts() == [place]
        await village.configured(private_key_file="/nowhere.pem")
        await village.until_row(serving=True, error="/nowhere.pem")
        assert (await village.heard())["poll_ms"] == 300
        await village.configured()
        await village.until_row(serving=True, error="")
        assert (await village.heard())["webhooks"] is True
    assert any("NO_HOOK is not set" in one for one in village.said)


async def test_who_is_shut_out_stands_aside_until_it_is_let_in(village: Village) -> None:
    """Before it was ever let in, and after: nothing is begun, no webhook is taken, its part of the
    tree has gone; it comes back by itself. Why is said once each time."""
    village.hub.owner.suspends()
    async with village.lives():
        await village.until_row(serving=False, error="suspended")
        assert await village.heard() == {}
        village.hub.owner.suspends(suspended=False)
        await village.until_row(serving=True, error="")
        assert len(await village.parts()) == 1
        village.hub.owner.suspends()
        await village.until_row(serving=False, error="suspended")
        assert (await village.heard(), await village.parts()) == ({}, [])
        village.hub.owner.suspends(suspended=False)
        await village.until_row(serving=True, error="")
        village.hub.owner.archives()
        await village.until_row(serving=False, error="acme/widget is archived on GitHub")
        village.hub.owner.archives(archived=False)
        await village.until_row(serving=True, error="")
    assert sum("suspended" in one for one in village.said) <= 4


async def test_a_failing_github_is_asked_on_and_nothing_stands_aside(village: Village) -> None:
    """500 at every poll: it is told, the repository is worked on as before, and all is well when
    GitHub is."""
    async with village.lives():
        await village.until_row(serving=True, error="")
        village.hub.server.cut = lambda boundary, _operation, _path: boundary == "before"

        async def fails() -> object:
            return (await village.heard()).get("error")

        await village.until(fails)
        assert (await village.row())["serving"]
        village.hub.server.cut = lambda _boundary, _operation, _path: False

        async def is_well() -> bool:
            return not (await village.heard()).get("error")

        await village.until(is_well)


async def test_a_github_that_never_answers_is_waited_for_beside_the_work(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its repository stands aside, as it says; others are looked at meanwhile, a configuration that
    names another GitHub counts at once, and the daemon ends as ever."""
    monkeypatch.setattr(hubs, "ENTRY_S", 0.1)
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await village.configured(api_url=url)
    async with village.lives():
        await asyncio.wait_for(asked.wait(), 60)
        await village.until_row(serving=False, error="has not answered yet")
        assert await village.parts() == [f"enter acme/widget at {url[7:]}"]
        await village.configured()
        await village.until_row(serving=True, error="")
        await village.configured(api_url=url)
        await village.until_row(serving=False, error="has not answered yet")
    over.set()
    server.close()
    await server.wait_closed()


async def test_run_tells_the_same_of_its_repository(village: Village) -> None:
    """Where webhooks come in, and how GitHub is heard of."""
    plan = await find_plan(village.home, village.clone.root, config_file=None, flags={})
    async with open_daemon(plan, say=village.said.append):
        heard = await village.heard()
        assert (heard["name"], heard["webhooks"], heard["poll_ms"]) == ("acme/widget", True, 200)
        assert (await village.asks("web"))["address"].startswith("http://127.0.0.1:")


async def test_a_home_has_one_address_for_all(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of its user's configuration; what a repository wants besides is said, once."""
    monkeypatch.delenv("OYA_WEB__LISTEN")
    mine = tmp_path / "config.toml"
    mine.write_text('[web]\nlisten = "localhost:0"\n')
    await village.configured(more='[web]\nlisten = "127.0.0.1:9"\n')
    async with village.lives(mine):
        await village.until_row(serving=True, error="")
        served = await village.asks("web")
        assert (served["listen"], served["error"]) == ("localhost:0", "")
    (said,) = [one for one in village.said if "web.listen" in one]
    assert "web.listen is '127.0.0.1:9' there, and counts for `oya-vcs run` alone." in said
    assert "one web server for all, at 'localhost:0'" in said


async def test_a_commit_is_no_way_in_where_changes_are_pull_requests(village: Village) -> None:
    """It is refused with what is to be done instead, and nothing of it is on record."""
    async with village.lives():
        await village.until_row(serving=True, error="")
        repo = (await village.row())["repo"]
        change = {"repo": repo, "change": "qpvuntsmwqpt", "head": "a" * 40, "title": "Mine"}
        with pytest.raises(InputInvalid, match="are pull requests") as refused:
            await village.asks("change.submit", **change)
        assert "@oya r+" in refused.value.hint

"""The gateway between a real client and a real provider, on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.gateway.passes import Passes
from oya_vcs.adapters.gateway.relay import (
    BODY_BYTES_MAX,
    UNDER_WAY_MAX,
    Gateway,
    client,
)
from oya_vcs.adapters.gateway.routes import Provider as Known
from oya_vcs.adapters.reaper.quiet import Hidden
from oya_vcs.adapters.reaper.redaction import redact
from oya_vcs.bootstrap.gateway import Entrance
from oya_vcs.config import GatewayConfig, Home
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.events import Event, UsageCounted
from oya_vcs.core.ids import BeadId, Key, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.usage import Usage
from oya_vcs.errors import WorldFailed
from tests.provider import KEY, Heard, Provider, Said, chat_chunk, events, served, whole

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
ANSWER = {"choices": [{"message": {"content": "Hello"}}], "usage": USAGE}
WORK = RunWorker(
    repo=RepoId("r"),
    bead=BeadId("b1"),
    attempt=1,
    workspace=WorkspaceName("w"),
    path="/w",
    spec=BeadSpec(id=BeadId("b1"), title="Do it"),
    feedback="",
)
CHAT = {"model": "small", "messages": []}


def answers(_heard: Heard) -> Said:
    """A provider that always says the same."""
    return whole(ANSWER)


@dataclass
class Place:
    """A gateway at work, and a worker's way in."""

    provider: Provider
    passes: Passes
    clock: ManualClock
    http: httpx.AsyncClient
    facts: list[UsageCounted] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    refusing: bool = False

    async def report(self, event: Event) -> None:
        """Record a fact."""
        if self.refusing:
            raise WorldFailed("The disk is full.")
        assert isinstance(event, UsageCounted)
        self.facts.append(event)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Mapping[str, str]]:
        """What an attempt is granted."""
        async with self.passes.granted(Key("k1"), WORK, self.report) as granted:
            yield granted

    async def ask(
        self, granted: Mapping[str, str], body: Any = CHAT, path: str = "/chat/completions"
    ) -> httpx.Response:
        """Ask as OpenAI's clients do."""
        bearer = {"authorization": f"Bearer {granted['OPENAI_API_KEY']}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            granted["OPENAI_BASE_URL"] + path, content=content, headers=bearer
        )


@asynccontextmanager
async def opened(
    provider: Provider,
    settings: GatewayConfig | None = None,
    allow: Any = lambda _work, _usage: "",
) -> AsyncIterator[Place]:
    """A provider, a gateway to it, and a client."""
    settings = settings or GatewayConfig()
    sentences: list[str] = []
    async with served(provider) as url, client() as upstream, httpx.AsyncClient() as http:
        known = {
            "openai": Known("openai", f"{url}/v1", KEY),
            "anthropic": Known("anthropic", f"{url}/v1", KEY),
        }
        passes = Passes(tuple(known.values()))
        clock = ManualClock()
        gateway = Gateway(
            known,
            passes,
            upstream,
            clock,
            prices=settings.table,
            requests_per_min=settings.requests_per_min,
            allow=allow,
            say=sentences.append,
        )
        async with served(gateway) as address:
            passes.open(address)
            yield Place(provider, passes, clock, http, sentences=sentences)


async def test_the_key_is_put_in_and_never_comes_out() -> None:
    """The provider sees its key and nothing of the token; the worker sees the answer, and its
    variables hold a token that our logs know for a secret."""
    async with opened(Provider(answers)) as place:
        async with place.attempt() as granted:
            answer = await place.ask(granted)
            assert (answer.status_code, answer.json()) == (200, ANSWER)
            token = granted["OYA_GATEWAY_TOKEN"]
            assert granted["OPENAI_API_KEY"] == granted["ANTHROPIC_API_KEY"] == token
            assert KEY not in str(granted)
            assert token not in redact(f"my key is {token}.", ())
        [heard] = place.provider.heard
        assert heard.path == "/v1/chat/completions"
        assert heard.headers["authorization"] == f"Bearer {KEY}"
        assert token not in str(heard)
        assert KEY not in str(answer.headers) + answer.text


async def test_anthropics_clients_come_in_by_their_own_header() -> None:
    """`x-api-key`, its version header and its query; what it read from a cache counts, too."""
    usage = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 90}
    async with opened(Provider(lambda _heard: whole({"usage": usage}))) as place:
        async with place.attempt() as granted:
            answer = await place.http.post(
                granted["ANTHROPIC_BASE_URL"] + "/v1/messages?beta=true",
                json=CHAT,
                headers={
                    "x-api-key": granted["ANTHROPIC_API_KEY"],
                    "anthropic-version": "2023-06-01",
                },
            )
            assert answer.status_code == 200
        [heard] = place.provider.heard
        assert (heard.path, heard.query) == ("/v1/messages", "beta=true")
        assert heard.headers["x-api-key"] == KEY
        assert "authorization" not in heard.headers
        assert place.facts[-1].usage == Usage(tokens_in=95, tokens_out=7, metered=True)


async def test_a_token_ends_with_its_attempt() -> None:
    """Before, with a wrong one, without one and after its attempt there is no way in, and the
    provider hears of none of it."""
    async with opened(Provider(answers)) as place:
        async with place.attempt() as granted:
            pass
        stale = await place.ask(granted)
        wrong = await place.ask({**granted, "OPENAI_API_KEY": "sk-oya" + "0" * 48})
        none = await place.http.post(granted["OPENAI_BASE_URL"] + "/responses", json=CHAT)
        for answer in (stale, wrong, none):
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
        assert place.provider.heard == []


async def test_a_stream_is_passed_on_as_it_comes() -> None:
    """The worker has the first event while the provider still thinks about the second."""
    seen = asyncio.Event()

    def script(_heard: Heard) -> Said:
        last = {"choices": [], "usage": USAGE}
        return events(chat_chunk("Hel"), asyncio.wait_for(seen.wait(), 60), chat_chunk("lo"), last)

    async with opened(Provider(script)) as place:
        async with place.attempt() as granted:
            url = granted["OPENAI_BASE_URL"] + "/chat/completions"
            bearer = {"authorization": f"Bearer {granted['OPENAI_API_KEY']}"}
            body = {**CHAT, "stream": True}
            async with place.http.stream("POST", url, json=body, headers=bearer) as answer:
                assert answer.headers["content-type"] == "text/event-stream"
                pieces = answer.aiter_text()
                assert "Hel" in await asyncio.wait_for(anext(pieces), 60)
                seen.set()
                rest = "".join([piece async for piece in pieces])
            assert "lo" in rest
        assert place.facts[-1].usage == Usage(tokens_in=100, tokens_out=20, metered=True)


async def test_what_is_used_adds_up_to_one_total() -> None:
    """Of all requests of the attempt, by the price of each model; a refusal costs nothing."""

    def script(heard: Heard) -> Said:
        if heard.body["model"] == "dear-bad":
            return whole({"error": {"message": "no"}}, status=400)
        return whole(ANSWER)

    settings = GatewayConfig(prices=("dear*=10/100", "small=1/2"))
    async with opened(Provider(script), settings) as place:
        async with place.attempt() as granted:
            for model, status in (("small", 200), ("dear", 200), ("dear-bad", 400), ("x", 403)):
                assert (await place.ask(granted, {"model": model})).status_code == status
        total = Usage(
            tokens_in=200, tokens_out=40, cost_micros=100 + 40 + 1_000 + 2_000, metered=True
        )
        last = place.facts[-1]
        assert (last.run, last.bead, last.attempt, last.usage) == ("k1", "b1", 1, total)
        assert len(place.provider.heard) == 3


async def test_a_spent_budget_is_said_and_nothing_is_asked() -> None:
    """402 with the reason, as all clients read it; lists of models stay free."""

    def allow(work: RunWorker, usage: Usage) -> str:
        spent = usage.tokens >= 100
        return f"Bead {work.bead} has used its 100 tokens." if spent else ""

    async with opened(Provider(answers), allow=allow) as place, place.attempt() as granted:
        assert (await place.ask(granted)).status_code == 200
        refused = await place.ask(granted)
        assert refused.status_code == 402
        assert refused.json() == {
            "type": "error",
            "error": {
                "type": "billing_error",
                "message": "Bead b1 has used its 100 tokens.",
                "code": "billing_error",
                "param": None,
            },
        }
        models = await place.http.get(
            granted["OPENAI_BASE_URL"] + "/models",
            headers={"authorization": f"Bearer {granted['OPENAI_API_KEY']}"},
        )
        assert models.status_code == 200
        assert [one.path for one in place.provider.heard] == ["/v1/chat/completions", "/v1/models"]


async def test_a_provider_is_asked_as_often_as_it_may_be() -> None:
    """By the configured pace, and not before the time that the provider itself named."""

    def script(heard: Heard) -> Said:
        if heard.body["model"] == "busy":
            return whole({"error": {"message": "slow down"}}, status=429, retry_after="7")
        return whole(ANSWER)

    settings = GatewayConfig(requests_per_min=2)
    async with opened(Provider(script), settings) as place, place.attempt() as granted:
        told = await place.ask(granted, {"model": "busy"})
        assert (told.status_code, told.headers["retry-after"]) == (429, "7")
        held = await place.ask(granted)
        assert (held.status_code, held.headers["retry-after"]) == (429, "7")
        assert held.json()["error"]["type"] == "rate_limit_error"
        await place.clock.sleep(7_000)
        assert (await place.ask(granted)).status_code == 200
        paced = await place.ask(granted)
        assert paced.status_code == 429
        assert int(paced.headers["retry-after"]) <= 30
        assert len(place.provider.heard) == 2


async def test_what_goes_wrong_beyond_is_said_and_shows_nothing() -> None:
    """A refused key is our business and no worker's; a redirect is not followed; nobody there."""

    def script(heard: Heard) -> Said:
        if heard.body["model"] == "moved":
            return Said([], status=307, headers={"location": "http://169.254.169.254/"})
        return whole({"error": {"message": f"Incorrect API key: {KEY}"}}, status=401)

    async with opened(Provider(script)) as place:
        async with place.attempt() as granted:
            for _ in range(2):
                refused = await place.ask(granted)
                assert refused.status_code == 502
                assert KEY not in refused.text
            moved = await place.ask(granted, {"model": "moved"})
            assert moved.status_code == 502
            assert "location" not in moved.headers
        assert place.sentences == ["openai does not take the key that gateway.keys names for it."]
        assert not place.facts


async def test_an_answer_that_breaks_off_ends_with_an_error_and_costs_what_came() -> None:
    """A stream ends with an event that clients know for an error; a whole answer is a 502."""

    def script(heard: Heard) -> Said:
        if heard.body.get("stream"):
            return events(chat_chunk("Hel"), cut=True)
        return Said([b'{"choices'], cut=True)

    async with opened(Provider(script)) as place:
        async with place.attempt() as granted:
            stream = await place.ask(granted, {**CHAT, "stream": True})
            assert stream.status_code == 200
            *_, last = stream.text.strip().split("\n\n")
            assert last.startswith("event: error\ndata: ")
            assert json.loads(last.partition("data: ")[2])["error"]["type"] == "api_error"
            assert (await place.ask(granted)).status_code == 502
        assert place.facts[-1].usage.tokens_in > 0
        assert place.facts[-1].usage.tokens_out > 0


@pytest.mark.parametrize("who", ["worker", "attempt"])
async def test_nobody_is_asked_on_for_who_has_gone(who: str) -> None:
    """Where the worker hangs up or its attempt ends, the provider's answer is broken off, and what
    came of it is counted."""
    never = asyncio.Event()
    provider = Provider(lambda _heard: events(chat_chunk("Hel"), never.wait()))
    async with opened(provider) as place:
        async with place.attempt() as granted:
            url = granted["OPENAI_BASE_URL"] + "/chat/completions"
            bearer = {"authorization": f"Bearer {granted['OPENAI_API_KEY']}"}
            body = {**CHAT, "stream": True}
            request = place.http.build_request("POST", url, json=body, headers=bearer)
            answer = await place.http.send(request, stream=True)
            pieces = answer.aiter_text()
            assert "Hel" in await asyncio.wait_for(anext(pieces), 60)
            if who == "worker":
                await answer.aclose()
                await asyncio.wait_for(provider.hung_up.wait(), 60)
        if who == "attempt":
            await asyncio.wait_for(provider.hung_up.wait(), 60)
            assert "event: error" in "".join([piece async for piece in pieces])
            await answer.aclose()
        assert place.facts[-1].usage.tokens > 0


async def test_only_so_much_at_once() -> None:
    """Too large a body and too many requests of one attempt are refused; another attempt's are
    not."""
    free, all_there = asyncio.Event(), asyncio.Event()

    def script(heard: Heard) -> Said:
        if heard.body["model"] != "slow":
            return whole(ANSWER)
        if len(provider.heard) == UNDER_WAY_MAX:
            all_there.set()
        return Said([free.wait(), json.dumps(ANSWER).encode()])

    provider = Provider(script)
    async with opened(provider) as place, place.attempt() as granted:
        large = await place.ask(granted, b"x" * (BODY_BYTES_MAX + 1))
        assert large.status_code == 413
        slow = [
            asyncio.ensure_future(place.ask(granted, {"model": "slow"}))
            for _ in range(UNDER_WAY_MAX)
        ]
        await asyncio.wait_for(all_there.wait(), 60)
        assert (await place.ask(granted)).status_code == 429
        async with place.attempt() as other:
            assert (await place.ask(other)).status_code == 200
        free.set()
        assert [one.status_code for one in await asyncio.gather(*slow)] == [200] * UNDER_WAY_MAX


async def test_a_record_that_takes_nothing_stops_nobody() -> None:
    """Answers are passed on while the journal refuses, and the total is said when it takes it."""
    async with opened(Provider(answers)) as place:
        place.refusing = True
        async with place.attempt() as granted:
            assert (await place.ask(granted)).status_code == 200
            place.refusing = False
            assert (await place.ask(granted)).status_code == 200
        assert [fact.usage.tokens_in for fact in place.facts] == [200]


async def test_a_worker_finds_nothing_else_behind_the_gateway() -> None:
    """Other paths, hosts and methods are answered here and asked of nobody."""
    async with opened(Provider(answers)) as place, place.attempt() as granted:
        bearer = {"authorization": f"Bearer {granted['OPENAI_API_KEY']}"}
        base = granted["OYA_GATEWAY_URL"]
        for path in ("/openai/v1/files", "/openai/v1/../v1/files", "/metadata", "/openai/v1"):
            assert (await place.http.post(base + path, headers=bearer)).status_code == 404
        got = await place.http.get(base + "/openai/v1/responses", headers=bearer)
        assert got.status_code == 405
        assert (await place.ask(granted, b"no JSON")).status_code == 400
        assert place.provider.heard == []


async def test_a_gateway_that_is_started_again_is_where_it_was(tmp_path: Path) -> None:
    """Workers know its addresses, which the next child serves, too; who comes between two children
    is answered by the second. Nobody is let in before the first. Keys are hidden from logs from the
    beginning."""
    hidden, sentences, told = Hidden(), list[str](), list[Event]()

    async def report(event: Event) -> None:
        told.append(event)

    settings = GatewayConfig(keys=("openai=env:K",), urls=("openai=http://127.0.0.1:9/v1",))
    entrance = Entrance(settings, Home(tmp_path), {"K": KEY}, hidden, sentences.append)
    assert KEY in hidden.values
    pending = entrance.passes.granted(Key("k1"), WORK, report)
    granting = asyncio.ensure_future(pending.__aenter__())
    await asyncio.wait({granting}, timeout=0.05)
    assert not granting.done()
    door = httpx.AsyncHTTPTransport(uds=str(entrance.bridge.socket))
    async with httpx.AsyncClient() as http, httpx.AsyncClient(transport=door) as boxed:
        early: list[asyncio.Task[httpx.Response]] = []
        for last in (False, True):
            up = asyncio.Event()
            serving = asyncio.create_task(entrance.child.run(up.set))
            await asyncio.wait_for(up.wait(), 60)
            url = f"{(await granting)['OPENAI_BASE_URL']}/models"
            for waiting in early:
                assert (await waiting).status_code == 401
            for one in (http, boxed):
                assert (await one.get(url)).status_code == 401
            serving.cancel()
            await asyncio.wait({serving})
            if not last:
                early = [asyncio.ensure_future(http.get(url, timeout=60))]
                await asyncio.wait(early, timeout=0.05)
    await pending.__aexit__(None, None, None)
    entrance.close()

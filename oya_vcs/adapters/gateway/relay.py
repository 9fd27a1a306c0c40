"""The gateway as an ASGI application: who asks, whether it may be asked, and the answer passed on
as it comes.

Built of what it is handed; served by somebody else. Must not know beads, or where budgets are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from oya_vcs.adapters.gateway.answers import (
    KEY_REFUSED,
    NOT_HERE,
    TOO_LARGE,
    TOO_LATE,
    TOO_MANY,
    UNKNOWN_TOKEN,
    UNREACHABLE,
    Refusal,
    spent,
    too_fast,
)
from oya_vcs.adapters.gateway.limits import Pace
from oya_vcs.adapters.gateway.meter import Meter
from oya_vcs.adapters.gateway.passes import Allow, Pass, Passes, anything
from oya_vcs.adapters.gateway.routes import (
    Asked,
    Provider,
    Route,
    asked_of,
    brought_headers,
    route_of,
    sent_headers,
)
from oya_vcs.config import Price
from oya_vcs.ports import Clock

BODY_BYTES_MAX = 32 * 2**20
"""Of a request, and of an answer that is no stream: Anthropic's own limit for requests."""
UNDER_WAY_MAX = 8
"""Requests of one attempt at once: by so many a budget may be overdrawn."""
LONG_BYTES = 131_072
"""Bodies from here on are read in a thread."""
CONNECT_S = 10.0
ANSWER_S = 600.0
"""Between two pieces of an answer: models think for minutes. Both large clients wait as long."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def client() -> httpx.AsyncClient:
    """What asks the providers: it follows no redirect, for that would lead elsewhere with a key."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
        limits=httpx.Limits(max_connections=1_000),
        follow_redirects=False,
    )


class _Refused(Exception):
    """The request is not passed on."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(slots=True)
class _Answering:
    """Whether an answer has begun, after which nothing can be refused any more."""

    send: Send
    begun: bool = False
    streamed: bool = False

    async def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The head."""
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, body: bytes, *, more: bool) -> None:
        """The next bytes."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def refuse(self, refusal: Refusal) -> None:
        """Say why not; in the middle of a stream as its last event, which all clients know."""
        if not self.begun:
            await self.begin(refusal.status, refusal.headers())
            await self.piece(refusal.body(), more=False)
        elif self.streamed:
            await self.piece(b"event: error\ndata: " + refusal.body() + b"\n\n", more=False)


class Gateway:
    """`providers` by their names; `passes` is who may come in; `allow` says whether an attempt has
    spent what it may. `say` hears sentences for people, each once."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        passes: Passes,
        http: httpx.AsyncClient,
        clock: Clock,
        *,
        prices: Sequence[tuple[str, Price]] = (),
        requests_per_min: int = 0,
        allow: Allow = anything,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._providers = providers
        self._passes = passes
        self._http = http
        self._clock = clock
        self._prices = prices
        self._paces = {name: Pace(requests_per_min) for name in providers}
        self._allow = allow
        self._say = say
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answering = _Answering(send)
        if scope["type"] != "http":
            return
        try:
            guest, route = self._enter(scope)
            asked = await self._read(guest, route, receive)
            self._admit(guest, route)
        except _Refused as refused:
            await answering.refuse(refused.refusal)
            return
        headers = sent_headers(route.provider, scope["headers"])
        passing = self._pass_on(guest, route, asked, headers, answering)
        await _unless_gone(guest, asyncio.ensure_future(passing), receive, answering)

    def _enter(self, scope: Scope) -> tuple[Pass, Route]:
        """Who asks whom. Nothing of the body is read before that is known. Raises _Refused."""
        guest = self._passes.find(scope["headers"])
        if guest is None:
            raise _Refused(UNKNOWN_TOKEN)
        query = scope.get("query_string", b"")
        route = route_of(self._providers, scope["method"], scope["path"], query)
        if isinstance(route, Refusal):
            raise _Refused(route)
        if len(guest.under_way) + guest.coming >= UNDER_WAY_MAX:
            raise _Refused(TOO_MANY)
        return guest, route

    async def _read(self, guest: Pass, route: Route, receive: Receive) -> Asked:
        """What a body asks for. Raises _Refused."""
        guest.coming += 1
        try:
            body = await _body(receive)
            if len(body) < LONG_BYTES:
                asked = asked_of(route, body, self._prices)
            else:
                asked = await asyncio.to_thread(asked_of, route, body, self._prices)
        finally:
            guest.coming -= 1
        if isinstance(asked, Refusal):
            raise _Refused(asked)
        return asked

    def _admit(self, guest: Pass, route: Route) -> None:
        """Whether it may be asked now: the body took its time. Raises _Refused."""
        if guest.ended:
            raise _Refused(UNKNOWN_TOKEN)
        if route.uses_tokens and (why := self._allow(guest.work, guest.used)):
            raise _Refused(spent(why))
        name = route.provider.name
        if wait_s := self._paces[name].take(self._clock.now_ms()):
            raise _Refused(too_fast(name, wait_s))

    async def _pass_on(
        self,
        guest: Pass,
        route: Route,
        asked: Asked,
        headers: Mapping[str, str],
        answering: _Answering,
    ) -> None:
        """Ask the provider, and pass its answer on piece by piece; what it used is counted however
        this ends."""
        stream = self._http.stream(
            route.method, route.url, content=asked.body, headers=dict(headers)
        )
        try:
            async with stream as answer:
                self._look(route.provider, answer)
                await self._bring(guest, route, asked, answer, answering)
        except httpx.TimeoutException:
            await answering.refuse(TOO_LATE)
        except (httpx.HTTPError, httpx.InvalidURL):
            await answering.refuse(UNREACHABLE)
        except _Refused as refused:
            await answering.refuse(refused.refusal)

    async def _bring(
        self,
        guest: Pass,
        route: Route,
        asked: Asked,
        answer: httpx.Response,
        answering: _Answering,
    ) -> None:
        answering.streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
        meter = Meter(len(asked.body), streamed=answering.streamed)
        head = brought_headers(answer.headers)
        whole = False
        held: list[bytes] = []
        try:
            if answering.streamed:
                await answering.begin(answer.status_code, head)
            size = 0
            async for chunk in answer.aiter_bytes():
                meter.feed(chunk)
                if answering.streamed:
                    await answering.piece(chunk, more=True)
                    continue
                size += len(chunk)
                held.append(chunk)
                if size > BODY_BYTES_MAX:
                    raise _Refused(UNREACHABLE)
            whole = True
        finally:
            if route.uses_tokens and answer.is_success:
                guest.count(meter.tokens(whole=whole), asked.price)
        if not answering.streamed:
            await answering.begin(answer.status_code, head)
        await answering.piece(b"".join(held), more=False)

    def _look(self, provider: Provider, answer: httpx.Response) -> None:
        """What an answer's status says to us. Raises _Refused where it is not for the worker."""
        if answer.status_code == 429:
            said = answer.headers.get("retry-after", "")
            self._paces[provider.name].hold(self._clock.now_ms(), said)
        if answer.status_code == 401:
            if provider.name not in self._told:
                self._told.add(provider.name)
                self._say(f"{provider.name} does not take the key that gateway.keys names for it.")
            raise _Refused(KEY_REFUSED)
        if answer.is_redirect:
            raise _Refused(UNREACHABLE)


async def _body(receive: Receive) -> bytes:
    """All of a request's body. Raises _Refused where it is too long, or not all there."""
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Refused(NOT_HERE)
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > BODY_BYTES_MAX:
            raise _Refused(TOO_LARGE)
        if not message.get("more_body"):
            return b"".join(pieces)


async def _unless_gone(
    guest: Pass, passing: asyncio.Task[None], receive: Receive, answering: _Answering
) -> None:
    """Until the answer is there; it is broken off when nobody waits for it any more: the worker has
    hung up, or its attempt has ended."""
    guest.under_way.add(passing)
    listening = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({passing, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        passing.cancel()
        listening.cancel()
        await asyncio.wait({passing, listening})
        guest.under_way.discard(passing)
    if passing.cancelled():
        with suppress(OSError):
            await answering.refuse(UNREACHABLE)
    else:
        passing.result()


async def _gone(receive: Receive) -> None:
    """Return when the other side has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass

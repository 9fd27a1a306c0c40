"""Requests to GitHub's API over HTTP: each goes out as its limits allow, what changes something one
at a time and the most urgent first (`turns.py`), and its answer is read.

Knows httpx and nothing of repositories. What gets us in is handed to it with each request, stands
in a header, and in no message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import msgspec
from gidgethub import sansio

from oya_vcs.adapters.github.limits import Pace
from oya_vcs.adapters.github.outcomes import Reply, no_answer, read_answer
from oya_vcs.adapters.github.turns import Turn, Turns, turn_of
from oya_vcs.ports import Clock

REQUESTER = "oya-vcs"
"""The user agent, which GitHub asks for."""
ANSWER_S_MAX = 30.0
"""GitHub itself gives up after ten."""
AT_ONCE_MAX = 10
"""Requests under way: GitHub's own limit is 100, for all that use the same token."""
LIMITED_MAX = 20
"""How often one request may be turned away by a limit before somebody is told."""
READS = ("GET", "HEAD")


class Heard(NamedTuple):
    """An answer: `reply` None says that what is known already still holds (304)."""

    reply: Reply | None
    headers: Mapping[str, str]


class Wire:
    """The way to one GitHub. `api_url` is its API's address: GitHub's own, or an Enterprise
    server's, which ends in `/api/v3`. Use it as an asynchronous context, or `close` it."""

    def __init__(
        self, api_url: str, clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.pace = Pace()
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=ANSWER_S_MAX, transport=transport)
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._turns = Turns()
        self._waiting: dict[Turn, asyncio.Event] = {}
        self._writer: Turn | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
        await self._http.aclose()

    @property
    def graphql_url(self) -> str:
        """Where GraphQL is spoken: beside the API on GitHub, and `/api/graphql` on a server of
        one's own."""
        return f"{self.api_url.removesuffix('/v3')}/graphql"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        jwt: str | None = None,
        body: Any = None,
        etag: str = "",
    ) -> Heard:
        """Ask once the limits allow it, and again after each that was in the way: a request that
        is turned away by one has done nothing.

        `path` may be a whole address, of a next page. Raises GithubFailed.
        """
        url = path if "://" in path else f"{self.api_url}{path}"
        headers = sansio.create_headers(REQUESTER, oauth_token=token, jwt=jwt)
        headers["x-github-api-version"] = "2022-11-28"
        if etag:
            headers["if-none-match"] = etag
        content = b"" if body is None else msgspec.json.encode(body)
        if content:
            headers["content-type"] = "application/json; charset=utf-8"
        what = f"{method} {url.removeprefix(self.api_url).partition('?')[0]}"
        for turn in range(LIMITED_MAX):
            answer = await self._send(method, url, headers, content, what)
            known = {name.lower(): value for name, value in answer.headers.items()}
            now_ms = self._clock.now_ms()
            limited = self.pace.heard(answer.status_code, known, answer.content, now_ms)
            if limited and turn + 1 < LIMITED_MAX:
                continue
            if answer.status_code == 304:
                return Heard(None, known)
            return Heard(read_answer(what, answer.status_code, known, answer.content), known)
        raise AssertionError

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, what: str
    ) -> httpx.Response:
        if method in READS:
            return await self._now(method, url, headers, content, what)
        async with self._writing(turn_of(method, url)):
            return await self._now(method, url, headers, content, what)

    @asynccontextmanager
    async def _writing(self, turn: Turn) -> AsyncIterator[None]:
        """A turn to change something: GitHub asks that this is done one after the other, and not
        too fast. Whose turn it is is decided when one may be had, and not before."""
        woken = self._waiting[turn] = asyncio.Event()
        self._turns.join(turn)
        self._wake()
        try:
            await self._may_write(turn, woken)
            yield
        finally:
            if self._writer is turn:
                self._writer = None
            self._turns.leave(turn)
            del self._waiting[turn]
            self._wake()

    async def _may_write(self, turn: Turn, woken: asyncio.Event) -> None:
        while True:
            now_ms = self._clock.now_ms()
            if self._writer is not None or self._turns.first() is not turn:
                woken.clear()
                await woken.wait()
            elif (left_ms := self.pace.write_left_ms(now_ms)) > 0:
                await self._clock.sleep(left_ms)
            else:
                self.pace.book_write(now_ms)
                self._turns.go(turn)
                self._writer = turn
                return

    def _wake(self) -> None:
        """Have whoever is next look whether it may."""
        if self._writer is None and (first := self._turns.first()) is not None:
            self._waiting[first].set()

    async def _now(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, what: str
    ) -> httpx.Response:
        async with self._at_once:
            while (left_ms := self.pace.left_ms(self._clock.now_ms())) > 0:
                await self._clock.sleep(left_ms)
            try:
                return await self._http.request(
                    method,
                    url,
                    headers=headers,
                    content=content,
                    follow_redirects=method in READS,
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise no_answer(what, error) from error

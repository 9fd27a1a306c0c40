"""GitHub's API as the rest of the adapter asks it: one repository, with what gets us in.

What was read is remembered, so that asking again for what has not changed costs nothing of the
limit. Reads are tried again; what changes something never is: only its caller knows how to find out
whether it was done. Knows paths and JSON, and not what they mean.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from oya_vcs.adapters.github.auth import Credentials
from oya_vcs.adapters.github.outcomes import GithubFailed, Reply, Why, graphql_failed
from oya_vcs.adapters.github.wire import Heard, Wire
from oya_vcs.ports import Clock

REMEMBERED_MAX = 512
"""Answers that are kept for the next time: what a few hundred open changes ask for."""
PAGE = 100
"""Rows of a page: GitHub's greatest."""
PAGES_MAX = 100
"""Of one list: a hundred times a hundred rows, where GitHub's own lists often end."""
READS_MAX = 3
READ_AGAIN_MS = 1_000
"""Between two reads, doubled each time."""


@dataclass(frozen=True, slots=True)
class _Known:
    etag: str
    reply: Reply


class Github:
    """The API for the repository `repo` (owner/name)."""

    def __init__(self, wire: Wire, credentials: Credentials, repo: str, clock: Clock) -> None:
        self.repo = repo
        self.owner = repo.partition("/")[0]
        self.wire = wire
        self._credentials = credentials
        self._clock = clock
        self._known = OrderedDict[str, _Known]()

    def here(self, path: str) -> str:
        """The path of something of the repository."""
        return f"/repos/{self.repo}{path}"

    async def token(self) -> str:
        """What gets us in now, for git. Raises GithubFailed."""
        return await self._credentials.token()

    async def get(self, path: str, **query: str | int) -> Any:
        """What is at a path. Raises GithubFailed."""
        return (await self._read(_with(path, query))).data

    async def find(self, path: str, **query: str | int) -> Any:
        """What is at a path, or None where there is nothing. Raises GithubFailed."""
        try:
            return await self.get(path, **query)
        except GithubFailed as error:
            if error.why is Why.MISSING:
                return None
            raise

    async def each(self, path: str, rows: str = "", **query: str | int) -> AsyncIterator[Any]:
        """The rows of a list, page after page; they stand under the name `rows`, if it is given.
        Raises GithubFailed."""
        page: str | None = _with(path, {"per_page": PAGE, **query})
        for _ in range(PAGES_MAX):
            if page is None:
                return
            reply = await self._read(page)
            for row in reply.data[rows] if rows else reply.data:
                yield row
            page = reply.next_page

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """Change something, or ask for that, once. Raises GithubFailed; where its `why` is UNKNOWN,
        it may have been done."""
        heard = await self._ask(method, path, body=body)
        return None if heard.reply is None else heard.reply.data

    async def graphql(self, query: str, **variables: Any) -> Any:
        """The `data` of an answer. Raises GithubFailed for errors in its body too."""
        body = {"query": query, "variables": variables}
        heard = await self._ask("POST", self.wire.graphql_url, body=body)
        said = {} if heard.reply is None else heard.reply.data
        if said.get("errors"):
            error = graphql_failed("POST /graphql", said["errors"])
            if error.why is Why.LIMITED:
                self.wire.pace.limited(heard.headers, self._clock.now_ms())
            raise error
        return said.get("data")

    async def _read(self, path: str) -> Reply:
        """Read, conditionally where it was read before, again where GitHub failed."""
        for turn in range(READS_MAX):
            known = self._known.get(path)
            try:
                heard = await self._ask("GET", path, etag="" if known is None else known.etag)
            except GithubFailed as error:
                if error.why is not Why.UNKNOWN or turn + 1 == READS_MAX:
                    raise
                await self._clock.sleep(READ_AGAIN_MS * 2**turn)
                continue
            if heard.reply is None and known is not None:
                self._known.move_to_end(path)
                return known.reply
            if heard.reply is not None:
                self._remember(path, heard.headers.get("etag", ""), heard.reply)
                return heard.reply
            self._known.pop(path, None)
        raise GithubFailed(Why.UNKNOWN, f"GitHub has nothing new at {path}, and told nothing else.")

    def _remember(self, path: str, etag: str, reply: Reply) -> None:
        if etag:
            self._known[path] = _Known(etag, reply)
            self._known.move_to_end(path)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)

    async def _ask(self, method: str, path: str, *, body: Any = None, etag: str = "") -> Heard:
        """Ask; with another token, once, where GitHub does not know this one."""
        token = await self._credentials.token()
        try:
            return await self.wire.ask(method, path, token=token, body=body, etag=etag)
        except GithubFailed as error:
            if error.status != 401 or not self._credentials.refused(token):
                raise
        token = await self._credentials.token()
        return await self.wire.ask(method, path, token=token, body=body, etag=etag)


def _with(path: str, query: dict[str, str | int]) -> str:
    return f"{path}?{urlencode(query)}" if query else path

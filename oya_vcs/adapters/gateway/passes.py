"""Who may come in: a token for each attempt, worth nothing before and after it, and what was used
with it.

`Passes` is `ports.Grants`. Must not know how anything is asked or served.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from oya_vcs.adapters.gateway.meter import Tokens
from oya_vcs.adapters.gateway.routes import Provider
from oya_vcs.config import Price
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.ids import Key
from oya_vcs.core.usage import Usage, UsageCounted
from oya_vcs.errors import OyaError
from oya_vcs.ports import Report

SAY_S = 2.0
"""Between two counts of one attempt on record."""
LAST_S = 2.0
"""What the last count may take: where the record takes nothing, the attempt's end does not wait."""
HEAD = "sk-oya"
"""How a token begins. Some clients insist on `sk-`, and our logs know it for a secret by that."""

Allow = Callable[[RunWorker, Usage], str]
"""Why an attempt that has used this much may use no more; empty: it may."""


NOTHING = Usage(metered=True)


def anything(_work: RunWorker, _usage: Usage) -> str:
    """There is no budget."""
    return ""


@dataclass(slots=True, eq=False)
class Pass:
    """An attempt's way in. `used` is its total so far; `under_way` what is being answered."""

    work: RunWorker
    tell: Callable[[Usage], Awaitable[None]]
    used: Usage = NOTHING
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    coming: int = 0
    """Requests of which the body is still being read."""
    ended: bool = False
    _said: Usage = NOTHING
    _saying: asyncio.Task[None] | None = None

    def count(self, tokens: Tokens, price: Price | None) -> None:
        """Add what a request used; it is on record within SAY_S, and at the attempt's end."""
        self.used = replace(
            self.used,
            tokens_in=self.used.tokens_in + tokens.taken_in,
            tokens_out=self.used.tokens_out + tokens.written,
            cost_micros=self.used.cost_micros + (tokens.cost_micros(price) if price else 0),
        )
        if not self.ended and (self._saying is None or self._saying.done()):
            self._saying = asyncio.ensure_future(self._say())

    async def _say(self) -> None:
        while self.used != self._said:
            said = self.used
            with suppress(OyaError):  # what the record does not take now is in the next total
                await self.tell(said)
                self._said = said
            await asyncio.sleep(SAY_S)

    async def end(self) -> None:
        """Break off what is under way, count it, and say the last count if it is news."""
        self.ended = True
        tasks = [*self.under_way, *([] if self._saying is None else [self._saying])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.used != self._said:
            with suppress(OyaError, TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self.tell(self.used)


class Passes:
    """`ports.Grants`: the passes of the attempts that run now. None is given before the gateway
    takes requests."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers
        self._passes: dict[str, Pass] = {}
        self._address = ""
        self._opened = asyncio.Event()

    def open(self, address: str) -> None:
        """The gateway takes requests at `http://127.0.0.1:PORT`."""
        self._address = address
        self._opened.set()

    @asynccontextmanager
    async def granted(
        self, key: Key, work: RunWorker, report: Report
    ) -> AsyncIterator[Mapping[str, str]]:
        """The address and the token, under every name that clients look for."""

        async def tell(usage: Usage) -> None:
            fact = UsageCounted(run=key, bead=work.bead, attempt=work.attempt, usage=usage)
            await report(fact)

        await self._opened.wait()
        token = HEAD + secrets.token_hex(24)
        one = self._passes[token] = Pass(work, tell)
        found = {"OYA_GATEWAY_URL": self._address, "OYA_GATEWAY_TOKEN": token}
        for provider in self._providers:
            found |= provider.variables(self._address, token)
        try:
            yield found
        finally:
            del self._passes[token]
            await one.end()

    def find(self, headers: Sequence[tuple[bytes, bytes]]) -> Pass | None:
        """Whose token a request bears, as Anthropic's clients send it or as all others do."""
        for name, text in headers:
            if name in {b"authorization", b"x-api-key"}:
                said = text.removeprefix(b"Bearer ") if name == b"authorization" else text
                found = self._passes.get(said.strip().decode("latin-1"))
                if found is not None:
                    return found
        return None

"""The web application: GitHub's webhooks come in here.

Made of what it is handed: a secret, what a delivery means, and the way in to the engine. It
answers with 202 when what a delivery told is on disk, and never for another reason than that.
Knows no engine, no journal, and no GitHub but for the requests that it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from litestar import Litestar, asgi
from litestar.enums import ScopeType
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin
from litestar.types import Receive, Scope, Send

from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint
from oya_vcs.errors import ConfigurationInvalid, OyaError
from oya_vcs_bot.translate import News
from oya_vcs_bot.webhooks import (
    BODY_BYTES_MAX,
    TOO_LARGE,
    Envelope,
    Refusal,
    read_body,
    read_headers,
)

WEBHOOK_PATH = "/github/webhook"
OFFER_S_MAX = 8.0
"""Seconds that a delivery may wait for the disk; GitHub gives up after ten and never sends it
again by itself. What is recorded later is recorded all the same."""
LONG_BYTES = 32_768
"""Bodies from here on are read in a thread: hostile Markdown of GitHub's greatest length takes a
second, one that fits in here a tenth of that."""

Offer = Callable[[Sequence[Event], str], Awaitable[None]]
"""Takes the facts of a delivery, and its id with the sender's name before it; returns when they are
on disk. What was taken under that id before is not taken again. Raises OyaError."""
Understand = Callable[[str, Mapping[str, object]], News]
"""What a payload of this kind of event tells: `Translator.read`. Raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who takes deliveries. `wake` is told where to look sooner than the next poll would."""

    secret: bytes = field(repr=False)
    understand: Understand
    offer: Offer
    wake: Callable[[Hint], None] = lambda _hint: None

    def __post_init__(self) -> None:
        if not self.secret:
            raise ConfigurationInvalid(
                "The webhook has no secret, so anybody could speak for GitHub.",
                "Put it into the variable that github.webhook_secret_env names.",
            )

    async def take(self, envelope: Envelope, body: bytes) -> Refusal | None:
        """Have what a delivery tells recorded; why not, where it is refused.

        One that tells no fact leaves no row: it is as good as one that was lost.
        """
        payload = read_body(envelope, body, self.secret)
        if isinstance(payload, Refusal):
            return payload
        if len(body) < LONG_BYTES:
            news = self.understand(envelope.event, payload)
        else:
            news = await asyncio.to_thread(self.understand, envelope.event, payload)
        try:
            if news.facts:
                async with asyncio.timeout(OFFER_S_MAX):
                    await self.offer(news.facts, f"github:{envelope.delivery}")
        except (OyaError, TimeoutError):
            return _NOT_RECORDED
        for hint in news.hints:
            self.wake(hint)
        return None


_NOT_RECORDED = Refusal(
    status=503,
    title="The delivery was not recorded.",
    detail="The journal takes nothing at the moment. What the delivery tells is found by polling.",
)


def make_app(desk: Desk) -> Litestar:
    """The application. Every refusal is a problem of RFC 9457; a mistake of ours shows nothing of
    itself."""

    @asgi(WEBHOOK_PATH, copy_scope=False)
    async def webhook(scope: Scope, receive: Receive, send: Send) -> None:
        """A delivery of GitHub's: 202 when all that it tells is on disk. By the bare protocol,
        which is half of what a request costs."""
        refusal = await _judged(desk, scope, receive)
        status, text, kind = 202, b"", b"application/json"
        if refusal is not None:
            problem = {"status": refusal.status, "title": refusal.title, "detail": refusal.detail}
            status, text, kind = refusal.status, msgspec.json.encode(problem), _PROBLEM
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text, "more_body": False})

    return Litestar(
        [webhook],
        openapi_config=None,
        logging_config=None,
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
    )


_PROBLEM = b"application/problem+json"
_NO_POST = Refusal(
    status=405, title="Method Not Allowed", detail="Deliveries of GitHub come by POST."
)


async def _judged(desk: Desk, scope: Scope, receive: Receive) -> Refusal | None:
    """Why a request is not taken; None where it was."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
        return _NO_POST
    envelope = read_headers(scope["headers"])
    if isinstance(envelope, Refusal):
        return envelope
    body = await _body(receive)
    return body if isinstance(body, Refusal) else await desk.take(envelope, body)


async def _body(receive: Receive) -> bytes | Refusal:
    """All of the body, and never more of it than may be."""
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _GONE
        pieces.append(message["body"])
        length += len(message["body"])
        if length > BODY_BYTES_MAX:
            return TOO_LARGE
        if not message.get("more_body"):
            return b"".join(pieces)


_GONE = Refusal(status=400, title="The body is not all there.", detail="Who sent it has gone.")

"""The web application: GitHub's webhooks come in here.

Made of what it is handed: a secret, what a delivery means, and the way in to the engine. It
answers with 202 when what a delivery told is on disk, and never for another reason than that.
Knows no engine, no journal, and no GitHub but for the requests that it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin

from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint
from oya_vcs.errors import ConfigurationInvalid, OyaError
from oya_vcs_bot.translate import News
from oya_vcs_bot.webhooks import (
    BODY_BYTES_MAX,
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
Understand = Callable[[str, dict[str, object]], News]
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


def _refused(refusal: Refusal) -> Response[bytes]:
    """A problem in the form of RFC 9457."""
    problem = {"status": refusal.status, "title": refusal.title, "detail": refusal.detail}
    return Response(
        msgspec.json.encode(problem),
        status_code=refusal.status,
        media_type="application/problem+json",
    )


def make_app(desk: Desk) -> Litestar:
    """The application. Every refusal is a problem of RFC 9457; a mistake of ours shows nothing of
    itself."""

    @post(WEBHOOK_PATH, status_code=202, request_max_body_size=BODY_BYTES_MAX)
    async def webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A delivery of GitHub's: 202 when all that it tells is on disk."""
        envelope = read_headers(request.scope["headers"])
        if isinstance(envelope, Refusal):
            return _refused(envelope)
        refusal = await desk.take(envelope, await request.body())
        return Response(b"", status_code=202) if refusal is None else _refused(refusal)

    return Litestar(
        [webhook],
        openapi_config=None,
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
    )

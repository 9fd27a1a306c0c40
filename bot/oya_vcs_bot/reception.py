"""Where deliveries of GitHub come in: each is proved, understood by the repositories that it is
about, and recorded, before it is acknowledged.

Repositories come and go, each with a desk of its own: its secret, and what a delivery means there.
Several may have the same secret, as those of one App do. Knows no web server, no engine, and not
what follows from anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import ConfigurationInvalid, OyaError
from oya_vcs_bot.payloads import Json
from oya_vcs_bot.webhooks import FORGED, Envelope, Refusal, is_signed, read_payload

if TYPE_CHECKING:
    from oya_vcs_bot.translate import News

OFFER_S_MAX = 8.0
"""Seconds that a delivery may wait for the disk; GitHub gives up after ten and never sends it
again by itself. What is recorded later is recorded all the same."""
LONG_BYTES = 32_768
"""Bodies from here on are proved and read in a thread: hostile Markdown of GitHub's greatest length
takes a second, one that fits in here a tenth of that; and anybody may have 10 MiB be tried with the
secret of every repository."""

Offer = Callable[[Sequence[Event], str], Awaitable[None]]
"""Takes the facts of a delivery, and its id with the sender's name before it; returns when they are
on disk. What was taken under that id before is not taken again. Raises OyaError."""
Understand = Callable[[str, Mapping[str, object]], "News"]
"""What a payload of this kind of event tells: `Translator.read`. Raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who takes the deliveries that are about one repository: `name` is "owner/name", in any case.
    `wake` is told where to look sooner than the next poll would."""

    name: str
    secret: bytes = field(repr=False)
    understand: Understand
    wake: Callable[[Hint], None] = lambda _hint: None

    def __post_init__(self) -> None:
        if not self.secret:
            raise ConfigurationInvalid(
                "The webhook has no secret, so anybody could speak for GitHub.",
                "Put it into the variable that github.webhook_secret_env names.",
            )


class Reception:
    """All desks of a daemon. All calls on one event loop."""

    def __init__(self) -> None:
        self._desks: dict[RepoId, Desk] = {}
        self.dropped = 0
        """Deliveries that were proved and are about nobody here: another repository's, or another
        installation's. They were acknowledged, and nothing else."""

    def open(self, repo: RepoId, desk: Desk) -> None:
        """Take deliveries for a repository from now on, by this desk and no earlier one of it."""
        self._desks[repo] = desk

    def close(self, repo: RepoId, desk: Desk | None = None) -> None:
        """Take none any more; where `desk` is given, unless another one was opened meanwhile."""
        if desk is None or self._desks.get(repo) is desk:
            self._desks.pop(repo, None)

    @property
    def awaits(self) -> bool:
        """Whether deliveries are taken at all."""
        return bool(self._desks)

    def __contains__(self, repo: object) -> bool:
        """Whether deliveries for a repository are taken."""
        return repo in self._desks

    async def take(self, envelope: Envelope, body: bytes, offer: Offer) -> Refusal | None:
        """Have what a delivery tells recorded by `offer`; why not, where it is refused.

        One that tells no fact leaves no row: it is as good as one that was lost.
        """
        secrets = {desk.secret for desk in self._desks.values()}
        if len(body) < LONG_BYTES:
            proven = _proven(envelope, body, secrets)
        else:
            proven = await asyncio.to_thread(_proven, envelope, body, secrets)
        if not proven:
            return FORGED
        payload = read_payload(body)
        if isinstance(payload, Refusal):
            return payload
        desks = self._about(payload, proven)
        if isinstance(desks, Refusal):
            return desks
        told = [(desk, await _news(desk, envelope.event, payload, len(body))) for desk in desks]
        self.dropped += all(news.elsewhere for _, news in told)
        facts = [fact for _, news in told for fact in news.facts]
        try:
            if facts:
                async with asyncio.timeout(OFFER_S_MAX):
                    await offer(facts, f"github:{envelope.delivery}")
        except (OyaError, TimeoutError):
            return _NOT_RECORDED
        for desk, news in told:
            for hint in news.hints:
                desk.wake(hint)
        return None

    def _about(self, payload: Mapping[str, object], proven: set[bytes]) -> Sequence[Desk] | Refusal:
        """The desks that a payload is for: those of its repository, or of all where it names none,
        as far as it was signed with their secret. One repository's secret does not speak for
        another one."""
        desks, seen = list(self._desks.values()), Json(payload)
        if "repository" in seen:
            name = seen["repository"]["full_name"].text.lower()
            desks = [desk for desk in desks if desk.name.lower() == name]
        signed = [desk for desk in desks if desk.secret in proven]
        return FORGED if desks and not signed else signed


def _proven(envelope: Envelope, body: bytes, secrets: Collection[bytes]) -> set[bytes]:
    """The secrets that the body was signed with. Every one is tried, whatever the others say: how
    long that takes tells nothing of them."""
    return {secret for secret in secrets if is_signed(envelope, body, secret)}


async def _news(desk: Desk, event: str, payload: Mapping[str, object], length: int) -> News:
    if length < LONG_BYTES:
        return desk.understand(event, payload)
    return await asyncio.to_thread(desk.understand, event, payload)


_NOT_RECORDED = Refusal(
    status=503,
    title="The delivery was not recorded.",
    detail="The journal takes nothing at the moment. What the delivery tells is found by polling.",
)

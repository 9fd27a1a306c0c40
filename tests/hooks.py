"""GitHub's side of a webhook: signs deliveries and hands them to an application, without a network.

The application is called as a web server calls it, so that any bytes may stand in any header.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import zstandard
from litestar import Litestar

from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint
from oya_vcs.core.ids import RepoId
from oya_vcs_bot.app import WEBHOOK_PATH, make_app
from oya_vcs_bot.reception import Desk, Reception
from oya_vcs_bot.translate import Translator

SECRET = b"It's a Secret to Everybody"
"""The secret of GitHub's own test vector for signatures."""
REPO = RepoId("repo-1")
NAME = "Codertocat/Hello-World"
"""The repository that most of the official examples are about."""
EXAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "webhooks" / "examples.jsonl.zst"
CHUNK = 65_536

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The refusal, as RFC 9457 has it."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Office:
    """An application, and all that it let through."""

    translator: Translator = field(default_factory=lambda: Translator(repo=REPO, name=NAME))
    offered: list[tuple[str, Sequence[Event]]] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    refuse: Exception | None = None
    """What the engine says instead of taking anything."""
    reception: Reception = field(default_factory=Reception)

    def app(self) -> Litestar:
        """The application."""
        self.reception.open(self.translator.repo, self.desk())
        return make_app(self.reception, self.offer)

    def desk(self, secret: bytes = SECRET) -> Desk:
        """Where deliveries for the translator's repository are taken."""
        name, read = self.translator.name, self.translator.read
        return Desk(name=name, secret=secret, understand=read, wake=self.hints.append)

    async def offer(self, facts: Sequence[Event], delivery: str) -> None:
        """The way in to an engine."""
        if self.refuse is not None:
            raise self.refuse
        self.offered.append((delivery, facts))


def signed(
    body: bytes, event: str = "ping", *, delivery: str = "d-1", secret: bytes = SECRET
) -> Headers:
    """The headers that GitHub sends with a body."""
    digest = hmac.new(secret, body, "sha256").hexdigest()
    return [
        (b"host", b"oya.example.org"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-github-delivery", delivery.encode()),
        (b"x-github-event", event.encode()),
        (b"x-hub-signature-256", f"sha256={digest}".encode()),
    ]


async def send(
    app: Litestar,
    headers: Headers,
    body: bytes,
    *,
    path: str = WEBHOOK_PATH,
    method: str = "POST",
) -> Answer:
    """What the application answers to a request."""
    chunks = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)] or [b""]
    incoming: list[Any] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    answered: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def note(message: Any) -> None:
        answered.append(message)

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7420),
        "extensions": {},
    }
    await app(scope, receive, note)
    text = b"".join(message.get("body", b"") for message in answered[1:])
    return Answer(answered[0]["status"], text)


@cache
def _lines() -> tuple[dict[str, Any], ...]:
    text = zstandard.ZstdDecompressor().decompress(EXAMPLES.read_bytes()).decode()
    return tuple(json.loads(line) for line in text.splitlines())


def examples(event: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The official payloads of a kind of event, or all of them, with the kind; each a fresh
    copy."""
    for line in _lines():
        if event in ("", line["event"]):
            yield line["event"], json.loads(json.dumps(line["payload"]))

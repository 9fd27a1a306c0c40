"""Who may be asked what: the providers, the few paths that are passed on, and what of a request and
an answer goes along.

An address is made of what the user's configuration says and of words that stand here: nothing that
a worker sends becomes part of one. Knows no token and sends nothing.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from oya_vcs.adapters.gateway.answers import (
    IN_BACKGROUND,
    NO_SUCH_METHOD,
    NOT_HERE,
    UNREADABLE,
    Refusal,
    unpriced,
)
from oya_vcs.config import GatewayConfig, Price
from oya_vcs.errors import ConfigurationInvalid

ANTHROPIC = "anthropic"
"""The one provider that is asked in its own way; all others are asked as OpenAI is."""
_ROUTES: Mapping[bool, Mapping[str, str]] = {
    True: {"messages": "POST", "messages/count_tokens": "POST", "models": "GET"},
    False: {
        "chat/completions": "POST",
        "responses": "POST",
        "embeddings": "POST",
        "models": "GET",
    },
}
ANSWERING = frozenset({"messages", "chat/completions", "responses", "embeddings"})
"""What uses tokens."""
_SENT = frozenset(
    {b"accept", b"content-type", b"anthropic-version", b"anthropic-beta", b"openai-beta"}
)
_BROUGHT = ("content-type", "retry-after", "retry-after-ms", "request-id", "x-request-id")
_BROUGHT_HEADS = ("anthropic-ratelimit-", "x-ratelimit-")
QUERIES = frozenset({b"", b"beta=true"})
"""What may stand behind the `?`: what Anthropic's own client sends."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who is asked: `url` with the version of its API."""

    name: str
    url: str
    key: str = field(repr=False)

    @property
    def is_anthropic(self) -> bool:
        """Whether it is asked in Anthropic's way."""
        return self.name == ANTHROPIC

    def credentials(self) -> dict[str, str]:
        """The header that lets us in."""
        return (
            {"x-api-key": self.key}
            if self.is_anthropic
            else {"authorization": f"Bearer {self.key}"}
        )

    def variables(self, gateway: str, token: str) -> dict[str, str]:
        """What tells a worker's clients to ask the gateway instead."""
        name = self.name.upper().replace("-", "_")
        base = f"{gateway}/{self.name}"
        found = {f"{name}_API_KEY": token, f"{name}_BASE_URL": f"{base}/v1"}
        if self.is_anthropic:  # its clients add the version themselves
            found["ANTHROPIC_BASE_URL"] = base
        if self.name == "openai":
            found["OPENAI_API_BASE"] = f"{base}/v1"
        return found


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked of whom."""

    provider: Provider
    method: str
    rest: str
    query: bytes = b""

    @property
    def url(self) -> str:
        """Where it is sent."""
        query = f"?{self.query.decode()}" if self.query else ""
        return f"{self.provider.url}/{self.rest}{query}"

    @property
    def uses_tokens(self) -> bool:
        """Whether an answer costs anything."""
        return self.rest in ANSWERING


def route_of(
    providers: Mapping[str, Provider], method: str, path: str, query: bytes
) -> Route | Refusal:
    """What `/NAME/v1/REST` asks for."""
    name, version, rest = (*path.removeprefix("/").split("/", 2), "", "")[:3]
    provider = providers.get(name)
    if provider is None or version != "v1" or query not in QUERIES:
        return NOT_HERE
    wanted = _ROUTES[provider.is_anthropic].get(rest)
    if wanted is None:
        return NOT_HERE
    return Route(provider, method, rest, query) if method == wanted else NO_SUCH_METHOD


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is passed on, and the price of its model."""

    body: bytes
    price: Price | None


def asked_of(route: Route, body: bytes, prices: Iterable[tuple[str, Price]]) -> Asked | Refusal:
    """What a body asks for, changed where it could not be metered otherwise: a stream of chat
    completions says what it used only where it is asked to."""
    if not route.uses_tokens:
        return Asked(body, None)
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return UNREADABLE
    if not isinstance(document, dict):
        return UNREADABLE
    if document.get("background"):
        return IN_BACKGROUND
    table = list(prices)
    model = document.get("model")
    price = price_of(table, model if isinstance(model, str) else "")
    if table and price is None:
        return unpriced(str(model))
    if route.rest == "chat/completions" and document.get("stream"):
        options = document.get("stream_options")
        kept: dict[str, Any] = options if isinstance(options, dict) else {}
        document["stream_options"] = {**kept, "include_usage": True}
    # Written anew: of two keys of one name, the provider must not see another than we did.
    return Asked(msgspec.json.encode(document), price)


def price_of(table: Iterable[tuple[str, Price]], model: str) -> Price | None:
    """What the model costs: the first pattern that fits it."""
    return next((price for pattern, price in table if fnmatchcase(model, pattern)), None)


def sent_headers(provider: Provider, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What of a request's headers goes along, with what lets us in. The answer is to come as it is,
    not compressed: it is read in passing."""
    found = {
        name.decode("latin-1"): text.decode("latin-1") for name, text in headers if name in _SENT
    }
    return {**found, "accept-encoding": "identity", **provider.credentials()}


def brought_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What of an answer's headers is passed on."""
    return [
        (name.encode("latin-1"), text.encode("latin-1"))
        for name, text in headers.items()
        if name in _BROUGHT or name.startswith(_BROUGHT_HEADS)
    ]


def providers_of(
    settings: GatewayConfig, environ: Mapping[str, str], home: Path
) -> dict[str, Provider]:
    """The configured providers with their keys; `home` is the user's. Raises ConfigurationInvalid
    where a key is not where it is said to be, or who is to be asked is not known."""
    return {one.name: one for one in _providers(settings, environ, home)}


def _providers(
    settings: GatewayConfig, environ: Mapping[str, str], home: Path
) -> Iterator[Provider]:
    for name, url, where in settings.providers:
        if not url:
            raise ConfigurationInvalid(
                f"gateway.keys names the provider {name}, and nothing says where it is.",
                f'Add "{name}=https://..." to gateway.urls.',
            )
        kind, _, place = where.partition(":")
        key = environ.get(place, "") if kind == "env" else _key_in(place, home)
        key = key.strip()
        if not key or not key.isascii() or not key.isprintable():
            what = f"The variable {place}" if kind == "env" else f"The file {place}"
            raise ConfigurationInvalid(
                f"{what}, which gateway.keys names for {name}, holds no key.",
                "Put the provider's key there, alone, or take the provider out of gateway.keys.",
            )
        yield Provider(name, url, key)


def _key_in(place: str, home: Path) -> str:
    """The text of a key's file, which nobody else may read."""
    path = home / place[2:] if place.startswith("~/") else Path(place)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationInvalid(
                f"The file {path}, which gateway.keys names, can be read by others.",
                f"Run chmod 600 {path}.",
            )
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(
            f"The file {path}, which gateway.keys names, cannot be read: {error}.",
            "Correct gateway.keys, or the file.",
        ) from error

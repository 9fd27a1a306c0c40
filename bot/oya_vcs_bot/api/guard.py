"""Who gets past: the Host and the Origin of a request are ours, and what changes something comes
with a token. In front of the page and the API; webhooks have a door of their own.

A page of another site can make a browser send requests to a loopback address, also under a name
that it rebinds to it. Such a request bears that name as its Host, or that site as its Origin, and
is refused, whatever it asks. Where others than this machine can reach us, reading takes a token,
too. Knows no daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from oya_vcs_bot.api.sessions import Sessions

BEARER = "bearer "
SUBPROTOCOL = "oya.v1"
"""What a WebSocket speaks. A browser cannot give it headers: a pass comes as a second protocol of
the name `pass.` and what it is."""
PREFIX = "pass."
ENTRY_PATH = "/api/session"
"""Where a link's code becomes a pass: the one change that takes no token."""

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" connect-src 'self'; worker-src 'self'; font-src 'self'; manifest-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
"""With every answer: nothing runs that is not a file of ours, nothing is embedded or embeds."""


class Guard:
    """An ASGI middleware. `listen` is where we are served ("host:port"), `url` how others reach us
    through a proxy (empty: they do not)."""

    def __init__(self, app: ASGIApp, *, listen: str, url: str, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._private = is_loopback(name_of(listen))
        self._public = name_of(url.rpartition("//")[2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, or answer it."""
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", ""), headers.get("origin")
        private = self._private and is_loopback(name_of(host))
        if self._private and not private and (not host or name_of(host) != self._public):
            return HTTPStatus.MISDIRECTED_REQUEST, f"This is not {host[:100]}."
        if origin is not None and origin.lower() not in {
            f"{kind}://{host.lower()}" for kind in _KINDS
        }:
            return HTTPStatus.FORBIDDEN, "Another site's page may not ask this."
        if scope["path"] == ENTRY_PATH or self._may(scope, headers, private=private):
            return None
        return HTTPStatus.UNAUTHORIZED, _HOW

    def _may(self, scope: Scope, headers: Mapping[str, str], *, private: bool) -> bool:
        if scope["type"] == ScopeType.WEBSOCKET:
            offered = (one.strip() for one in headers.get("sec-websocket-protocol", "").split(","))
            passes = [one.removeprefix(PREFIX) for one in offered if one.startswith(PREFIX)]
            return private or any(self._sessions.lets(one) for one in passes)
        reads = scope["type"] == ScopeType.HTTP and scope["method"] in {"GET", "HEAD"}
        if reads and (private or not scope["path"].startswith(("/api/", "/metrics"))):
            return True
        said = headers.get("authorization", "")
        return said[: len(BEARER)].lower() == BEARER and self._sessions.lets(said[len(BEARER) :])


_KINDS = ("http", "https")
"""Behind a proxy that ends TLS, the Origin is https."""
_HOW = (
    "This takes a token: `Authorization: Bearer` and what OYA_HOME/token holds; for a browser,"
    " `oya-vcs ui` prints a link."
)


def name_of(host: str) -> str:
    """The name in a Host header, without its port; IPv6 in its brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """Whether this names the machine itself, and no name server is asked for it."""
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return sent


async def _refuse(send: Send, status: HTTPStatus, detail: str) -> None:
    problem = {"status": int(status), "title": status.phrase, "detail": detail}
    text = msgspec.json.encode(problem)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(text)),
        *HEADERS,
    ]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})

"""The web application: one for a daemon. GitHub's webhooks come in here, and what else is served
hangs in it as routes.

A delivery is answered with 202 when what it told is on disk, and never for another reason than
that. Knows no engine, no journal, and no GitHub but for the requests that it sends.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Litestar, asgi, get
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from oya_vcs import __version__
from oya_vcs_bot.reception import Offer, Reception
from oya_vcs_bot.webhooks import BODY_BYTES_MAX, TOO_LARGE, Envelope, Refusal, read_headers

WEBHOOK_PATH = "/github/webhook"
HEALTH_PATH = "/api/health"


@get(HEALTH_PATH, media_type="application/json")
async def health() -> dict[str, str]:
    """Whether anybody is there."""
    return {"status": "ok"}


def make_app(
    reception: Reception,
    offer: Offer,
    routes: Sequence[ControllerRouterHandler] = (health,),
    *,
    described: bool = False,
) -> Litestar:
    """The application: webhooks, which `reception` takes and `offer` records, and whatever else is
    served (`routes`), and where that is `described`. Every refusal is a problem of RFC 9457; a
    mistake of ours shows nothing of itself."""

    @asgi(WEBHOOK_PATH, copy_scope=False)
    async def webhook(scope: Scope, receive: Receive, send: Send) -> None:
        """A delivery of GitHub's: 202 when all that it tells is on disk. By the bare protocol,
        which is half of what a request costs."""
        read = await _read(scope, receive)
        refusal = read if isinstance(read, Refusal) else await reception.take(*read, offer)
        status, text, kind = 202, b"", b"application/json"
        if refusal is not None:
            problem = {"status": refusal.status, "title": refusal.title, "detail": refusal.detail}
            status, text, kind = refusal.status, msgspec.json.encode(problem), _PROBLEM
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text, "more_body": False})

    app = Litestar(
        [webhook, *routes],
        openapi_config=_DESCRIPTION if described else None,
        logging_config=None,
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
    )
    if described:
        _ = app.openapi_schema  # it takes a moment, which the first to ask would wait for
    return app


_DESCRIPTION = OpenAPIConfig(
    title="oya-vcs",
    version=__version__,
    description="A daemon that lands the work of many agents: what it knows, and what may be asked."
    " Whatever changes something takes the token of its home.",
    path="/schema",
    render_plugins=[JsonRenderPlugin(path="/openapi.json")],
)


_PROBLEM = b"application/problem+json"
_NO_POST = Refusal(
    status=405, title="Method Not Allowed", detail="Deliveries of GitHub come by POST."
)


async def _read(scope: Scope, receive: Receive) -> tuple[Envelope, bytes] | Refusal:
    """A request as a delivery, not yet proved to be one."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
        return _NO_POST
    envelope = read_headers(scope["headers"])
    if isinstance(envelope, Refusal):
        return envelope
    body = await _body(receive)
    return body if isinstance(body, Refusal) else (envelope, body)


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

"""A provider of models on this machine: it answers as its script says, in the forms of OpenAI and
Anthropic, and keeps what it was asked. Knows nothing of oya-vcs but the server it is served by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from oya_vcs_bot.serving import listening, serve

KEY = "provider-key-3f9a77c1d2"


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


Piece = bytes | Awaitable[object]
"""Bytes to send, or something to wait for before the next ones."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: `pieces` are sent one by one; where `cut`, the connection breaks after them."""

    pieces: Iterable[Piece]
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


def whole(document: Mapping[str, Any], status: int = 200, **headers: str) -> Said:
    """A JSON answer."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Said([json.dumps(document).encode()], status=status, headers=named)


def events(*documents: Mapping[str, Any] | Awaitable[object], cut: bool = False) -> Said:
    """A stream of events, as each provider writes them."""
    pieces = [
        b"data: " + json.dumps(one).encode() + b"\n\n" if isinstance(one, Mapping) else one
        for one in documents
    ]
    return Said(pieces, kind="text/event-stream", cut=cut)


def chat_chunk(text: str = "", **more: Any) -> dict[str, Any]:
    """A piece of an answer of OpenAI's chat completions."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"object": "chat.completion.chunk", "model": "small", "choices": [choice], **more}


class Provider:
    """`script` answers each request."""

    def __init__(self, script: Callable[[Heard], Said]) -> None:
        self.script = script
        self.heard: list[Heard] = []
        self.hung_up = asyncio.Event()
        """Somebody went away in the middle of an answer."""
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        heard = Heard(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode(),
            headers={name.decode(): text.decode() for name, text in scope["headers"]},
            body=json.loads(body) if body else None,
        )
        self.heard.append(heard)
        said = self.script(heard)
        answering = asyncio.ensure_future(self._say(said, send))
        leaving = asyncio.ensure_future(receive())
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            self.hung_up.set()
        answering.cancel()
        leaving.cancel()
        await asyncio.wait({answering, leaving})

    async def _say(self, said: Said, send: Any) -> None:
        headers = [(b"content-type", said.kind.encode())]
        headers += [(name.encode(), text.encode()) for name, text in said.headers.items()]
        pieces = list(said.pieces)
        if said.cut:  # more is announced than comes
            length = sum(len(one) for one in pieces if isinstance(one, bytes)) + 1
            headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": said.status, "headers": headers})
        for piece in pieces:
            if isinstance(piece, bytes):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            else:
                await piece
        if not said.cut:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An application at an address of this machine, `http://127.0.0.1:PORT`."""
    sock = listening("127.0.0.1:0")
    address = f"http://127.0.0.1:{sock.getsockname()[1]}"
    up = asyncio.Event()
    running = asyncio.create_task(serve(app, sock, up.set))
    try:
        await asyncio.wait_for(up.wait(), 30)
        yield address
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

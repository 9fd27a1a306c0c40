"""The web server: one address, inside the event loop of whoever calls, until it is cancelled.

Takes no signals (they are the daemon's), opens no page of its own and says nothing to the log but
what is wrong. Knows nothing of what is served.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from uvicorn import Config, Server

from oya_vcs.errors import ConfigurationInvalid

BACKLOG = 1_024
"""Connections that the kernel keeps until they are taken."""
REQUESTS_MAX = 1_000
"""At once; more are answered with 503. A delivery holds at most its body."""
IDLE_S = 65
"""A connection without a request is closed after that: proxies keep theirs for 60 s."""
WS_BYTES_MAX = 4_096
"""Of a message from a client, who has nothing to say. None is compressed: on loopback that saves
nothing, and takes memory for each client."""
STOP_S = 5
"""What requests under way have to end in."""


class _Server(Server):
    def __init__(self, config: Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As it is, and then whoever waits is told."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: a signal stops the daemon, and the daemon stops us."""
        yield


def listening(address: str) -> socket.socket:
    """A socket at `host:port` (port 0: a free one), not yet accepting. Raises ConfigurationInvalid
    where the address is taken, or none of this machine's."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # TCP is named: only where asyncio knows it for TCP it turns off Nagle's algorithm, by which
    # what is written in pieces, as every stream is, waits 40 ms for an acknowledgement.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host.strip("[]"), int(port)))
    except (OSError, ValueError) as error:
        opened.close()
        why = error.strerror or error if isinstance(error, OSError) else error
        raise ConfigurationInvalid(
            f"Nothing can be served at {address}: {why}.",
            "Another program may have the address; web.listen says which one is taken.",
        ) from error
    opened.settimeout(0)
    return opened


async def serve(app: Any, sock: socket.socket, ready: Callable[[], None]) -> None:
    """Serve an ASGI application at an open socket, which is closed at the end. `ready` is called
    when requests are taken. Cancelling it stops it: requests under way have STOP_S to end."""
    config = Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=WS_BYTES_MAX,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=REQUESTS_MAX,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
    )
    server = _Server(config, ready)
    running = asyncio.ensure_future(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(running)
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await running
        sock.close()

"""The web server on a real socket."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from oya_vcs.errors import ConfigurationInvalid
from oya_vcs_bot.serving import listening, serve
from oya_vcs_bot.webhooks import BODY_BYTES_MAX
from tests.hooks import Headers, Office, examples, signed


@asynccontextmanager
async def served(office: Office) -> AsyncIterator[tuple[int, asyncio.Task[None]]]:
    """The port that an office is served at, and the task that does it."""
    sock = listening("127.0.0.1:0")
    port = sock.getsockname()[1]
    up = asyncio.Event()
    running = asyncio.create_task(serve(office.app(), sock, up.set))
    try:
        await asyncio.wait_for(up.wait(), 30)
        yield port, running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def request(headers: Headers, body: bytes) -> bytes:
    """What stands on the wire."""
    lines = [b"POST /github/webhook HTTP/1.1", *(b": ".join(one) for one in headers)]
    return b"\r\n".join([*lines, b"", b""]) + body


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the next answer; its body is read, too."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().splitlines()
        if line.startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return int(head.split()[1])


async def test_deliveries_come_in_over_http() -> None:
    """Several on one connection, signed and not; a delivery in pieces; each is answered."""
    office = Office()
    bodies = [json.dumps(payload).encode() for _, payload in examples("pull_request")]
    async with served(office) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, body in enumerate(bodies):
            whole = request(signed(body, "pull_request", delivery=f"d-{number}"), body)
            writer.write(whole[:1_000])
            await writer.drain()
            writer.write(whole[1_000:])
            assert await status(reader) == 202
            writer.write(request(signed(body, "pull_request", secret=b"no"), body))
            assert await status(reader) == 401
        writer.close()
    assert len(office.offered) > 10


async def test_too_large_a_body_does_not_stay() -> None:
    """Announced or not, more than 10 MiB are answered with 413 while they are sent, and the server
    goes on."""
    office = Office()
    body = b"x" * (BODY_BYTES_MAX + 1)
    async with served(office) as (port, _):
        for headers in (signed(body), [*signed(body)[:2], *signed(body)[3:]]):
            chunked = headers[2][0] != b"content-length"
            extra = [(b"transfer-encoding", b"chunked")] if chunked else []
            sent = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if chunked else body
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request([*headers, *extra], sent))
            assert await status(reader) == 413
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(signed(b"{}"), b"{}"))
        assert await status(reader) == 202
        writer.close()


async def test_a_stop_lets_requests_end_and_closes_the_address() -> None:
    """Cancelled in the middle of one: it is answered; the next connection is refused."""
    office = Office()
    async with served(office) as (port, running):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        whole = request(signed(b"{}"), b"{}")
        writer.write(whole[:-1])
        await writer.drain()
        running.cancel()
        writer.write(whole[-1:])
        assert await status(reader) == 202
        writer.close()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(OSError):  # noqa: PT012  # either may be what is refused
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()


async def test_signals_stay_the_daemons() -> None:
    """Serving changes no handler."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with served(Office()):
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("address", ["127.0.0.1:taken", "192.0.2.1:0", "[::2]:0", "nowhere:x"])
def test_an_address_that_cannot_be_served_is_said(address: str) -> None:
    """Taken, or none of this machine's: the sentence names it and the key."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = address.replace("taken", str(other.getsockname()[1]))
        with pytest.raises(ConfigurationInvalid, match="Nothing can be served at") as raised:
            listening(address)
    assert address in raised.value.message
    assert "web.listen" in raised.value.hint


async def test_what_is_written_in_pieces_does_not_wait() -> None:
    """Connections have Nagle's algorithm off: with it each small piece of a stream, and the end of
    most answers, waits 40 ms for an acknowledgement."""
    off = asyncio.get_running_loop().create_future()

    class Seeing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sock = transport.get_extra_info("socket")
            off.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    loop = asyncio.get_running_loop()
    sock = listening("127.0.0.1:0")
    async with await loop.create_server(Seeing, sock=sock) as server:
        _, writer = await asyncio.open_connection(*sock.getsockname())
        assert await asyncio.wait_for(off, 30) == 1
        writer.close()
        server.close()

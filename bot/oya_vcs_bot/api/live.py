"""What happens, as it happens: every recorded event to every browser, in order and without a gap.

Recorded events are gathered for a moment and become one frame: the events in short, and the rows of
the beads that they changed. The newest frames are kept once for all clients; each client has only a
number, the last event that it was sent. One that is slow is sent what it has missed in one piece,
or reads it from the record: it holds up nobody and costs no memory. Resuming is the same thing.

A row may already show what later events, on disk too, have made of it. Knows the daemon as a
`House`; decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from oya_vcs.errors import OyaError, WorldFailed
from oya_vcs.ports import Recorded
from oya_vcs_bot.api.asking import House
from oya_vcs_bot.api.guard import SUBPROTOCOL
from oya_vcs_bot.api.rows import GraphBead, changed_by, event_row

GATHER_S = 0.008
"""How long events are gathered before they are a frame: half of what a screen shows one for."""
GATHER_CLIENT_S = 0.000_15
"""And so much longer for each client: what sending one frame to it costs."""
FRAMES_KEPT = 1_000
"""Frames that a client may be behind before it reads from the record (E2)."""
FRAME_EVENTS_MAX = 500
"""Events in one frame."""
FRAMES_JOINED_MAX = 20
"""Frames that are sent in one message."""
CLIENTS_MAX = 500
AGAIN_S = 0.5
"""Between two looks at a state that is not to be had."""
SEND_S_MAX = 30.0
"""A client that takes nothing for so long is let go."""
TRY_LATER = 1013
"""The WebSocket's code for that (RFC 6455's registry)."""


Socket = WebSocket[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """Events `first` to `last`, encoded, and the rows of what they changed."""

    first: int
    last: int
    events: bytes
    beads: bytes


class Live:
    """All clients of one daemon. A feed of its engines; `run` makes the frames. All calls on one
    event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pending: deque[Recorded] = deque()
        self._frames: deque[Frame] = deque(maxlen=FRAMES_KEPT)
        self._seq: int | None = None
        self._stirred = asyncio.Event()
        self._stirred.set()
        self._next = asyncio.Event()
        self.clients = 0
        """Who listens now."""
        self.told = 0
        """Events that were put into frames."""

    @property
    def seq(self) -> int | None:
        """The last event that clients have been, or can be, told; None before the first look."""
        return self._seq

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Take rows that are on disk: a feed."""
        self._pending.extend(rows)
        self._stirred.set()

    async def run(self) -> None:
        """Make frames until cancelled. While the state is not to be had, clients wait."""
        while True:
            await self._stirred.wait()
            await asyncio.sleep(GATHER_S + self.clients * GATHER_CLIENT_S)
            self._stirred.clear()
            try:
                if self._seq is None:
                    self._seq, _ = await self._house.seen(lambda _world: None)
                    self._wake()
                while self._pending:
                    await self._make()
            except OyaError:
                self._stirred.set()
                await asyncio.sleep(AGAIN_S)

    async def _make(self) -> None:
        """One frame of what is pending, which stays so where that fails."""
        while self._pending and self._pending[0].seq <= (self._seq or 0):
            self._pending.popleft()
        rows = list(islice(self._pending, FRAME_EVENTS_MAX))
        if rows:
            frame = await frame_of(self._house, rows)
            self._frames.append(frame)
            self._seq = frame.last
            self.told += len(rows)
            self._wake()

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def serve(self, socket: Socket, after: int | None) -> None:
        """One client, until it goes: everything after an event, or from now on."""
        offered = socket.headers.get("sec-websocket-protocol", "")
        await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
        if self.clients >= CLIENTS_MAX:
            await socket.close(code=TRY_LATER, reason="Too many clients.")
            return
        self.clients += 1
        sending = asyncio.ensure_future(self._tell(socket, after))
        hearing = asyncio.ensure_future(_heard_out(socket))
        try:
            await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.clients -= 1
            for one in (sending, hearing):
                one.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)

    async def _tell(self, socket: Socket, after: int | None) -> None:
        while self._seq is None:
            await self._next.wait()
        at = self._seq if after is None else after
        hello = {"is": "hello", "seq": self._seq, "after": at, "reset": at > self._seq}
        await _send(socket, msgspec.json.encode(hello))
        at = min(at, self._seq)
        with suppress(TimeoutError, OyaError):
            while True:
                while at >= self._seq:
                    await self._next.wait()
                text, at = await self._after(at)
                await _send(socket, text)
            return
        with suppress(RuntimeError):
            await socket.close(code=TRY_LATER, reason="Too slow, or the record is not to be had.")

    async def _after(self, at: int) -> tuple[bytes, int]:
        """A message with what comes after an event, and the last event in it."""
        frames = self._kept_after(at)
        if not frames:
            read = await self._house.events(at, FRAME_EVENTS_MAX)
            rows = [row for row in read if row.seq <= (self._seq or 0)]
            if not rows:
                message = f"The record has no event after {at}, which was told."
                raise WorldFailed(message)
            frames = [await frame_of(self._house, rows)]
        return message_of(frames), frames[-1].last

    def _kept_after(self, at: int) -> list[Frame]:
        """Frames that go on exactly there; none where they are not kept any more. A client that
        keeps up costs one look at the newest."""
        found: list[Frame] = []
        for frame in reversed(self._frames):
            if frame.last <= at:
                break
            found.append(frame)
        if not found or found[-1].first != at + 1:
            return []
        return found[::-1][:FRAMES_JOINED_MAX]


_encode = msgspec.json.Encoder().encode


async def frame_of(house: House, rows: Sequence[Recorded]) -> Frame:
    """The frame of some rows, which follow each other. Raises OyaError where the state is not to be
    had."""

    def look(world: object) -> list[GraphBead]:
        return changed_by(world, (row.event for row in rows))  # type: ignore[arg-type]

    _, beads = await house.seen(look)
    events = _encode([event_row(row) for row in rows])[1:-1]
    return Frame(rows[0].seq, rows[-1].seq, events, _encode(beads)[1:-1])


def message_of(frames: Sequence[Frame]) -> bytes:
    """Frames as one message. Of two rows of one bead the later one counts."""
    events = b",".join(one.events for one in frames)
    beads = b",".join(one.beads for one in frames if one.beads)
    head = b'{"is":"frame","first":%d,"seq":%d' % (frames[0].first, frames[-1].last)
    return b'%s,"events":[%s],"beads":[%s]}' % (head, events, beads)


async def _send(socket: Socket, text: bytes) -> None:
    async with asyncio.timeout(SEND_S_MAX):
        await socket.send_data(text.decode(), mode="text")


async def _heard_out(socket: Socket) -> None:
    """Return when the client has gone. Whatever it says is not listened to."""
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data(mode="text")

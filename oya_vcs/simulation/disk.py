"""The disk of a simulated daemon, and the journal on it: the real codec and the real chain over
bytes that are written, synced, torn, lost and refused.

A transaction is a frame with its length and a checksum, as in SQLite's log: one that is not whole
ends the record. What SQLite itself does on such a disk is shown elsewhere
(tests/integration/test_journal_power.py). Knows neither the engine nor what an event means.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

import msgspec

from oya_vcs.core.events import Event
from oya_vcs.core.standing import BeadRow
from oya_vcs.errors import Bug, JournalCorrupt, JournalStopped, OyaError, WorldFailed
from oya_vcs.journal.chain import GENESIS, Row, follows, link
from oya_vcs.journal.codec import Codec
from oya_vcs.ports import Recorded

_HEAD = struct.Struct(">Q32s")
_Frame = list[tuple[int, int, str, int, str, str | None, bytes, bytes]]
_read_frame = msgspec.msgpack.Decoder(_Frame).decode
_CODEC = Codec()


@dataclass(slots=True)
class Disk:
    """What a crash leaves. `refusal` is what every sync says while it stands; a sync takes
    `sync_ms` at most; `checkpoint` is the newest: the number of its last event, and its bytes."""

    dice: Random
    synced: bytes = b""
    unsynced: bytes = b""
    refusal: str = ""
    sync_ms: float = 2.0
    checkpoint: tuple[int, bytes, bytes] | None = None

    def sync(self) -> None:
        """Everything written is on the platter. Raises JournalStopped; a part of it may be there
        then, and the rest is lost."""
        if self.refusal:
            self.tear()
            raise JournalStopped(self.refusal)
        self.synced, self.unsynced = self.synced + self.unsynced, b""

    def tear(self) -> None:
        """Of what was not synced nothing, everything or some beginning is kept."""
        size = len(self.unsynced)
        kept = self.dice.choice((0, size, self.dice.randrange(size + 1)))
        self.synced += self.unsynced[:kept]
        self.unsynced = b""
        if self.checkpoint is not None and self.dice.random() < 0.3:
            seq, image, digest = self.checkpoint
            self.checkpoint = (seq, image[: self.dice.randrange(len(image))], digest)

    def require_well(self) -> None:
        """Raises WorldFailed while the disk refuses."""
        if self.refusal:
            raise WorldFailed(self.refusal)

    def keep(self, seq: int, image: bytes) -> None:
        """Write a checkpoint. Raises WorldFailed."""
        self.require_well()
        self.checkpoint = (seq, image, sha256(image).digest())

    def image(self) -> tuple[int, bytes] | None:
        """The checkpoint, where there is one and it is whole."""
        if self.checkpoint is None:
            return None
        seq, image, digest = self.checkpoint
        return (seq, image) if sha256(image).digest() == digest else None

    def open(self) -> tuple[list[Recorded], bytes]:
        """What a new writer finds, and the hash it goes on from; what is not whole is cut off.
        Raises WorldFailed, and JournalCorrupt where the chain breaks."""
        self.require_well()
        self.synced, self.unsynced = self.synced + self.unsynced, b""
        rows: list[Recorded] = []
        digest, end = GENESIS, 0
        for frame, end in _frames(self.synced):  # noqa: B007 - the last one counts
            for seq, at_ms, name, version, subject, key, data, found in frame:
                row = _hashed(seq, at_ms, name, version, subject, key, data)
                if not follows(digest, row, found):
                    message = f"Event {seq} of the simulated journal does not follow."
                    raise JournalCorrupt(message)
                digest = found
                rows.append(Recorded(seq, at_ms, _CODEC.decode(name, version, data)))
        self.synced = self.synced[:end]
        return rows, digest


def _frames(data: bytes) -> Iterator[tuple[_Frame, int]]:
    """Every whole frame, and where it ends."""
    at = 0
    while at + _HEAD.size <= len(data):
        size, digest = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + size]
        at += _HEAD.size + size
        if sha256(body).digest() != digest:
            return
        yield _read_frame(body), at


def _hashed(
    seq: int, at_ms: int, name: str, version: int, subject: str, key: str | None, data: bytes
) -> Row:
    key_bytes = None if key is None else key.encode()
    return (seq, at_ms, name.encode(), version, subject.encode(), key_bytes, data)


@dataclass(slots=True, eq=False)
class _Append:
    future: asyncio.Future[Sequence[Recorded]]
    rows: tuple[Recorded, ...]
    frame: _Frame = field(default_factory=list)


class SimulatedJournal:
    """A `ports.Journal` on a `Disk`: appends gather while one sync is under way, and are
    acknowledged, in order, after theirs."""

    def __init__(self, disk: Disk) -> None:
        """Opens the record. Raises what `Disk.open` raises."""
        self._disk = disk
        self._rows, self._digest = disk.open()
        self._keys = {row.event.unique: row for row in self._rows if row.event.unique is not None}
        self._next = len(self._rows) + 1
        self._known = set(self._keys)
        self._waiting: list[_Append] = []
        self._syncing: list[_Append] = []
        self._end: OyaError | None = None

    def append(
        self, at_ms: int, events: Sequence[Event], beads: Sequence[BeadRow] | None = None
    ) -> Awaitable[Sequence[Recorded]]:
        """As the port says."""
        del beads
        future = asyncio.get_running_loop().create_future()
        if self._end is not None:
            future.set_exception(self._end)
            return future
        rows = tuple(Recorded(seq, at_ms, one) for seq, one in enumerate(events, self._next))
        append = _Append(future, rows)
        for seq, _, event in rows:
            name, version, subject, key, data = _CODEC.encode(event)
            if key in self._known:
                raise Bug(f"An event with the key {key!r} is in the journal already.")
            if key is not None:
                self._known.add(key)
            row = _hashed(seq, at_ms, name, version, subject, key, data)
            self._digest = link(self._digest, row)
            append.frame.append((seq, at_ms, name, version, subject, key, data, self._digest))
        self._next += len(rows)
        self._waiting.append(append)
        if not self._syncing:
            future.get_loop().call_soon(self._begin)
        return future

    def _begin(self) -> None:
        """Let the disk take its time with what gathered."""
        if self._syncing or not self._waiting or self._end is not None:
            return
        self._write()
        taken_ms = self._disk.sync_ms * (0.5 + self._disk.dice.random() / 2)
        asyncio.get_running_loop().call_later(taken_ms / 1_000, self._synced)

    def _write(self) -> None:
        """Write what gathered, as one transaction."""
        self._syncing, self._waiting = self._waiting, []
        frame = [row for append in self._syncing for row in append.frame]
        if frame:
            body = msgspec.msgpack.encode(frame)
            self._disk.unsynced += _HEAD.pack(len(body), sha256(body).digest()) + body

    def _synced(self) -> None:
        if self._end is None:
            self._finish()
            self._begin()

    def _finish(self) -> None:
        try:
            self._disk.sync()
        except JournalStopped as error:
            self._end = error
            for append in (*self._syncing, *self._waiting):
                if not append.future.done():
                    append.future.set_exception(error)
            return
        self._acknowledge()

    def _acknowledge(self) -> None:
        done, self._syncing = self._syncing, []
        for append in done:
            self._rows.extend(append.rows)
            keyed = {one.event.unique: one for one in append.rows if one.event.unique is not None}
            self._keys.update(keyed)
            if not append.future.done():
                append.future.set_result(append.rows)

    async def refill(self, beads: Iterable[BeadRow]) -> None:
        """Rows of beads are not kept: queries are no part of this."""

    async def find(self, key: str) -> Recorded | None:
        """As the port says."""
        return self._keys.get(key)

    def read(self, after: int = 0) -> Iterator[Recorded]:
        """As the port says."""
        yield from self._rows[after:]

    def close(self) -> None:
        """Finish what was appended. Idempotent."""
        while self._end is None and (self._syncing or self._waiting):
            if not self._syncing:
                self._write()
            self._finish()
        self._end = self._end or JournalStopped("The simulated journal was closed.")

"""Checkpoints: the folded world in a file, so that a start reads the end of the journal only.

A file is a head, its checksum, and the snapshot (`snapshot.py`) as one zstd frame. The head names
the event that the world ends with and the hash of that event's row, and so, by the chain, every row
before it. The checksum covers all other bytes of the file; the name repeats the seq for people.

A checkpoint is never needed: it is a memory of the journal, not a part of it. One that is damaged,
of another journal, or of an unknown format is passed over for the one before, and in the end for
all events. It is used only where the journal has the row it names with the same hash. The other way
round it is a witness: a journal that lacks a row which `marks` names, or has another one there, was
cut or rewritten after the checkpoint was taken. `verify` compares them, which finds what nothing in
the database can show: a tail that was cut off together with the high-water mark, a chain that was
computed anew, a file that was put back to an earlier state.

This module knows files. It does not know SQLite or when a checkpoint is due.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct

import zstandard

from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt, WorldFailed
from oya_vcs.journal import snapshot
from oya_vcs.journal.archive import fsync

log = logging.getLogger(__name__)

MAGIC = b"oya-ckpt"
KEPT = 10
"""How many checkpoints stay (REQUIREMENTS A4)."""

LEVEL = 1
"""zstd level: 2 makes the file 4 % smaller and takes half as long again (measured)."""

SUFFIX = ".checkpoint"

_HEAD = Struct(">8sI8sQ32sQ")
"""Magic, format version, first bytes of the snapshot's shape, seq, row hash, bytes of the frame."""
_CHECKSUM_BYTES = 32
_FRAME_AT = _HEAD.size + _CHECKSUM_BYTES

_HARMLESS = "Nothing has to be done: the state is found without it, by a longer replay."

HashAt = Callable[[int], bytes | None]
"""The hash of a row of the journal by its seq; None where there is no such row."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The world after event `seq`, whose row has the hash `digest`."""

    seq: int
    digest: bytes
    world: World


@dataclass(frozen=True, slots=True)
class _Head:
    """A file whose checksum is right: where it stands, and its snapshot as it is on disk."""

    version: int
    shape: bytes
    seq: int
    digest: bytes
    frame: bytes


def save(folder: Path, world: World, seq: int, digest: bytes) -> Path:
    """Write the world as the checkpoint of event `seq`, whose row's hash is `digest`; returns the
    file, which is on disk. Raises WorldFailed where the disk refuses. Blocks."""
    return write(folder, snapshot.encode(world), seq, digest)


def write(folder: Path, image: bytes, seq: int, digest: bytes, kept: int = KEPT) -> Path:
    """As `save`, for a world that was encoded before (`snapshot.encode`).

    Made beside its place (0600), synced and renamed. Only when the new one is on disk, all but the
    newest `kept` are deleted; those of a later seq are no part of this journal and stay as they are
    (`marks`). One caller a folder: whoever holds the home's lock.
    """
    frame = zstandard.ZstdCompressor(level=LEVEL).compress(image)
    shape = bytes.fromhex(snapshot.shape())[:8]
    head = _HEAD.pack(MAGIC, snapshot.FORMAT, shape, seq, digest, len(frame))
    path = folder / f"{seq:012d}{SUFFIX}"
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700)
            fsync(folder.parent)
        _put(path, head + _checksum(head, frame) + frame)
        _delete_old(folder, seq, kept)
    except OSError as error:
        raise WorldFailed(
            f"The checkpoint {path} cannot be written: {error}.",
            hint="The record is not touched by this; without checkpoints a start takes longer.",
        ) from error
    return path


def _put(path: Path, content: bytes) -> None:
    """Write a file that is on disk under its name when this returns, or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)
    fsync(path.parent)


def _delete_old(folder: Path, seq: int, kept: int) -> None:
    ours = [path for number, path in _files(folder) if number <= seq]
    for path in [*ours[kept:], *folder.glob("*.new")]:
        path.unlink(missing_ok=True)


def newest(folder: Path, hash_at: HashAt, *, below: int | None = None) -> Checkpoint | None:
    """The newest checkpoint that can be read and that stands on a row of this journal, or None;
    `below` a seq, where it is given. Whatever is passed over is logged. Never writes.

    Raises what `hash_at` raises. Blocks: about 6 ms for 1,000 beads (measured).
    """
    for number, path in _files(folder):
        if below is not None and number >= below:
            continue
        try:
            head = _read(path)
            _compare(path, head, hash_at(head.seq))
            return Checkpoint(head.seq, head.digest, _world(path, head))
        except FileNotFoundError:
            continue  # a newer one was written meanwhile, and this one deleted
        except JournalCorrupt as error:
            log.warning("%s %s", error.message, error.hint)
    return None


def load(path: Path) -> Checkpoint:
    """What the file holds. Raises JournalCorrupt where it is no checkpoint that this program can
    read, FileNotFoundError where it is not there. Whether it belongs to a journal is not asked."""
    head = _read(path)
    return Checkpoint(head.seq, head.digest, _world(path, head))


def marks(folder: Path) -> list[tuple[int, bytes]]:
    """What the checkpoints remember of the journal, oldest first: seq and hash of a row that was on
    disk when each was taken.

    For `verify`: the journal must have every one of these rows, with this hash. Where it ends
    before, acknowledged events were lost; where the hash differs, they were replaced. Damaged files
    tell nothing and are left out. Reads every file whole; format versions do not matter.
    """
    found = []
    for _, path in _files(folder):
        with suppress(FileNotFoundError, JournalCorrupt):
            head = _read(path)
            found.append((head.seq, head.digest))
    return found[::-1]


def unusable(folder: Path) -> list[Path]:
    """The files that are no checkpoint any more, the newest first: a start passes them over."""
    found = []
    for _, path in _files(folder):
        try:
            _read(path)
        except FileNotFoundError:
            continue
        except JournalCorrupt:
            found.append(path)
    return found


def _files(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints by the seq of their names, the highest first."""
    return sorted(_named(folder), reverse=True)


def _named(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob(f"*{SUFFIX}"):
        if path.stem.isascii() and path.stem.isdigit():
            yield int(path.stem), path


def _read(path: Path) -> _Head:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error}") from error
    if len(content) < _FRAME_AT or content[: len(MAGIC)] != MAGIC:
        raise _unusable(path, "is no checkpoint, or cut off")
    head, checksum = content[: _HEAD.size], content[_HEAD.size : _FRAME_AT]
    _, version, shape, seq, digest, frame_bytes = _HEAD.unpack(head)
    frame = content[_FRAME_AT:]
    if len(frame) != frame_bytes or _checksum(head, frame) != checksum:
        raise _unusable(path, "is damaged: its checksum is wrong")
    if path.stem != f"{seq:012d}":
        raise _unusable(path, f"is that of event {seq} under another name")
    return _Head(version, shape, seq, digest, frame)


def _compare(path: Path, head: _Head, digest: bytes | None) -> None:
    if digest == head.digest:
        return
    if digest is None:
        how = f"remembers event {head.seq}, which the journal does not have"
    else:
        how = f"remembers another event {head.seq} than the journal has"
    raise JournalCorrupt(
        f"The checkpoint {path} {how}.",
        "Run `oya-vcs journal verify`: the journal lost its end or was rewritten, unless the"
        " checkpoint is from another home.",
    )


def _world(path: Path, head: _Head) -> World:
    if head.version == snapshot.FORMAT and head.shape != bytes.fromhex(snapshot.shape())[:8]:
        raise _unusable(path, f"was written by another build of format {head.version}")
    try:
        image = zstandard.ZstdDecompressor().decompress(head.frame)
        return snapshot.decode(image, head.version)
    except (JournalCorrupt, zstandard.ZstdError) as error:
        raise _unusable(path, f"cannot be used: {error}") from error


def _unusable(path: Path, how: str) -> JournalCorrupt:
    return JournalCorrupt(f"The checkpoint {path} {how}.", _HARMLESS)


def _checksum(head: bytes, frame: bytes) -> bytes:
    return sha256(head + frame).digest()

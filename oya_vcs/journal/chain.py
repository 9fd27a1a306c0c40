"""The hash chain: each row's hash covers the row before it, so that no row can be changed, lost or
moved without every later hash saying so.

`hash = SHA-256(previous hash + head + type + subject + key + data)`. `head` is 48 bytes, big
endian: seq, at_ms, version (8 bytes each, signed), then the lengths in bytes of type, subject, key
(-1 for NULL) and data (4, 4, 8 and 8 bytes). Fixed width and lengths first, so that no two
different rows give the same input. The first row's previous hash is 32 zero bytes.

SHA-256 and not BLAKE2: with the SHA instructions of current processors it is the faster one for
rows of this size (0.5 against 0.7 microseconds for 400 bytes), and every tool of every language has
it. The chain finds damage and careless edits. It is no signature: who can write the file can also
compute the whole chain anew.

This module knows bytes and numbers, not SQLite and not events.
"""

from __future__ import annotations

import struct
from hashlib import sha256

ALGORITHM = "sha256"
"""Recorded in journal_meta, so that a later choice does not need to guess."""

GENESIS = bytes(32)
"""What stands before the first row."""

_pack = struct.Struct(">qqqIIqQ").pack

Row = tuple[int, int, bytes, int, bytes, bytes | None, bytes]
"""seq, at_ms, type, version, subject, key, data: the columns of a row without its hash."""

WholeRow = tuple[int, int, bytes, int, bytes, bytes | None, bytes, bytes]
"""The same, and the hash."""


def link(previous: bytes, row: Row) -> bytes:
    """The hash of the row after `previous`. Raises TypeError or struct.error for wrong types."""
    seq, at_ms, type_name, version, subject, key, data = row
    if key is None:
        head = _pack(seq, at_ms, version, len(type_name), len(subject), -1, len(data))
        return sha256(b"".join((previous, head, type_name, subject, data))).digest()
    head = _pack(seq, at_ms, version, len(type_name), len(subject), len(key), len(data))
    return sha256(b"".join((previous, head, type_name, subject, key, data))).digest()


def follows(previous: bytes, row: Row, digest: object) -> bool:
    """Whether `digest` is the hash of `row` after `previous`; False for wrong types too."""
    try:
        return link(previous, row) == digest
    except (TypeError, struct.error):
        return False


def continues(previous: bytes, raw: WholeRow) -> bool:
    """As `follows`, for a whole row with its hash at the end, as it comes from the table."""
    try:
        seq, at_ms, type_name, version, subject, key, data, digest = raw
        key_bytes = -1 if key is None else len(key)
        head = _pack(seq, at_ms, version, len(type_name), len(subject), key_bytes, len(data))
        joined = b"".join((previous, head, type_name, subject, key or b"", data))
    except (TypeError, struct.error):
        return False
    return sha256(joined).digest() == digest


def computed(previous: bytes, row: Row) -> bytes | None:
    """As `link`, for rows that come from a file: None for wrong types."""
    try:
        return link(previous, row)
    except (TypeError, struct.error):
        return None

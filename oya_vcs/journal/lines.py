"""A row of the journal as one line of JSON, every column in it, and back again byte for byte.

`{"seq":7,"at_ms":0,"type":"BeadReadied","version":1,"subject":"b-1","key":null,"data":{…},
"hash":"…"}`: the columns in their order, no white space, the hash in hexadecimal. `data` stands as
the object that it is, with exactly the bytes of the column, since the hash covers them. Exports and
archives are made of such lines.

This module knows columns. It does not know files, SQLite, or what an event means.
"""

from __future__ import annotations

import msgspec

Raw = tuple[int, int, bytes, int, bytes, bytes | None, bytes, bytes]
"""seq, at_ms, type, version, subject, key, data, hash: a whole row, text as UTF-8."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """The columns in the order of the table."""

    seq: int
    at_ms: int
    type: str
    version: int
    subject: str
    key: str | None
    data: msgspec.Raw
    hash: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def line_of(row: Raw) -> bytes:
    """The row as a line, with its line break. Raises ValueError where its text is no UTF-8 or its
    data no JSON: such a row does not verify either."""
    seq, at_ms, name, version, subject, key, data, digest = row
    line = _Line(
        seq,
        at_ms,
        name.decode(),
        version,
        subject.decode(),
        None if key is None else key.decode(),
        msgspec.Raw(data),
        digest.hex(),
    )
    return _encode(line) + b"\n"


def row_of(line: bytes) -> Raw:
    """The row of a line. Raises ValueError, saying what is wrong, for a line that is none."""
    found = _decode(line)
    key = None if found.key is None else found.key.encode()
    return (
        found.seq,
        found.at_ms,
        found.type.encode(),
        found.version,
        found.subject.encode(),
        key,
        bytes(found.data),
        bytes.fromhex(found.hash),
    )

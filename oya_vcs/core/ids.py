"""Names of things, and execution keys. Knows no clock, no randomness, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache, lru_cache
from operator import attrgetter
from typing import NewType

BeadId = NewType("BeadId", str)
RepoId = NewType("RepoId", str)
ChangeId = NewType("ChangeId", str)
"""A change request: what the merge queue works on. Not a jj change id."""
CommitId = NewType("CommitId", str)
"""A full git commit id, 40 hexadecimal digits."""
TreeId = NewType("TreeId", str)
"""A full git tree id, 40 hexadecimal digits."""
WorkspaceName = NewType("WorkspaceName", str)
Key = NewType("Key", str)
"""An execution key: a UUID v5 in its canonical text form. The same work has the same key,
always."""

BEAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a bead id may look like: it becomes part of folder, ref and workspace names."""


def bead_id(text: str) -> BeadId | None:
    """The text as a bead id, or None where it is not one (see `BEAD_ID`; `..` and a `.lock` end are
    refused, as git refuses them in ref names)."""
    if BEAD_ID.fullmatch(text) is None or ".." in text or text.endswith((".lock", ".")):
        return None
    return BeadId(text)


_json: Callable[[object], str] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no white space, in UTF-8: equal values have equal bytes
    (REQUIREMENTS A2)."""
    return _json(value).encode()


def fields_of(value: object) -> dict[str, object]:
    """The fields of a data class by name, those of a data class in one of them too.

    As `dataclasses.asdict`, a sixth of its time: nothing is copied, for the values are frozen.
    """
    names, get = _shape(type(value))  # type: ignore[arg-type]  # hashable: a class
    found: dict[str, object] = dict(zip(names, get(value), strict=False))
    for name, one in found.items():
        if hasattr(one, "__dataclass_fields__"):
            found[name] = fields_of(one)
    return found


@cache
def _shape(kind: type) -> tuple[tuple[str, ...], Callable[[object], Iterable[object]]]:
    """The names of a data class's fields, and what gets them all at once; never just one name, for
    which attrgetter gives no tuple."""
    names = tuple(one.name for one in fields(kind))
    return names, attrgetter(*names, "__class__")


def execution_key(bead: BeadId, work: object) -> Key:
    """The key of one piece of work for one bead (REQUIREMENTS A2).

    UUID v5 whose namespace is uuid5(DNS, bead id) and whose name is the SHA-256 of the canonical
    JSON of `work`. Raises TypeError or ValueError where `work` is not JSON.
    """
    name = hashlib.sha256(canonical_json(work)).hexdigest().encode()
    sha1 = hashlib.sha1(_namespace(bead) + name, usedforsecurity=False).digest()
    # RFC 9562, 5.5: version and variant. Written out: the uuid module takes three times as long.
    number = bytearray(sha1[:16])
    number[6] = number[6] & 0x0F | 0x50
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return Key(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


@lru_cache(maxsize=4_096)
def _namespace(bead: BeadId) -> bytes:
    """The namespace of a bead's keys. The few that are being worked on are asked for often."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, bead).bytes


def workspace_name(bead: BeadId, attempt: int, key: Key) -> WorkspaceName:
    """A workspace name that no other attempt of any bead shares, readable for people:
    `bead-a2-1f3c9a2b`."""
    return WorkspaceName(f"{bead}-a{attempt}-{key[:8]}")

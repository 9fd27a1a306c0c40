"""Names of things, and execution keys. Knows no clock, no randomness, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, NewType

BeadId = NewType("BeadId", str)
RepoId = NewType("RepoId", str)
ChangeId = NewType("ChangeId", str)
"""A change request: what the merge queue works on. Not a jj change id."""
CommitId = NewType("CommitId", str)
"""A full git commit id, 40 hexadecimal digits."""
TreeId = NewType("TreeId", str)
"""A full git tree id, 40 hexadecimal digits."""
OperationId = NewType("OperationId", str)
"""A full id of an operation of jj, 128 hexadecimal digits."""
WorkspaceName = NewType("WorkspaceName", str)
PullKey = NewType("PullKey", str)
"""A pull request among those of all repositories of a home: see `pull_key`."""
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


def canonical_text(value: object, kind: str = "") -> str:
    """The canonical JSON of a data class, as `canonical_json(dataclasses.asdict(value))` would
    give it, in a third of the time; with a `kind`, that stands in it as the field `effect`.

    Raises TypeError or ValueError where a field holds what is not JSON.
    """
    form, get = _shape(type(value), kind)  # type: ignore[arg-type]  # hashable: a class
    # The last one got is the class (see `_shape`).
    return form % tuple([_WRITE[type(one)](one) for one in get(value)[:-1]])


@cache
def _shape(cls: type, kind: str) -> tuple[str, Callable[[object], tuple[object, ...]]]:
    """The text of a data class with a hole for each of its fields, sorted by their names; and what
    gets the fields in that order, all at once. Never just one name: attrgetter gives no tuple for
    that."""
    holes = {one.name: "%s" for one in fields(cls)}
    names = sorted(holes)
    if kind:
        holes["effect"] = _json(kind).replace("%", "%%")
    form = ",".join(f'"{name}":{holes[name]}' for name in sorted(holes))
    return f"{{{form}}}", attrgetter(*names, "__class__")


class _Writers(dict[type, Callable[[Any], str]]):
    """How a value of each type is written."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        self[kind] = write = canonical_text if is_dataclass(kind) else _json
        return write


def _array(values: tuple[object, ...]) -> str:
    return f"[{','.join([_WRITE[type(one)](one) for one in values])}]"


_WRITE = _Writers(
    {
        str: encode_basestring,
        int: int.__repr__,
        bool: ("false", "true").__getitem__,
        type(None): {None: "null"}.__getitem__,
        tuple: _array,
    }
)


def execution_key(bead: BeadId, work: object) -> Key:
    """The key of one piece of work for one bead (REQUIREMENTS A2).

    UUID v5 whose namespace is uuid5(DNS, bead id) and whose name is the SHA-256 of the canonical
    JSON of `work`. Raises TypeError or ValueError where `work` is not JSON.
    """
    return key_of_text(bead, _json(work))


def key_of_text(bead: BeadId, text: str) -> Key:
    """As `execution_key`, of work that is canonical JSON already."""
    name = hashlib.sha256(text.encode()).hexdigest().encode()
    found = _uuid5(_namespace(bead), name).hex()
    return Key(f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}")


@lru_cache(maxsize=4_096)
def _namespace(bead: BeadId) -> bytes:
    """The namespace of a bead's keys. The few that are being worked on are asked for often."""
    return _uuid5(uuid.NAMESPACE_DNS.bytes, bead.encode())


def _uuid5(namespace: bytes, name: bytes) -> bytes:
    """RFC 9562, 5.5. Written out: the uuid module takes three times as long."""
    number = bytearray(hashlib.sha1(namespace + name, usedforsecurity=False).digest()[:16])
    number[6] = number[6] & 0x0F | 0x50
    number[8] = number[8] & 0x3F | 0x80
    return bytes(number)


def pull_key(repo: RepoId, number: int) -> PullKey:
    """The pull request of that number in a repository."""
    return PullKey(f"{repo}#{number}")


def workspace_name(bead: BeadId, attempt: int, key: Key) -> WorkspaceName:
    """A workspace name that no other attempt of any bead shares, readable for people:
    `bead-a2-1f3c9a2b`."""
    return WorkspaceName(f"{bead}-a{attempt}-{key[:8]}")

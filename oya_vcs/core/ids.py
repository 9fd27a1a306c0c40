"""Names of things, and execution keys. Knows no clock, no randomness, no I/O."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
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


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no white space, in UTF-8: equal values have equal bytes
    (REQUIREMENTS A2)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def execution_key(bead: BeadId, work: object) -> Key:
    """The key of one piece of work for one bead (REQUIREMENTS A2).

    UUID v5 whose namespace is uuid5(DNS, bead id) and whose name is the SHA-256 of the canonical
    JSON of `work`. Raises TypeError or ValueError where `work` is not JSON.
    """
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, bead)
    return Key(str(uuid.uuid5(namespace, hashlib.sha256(canonical_json(work)).hexdigest())))


def workspace_name(bead: BeadId, attempt: int, key: Key) -> WorkspaceName:
    """A workspace name that no other attempt of any bead shares, readable for people:
    `bead-a2-1f3c9a2b`."""
    return WorkspaceName(f"{bead}-a{attempt}-{key[:8]}")

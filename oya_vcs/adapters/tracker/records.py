"""One line of a beads file as a record: its fields in their types, under the names of the core.

Knows each field's name, form and default in the dialects. What one record means for another is
`gates.py`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from oya_vcs.adapters.tracker.lines import Fields, shown
from oya_vcs.core.ids import BEAD_ID, BeadId, bead_id
from oya_vcs.core.spec import BeadSpec

GATING = frozenset({"blocks", "conditional-blocks", "waits-for"})
"""Types of dependency that gate, beside `parent-child`, which depends; all others only inform."""

PRIORITY_MAX = 1000
"""The least urgent priority there can be. bd and br know 0 to 4; other writers use more."""

PRIORITY_DEFAULT = 2
"""What bd and br give a bead whose author gave none."""

_OPEN = frozenset({"open", "in_progress", "hooked", "blocked", "deferred", "pinned"})
_GONE = frozenset({"closed", "tombstone"})
_OYA = frozenset({"tenant", "sticky", "files", "worker", "allow_empty"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One bead and where it stands.

    `gates` and `parents` are ids as they were written, which may be none of a bead; the spec's
    `needs` is empty. `until_ms` is `defer_until` in Unix milliseconds; `allow_empty` is None where
    the bead does not say.
    """

    line: int
    spec: BeadSpec
    status: str
    updated: datetime | None
    until_ms: int | None
    gates: tuple[str, ...]
    parents: tuple[str, ...]
    allow_empty: bool | None

    @property
    def gone(self) -> bool:
        """Whether it is closed or deleted: no work."""
        return self.status in _GONE


def read_record(line: Fields, *, followed: bool = False) -> Record | None:
    """The record of a line; None where it has no usable id, which is noted, as is all else that is
    wrong. `followed`: that a bead is in progress is no news.

    Of a closed or deleted bead only what others may ask for is read: nobody mends old lines.
    """
    bead = _id(line)
    if bead is None:
        return None
    status = line.text("status") or "open"
    if status in _GONE:
        return Record(
            line=line.line,
            spec=BeadSpec(id=bead, title=""),
            status=status,
            updated=_moment(line.raw.get("updated_at")),
            until_ms=None,
            gates=(),
            parents=_parents_of_gone(line),
            allow_empty=None,
        )
    if status not in _OPEN:
        line.warn(f"status {shown(status)} of bead {bead} is unknown, and taken as open")
    elif status in {"in_progress", "hooked"} and not followed:
        line.warn(f"bead {bead} is {status} in the file; it is worked on here all the same")
    oya = line.inner("metadata").inner("oya")
    needed = _dependencies(line)
    return Record(
        line=line.line,
        spec=_spec(bead, line, oya, needed.prefers),
        status=status,
        updated=_moment(line.raw.get("updated_at")),
        until_ms=_defer_until(line),
        gates=needed.gates,
        parents=needed.parents,
        allow_empty=oya.flag("allow_empty"),
    )


def _id(line: Fields) -> BeadId | None:
    """The id, or None where there is no usable one."""
    text = line.raw.get("id")
    if text is None:
        line.refuse("id", "is missing")
        return None
    bead = bead_id(text) if isinstance(text, str) else None
    if bead is None:
        line.refuse(
            "id",
            f"is {shown(text)}, which can name no folder and no ref; it must be like "
            f"{BEAD_ID.pattern}, hold no .. and not end in . or .lock",
        )
    return bead


def _spec(bead: BeadId, line: Fields, oya: Fields, prefers: tuple[BeadId, ...]) -> BeadSpec:
    """The spec, but for its needs."""
    title = " ".join(line.text("title").split())
    if not title and isinstance(line.raw.get("title"), str | None):
        line.warn(f"bead {bead} has no title, and goes by its id")
    for name in sorted(oya.raw.keys() - _OYA):
        line.warn(f"metadata.oya.{name} of bead {bead} is unknown, and ignored")
    sticky = oya.text("sticky")
    if sticky not in {"", "soft", "hard"}:
        oya.refuse("sticky", f"must be soft or hard, and is {shown(sticky)}")
    files = oya.texts("files")
    for name in files:
        if not name or name.startswith("/") or ".." in PurePosixPath(name).parts:
            oya.refuse("files", f"must hold paths inside the repository, and holds {shown(name)}")
    return BeadSpec(
        id=bead,
        title=title or bead,
        description=line.text("description"),
        acceptance=line.text("acceptance_criteria"),
        priority=_priority(line),
        kind=line.text("issue_type") or "task",
        labels=tuple(line.texts("labels")),
        prefers=prefers,
        files=tuple(files),
        tenant=oya.text("tenant") or "default",
        sticky=sticky,
        worker=oya.text("worker"),
    )


def _priority(line: Fields) -> int:
    """The priority: a number, or a text such as "P1"."""
    value = line.raw.get("priority")
    if value is None:
        return PRIORITY_DEFAULT
    if isinstance(value, str) and re.fullmatch(r"[Pp]?[0-9]{1,4}", value):
        value = int(value.lstrip("Pp"))
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= PRIORITY_MAX:
        return value
    line.refuse(
        "priority",
        f"must be a whole number from 0 to {PRIORITY_MAX} or P0 to P4, and is {shown(value)}",
    )
    return 0


class _Dependencies(NamedTuple):
    """What gates the bead, its parents, and what should come before it where it can."""

    gates: tuple[str, ...]
    parents: tuple[str, ...]
    prefers: tuple[BeadId, ...]


def _dependencies(line: Fields) -> _Dependencies:
    """The dependencies that mean something here; all others only inform."""
    gates = line.texts("deps")[:]
    parents: list[str] = []
    prefers: list[BeadId] = []
    for number, item in enumerate(line.items("dependencies")):
        place = f"dependencies[{number}]"
        if isinstance(item, str):
            gates.append(item)
            continue
        if not isinstance(item, dict):
            line.refuse(place, f"must be an object or an id, and is {shown(item)}")
            continue
        dependency = line.at(place, item)
        kind = dependency.text("type") or "blocks"
        target = dependency.text("depends_on_id")
        if not target and isinstance(item.get("depends_on_id"), str | None):
            dependency.refuse("depends_on_id", "is missing")
        elif kind == "parent-child":
            parents.append(target)
        elif kind == "prefers" and (better := bead_id(target)) is not None:
            prefers.append(better)
        elif kind in GATING:
            gates.append(target)
            if kind == "conditional-blocks":
                line.warn(
                    f"{place} is conditional-blocks: the bead waits until {target} has landed"
                )
    return _Dependencies(tuple(gates), tuple(parents), tuple(dict.fromkeys(prefers)))


def _parents_of_gone(line: Fields) -> tuple[str, ...]:
    """The parents of a closed bead, out of whatever can be read."""
    found = line.raw.get("dependencies")
    return tuple(
        item["depends_on_id"]
        for item in (found if isinstance(found, list) else ())
        if isinstance(item, dict)
        and item.get("type") == "parent-child"
        and isinstance(item.get("depends_on_id"), str)
    )


def _defer_until(line: Fields) -> int | None:
    """`defer_until` in Unix milliseconds."""
    text = line.text("defer_until")
    if not text:
        return None
    moment = _moment(text)
    if moment is None:
        line.refuse("defer_until", f"must be a date as 2030-01-31T12:00:00Z, and is {shown(text)}")
        return None
    return int(moment.timestamp() * 1000)


def _moment(text: object) -> datetime | None:
    """A date of ISO 8601, in UTC where it names no zone; None where it is none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment

"""The beads file: JSON lines in the dialects of bd and br, and a short form, into bead specs.

**What gates.** `blocks` (also: no type at all), `conditional-blocks` and `waits-for` make a bead
wait until the other one has landed; so does each id in `deps`, and an id that stands bare in
`dependencies`. `prefers` orders and never gates; all other types only inform. bd runs a
conditionally blocked bead only where the other one failed; here it waits as with `blocks`, and a
warning says so.

**Parents.** `parent-child`, written in the child, makes the child wait for its parent, unless the
parent is an open bead of the file whose `issue_type` is "epic". An epic is its children, so they
cannot wait for it: it waits for them, is worked on last, and may land with no change (its own
`allow_empty` says otherwise). What gates an epic gates its children, as in bd, where the children
of a blocked parent are not ready; the epic's own children are excepted.

**What is left out.** A `closed` bead is done and gates nothing; a `tombstone` is gone. A bead that
is `deferred` or `pinned`, or whose `defer_until` is after `now_ms`, is held: it and all that wait
for it are left out, with a warning, until the file is read again. `defer_until` in the past ends
`deferred`.

**Duplicates.** Of two lines with one id the one with the later `updated_at` counts; where one has
none, the lower line.

This package reads one file. It knows nothing of what the journal holds (`known` is handed in), asks
no clock (`now_ms` is handed in) and starts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oya_vcs.adapters.tracker.gates import Gates, gates_of, held, may_be_empty, refuse_cycles
from oya_vcs.adapters.tracker.lines import Fields, Notes, read_lines
from oya_vcs.adapters.tracker.records import Record, read_record
from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug

__all__ = ["BeadsFile", "read_beads", "spec_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeadsFile:
    """What a beads file says.

    `beads` are those to work on, in the order of the file; what they need is among them or was
    `known`. `done` are the closed ones; `held` those left out for now. `statuses` holds the status
    of every bead of the file, `lines` the line that counts of it, `updated_ms` when it was last
    touched, as far as that is said, `deferred` each open one's `defer_until` (Unix milliseconds).
    `warnings` are sentences with file and line.
    """

    beads: tuple[BeadSpec, ...]
    done: tuple[BeadId, ...]
    held: tuple[BeadId, ...]
    statuses: Mapping[BeadId, str]
    lines: Mapping[BeadId, int]
    updated_ms: Mapping[BeadId, int]
    deferred: Mapping[BeadId, int]
    warnings: tuple[str, ...]


def read_beads(
    path: Path,
    *,
    known: Collection[BeadId] = (),
    now_ms: int | None = None,
    followed: bool = False,
) -> BeadsFile:
    """Read a beads file. `followed`: it is read again and again, and what is in progress there may
    be so by our own hand, which is worth no warning.

    `known` are beads that exist elsewhere and may be waited for. `now_ms` (Unix milliseconds) is
    what `defer_until` is compared with; without it `defer_until` holds nothing back. Raises
    InputInvalid where the file cannot be read or anything in it is wrong: every problem with file
    and line, each cycle with its ids and their lines.
    """
    notes = Notes(path)
    records: dict[BeadId, Record] = {}
    for line in read_lines(path, notes):
        record = read_record(line, followed=followed)
        if record is not None:
            _keep_newest(records, record, notes)
    records = dict(sorted(records.items(), key=lambda item: item[1].line))
    gates = gates_of(records, known, notes)
    refuse_cycles(gates, records, notes)
    notes.raise_problems()
    left_out = held(records, gates, now_ms, notes)
    if not gates:
        notes.warn(0, "there is no bead to work on in this file")
    return BeadsFile(
        beads=_specs(records, gates, left_out),
        done=tuple(bead for bead, record in records.items() if record.status == "closed"),
        held=tuple(bead for bead in gates if bead in left_out),
        statuses={bead: record.status for bead, record in records.items()},
        lines={bead: record.line for bead, record in records.items()},
        updated_ms={
            bead: int(record.updated.timestamp() * 1_000)
            for bead, record in records.items()
            if record.updated is not None
        },
        deferred={bead: until for bead in gates if (until := records[bead].until_ms) is not None},
        warnings=notes.warnings(),
    )


def spec_of(fields: dict[str, Any], where: str) -> BeadSpec:
    """One bead that stands in no file, by the fields of a line; `deps` are all that it needs.

    Raises InputInvalid with everything that is wrong, by the field; messages call it `where`.
    """
    notes = Notes(Path(where))
    record = read_record(Fields(0, fields, notes))
    notes.raise_problems()
    if record is None:
        raise Bug("A bead without an id was refused without a word.")
    return replace(record.spec, needs=tuple(map(BeadId, dict.fromkeys(record.gates))))


def _keep_newest(records: dict[BeadId, Record], record: Record, notes: Notes) -> None:
    """Add a record, or keep the newer of the two under its id."""
    older, newer = records.get(record.spec.id), record
    if older is not None:
        if older.updated and newer.updated and older.updated > newer.updated:
            older, newer = newer, older
        notes.warn(
            older.line,
            f"bead {record.spec.id} is newer on line {newer.line}; this line was left out",
        )
    records[record.spec.id] = newer


def _specs(
    records: Mapping[BeadId, Record], gates: Gates, left_out: Collection[BeadId]
) -> tuple[BeadSpec, ...]:
    """The specs of the beads to work on, with what they need, in the order of the file."""
    empty = may_be_empty(records)
    found: list[BeadSpec] = []
    for bead, needs in gates.items():
        if bead not in left_out:
            said = records[bead].allow_empty
            allow = bead in empty if said is None else said
            found.append(replace(records[bead].spec, needs=tuple(needs), allow_empty=allow))
    return tuple(found)

"""What waits for what, and what is held back, among the records of one file.

The rules are in the package's docstring; this module applies them. It knows records, not lines of
JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from oya_vcs.adapters.tracker.lines import Notes
from oya_vcs.adapters.tracker.records import Record
from oya_vcs.core.ids import BeadId
from oya_vcs.core.ordering import cycle_text, cycles

Records = Mapping[BeadId, Record]

Gates = dict[BeadId, dict[BeadId, str]]
"""For each bead what it waits for, and why where that is not written in its own line."""


def gates_of(records: Records, known: Collection[BeadId], notes: Notes) -> Gates:
    """What each open bead waits for: open beads of the file, and `known` ones that are not in
    it."""
    live = {bead: record for bead, record in records.items() if not record.gone}
    epics: dict[BeadId, list[BeadId]] = {}
    direct: dict[BeadId, list[BeadId]] = {}
    children: dict[BeadId, list[BeadId]] = defaultdict(list)
    for bead, record in live.items():
        targets = _resolved(record.gates + record.parents, record, records, known, notes)
        epics[bead] = [
            parent for parent in targets if parent in record.parents and _is_epic(parent, live)
        ]
        written = set(record.gates)
        direct[bead] = [t for t in targets if t not in epics[bead] or t in written]
        for epic in epics[bead]:
            children[epic].append(bead)
    passed_on = {epic: _outside(epic, direct, children) for epic in tuple(children)}
    gates: Gates = {}
    for bead in live:
        gates[bead] = dict.fromkeys(direct[bead], "")
        for child in children.get(bead, ()):
            gates[bead].setdefault(child, f"the epic {bead} waits for its child {child}")
        for epic in _reach(bead, epics):
            for need in passed_on[epic]:
                gates[bead].setdefault(need, f"{bead} waits for {need} as its epic {epic} does")
    return gates


def _outside(
    epic: BeadId, direct: Mapping[BeadId, list[BeadId]], children: Mapping[BeadId, list[BeadId]]
) -> list[BeadId]:
    """What the epic waits for and is no part of it: its children wait for that too."""
    inside = frozenset(_reach(epic, children))
    return [need for need in direct[epic] if need not in inside]


def may_be_empty(records: Records) -> set[BeadId]:
    """The open epics that have children, open or not: they may land with no change."""
    return {
        BeadId(parent)
        for record in records.values()
        for parent in record.parents
        if _is_epic(BeadId(parent), records)
    }


def refuse_cycles(gates: Gates, records: Records, notes: Notes) -> None:
    """Note every cycle, with its lines, and why an edge is there that is written in none of
    them."""
    for cycle in cycles(gates):
        lines = ", ".join(str(records[bead].line) for bead in cycle)
        steps = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
        reasons = "".join(f"; {gates[bead][need]}" for bead, need in steps if gates[bead][need])
        notes.refuse(
            records[cycle[0]].line,
            f"the beads wait for each other: {cycle_text(cycle)} "
            f"({'line' if len(cycle) == 1 else 'lines'} {lines}{reasons})",
        )


def held(records: Records, gates: Gates, now_ms: int | None, notes: Notes) -> set[BeadId]:
    """The beads that are not to be worked on now, and all that wait for one of them."""
    roots = {bead: why for bead in gates if (why := _why_held(records[bead], now_ms))}
    for bead, why in roots.items():
        notes.warn(records[bead].line, f"bead {bead} is {why}, and was left out")
    dependents: dict[BeadId, list[BeadId]] = defaultdict(list)
    for bead, needs in gates.items():
        for need in needs:
            dependents[need].append(bead)
    found = set(roots)
    frontier = list(roots)
    while frontier:
        for bead in dependents[frontier.pop()]:
            if bead not in found:
                found.add(bead)
                frontier.append(bead)
    waiting = sorted(found - roots.keys())
    if waiting:
        notes.warn(
            0,
            f"{len(waiting)} more left out, as they wait for a bead that was: "
            + ", ".join(waiting[:5])
            + (", ..." if len(waiting) > 5 else ""),
        )
    return found


def _why_held(record: Record, now_ms: int | None) -> str:
    """Why a bead is held; empty where it is not."""
    until = record.until_ms
    if until is not None and now_ms is not None:
        if until <= now_ms:
            return "pinned" if record.status == "pinned" else ""
        return f"deferred until {datetime.fromtimestamp(until / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return record.status if record.status in {"deferred", "pinned"} else ""


def _resolved(
    targets: Collection[str],
    record: Record,
    records: Records,
    known: Collection[BeadId],
    notes: Notes,
) -> list[BeadId]:
    """The targets that still gate; a warning for each that is nowhere."""
    found: dict[BeadId, None] = {}
    for text in dict.fromkeys(targets):
        target = BeadId(text)
        there = records.get(target)
        if there is None and target not in known:
            why = "which is not in the file"
        elif there is not None and there.status == "tombstone":
            why = "which was deleted"
        else:
            if there is None or not there.gone:
                found[target] = None
            continue
        notes.warn(
            record.line,
            f"bead {record.spec.id} depends on {text}, {why}; that dependency is ignored",
        )
    return list(found)


def _is_epic(bead: BeadId, records: Records) -> bool:
    """Whether the bead is an open epic of the file."""
    return bead in records and not records[bead].gone and records[bead].spec.kind == "epic"


def _reach(start: BeadId, edges: Mapping[BeadId, Collection[BeadId]]) -> list[BeadId]:
    """All that can be reached from `start` in one step or more, in the order it is found."""
    seen: dict[BeadId, None] = {}
    frontier = [start]
    while frontier:
        for found in edges.get(frontier.pop(), ()):
            if found not in seen:
                seen[found] = None
                frontier.append(found)
    return list(seen)

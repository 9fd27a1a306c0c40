"""What is ready, what is blocked and by what, and the chain a bead stands in: asked of the tables
`beads` and `needs`, never of the events. Also from another process while the daemon writes: one
`Beads` sees one moment.

The answers are those of the graph in memory (`core/graph.py`). This module changes nothing and does
not know where rows come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from oya_vcs.core.beads import TERMINAL, State
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.standing import BeadRow
from oya_vcs.journal import beads as tables
from oya_vcs.journal.driver import Connection, SqliteError, blame, open_in_memory, open_read_only
from oya_vcs.journal.reader import require
from oya_vcs.journal.schema import high_water

_ENDED = ", ".join(f"'{state}'" for state in sorted(TERMINAL))
_COLUMNS = "b.id, b.repo, b.title, b.state, b.priority, b.since_ms"

READY = (
    f"SELECT {_COLUMNS} FROM beads AS b INDEXED BY beads_ready"  # noqa: S608 - constants, all here
    f" WHERE b.state = '{State.READY}' ORDER BY b.priority, b.since_ms, b.id"
)
BLOCKED = (
    f"SELECT {_COLUMNS} FROM beads AS b INDEXED BY beads_blocked"  # noqa: S608
    f" WHERE b.waits > 0 AND b.state NOT IN ({_ENDED}) ORDER BY b.id"
)
WAITS_FOR = (
    "SELECT n.bead, n.need, w.state FROM needs AS n CROSS JOIN beads AS w ON w.id = n.need"
    " ORDER BY n.bead, n.need"
)
"""All of `needs`: it holds what has not landed, so that every row of it blocks a bead."""

BELOW = (
    "WITH RECURSIVE below(bead) AS (SELECT ? UNION"
    " SELECT n.need FROM below AS at CROSS JOIN needs AS n ON n.bead = at.bead)"
    " SELECT n.bead, n.need FROM below AS at CROSS JOIN needs AS n ON n.bead = at.bead"
)
ABOVE = (
    "WITH RECURSIVE above(bead) AS (SELECT ? UNION"
    " SELECT n.bead FROM above AS at CROSS JOIN needs AS n ON n.need = at.bead)"
    " SELECT n.bead, n.need FROM above AS at CROSS JOIN needs AS n ON n.need = at.bead"
)
"""Both walks come to every bead once (UNION): no diamond is walked twice. CROSS JOIN fixes the
order of the loops, whatever statistics the file has."""

NAMED = (
    f"SELECT {_COLUMNS} FROM json_each(?) AS j"  # noqa: S608
    " CROSS JOIN beads AS b ON b.id = j.value ORDER BY j.key"
)


class Standing(NamedTuple):
    """A bead as the tables have it. `since_ms` (Unix time) is when `state` began."""

    id: BeadId
    repo: RepoId
    title: str
    state: State
    priority: int
    since_ms: int


class Blocked(NamedTuple):
    """A bead and the needs of it that have not landed, sorted by id, each with its state."""

    bead: Standing
    waits_for: tuple[tuple[BeadId, State], ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest chain of unfinished beads through `bead`, in the order of work: `below` has to
    land first, `above` waits for the bead. Both are empty for a bead that has landed."""

    bead: Standing
    below: tuple[Standing, ...]
    above: tuple[Standing, ...]


class Beads:
    """The beads of one journal at one moment. Use it in `with`; one question at a time."""

    def __init__(self, connection: Connection, where: str) -> None:
        self._connection = connection
        self._where = where

    def ready(self) -> list[Standing]:
        """What could be worked on now: most urgent first, then what waits longest. Raises
        WorldFailed or JournalCorrupt where SQLite cannot read, as all questions do."""
        return list(map(_standing, self._ask(READY)))

    def blocked(self) -> list[Blocked]:
        """What waits for other beads to land, sorted by id."""
        waits_for: dict[str, list[tuple[BeadId, State]]] = {}
        for bead, need, state in self._ask(WAITS_FOR):
            waits_for.setdefault(bead, []).append((need, _STATES[state]))
        return [Blocked(_standing(row), tuple(waits_for[row[0]])) for row in self._ask(BLOCKED)]

    def chain(self, bead: BeadId) -> Chain | None:
        """The longest unfinished chain through the bead; of several equally long ones always the
        same. None where there is no such bead."""
        named = self._beads([bead])
        if not named:
            return None
        found = named[0]
        below = _longest(self._ask(BELOW, bead))
        above = _longest(self._ask(ABOVE, bead))
        return Chain(found, self._beads(below[:-1]), self._beads(above[1:]))

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _beads(self, beads: Sequence[BeadId]) -> tuple[Standing, ...]:
        """The beads that are named, in their order."""
        return tuple(map(_standing, self._ask(NAMED, json.dumps(beads))))

    def _ask(self, query: str, *values: str) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except SqliteError as error:
            blame(error, f"asking {self._where} for its beads")


def open_beads(path: Path) -> Beads | None:
    """The beads of the journal, at this moment; None where its tables are not those of its events,
    so that only a replay can tell.

    Raises NotFound where there is no journal, JournalCorrupt where it is none, and WorldFailed
    where it cannot be read.
    """
    require(path)
    try:
        connection = open_read_only(path)
        try:
            connection.execute("BEGIN")
            current = tables.are_current(connection, high_water(connection, path).seq)
            connection.text_factory = str
        except BaseException:
            connection.close()
            raise
    except SqliteError as error:
        blame(error, f"opening {path} for reading")
    if current:
        return Beads(connection, str(path))
    connection.close()
    return None


def beads_in(rows: Iterable[BeadRow]) -> Beads:
    """The same questions about rows that are at hand: kept in memory for as long as they are
    asked."""
    connection = open_in_memory()
    tables.make(connection)
    tables.keep(connection, rows)
    return Beads(connection, "memory")


def _longest(edges: Sequence[tuple[BeadId, BeadId]]) -> list[BeadId]:
    """The longest chain over edges `(bead, need)` without a cycle, first to last, as
    `core.graph.critical_path` finds it: ties go to the smaller id. Costs the edges."""
    needs: dict[BeadId, list[BeadId]] = {}
    dependents: dict[BeadId, list[BeadId]] = {}
    for bead, need in edges:
        needs.setdefault(bead, []).append(need)
        dependents.setdefault(need, []).append(bead)
    waiting = {bead: len(wanted) for bead, wanted in needs.items()}
    layer = [bead for bead in dependents if bead not in needs]
    depth: dict[BeadId, int] = {}
    level = 0
    path: list[BeadId] = []
    while layer:
        level += 1
        path = [min(layer)]
        following: list[BeadId] = []
        for need in layer:
            depth[need] = level
            for bead in dependents.get(need, ()):
                waiting[bead] -= 1
                if not waiting[bead]:
                    following.append(bead)
        layer = following
    while path and path[-1] in needs:
        level -= 1
        path.append(min(need for need in needs[path[-1]] if depth[need] == level))
    return path[::-1]


def _standing(row: tuple[BeadId, RepoId, str, str, int, int]) -> Standing:
    bead, repo, title, state, priority, since_ms = row
    return Standing(bead, repo, title, _STATES[state], priority, since_ms)


_STATES = {str(state): state for state in State}

"""The tables `beads` (where each bead stands) and `needs` (what it still waits for), kept beside
the events that say so.

They are a projection. The journal's writer changes them in the transaction of the events that cause
the change, so no crash can part them from the record; and they hold nothing that the record does
not, so they may be dropped and filled again at any time. The row `beads` of `journal_meta` says for
which event they are right (`VERSION SEQ`). Where that is not the last event, another program wrote
without keeping them (an import, an older oya-vcs): no query reads them, and the next daemon fills
them again.

This module knows rows, not what they mean: `core/standing.py` makes them, `queries.py` asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from oya_vcs.core.beads import State
from oya_vcs.core.ids import BeadId
from oya_vcs.core.standing import BeadRow
from oya_vcs.journal.driver import Connection

VERSION = 1
"""Of the tables below; another one drops and fills them."""

TABLES = (
    "DROP TABLE IF EXISTS beads",
    "DROP TABLE IF EXISTS needs",
    """CREATE TABLE beads(
        id TEXT PRIMARY KEY,
        repo TEXT NOT NULL,
        title TEXT NOT NULL,
        state TEXT NOT NULL,
        waits INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        since_ms INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE needs(
        bead TEXT NOT NULL,
        need TEXT NOT NULL,
        PRIMARY KEY(bead, need)) WITHOUT ROWID""",
    "CREATE INDEX beads_ready ON beads(priority, since_ms, id) WHERE state = 'ready'",
    "CREATE INDEX beads_blocked ON beads(id) WHERE waits > 0",
    "CREATE INDEX needs_need ON needs(need, bead)",
)
"""What makes the tables, empty, whatever was there before."""

_IS_MARK = "SELECT 1 FROM journal_meta WHERE name = 'beads' AND value = ?"

_ROWS_MAX = 64
"""Rows a statement, at most. A last part is filled up with repetitions of its last row to the next
power of two: few statements, for the reason given in `store.py`, and few kinds of them, which stay
prepared. So every statement must be one that may be repeated."""

_KEEP = (
    "INSERT INTO beads VALUES {} ON CONFLICT(id) DO UPDATE SET title = excluded.title,"
    " state = excluded.state, waits = excluded.waits, priority = excluded.priority,"
    " since_ms = excluded.since_ms"
)
_LANDED = str(State.LANDED.value)
_FORGET_NEEDS = "DELETE FROM needs WHERE bead IN (VALUES {})"
_FREE_DEPENDENTS = "DELETE FROM needs WHERE need IN (VALUES {})"
_KEEP_NEEDS = "INSERT OR IGNORE INTO needs VALUES {}"


def are_current(connection: Connection, seq: int) -> bool:
    """Whether the tables are those of the record up to event `seq`. Raises SqliteError."""
    return connection.execute(_IS_MARK, (_mark(seq),)).fetchone() is not None


def advance(
    connection: Connection, appends: Sequence[tuple[Sequence[BeadRow] | None, bool]], seq: int
) -> str:
    """Bring the tables, in the open transaction, to event `seq`: the rows of each append in turn,
    and whether the tables are made anew for them. Where the last append has no rows (None) they
    stay as they are, and are no longer current.

    Returns the mark that has to be set in the same transaction.
    """
    if appends[-1][0] is None:
        return ""
    first = max((at for at, (_, anew) in enumerate(appends) if anew), default=-1)
    if first >= 0:
        make(connection)
    keep(connection, (row for rows, _ in appends[max(first, 0) :] for row in rows or ()))
    return _mark(seq)


def make(connection: Connection) -> None:
    """Make the tables anew and empty, in the open transaction."""
    for statement in TABLES:
        connection.execute(statement)


def keep(connection: Connection, rows: Iterable[BeadRow]) -> None:
    """Write the rows in the open transaction; of several for one bead the last one counts.

    Costs the rows, their needs, and the out-degree of beads that landed.
    """
    beads: dict[BeadId, tuple[object, ...]] = {}
    needs: dict[BeadId, tuple[BeadId, ...]] = {}
    other: list[tuple[BeadId]] = []
    landed: list[tuple[BeadId]] = []
    for row in rows:
        bead, state, wanted = row[0], row[3], row[7]
        beads[bead] = row[:7]
        if wanted is not None:
            needs[bead] = wanted
            if not row.new:
                other.append((bead,))
        if state == _LANDED:
            landed.append((bead,))
    _execute(connection, _KEEP, list(beads.values()))
    _execute(connection, _FORGET_NEEDS, other + landed)
    _execute(connection, _KEEP_NEEDS, [(bead, one) for bead in needs for one in needs[bead]])
    _execute(connection, _FREE_DEPENDENTS, landed)


def _execute(connection: Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    for start in range(0, len(rows), _ROWS_MAX):
        part = rows[start : start + _ROWS_MAX]
        size = 1 << (len(part) - 1).bit_length()
        cells = [cell for row in part for cell in row]
        cells += [*part[-1]] * (size - len(part))
        connection.execute(_text(statement, size, len(part[0])), cells)


@cache
def _text(statement: str, rows: int, width: int) -> str:
    return statement.format(", ".join([f"({', '.join('?' * width)})"] * rows))


def _mark(seq: int) -> str:
    return f"{VERSION} {seq}"

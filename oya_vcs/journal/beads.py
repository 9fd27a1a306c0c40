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

import msgspec

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

_LANDED = str(State.LANDED.value)
_json = msgspec.json.Encoder().encode


_KEEP = (
    """INSERT INTO beads SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
    json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
    json_extract(value, '$[5]'), json_extract(value, '$[6]') FROM json_each(:rows, '$[0]')
    WHERE true ON CONFLICT(id) DO UPDATE SET title = excluded.title, state = excluded.state,
    waits = excluded.waits, priority = excluded.priority, since_ms = excluded.since_ms""",
    "DELETE FROM needs WHERE bead IN (SELECT value FROM json_each(:rows, '$[1]'))",
    """INSERT OR IGNORE INTO needs SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')
    FROM json_each(:rows, '$[2]')""",
    """UPDATE beads SET waits = (SELECT count(*) FROM needs WHERE bead = beads.id
    AND need NOT IN (SELECT value FROM json_each(:rows, '$[3]')))
    WHERE id IN (SELECT bead FROM needs WHERE need IN
    (SELECT value FROM json_each(:rows, '$[3]')))""",
    "DELETE FROM needs WHERE need IN (SELECT value FROM json_each(:rows, '$[3]'))",
)
"""What brings the tables to a `payload`, each statement at the cost of what it changes."""


def are_current(connection: Connection, seq: int) -> bool:
    """Whether the tables are those of the record up to event `seq`. Raises SqliteError."""
    return connection.execute(_IS_MARK, (_mark(seq),)).fetchone() is not None


def gathered(
    appended: Sequence[Sequence[BeadRow] | None], anew: Sequence[bool], seq: int
) -> tuple[str, list[BeadRow], bool]:
    """What several appends, up to event `seq`, come to: the mark to be set in their transaction,
    the rows to keep, and whether the tables are made anew before.

    Of each append there are its rows, and whether the tables are made anew for them. Where the last
    one has no rows (None) the tables stay as they are, and are no longer current.
    """
    if appended[-1] is None:
        return "", [], False
    makes = True in anew
    first = len(anew) - 1 - anew[::-1].index(True) if makes else 0
    return _mark(seq), [row for rows in appended[first:] if rows for row in rows], makes


def make(connection: Connection) -> None:
    """Make the tables anew and empty, in the open transaction."""
    for statement in TABLES:
        connection.execute(statement)


def keep(connection: Connection, rows: Iterable[BeadRow]) -> None:
    """Write the rows in the open transaction; of several for one bead the last one counts.

    Costs the rows, their needs, and the dependents of beads that landed with what they need.
    """
    given = {"rows": payload(rows)}
    for statement in _KEEP:
        connection.execute(statement, given)


def keeping(rows: str) -> str:
    """What `keep` executes, for the body of a trigger; `rows` is the SQL that names a `payload`."""
    return "; ".join(_KEEP).replace(":rows", rows)


def payload(rows: Iterable[BeadRow]) -> str:
    """The rows as JSON for `keeping`: the columns of each bead, of several rows for one bead the
    last; whose needs are forgotten; the needs that are there now; what landed."""
    beads: dict[BeadId, tuple[object, ...]] = {}
    needs: dict[BeadId, tuple[BeadId, ...]] = {}
    other: list[BeadId] = []
    landed: list[BeadId] = []
    for row in rows:
        bead, state, wanted = row[0], row[3], row[7]
        beads[bead] = row[:7]
        if wanted is not None:
            needs[bead] = wanted
            if not row.new:
                other.append(bead)
        if state == _LANDED:
            landed.append(bead)
    pairs = [(bead, one) for bead in needs for one in needs[bead]]
    return _json((list(beads.values()), other + landed, pairs, landed)).decode()


def _mark(seq: int) -> str:
    return f"{VERSION} {seq}"

"""What the writer does in one transaction, as one statement.

SQLite hands Python's interpreter lock back at each statement and takes it again at its end, and a
busy event loop makes the writer's thread wait for it every time, while nothing is committed. So a
whole transaction is one `INSERT` into a view. Its triggers write the rows, the marks and the tables
of beads; and since no transaction is open then, the same call begins, commits and syncs it, without
the lock from its first page to the last.

The columns of the rows come as one JSON array, but for data and hash, which come as they are, those
of all rows one behind the other. View and triggers are temporary: the file does not know of them.

This module does not know of threads, futures, or what an event means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from oya_vcs.core.standing import BeadRow
from oya_vcs.journal import beads as tables
from oya_vcs.journal.chain import link
from oya_vcs.journal.codec import Encoded
from oya_vcs.journal.driver import Connection
from oya_vcs.journal.schema import SET_MARKS, WIDTH, HighWater

_VIEW = (
    "CREATE TEMP VIEW batch(first, columns, data, hashes, high_water, beads_mark, beads)"
    " AS SELECT 0, '', x'', x'', '', '', ''"
)
"""`first` is the number of the first row, `columns` JSON with `_Columns` for each, `data` and
`hashes` what they have one behind the other; `beads` is a `beads.payload`, or NULL."""

_EVENTS = f"""CREATE TEMP TRIGGER batch_events INSTEAD OF INSERT ON batch BEGIN
    INSERT INTO events SELECT
        NEW.first + key,
        json_extract(value, '$[0]'),
        json_extract(value, '$[1]'),
        json_extract(value, '$[2]'),
        json_extract(value, '$[3]'),
        json_extract(value, '$[4]'),
        CAST(substr(NEW.data, json_extract(value, '$[5]'), json_extract(value, '$[6]')) AS TEXT),
        substr(NEW.hashes, 32 * key + 1, 32)
        FROM json_each(NEW.columns);
    {SET_MARKS.format("NEW.high_water", "NEW.beads_mark")};
END"""  # noqa: S608 - constants

_BEADS = f"""CREATE TEMP TRIGGER batch_beads INSTEAD OF INSERT ON batch
    WHEN NEW.beads IS NOT NULL BEGIN {tables.keeping("NEW.beads")}; END"""

_COMMIT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)"
_BY_HAND = f"INSERT INTO events VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608 - a constant
_NUL = "\\u0000"

_Columns = tuple[int, str, int, str, str | None, int, int]
"""at_ms, type, version, subject, key; where the row's data begins (from 1), and its length."""

_json = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """The rows of a transaction and their hashes; `first` is the number of the first one."""

    first: int
    columns: list[_Columns]
    data: list[bytes]
    hashes: list[bytes]


def chained(
    appends: Iterable[tuple[int, Sequence[Encoded]]], mark: HighWater
) -> tuple[Rows, HighWater]:
    """The rows of some appends (when, in ms, and what), in order behind the mark; and the mark
    after the last of them."""
    seq, digest = mark
    rows = Rows(seq + 1, [], [], [])
    _, columns, texts, hashes = rows
    begin = 1
    for at_ms, encoded in appends:
        for name, version, subject, key, data in encoded:
            seq += 1
            key_bytes = None if key is None else key.encode()
            row = (seq, at_ms, name.encode(), version, subject.encode(), key_bytes, data)
            digest = link(digest, row)
            columns.append((at_ms, name, version, subject, key, begin, len(data)))
            texts.append(data)
            hashes.append(digest)
            begin += len(data)
    return rows, HighWater(seq, digest)


class Transactions:
    """Writes on the one connection that may. From any one thread at a time."""

    def __init__(self, connection: Connection, *, keeps_beads: bool) -> None:
        """`keeps_beads` says that the tables of beads are in the file. Raises SqliteError."""
        self._connection = connection
        self._execute = connection.cursor().execute
        self._execute("PRAGMA temp_store=MEMORY")
        self._execute(_VIEW)
        self._execute(_EVENTS)
        self._knows_beads = keeps_beads
        if keeps_beads:
            self._execute(_BEADS)

    def commit(
        self,
        rows: Rows,
        mark: HighWater,
        beads: Sequence[tuple[Sequence[BeadRow] | None, bool]],
    ) -> None:
        """Write the rows, the mark behind them, and what `beads.gathered` makes of `beads`; return
        when all of it is on disk.

        Raises SqliteError: none of it counts as written then, and the transaction may be open.
        """
        columns = _json(rows.columns).decode()
        beads_mark, kept, anew = tables.gathered(beads, mark.seq)
        by_hand = _NUL in columns
        apart = anew or by_hand
        if apart:
            self._execute("BEGIN IMMEDIATE")
        if anew:
            self._make_beads()
        if by_hand:
            self._insert(rows)
            columns = "[]"
        data, hashes = b"".join(rows.data), b"".join(rows.hashes)
        payload = tables.payload(kept) if kept else None
        given = (rows.first, columns, data, hashes, mark.text(), beads_mark, payload)
        self._execute(_COMMIT, given)
        if apart:
            self._execute("COMMIT")

    def _make_beads(self) -> None:
        tables.make(self._connection)
        if not self._knows_beads:
            self._execute(_BEADS)
            self._knows_beads = True

    def _insert(self, rows: Rows) -> None:
        """Row by row: older SQLite takes a NUL in JSON for the end of its text."""
        first, columns, texts, hashes = rows
        self._connection.executemany(
            _BY_HAND,
            [
                (first + at, *column[:5], data.decode(), digest)
                for at, (column, data, digest) in enumerate(
                    zip(columns, texts, hashes, strict=True)
                )
            ],
        )

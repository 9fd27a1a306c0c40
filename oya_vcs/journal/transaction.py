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

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from oya_vcs.core.standing import BeadRow
from oya_vcs.journal import beads as tables
from oya_vcs.journal.chain import link
from oya_vcs.journal.codec import Encoded
from oya_vcs.journal.driver import Connection
from oya_vcs.journal.schema import SET_MARKS, WIDTH, HighWater

_VIEW = (
    "CREATE TEMP VIEW batch(first, columns, base, data, hashes, high_water, beads_mark, beads)"
    " AS SELECT 0, '', 0, x'', x'', '', '', ''"
)
"""`first` is the number of the first row, `columns` JSON with `_Columns` for each, `data` and
`hashes` what they have one behind the other, and `base` where the data begins; `beads` is a
`beads.payload`, or NULL."""

_EVENTS = f"""CREATE TEMP TRIGGER batch_events INSTEAD OF INSERT ON batch BEGIN
    INSERT INTO events SELECT
        NEW.first + key,
        json_extract(value, '$[0]'),
        json_extract(value, '$[1]'),
        json_extract(value, '$[2]'),
        json_extract(value, '$[3]'),
        json_extract(value, '$[4]'),
        CAST(substr(
            NEW.data, json_extract(value, '$[5]') - NEW.base + 1, json_extract(value, '$[6]')
        ) AS TEXT),
        substr(NEW.hashes, 32 * key + 1, 32)
        FROM json_each(NEW.columns);
    {SET_MARKS.format("NEW.high_water", "NEW.beads_mark")};
END"""  # noqa: S608 - constants

_BEADS = f"""CREATE TEMP TRIGGER batch_beads INSTEAD OF INSERT ON batch
    WHEN NEW.beads IS NOT NULL BEGIN {tables.keeping("NEW.beads")}; END"""

_COMMIT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BY_HAND = f"INSERT INTO events VALUES ({', '.join('?' * WIDTH)})"  # noqa: S608 - a constant
_NUL = b"\\u0000"
HASH_BYTES = 32
"""Of a row."""

_Columns = tuple[int, str, int, str, str | None, int, int]
"""at_ms, type, version, subject, key; where the row's data begins among all that was appended since
opening, and its length in bytes."""

_json = msgspec.json.Encoder().encode


class Append(NamedTuple):
    """What is to be in one transaction, whatever else is: rows of one time, and rows of beads.

    `beads` None: their tables are not kept; `anew`: they are made anew before.
    """

    at_ms: int
    rows: Sequence[Encoded]
    beads: Sequence[BeadRow] | None
    anew: bool = False


class Sheaf(NamedTuple):
    """Appends in a row, chained: `columns`, `data` and `hashes` are those of their rows, one behind
    the other, as the writer needs them; `base` is where the data begins."""

    appends: Sequence[Append]
    base: int
    columns: bytes
    data: bytes
    hashes: bytes


class Chain:
    """The end of the journal as it will be when all is written that was bound."""

    __slots__ = ("_base", "_digest", "_seq")

    def __init__(self, mark: HighWater) -> None:
        """Behind the row that the mark names."""
        self._seq, self._digest = mark
        self._base = 0

    def bind(self, appends: Sequence[Append]) -> Sheaf:
        """Number and chain the rows. Many at once take half of what they take one by one."""
        seq, digest, base = self._seq, self._digest, self._base
        columns: list[_Columns] = []
        texts: list[bytes] = []
        hashes: list[bytes] = []
        for at_ms, rows, _, _ in appends:
            for name, version, subject, key, data in rows:
                seq += 1
                key_bytes = None if key is None else key.encode()
                row = (seq, at_ms, name.encode(), version, subject.encode(), key_bytes, data)
                digest = link(digest, row)
                size = len(data)
                columns.append((at_ms, name, version, subject, key, base, size))
                texts.append(data)
                hashes.append(digest)
                base += size
        begin, self._base = self._base, base
        self._seq, self._digest = seq, digest
        return Sheaf(appends, begin, _json(columns)[1:-1], b"".join(texts), b"".join(hashes))


class Transaction(NamedTuple):
    """Sheaves as one transaction, ready to be written; `mark` names its last row."""

    appends: Sequence[Append]
    hashes: bytes
    mark: HighWater
    values: tuple[object, ...]
    """Those of `_COMMIT`."""
    by_hand: bool
    anew: bool

    @property
    def is_empty(self) -> bool:
        """Nothing is to be written."""
        return not self.anew and not self.hashes


def joined(mark: HighWater, sheaves: Sequence[Sheaf]) -> Transaction:
    """The sheaves, in order, as one transaction behind the row that the mark names."""
    several, _, columns, data, hashes = zip(*sheaves, strict=True)
    appends = [append for some in several for append in some]
    text = b"[%s]" % b",".join(filter(None, columns))
    digests = b"".join(hashes)
    seq = mark.seq + len(digests) // HASH_BYTES
    last = HighWater(seq, digests[-HASH_BYTES:] or mark.digest)
    beads_mark, kept, makes = tables.gathered(
        [append.beads for append in appends], [append.anew for append in appends], seq
    )
    values = (
        mark.seq + 1,
        text.decode(),
        sheaves[0].base,
        b"".join(data),
        digests,
        last.text(),
        beads_mark,
        tables.payload(kept) if kept else None,
    )
    return Transaction(appends, digests, last, values, _NUL in text, makes)


class Writer:
    """Writes transactions on the one connection that may. From any one thread at a time."""

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

    def write(self, whole: Transaction) -> None:
        """Write all of it, and return when it is on disk. Raises SqliteError: none of it counts as
        written then, and the transaction may be open."""
        if not whole.by_hand and not whole.anew:
            self._execute(_COMMIT, whole.values)
            return
        self._execute("BEGIN IMMEDIATE")
        if whole.anew:
            self._make_beads()
        self._execute(_COMMIT, self._inserted(whole) if whole.by_hand else whole.values)
        self._execute("COMMIT")

    def _make_beads(self) -> None:
        tables.make(self._connection)
        if not self._knows_beads:
            self._execute(_BEADS)
            self._knows_beads = True

    def _inserted(self, whole: Transaction) -> tuple[object, ...]:
        """Insert row by row, for older SQLite takes a NUL in JSON for the end of its text; returns
        the values for what remains."""
        first, _, base, data, hashes, *others = whole.values
        encoded = [(one.at_ms, *row) for one in whole.appends for row in one.rows]
        seqs = range(whole.mark.seq + 1 - len(encoded), whole.mark.seq + 1)
        starts = range(0, len(whole.hashes), HASH_BYTES)
        rows = [
            (seq, *row[:5], row[5].decode(), whole.hashes[at : at + HASH_BYTES])
            for seq, row, at in zip(seqs, encoded, starts, strict=True)
        ]
        self._connection.executemany(_BY_HAND, rows)
        return first, "[]", base, data, hashes, *others

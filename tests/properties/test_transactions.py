"""A transaction that is one statement writes what row after row would write, whatever is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from oya_vcs.core.events import Event, Received
from oya_vcs.journal.chain import GENESIS, link
from oya_vcs.journal.codec import encode
from oya_vcs.journal.driver import open_read_only
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.schema import COLUMNS, HighWater
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import verify
from tests.strategies import INT_64, events

Appends = Sequence[tuple[int, Sequence[Event]]]


def expected(appends: Appends) -> tuple[list[tuple[object, ...]], HighWater]:
    """The table's rows, each made by itself, and the mark."""
    rows: list[tuple[object, ...]] = []
    digest = GENESIS
    for at_ms, group in appends:
        for event in group:
            name, version, subject, key, data = encode(event)
            text = None if key is None else key.encode()
            row = (len(rows) + 1, at_ms, name.encode(), version, subject.encode(), text, data)
            digest = link(digest, row)
            rows.append((*row, digest))
    return rows, HighWater(len(rows), digest)


async def write(path: Path, appends: Appends) -> None:
    """All of them at once."""
    journal = SqliteJournal(path)
    await asyncio.gather(*(journal.append(at_ms, group) for at_ms, group in appends))
    journal.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(INT_64, st.lists(events(), max_size=4)), min_size=1, max_size=4))
@example([(0, [Received(delivery="a\0b", content="\\u0000"), Received(delivery="\\u0000")])])
@example([(2**63 - 1, [Received(delivery='"\n\\\x7f\u2028\U0010ffff', content="ü")])])
def test_every_column_is_written_to_the_bit(appends: Appends) -> None:
    """Any events at any time: each column and each hash is what it would be alone, the mark is that
    of the last row, and the journal verifies and reads back as the same events."""
    seen: set[str] = set()
    for _, group in appends:
        keys = [event.unique for event in group if event.unique is not None]
        if seen.intersection(keys) or len(keys) != len(set(keys)):
            return  # the journal would refuse a key that comes twice
        seen.update(keys)
    rows, mark = expected(appends)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        asyncio.run(write(path, appends))
        with closing(open_read_only(path)) as connection:
            query = f"SELECT {COLUMNS} FROM events ORDER BY seq"
            found = connection.execute(query).fetchall()
            types = "SELECT DISTINCT typeof(type), typeof(subject), typeof(data) FROM events"
            assert connection.execute(types).fetchall() in ([(b"text",) * 3], [])
            asked = "SELECT value FROM journal_meta WHERE name = 'high_water'"
            assert connection.execute(asked).fetchone() == (mark.text().encode(),)
        assert found == rows
        assert verify(path).ok
        with open_reader(path) as reader:
            read = [(row.at_ms, row.event) for row in reader.read()]
    assert read == [(at_ms, event) for at_ms, group in appends for event in group]

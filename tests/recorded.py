"""Journals on disk for tests: a random legal history, written by the real writer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random

from oya_vcs.journal.store import SqliteJournal
from oya_vcs.ports import Recorded
from tests.histories import History


def history(rows: int, seed: int = 7) -> list[Recorded]:
    """At least so many rows that could have happened."""
    dice = Random(seed)
    story = History(dice.randrange)
    while len(story.rows) < rows:
        story.step()
    return story.rows[:rows]


def write_journal(path: Path, rows: Sequence[Recorded]) -> None:
    """Append the rows, those of one moment in one transaction, and close the journal."""
    journal = SqliteJournal(path)

    async def append() -> None:
        for at_ms, group in groupby(rows, key=lambda row: row.at_ms):
            await journal.append(at_ms, [row.event for row in group])

    asyncio.run(append())
    journal.close()

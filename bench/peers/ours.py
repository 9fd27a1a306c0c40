"""The workflow on oya-vcs itself: `oya_vcs.bench.workflow`, each pace on a new journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pace

from oya_vcs import __version__
from oya_vcs.bench.workflow import run


def main() -> None:
    """Four transactions a workflow; in flight they share them."""
    given = pace.flags(alone=1_000, flight=8_000)
    folder = Path(given.dir)
    asyncio.run(run(folder / "warm.db", 20, 1))
    alone = asyncio.run(run(folder / "alone.db", given.alone, 1))
    flight = asyncio.run(run(folder / "flight.db", given.flight, pace.CLIENTS))
    pace.report(
        "oya-vcs",
        __version__,
        "SQLite WAL, synchronous=FULL, hash chain, group commit; one process, 64 tasks",
        alone.per_second,
        flight.per_second,
    )


if __name__ == "__main__":
    main()

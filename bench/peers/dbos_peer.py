"""The workflow on DBOS with SQLite as its system database: as it comes, and with a write-ahead log.

DBOS sets no journal mode, so that SQLite's own applies (rollback journal, synchronous=FULL). With
`--wal` it is handed an engine in WAL mode, still synchronous=FULL: durable, and the faster one.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pace
import sqlalchemy
from dbos import DBOS, DBOSConfig, SetWorkflowID


@DBOS.step()
def step(number: int) -> str:
    """Nothing, with a result."""
    return f"result {number}"


@DBOS.workflow()
def work(number: int) -> str:
    """Three steps."""
    for one in range(3):
        last = step(one)
    return last


def engine_with_wal(path: Path) -> sqlalchemy.Engine:
    """As DBOS makes its own, and WAL with synchronous=FULL."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", pool_size=20)

    @sqlalchemy.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "busy_timeout=30000",
            "foreign_keys=ON",
            "journal_mode=WAL",
            "synchronous=FULL",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def main() -> None:
    """Both paces; with `--wal` in WAL mode."""
    wal = "--wal" in sys.argv
    if wal:
        sys.argv.remove("--wal")
    given: argparse.Namespace = pace.flags(alone=200, flight=400)
    path = Path(given.dir) / "dbos.db"
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{path}",
        "log_level": "ERROR",
    }
    if wal:
        config["system_database_engine"] = engine_with_wal(path)
    DBOS(config=config)
    DBOS.launch()

    def run(number: int) -> str:
        with SetWorkflowID(f"work-{number}"):
            return work(number)

    pace.by_threads(run, 5, 1)
    alone = pace.by_threads(run, given.alone, 1, first=1000)
    flight = pace.by_threads(run, given.flight, pace.CLIENTS, first=10_000_000)
    journal = "WAL" if wal else "rollback journal (the default)"
    settings = f"SQLite system database, {journal}, synchronous=FULL; 64 threads"
    pace.report("DBOS", version("dbos"), settings, alone, flight)
    DBOS.destroy()


if __name__ == "__main__":
    main()

"""The workflow on `eventsourcing`: an aggregate whose steps are events, SQLite as its recorder."""

from __future__ import annotations

import uuid
from importlib.metadata import version
from pathlib import Path

import pace
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Work(Aggregate):
    """A workflow: for each step an event that asks for it, and one with its result."""

    @event("Started")
    def __init__(self, number: int) -> None:
        self.number = number
        self.results: list[str] = []
        self.ended = False

    @event("Requested")
    def request(self, step: int) -> None:
        """The step is to be carried out."""
        self.step = step

    @event("Done")
    def finish(self, step: int, result: str) -> None:
        """The step's result."""
        self.results.append(result)

    @event("Ended")
    def end(self) -> None:
        """Nothing is left to do."""
        self.ended = True


def main() -> None:
    """Four transactions a workflow: start and first request, two results with the next request, the
    last result with the end."""
    given = pace.flags(alone=1000, flight=2000)
    app: Application[uuid.UUID] = Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(Path(given.dir) / "events.db"),
            "SQLITE_LOCK_TIMEOUT": "60",
        }
    )

    def run(number: int) -> None:
        work = Work(number)
        for step in range(3):
            work.request(step)
            app.save(work)
            work.finish(step, f"result {step}")
        work.end()
        app.save(work)

    pace.by_threads(run, 20, 1)
    alone = pace.by_threads(run, given.alone, 1, first=1000)
    flight = pace.by_threads(run, given.flight, pace.CLIENTS, first=10_000_000)
    pace.report(
        "eventsourcing",
        version("eventsourcing"),
        "SQLite recorder, WAL, synchronous=FULL (the defaults); 4 saves a workflow, 64 threads",
        alone,
        flight,
    )


if __name__ == "__main__":
    main()

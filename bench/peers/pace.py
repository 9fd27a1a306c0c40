"""What all peers share: how a workflow is driven, timed and reported. Standard library only.

A workflow is the same for every peer: its start is on disk, then three steps that do nothing and
return a short text, each result on disk before the next step begins, then its end. `alone` runs one
after another; `in flight` keeps CLIENTS clients busy, each with one workflow at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable

CLIENTS = 64
"""Workflows in flight at once."""


def flags(alone: int, flight: int) -> argparse.Namespace:
    """`--alone N --flight N --dir DIR`, with the peer's own defaults."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alone", type=int, default=alone, help="workflows one after another")
    parser.add_argument("--flight", type=int, default=flight, help="workflows in flight, in all")
    parser.add_argument("--dir", required=True, help="an empty folder on the disk to measure")
    return parser.parse_args()


def by_threads(run: Callable[[int], object], count: int, clients: int, first: int = 0) -> float:
    """Workflows a second of `clients` threads that call `run(number)` in turn."""
    numbers = iter(range(first, first + count))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def client() -> None:
        while not failures:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                run(number)
            except BaseException as error:
                failures.append(error)
                raise

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return count / (time.perf_counter() - begin)


async def by_tasks(
    run: Callable[[int], Awaitable[object]], count: int, clients: int, first: int = 0
) -> float:
    """Workflows a second of `clients` tasks that await `run(number)` in turn."""
    numbers = iter(range(first, first + count))

    async def client() -> None:
        for number in numbers:
            await run(number)

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return count / (time.perf_counter() - begin)


def report(peer: str, version: str, settings: str, alone: float, flight: float) -> None:
    """Print what `oya-vcs bench journal --peers FILE` reads: one JSON object a line."""
    found = {
        "peer": peer,
        "version": version,
        "settings": settings,
        "alone_per_second": round(alone, 1),
        "flight_per_second": round(flight, 1),
    }
    print(json.dumps(found), flush=True)

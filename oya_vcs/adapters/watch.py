"""Folders that are watched: which of them something has happened in.

A hint and no more: what happened in a folder, and whether all of it was heard of, is for its reader
to find out. Must not know what is in the folders.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from functools import cache
from pathlib import Path

from watchfiles import awatch

log = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every change

STEP_MS = 10
"""Between two looks at what the system has reported: what a change takes to be heard of, and 0.3 %
of a CPU however many folders there are (measured; 5 ms take 0.4 %, 50 ms 0.1 %)."""


async def stirred(
    folders: Collection[Path], every_ms: int
) -> AsyncGenerator[frozenset[Path], None]:
    """Folders that something has happened in, again and again; none of them where nothing has for
    `every_ms`, which is the time to look whether anything was missed.

    Ends, and is to be begun anew, where a folder is not there, and now and then where the system
    watches none for us (it has no more watches to give): then it tells nothing but the time, and
    the log says so once.
    """
    watched = awatch(
        *folders,
        watch_filter=None,
        debounce=STEP_MS,
        step=STEP_MS,
        rust_timeout=every_ms,
        yield_on_timeout=True,
        recursive=False,
    )
    try:
        if folders:
            async with aclosing(watched):
                async for found in watched:
                    yield frozenset(Path(path).parent for _, path in found)
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError) as error:  # the latter is watchfiles' own, of no public name
        _say_once(f"What others do in jj is noticed up to {every_ms / 1_000:g} s later: {error}")
    await asyncio.sleep(every_ms / 1_000)
    yield frozenset()


@cache
def _say_once(text: str) -> None:
    log.warning("%s", text)

"""Folders that are watched: which of them something has happened in.

A hint and no more: what happened in a folder, and whether all of it was heard of, is for its reader
to find out. Must not know what is in the folders.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
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

    Where the system cannot watch a folder (it is gone; there are too many watches) that is all it
    yields, and the log says why. Ends where a folder was missing: what is there now is the caller's
    business.
    """
    pause_s = every_ms / 1_000
    if not folders:
        await asyncio.sleep(pause_s)
        return
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
        async with aclosing(watched):
            async for found in watched:
                yield frozenset(Path(path).parent for _, path in found)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("Operations of jj are noticed a little later: %s", error)
        await asyncio.sleep(pause_s)

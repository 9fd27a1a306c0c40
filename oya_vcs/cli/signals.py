"""How a command that is a daemon ends when its process is told to. Knows nothing of what runs."""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from oya_vcs.errors import Interrupted

STOP_S_MAX = 30
"""How long a daemon may take to stop (REQUIREMENTS B6)."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Result = TypeVar("Result")


def bounded_end() -> None:
    """From now on, what hangs beyond STOP_S_MAX is shown on stderr, and ends the process with 1.
    Whoever calls it calls `faulthandler.cancel_dump_traceback_later` at the end."""
    faulthandler.dump_traceback_later(STOP_S_MAX, exit=True)


async def until_signalled(work: Coroutine[Any, Any, Result]) -> Result:
    """What the work returns.

    Raises Interrupted, with the work cancelled and at its end (`bounded_end`), on SIGINT, SIGTERM
    and SIGHUP; signals that come after that change nothing, until the process has ended.
    """
    working = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            bounded_end()
            working.cancel()

    def hear(_number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop)

    # Not the loop's own handlers: they end with the loop, and Python's with the interpreter, both
    # before the process. What is ignored stays ignored.
    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        return await working
    except asyncio.CancelledError:
        raise Interrupted from None
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stopping else handler)

"""How the event loop learns that a child process has ended. Must not know what the children do.

Python 3.11's default starts a thread for each child, which costs memory and a switch at each end.
From 3.12 on it uses a file descriptor of the child instead where the kernel has them (Linux 5.3).
Here 3.11 is told to do the same, for the one loop that runs. Its watcher is sound for that: it
needs no SIGCHLD and waits for its own children only, by pid, once the descriptor says they ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def watched_by_descriptor() -> Iterator[None]:
    """While the block runs, children of the running loop are waited for without threads.

    Nothing changes where this Python or this kernel cannot: there it is as it was.
    """
    if sys.version_info >= (3, 12) or not has_descriptors():
        yield
        return
    before = asyncio.get_child_watcher()
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    try:
        yield
    finally:
        asyncio.set_child_watcher(before)


def has_descriptors() -> bool:
    """Whether processes have descriptors here: not before Linux 5.3, nor where they are
    forbidden."""
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True

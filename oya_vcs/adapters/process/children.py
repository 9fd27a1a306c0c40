"""How the event loop learns that a child process has ended. Must not know what the children do.

Python 3.11's default starts a thread for each child, which costs memory and a switch at each end.
From 3.12 on it uses a file descriptor of the child instead where the kernel has them (Linux 5.3).
Here 3.11 is told to do the same. The watcher of 3.11 is sound for that: it asks the running loop,
needs no SIGCHLD, and waits for its own children only.
"""

from __future__ import annotations

import asyncio
import os
import sys


def watch_by_descriptor() -> bool:
    """Use file descriptors for children from now on; whether this system and this Python can.

    Nothing changes where they cannot: there it is threads, as before.
    """
    if sys.version_info >= (3, 12):
        return True
    if not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an older kernel, or a container that forbids it
        return False
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    return True

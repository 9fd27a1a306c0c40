"""Starting jj and git, and what the operating system offers around it: a file lock, syncfs.

Must not know what the programs are asked to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.errors import WorldFailed

STDERR_TAIL = 4_000
"""Characters of a failed program's stderr that an error carries."""
LOCK_PAUSE_S = 0.01
"""Between two tries at a file lock that another process holds; a jj command takes twice that."""

_PASSES = re.compile(r"\block(ed)?\b|\.lock\b|temporarily unavailable|No space left", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program that succeeded said."""

    out: str
    err: str


async def run_program(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: str = "", inherit: tuple[int, ...] = ()
) -> Ran:
    """Run a program to its end; it gets the descriptors in `inherit`. Raises WorldFailed with argv
    and stderr.

    A cancelled call kills the program: what it left half-made is for the caller's verification to
    find.
    """
    command = tuple(argv)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(env),
            cwd="/",
            pass_fds=inherit,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        message = f"{command[0]} could not be started: {error}."
        raise WorldFailed(message, command=command) from error
    try:
        out, err = await process.communicate(stdin.encode() if stdin else None)
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    said = err.decode(errors="replace")
    if process.returncode != 0:
        said = said[-STDERR_TAIL:].strip()
        raise WorldFailed(
            f"{Path(command[0]).name} ended with status {process.returncode}: "
            f"{said or 'it said nothing'}",
            command=command,
            stderr=said,
            retryable=process.returncode is None
            or process.returncode < 0
            or _PASSES.search(said) is not None,
        )
    return Ran(out.decode(errors="replace"), said)


async def lock_file(descriptor: int) -> None:
    """Take the exclusive flock(2) of an open file, without blocking the loop or a thread."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOCK_PAUSE_S)
        else:
            return


def sync_file_system(path: Path) -> None:
    """syncfs(2) on the file system that holds `path`; where the C library has none, sync(2).

    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)

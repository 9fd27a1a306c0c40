"""Starting jj and git, and what the operating system offers around it: a file lock, syncfs.

Must not know what the programs are asked to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
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


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, whatever its status, and what it said."""

    status: int
    out: str
    err: str


async def run_to_end(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: str = "",
    inherit: tuple[int, ...] = (),
    alone: bool = False,
) -> Ended:
    """Run a program to its end; it gets the descriptors in `inherit`. Raises WorldFailed where it
    cannot be started.

    `alone` starts it in a session of its own, where it finds no terminal to ask questions at. A
    cancelled call kills the program (its whole session, where it is alone): what it left half-made
    is for the caller's verification to find.
    """
    command = tuple(argv)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(env),
            cwd="/",
            pass_fds=inherit,
            start_new_session=alone,
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
            with suppress(ProcessLookupError):  # it has ended, and the loop has yet to hear of it
                if alone:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            await process.wait()
        raise
    status = -1 if process.returncode is None else process.returncode
    return Ended(status, out.decode(errors="replace"), err.decode(errors="replace"))


async def run_program(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: str = "", inherit: tuple[int, ...] = ()
) -> Ran:
    """Run a program that is to succeed (see `run_to_end`). Raises WorldFailed with argv and
    stderr."""
    ended = await run_to_end(argv, env=env, stdin=stdin, inherit=inherit)
    if ended.status != 0:
        said = ended.err[-STDERR_TAIL:].strip()
        raise WorldFailed(
            f"{Path(argv[0]).name} ended with status {ended.status}: {said or 'it said nothing'}",
            command=tuple(argv),
            stderr=said,
            retryable=ended.status < 0 or _PASSES.search(said) is not None,
        )
    return Ran(ended.out, ended.err)


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

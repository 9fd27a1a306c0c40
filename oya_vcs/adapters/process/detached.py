"""Starts a program that outlives whoever starts it, and hears the one line that it says when it is
up. Must not know what it does."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from oya_vcs.errors import WorldFailed

START_S_MAX = 60.0
"""How long the line is waited for: a long record is read before, perhaps on a busy machine."""


def start(words: Sequence[str], errors: Path) -> bytes:
    """Start `oya-vcs` with these words, and the number of the descriptor for its line as one more,
    in a session of its own; its stderr goes to the file `errors`, in the place of what is there.

    Returns the line that it wrote, empty where it ended without one. Raises WorldFailed where it
    cannot be started, and where it says nothing for START_S_MAX; it goes on then.
    """
    reading, writing = os.pipe()
    argv = [sys.executable, "-m", "oya_vcs", *words, str(writing)]
    try:
        with errors.open("wb") as file:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=(writing,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(reading)
        raise WorldFailed(
            f"The daemon could not be started: {error}.",
            hint="Too many processes, too little memory, or no room for its logs.",
            command=tuple(argv),
        ) from error
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb") as said:
        if not select.select([said], [], [], START_S_MAX)[0]:
            message = f"The daemon did not say within {START_S_MAX:g} s that it is up."
            hint = "It goes on starting: `oya-vcs status` and its log tell how far it is."
            raise WorldFailed(message, hint=hint)
        return said.readline()


def said_up(descriptor: int, line: bytes) -> None:
    """Say the line to whoever started us, and hang up. One that has gone away is no error."""
    with suppress(BrokenPipeError):
        os.write(descriptor, line)
    os.close(descriptor)

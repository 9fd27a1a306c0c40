"""Runs the programs that provisioning needs, to their end, and says which failed and why."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oya_vcs.errors import WorldFailed

Say = Callable[[str], None]
"""Receives one line for people."""

STDERR_CHARACTERS_MAX = 2_000
"""How much of a failed program's stderr an error carries: its end, where the cause stands."""


def which(name: str, environ: Mapping[str, str]) -> Path | None:
    """The first program of that name on PATH, or None."""
    found = shutil.which(name, path=environ.get("PATH", ""))
    return None if found is None else Path(found)


def run(
    argv: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    seconds_max: int,
    cwd: Path = Path("/"),
) -> str:
    """Run to the end and return stdout. Raises WorldFailed (retryable) where that is not exit 0."""
    command = tuple(map(str, argv))
    shown = f"`{Path(command[0]).name} {' '.join(command[1:])}`"
    try:
        ran = subprocess.run(
            command,
            cwd=cwd,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds_max,
            check=False,
        )
    except OSError as error:
        raise WorldFailed(
            f"{shown} could not be started: {error.strerror}.", command=command
        ) from error
    except subprocess.TimeoutExpired as error:
        raise WorldFailed(
            f"{shown} took longer than {seconds_max} s and was stopped.",
            command=command,
            retryable=True,
        ) from error
    if ran.returncode != 0:
        said = ran.stderr.strip()[-STDERR_CHARACTERS_MAX:]
        lines = " ".join(said.splitlines()[-4:])
        raise WorldFailed(
            f"{shown} ended with exit status {ran.returncode}: {lines}",
            command=command,
            stderr=said,
            retryable=True,
        )
    return ran.stdout


def scripts_folder_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """A program that a Python package of the same name installed, else the first on PATH."""
    from importlib import metadata  # noqa: PLC0415 - slow, and needed only when something is built

    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        program = Path(os.fspath(file.locate()))
        if program.name == name and os.access(program, os.X_OK) and program.is_file():
            return program
    return which(name, environ)

"""Whether a worker's program is there, before any bead is started with it.

Must not know what the program is for, nor what it is given.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from oya_vcs.errors import ConfigurationInvalid


def relative_program(argv: Sequence[str]) -> str:
    """The program's path in the repository, where the command names one (`./agent.sh`); else
    empty."""
    name = argv[0] if argv else ""
    return name if "/" in name and not name.startswith("/") else ""


def require_program(argv: Sequence[str], path: str) -> None:
    """Make sure that a command can be run before any bead is started with it.

    A name is searched on `path` (the value of PATH); whether the repository holds a relative one is
    for the caller to ask. Raises ConfigurationInvalid with the mend.
    """
    if not argv or not argv[0]:
        raise ConfigurationInvalid(
            "No worker is configured.",
            hint="Set worker.command in oya.toml, or give --worker.",
        )
    name = argv[0]
    if "/" not in name:
        if shutil.which(name, path=path) is None:
            raise ConfigurationInvalid(
                f"The worker's program {name} is not on PATH ({path}).",
                hint="Install it, or give its path with --worker or worker.command in oya.toml.",
            )
        return
    program = Path(name)
    if not program.is_absolute():
        return
    if not program.is_file():
        raise ConfigurationInvalid(
            f"The worker's program {name} is not there.",
            hint="Correct --worker, or worker.command in oya.toml.",
        )
    if not os.access(program, os.X_OK):
        raise ConfigurationInvalid(
            f"The worker's program {program} is not executable.", hint=f"Run chmod +x {program}."
        )

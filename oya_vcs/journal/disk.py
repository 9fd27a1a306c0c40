"""Whether the disk of a folder can be trusted with a journal: asked by writing, never guessed.

Free space as the system reports it is no answer (quotas, reserved blocks, a mount that turned
read-only), so a file is written, synced and read back. This module does not know what the folder is
for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from oya_vcs.errors import WorldFailed

PROBE_BYTES = 1 << 20
"""More than a full transaction of the journal: 512 rows of about 1 kB, twice (log and database)."""

_PATTERN = bytes(range(256)) * (PROBE_BYTES // 256)


def require_well(folder: Path) -> None:
    """Write a nameless file into the folder, sync it, read it back. Raises WorldFailed, saying
    what the disk said, where any of that fails. Blocks for as long as the disk takes."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PATTERN)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            same = file.read() == _PATTERN
    except OSError as error:
        raise WorldFailed(
            f"The disk of {folder} is not well: {error.strerror or error}.",
            hint="Make room, mount it again, or see to its health.",
            retryable=True,
        ) from error
    if not same:
        raise WorldFailed(f"The disk of {folder} gives back other bytes than were written to it.")

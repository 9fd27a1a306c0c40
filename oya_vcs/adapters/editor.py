"""Lets a person write a text in an editor of their own, as git does. Must not know what for."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from oya_vcs.errors import InputInvalid, WorldFailed

USUAL = "vi"
"""Where neither VISUAL nor EDITOR says otherwise (POSIX, and git)."""
SCISSORS = "# ------------------------ >8 ------------------------"
"""Whatever stands from this line on is no part of the text (git's `--cleanup=scissors`), so that a
line that begins with # can be one."""


def write_in_editor(file: Path, below: str, environ: Mapping[str, str]) -> str:
    """What the person wrote above the scissors; `below` them stands what they should know. The file
    is made for it, and stays: whoever is done with the text removes it.

    Raises WorldFailed where the editor does not run or fails, and InputInvalid where what it left
    is no UTF-8.
    """
    command = environ.get("VISUAL") or environ.get("EDITOR") or USUAL
    try:
        file.write_text(f"\n\n{SCISSORS}\n{below}", encoding="utf-8")
        file.chmod(0o600)
        # By a shell, as git and all others do: people write `code --wait`.
        ran = subprocess.run(
            ["/bin/sh", "-c", f'{command} "$@"', command, str(file)], env=dict(environ), check=False
        )
        if ran.returncode:
            raise WorldFailed(
                f"The editor {command!r} ended with exit status {ran.returncode}.",
                hint=f"Name another one in VISUAL or EDITOR. What was written is in {file}.",
            )
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputInvalid(f"{file} is not UTF-8, from byte {error.start + 1}.") from error
    except OSError as error:
        raise WorldFailed(f"The editor could not be used: {error}.") from error
    return text.partition(SCISSORS)[0].strip()

"""Opens a page for the user at this machine: in a window of its own, or as a tab.

The address may let one browser in: it is no argument of a program, which everybody on the machine
could read. It stands in a file that only its user can, and the browser is sent there. Must not know
what is behind it.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import webbrowser
from contextlib import suppress
from pathlib import Path

from oya_vcs.errors import WorldFailed

WINDOWS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "brave-browser",
    "microsoft-edge",
    "vivaldi",
)
"""Programs that show one page in a window without an address bar (`--app`), the first one that is
there."""


def show(link: str, file: Path, *, tab: bool, path: str) -> bool:
    """Send a browser to the link, by way of `file`; whether there is one. `path` is where programs
    are looked for; in a `tab` where that is wanted, and where no program has windows for it. Raises
    WorldFailed where the file cannot be written."""
    target = html.escape(link, quote=True)
    text = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}"><title>oya-vcs'
    try:
        file.unlink(missing_ok=True)
        made = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(made, "w", encoding="utf-8") as opened:
            opened.write(f"{text}</title>\n")
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}."
        raise WorldFailed(message, hint="`oya-vcs ui --link` only prints the link.") from error
    program = next(filter(None, (shutil.which(one, path=path) for one in WINDOWS)), None)
    if program is None or tab:
        with suppress(webbrowser.Error, OSError):
            return webbrowser.open(file.as_uri())
        return False
    with suppress(OSError):
        subprocess.Popen(
            [program, f"--app={file.as_uri()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return True
    return False

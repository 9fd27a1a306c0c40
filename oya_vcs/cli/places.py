"""Where a command's arguments say that things are. Standard library and configuration only."""

from __future__ import annotations

import argparse
from pathlib import Path

from oya_vcs.config import Home, default_home, environment
from oya_vcs.errors import ConfigurationInvalid, WorldFailed


def home_of(arguments: argparse.Namespace) -> Home:
    """`--home`, else the default one. Raises ConfigurationInvalid for what can be no folder."""
    if arguments.home is None:
        return default_home()
    root = Path(arguments.home).absolute()
    if not arguments.home.strip() or (root.exists() and not root.is_dir()):
        raise ConfigurationInvalid(
            f"--home {arguments.home!r} is not a folder.", "Name one that is, or is not there yet."
        )
    return Home(root)


def make_home(home: Home) -> None:
    """Make the home's folders for logs. Raises WorldFailed."""
    try:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.logs.mkdir(exist_ok=True)
    except OSError as error:
        message = f"The home {home.root} cannot be made: {error.strerror}."
        hint = "Give the daemon a home that it can write to, with --home or OYA_HOME."
        raise WorldFailed(message, hint=hint) from error


def folder_of(arguments: argparse.Namespace) -> Path:
    """`--repo`, else the workspace that jj has called us for, else where the user is."""
    return Path(arguments.repo or environment().get("JJ_WORKSPACE_ROOT") or ".").absolute()

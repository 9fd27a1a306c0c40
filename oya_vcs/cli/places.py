"""Where a command's arguments say that things are. Standard library and configuration only."""

from __future__ import annotations

import argparse
from pathlib import Path

from oya_vcs.config import Home, default_home
from oya_vcs.errors import ConfigurationInvalid


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

"""Where a command's arguments say that things are. Standard library and configuration only."""

from __future__ import annotations

import argparse
from pathlib import Path

from oya_vcs.config import Home, default_home


def home_of(arguments: argparse.Namespace) -> Home:
    """`--home`, else the default one."""
    return Home(Path(arguments.home).absolute()) if arguments.home else default_home()

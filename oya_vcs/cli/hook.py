"""`oya-vcs hook NAME`: what jj aliases and git hooks call."""

from __future__ import annotations

import argparse

from oya_vcs.cli.output import Output
from oya_vcs.cli.submitting import land, submit
from oya_vcs.errors import ExitCode

_NAMES = {"submit": submit, "land": land}


def hook(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Do what the name says."""
    return _NAMES[arguments.verb](arguments, output)

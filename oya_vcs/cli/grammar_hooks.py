"""The grammar of `oya-vcs hook` and `oya-vcs hooks`. Standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command, with the options that every command has: (commands, name, what it does, more)."""


def hooks(commands: object, add: Add) -> None:
    """Put the two commands into the grammar."""
    hook = add(commands, "hook", "what jj aliases and git hooks call", _HOOK)
    names = hook.add_subparsers(dest="verb", metavar="NAME", required=True)
    for name, does in (
        ("submit", "put a commit of yours into the merge queue"),
        ("land", "the same, and wait until it has landed or comes back"),
    ):
        parser = add(names, name, does, _SUBMIT)
        parser.add_argument(
            "revision", nargs="?", default="@-", metavar="REVISION", help="one commit (@-)"
        )
        parser.add_argument("-r", dest="revision", metavar="REVISION", help="the same")
        parser.add_argument("--priority", type=int, default=2, metavar="N", help="0 is most urgent")
        parser.add_argument("--repo", default=".", metavar="REPO", help="default: this folder")


_HOOK = "`oya-vcs hooks install` makes `jj submit`, `jj land` and `jj push` of them."
_SUBMIT = """\
The commit is tested on top of the target and lands through the merge queue, as the result of a
worker does. Your workspace is not touched. Submitted again, a newer commit of the same change
takes the place of the older one. `oya-vcs bead cancel` takes it out of the queue."""

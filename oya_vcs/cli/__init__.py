"""The `oya-vcs` command: parses, dispatches, prints. Only the standard library is imported until a
command is known.

Commands live one to a module beside this one; each is a function from arguments and output to an
exit code.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from oya_vcs.cli.output import Output
from oya_vcs.cli.parser import build
from oya_vcs.errors import ExitCode, OyaError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "demo": "demo:demo",
    "init": "init:init",
    "run": "run:run",
    "bead": "beads:bead",
    "journal": "journal:journal",
    "workspace": "workspace:workspace",
    "status": "status:status",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
}
"""Command -> module and function below this package."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors become one sentence and a hint."""
    arguments = build().parse_args(argv)
    output = Output(arguments.json)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="oya-vcs: %(message)s")
    module, _, function = _COMMANDS[arguments.command].partition(":")
    try:
        command = getattr(import_module(f"{__name__}.{module}"), function)
        return int(command(arguments, output))
    except OyaError as error:
        return int(output.error(arguments.command, error))
    except KeyboardInterrupt:
        output.say(
            "oya-vcs: interrupted. What was recorded is safe; run the command again to go on."
        )
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return int(ExitCode.DONE)

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
from oya_vcs.errors import Bug, Interrupted, OyaError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "demo": "demo:demo",
    "init": "init:init",
    "run": "run:run",
    "up": "daemon:up",
    "down": "daemon:down",
    "bead": "beads:bead",
    "queue": "queue:queue",
    "journal": "journal:journal",
    "workspace": "workspace:workspace",
    "status": "status:status",
    "whereami": "whereami:whereami",
    "completion": "completion:completion",
    "man": "manual:man",
    "doctor": "doctor:doctor",
    "hook": "hook:hook",
    "bench": "bench:bench",
}
"""Command -> module and function below this package."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors become one sentence and a hint."""
    words = list(sys.argv[1:] if argv is None else argv)
    output, name = Output("--json" in words), "usage"
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="oya-vcs: %(message)s")
    try:
        arguments = build().parse_args(words)
        name = "-".join(filter(None, (arguments.command, getattr(arguments, "verb", ""))))
        module, _, function = _COMMANDS[arguments.command].partition(":")
        command = getattr(import_module(f"{__name__}.{module}"), function)
        return int(command(arguments, output))
    except OyaError as error:
        return int(output.error(name, error))
    except KeyboardInterrupt:
        return int(output.error(name, Interrupted()))
    except Exception as error:
        logging.getLogger(__name__).exception("a bug of ours")
        hint = "What was recorded is safe. Please report it with the lines above."
        return int(output.error(name, Bug(f"oya-vcs met a bug of its own: {error!r}.", hint)))

"""The `oya-vcs` command: parses, dispatches, prints. Only the standard library is imported until a
command is known, and little of that: `oya-vcs hook` stands between people and what they do.

Commands live one to a module beside this one; each is a function from arguments and output to an
exit code.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from oya_vcs.cli.output import Output
from oya_vcs.errors import Bug, Interrupted, OyaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_COMMANDS = {
    "demo": "demo:demo",
    "init": "init:init",
    "run": "run:run",
    "up": "daemon:up",
    "down": "daemon:down",
    "ui": "ui:ui",
    "bead": "beads:bead",
    "queue": "queue:queue",
    "journal": "journal:journal",
    "workspace": "workspace:workspace",
    "status": "status:status",
    "whereami": "whereami:whereami",
    "completion": "completion:completion",
    "man": "manual:man",
    "doctor": "doctor:doctor",
    "hook submit": "submitting:submit",
    "hook land": "submitting:land",
    "hook push": "pushing:push",
    "hook pre-push": "pushing:pre_push",
    "hooks": "hooks:hooks",
    "bench": "bench:bench",
    "simulate": "simulating:simulate",
}
"""Command, or command and verb -> module and function below this package."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors become one sentence and a hint."""
    words = list(sys.argv[1:] if argv is None else argv)
    output, name = Output("--json" in words), "usage"
    try:
        arguments = _understood(words)
        name = "-".join(filter(None, (arguments.command, getattr(arguments, "verb", ""))))
        verb = f"{arguments.command} {getattr(arguments, 'verb', '')}"
        named = _COMMANDS.get(verb) or _COMMANDS[arguments.command]
        module, _, function = named.partition(":")
        command = getattr(import_module(f"{__name__}.{module}"), function)
        return int(command(arguments, output))
    except OyaError as error:
        return int(output.error(name, error))
    except KeyboardInterrupt:
        return int(output.error(name, Interrupted()))
    except Exception as error:
        import logging  # noqa: PLC0415 - slow to import

        logging.getLogger(__name__).exception("a bug of ours")
        hint = "What was recorded is safe. Please report it with the lines above."
        return int(output.error(name, Bug(f"oya-vcs met a bug of its own: {error!r}.", hint)))


def _understood(words: Sequence[str]) -> argparse.Namespace:
    """What the words mean. A hook needs neither the whole grammar nor a log."""
    if words[:1] == ["hook"]:
        from oya_vcs.cli.grammar_hooks import alone  # noqa: PLC0415 - the rest has more to import

        return alone().parse_args(words)
    import logging  # noqa: PLC0415 - slow to import

    from oya_vcs.cli.parser import build  # noqa: PLC0415 - the same

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="oya-vcs: %(message)s")
    return build().parse_args(words)

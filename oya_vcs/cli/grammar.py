"""What every command of the grammar is made of: errors that are ours, options that all have.
Standard library only: `--help` must be fast. Which commands there are is `parser.py`'s."""

from __future__ import annotations

import argparse
from typing import NoReturn, TypeAlias

from oya_vcs.errors import ConfigurationInvalid


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are our errors: one form, one exit code, `--json` too."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigurationInvalid, with the way to the help."""
        sentence = f"{message[:1].upper()}{message[1:]}."
        raise ConfigurationInvalid(sentence, f"`{self.prog} --help` shows what it takes.")


def raw(prog: str) -> argparse.RawDescriptionHelpFormatter:
    """How help is laid out: as it was written."""
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=100)


def common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """The options of every command: they may stand before or after the command's name."""
    default = None if top else argparse.SUPPRESS
    parser.add_argument(
        "--home", metavar="DIR", default=default, help="the state folder (default: $OYA_HOME)"
    )
    parser.add_argument(
        "--config", metavar="FILE", default=default, help="config.toml to use instead of the user's"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="print one JSON object on stdout and nothing else there",
    )


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - it has no other name


def add(commands: Commands, name: str, does: str, more: str = "") -> Parser:
    """A command, or a verb of one: what it does in a line, which its own help repeats, and `more`
    there."""
    parser = commands.add_parser(
        name, help=does, description=f"{does[0].upper()}{does[1:]}.\n\n{more}", formatter_class=raw
    )
    common(parser)
    return parser

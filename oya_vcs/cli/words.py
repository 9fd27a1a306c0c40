"""The grammar read back: every command with its verbs, options and arguments, for those who tell a
shell or a reader of manuals about it. Knows argparse from within, and nothing of what commands
do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option: its names, what it takes (empty for a flag), of which it may be one (empty: any),
    and what it is for."""

    names: tuple[str, ...]
    takes: str
    choices: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command or a verb of one by its `path` from the program on; `usage` is one line, `about`
    what its own help says of it. The program itself has an empty path."""

    path: tuple[str, ...]
    usage: str
    about: str
    brief: str
    options: tuple[Option, ...]
    arguments: tuple[Option, ...]
    verbs: tuple[Command, ...]

    def every(self) -> Iterator[Command]:
        """The command and all below it, in the order of the grammar."""
        yield self
        for verb in self.verbs:
            yield from verb.every()


def words_of(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = (), brief: str = ""
) -> Command:
    """What a parser understands, and those below it."""
    options, arguments, verbs = list[Option](), list[Option](), list[Command]()
    for action in parser._actions:  # noqa: SLF001 - argparse shows its grammar in no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
            about = {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001
            verbs += [
                words_of(below, (*path, name), about.get(name, ""))
                for name, below in action.choices.items()
            ]
        elif action.help is not argparse.SUPPRESS:
            (options if action.option_strings else arguments).append(_option(action))
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return Command(
        path=path,
        usage=usage,
        about=(parser.description or "").strip(),
        brief=brief,
        options=tuple(options),
        arguments=tuple(arguments),
        verbs=tuple(verbs),
    )


def _option(action: argparse.Action) -> Option:
    names = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,)
    takes = " ".join(str(name) for name in names if name)
    return Option(
        names=tuple(action.option_strings),
        takes=(takes or action.dest.upper()) if action.nargs != 0 else "",
        choices=tuple(map(str, action.choices or ())),
        about=action.help or "",
    )

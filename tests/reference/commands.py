"""docs/reference/CLI.md: each command with its own help, from the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from oya_vcs.cli.parser import ABOUT, EXITS, build
from oya_vcs.cli.words import Command, Option, words_of
from tests.reference.markdown import cell, code, page, table

COMMON = frozenset({"-h", "--home", "--config", "--json"})
"""Options of every command: they are told once."""
EVERYWHERE = "[-h] [--home DIR] [--config FILE] [--json] "
"""The same, as they stand in a usage."""
COLUMNS = 100


def written(_before: str = "") -> str:
    """The page."""
    root = words_of(build())
    lines = ["# Commands", "", "```", root.usage, "", *ABOUT.strip().splitlines(), "```", ""]
    lines += [f"{EXITS.strip().replace('exit codes:', 'Exit codes:')}.", ""]
    lines += ["These stand before the command or after it:", "", *_options(root.options)]
    for command in root.every():
        if command.path:
            lines += _told(command)
    return page(lines)


def _told(command: Command) -> Iterator[str]:
    yield f"{'#' * (len(command.path) + 1)} `{' '.join(command.path)}`"
    yield ""
    about = command.about.strip()
    if not command.verbs:
        yield from ("```", *_wrapped(command.usage.replace(EVERYWHERE, "")), "```", "")
    if re.search(r"\S {2,}\S|\n\w+: .*\n\w+: ", about):
        yield from ("```", about, "```", "")
    elif about:
        yield from (cell_lines(about), "")
    yield from table(
        ("verb", "does"),
        ((code(verb.path[-1]), cell(verb.brief)) for verb in command.verbs),
    )
    own = (one for one in command.options if not COMMON & set(one.names))
    yield from _options((*command.arguments, *own))


def cell_lines(text: str) -> str:
    """Help as paragraphs: nothing in it is HTML."""
    return text.replace("<", "&lt;")


def _wrapped(usage: str) -> Iterator[str]:
    """A usage over lines of at most 100 columns, broken before an option."""
    line = ""
    for part in re.findall(r"\[[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*\]|\S+", usage):
        if line and len(line) + 1 + len(part) > COLUMNS:
            yield line
            line = f"    {part}"
        else:
            line = f"{line} {part}" if line else part
    yield line


def _options(options: Iterable[Option]) -> Iterator[str]:
    rows = []
    for one in options:
        names = ", ".join(one.names)
        rows.append([code(" ".join(filter(None, (names, one.takes)))), cell(one.about)])
    yield from table(("option", "what it is"), rows)

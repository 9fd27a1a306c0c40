"""`oya-vcs man`: the manual page, made from the grammar, in the language of man(7)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

from oya_vcs import __version__
from oya_vcs.cli.output import Output
from oya_vcs.cli.parser import ABOUT, EXITS, build
from oya_vcs.cli.words import Command, Option, words_of
from oya_vcs.errors import ExitCode

ENVIRONMENT = (
    ("OYA_HOME", "The home: journal, workspaces and logs. --home comes before it."),
    ("OYA_JJ, OYA_GIT", "The programs, where those on PATH are not to be used."),
    ("OYA_SECTION__KEY", "Any key of the configuration: OYA_WORKER__SLOTS=8."),
    ("VISUAL, EDITOR", "What `oya-vcs bead add` opens on a terminal."),
)
FILES = (
    ("~/.local/state/oya-vcs", "The home, where neither --home nor OYA_HOME names one."),
    ("~/.config/oya-vcs/config.toml", "The user's configuration."),
    ("oya.toml", "A repository's; it counts as it stands on the target."),
)


def man(_arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Print it."""
    text = page(words_of(build()))
    output.answer("man", {"page": text}, text.rstrip("\n"))
    return ExitCode.DONE


def page(root: Command) -> str:
    """The whole page."""
    lines = [
        f'.TH OYA\\-VCS 1 "" "oya\\-vcs {roff(__version__)}"',
        *(".ad l", ".nh"),
        *(".SH NAME", r"oya\-vcs \- many coding agents on one jj repository"),
        *(".SH SYNOPSIS", rf"\fBoya\-vcs\fR {roff(root.usage.partition(' ')[2])}"),
        *(".SH DESCRIPTION", *_paragraphs(ABOUT)),
        *(".SH OPTIONS", *_listed(root.options)),
        ".SH COMMANDS",
    ]
    for command in root.every():
        if command.path:
            lines += _command(command)
    lines += [".SH EXIT STATUS", *_paragraphs(EXITS.removeprefix("exit codes: "))]
    lines += [".SH ENVIRONMENT", *_pairs(ENVIRONMENT), ".SH FILES", *_pairs(FILES)]
    return "\n".join(lines) + "\n"


def _command(command: Command) -> Iterator[str]:
    yield f".SS {roff(' '.join(command.path))}"
    yield f".B {roff(command.usage)}"
    yield ".PP"
    yield from _paragraphs(command.about)
    own = [one for one in command.options if not _COMMON & set(one.names)]
    yield from _listed([*command.arguments, *own])


_COMMON = frozenset({"-h", "--home", "--config", "--json"})
"""Options of every command: they are told once."""


def _listed(options: Iterable[Option]) -> Iterator[str]:
    for one in options:
        head = rf"\fI{roff(one.takes)}\fR" if one.takes else ""
        names = ", ".join(rf"\fB{roff(name)}\fR" for name in one.names)
        yield ".TP"
        yield " ".join(filter(None, (names, head)))
        yield roff(one.about) or "\\&"


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, about in pairs:
        yield from (".TP", rf"\fB{roff(name)}\fR", roff(about))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs; lines that are laid out, as examples are, stay as they are."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        laid_out = re.search(r"\S {2,}\S|\n\w+: ", paragraph) is not None
        yield from (".PP", *([".nf"] if laid_out else []))
        yield from map(roff, paragraph.splitlines())
        if laid_out:
            yield ".fi"


def roff(text: str) -> str:
    """Text that means nothing but itself, in ASCII; a list of choices may break at its commas."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    escaped = re.sub(r",(?=\S)", r",\\:", escaped)
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped

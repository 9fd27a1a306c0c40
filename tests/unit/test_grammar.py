"""The commands that scripts and other tools depend on, to the letter."""

from __future__ import annotations

import pytest

from oya_vcs.cli import _COMMANDS
from oya_vcs.cli.parser import build
from oya_vcs.cli.words import words_of
from oya_vcs.errors import ConfigurationInvalid

ALWAYS = ("--home DIR", "--config FILE", "--json")
TABLE = {
    "": ("--version", *ALWAYS),
    "demo": ("--beads N", "--dir DIR", "--keep"),
    "init": ("REPO",),
    "up": ("--foreground", "--install", "--uninstall"),
    "down": (),
    "status": (),
    "run": ("BEADS.jsonl", "--repo REPO", "--worker CMD", "--slots N"),
    **dict.fromkeys(("bead add", "bead list", "bead show", "bead ready", "bead blocked"), ()),
    **dict.fromkeys(("bead chain", "bead cancel", "bead retry", "bead import"), ()),
    **dict.fromkeys(("queue list", "queue show", "queue approve", "queue reject"), ()),
    **dict.fromkeys(("queue pause", "queue resume", "queue simulate"), ()),
    **dict.fromkeys(("workspace list", "workspace show", "workspace restore"), ()),
    "workspace clean": ("--dry-run", "--older-than D", "--max N"),
    **dict.fromkeys(("journal tail", "journal verify", "journal replay"), ()),
    **dict.fromkeys(("journal checkpoint", "journal export", "journal stats"), ()),
    "doctor": ("--fix",),
    "whereami": (),
    "bench": (),
}
"""Command -> what it takes."""


@pytest.mark.parametrize("command", TABLE)
def test_what_was_promised_is_there(command: str) -> None:
    """Each command of the contract, with each of its options as they are written there."""
    there = {" ".join(one.path): one for one in words_of(build()).every()}
    assert command in there
    found = there[command]
    taken = {one.takes for one in found.arguments}
    taken |= {f"{name} {one.takes}".strip() for one in found.options for name in one.names}
    assert taken >= {*TABLE[command], *ALWAYS}


def test_every_command_leads_to_its_module() -> None:
    """And to nothing that the grammar does not know."""
    assert {one.path[0] for one in words_of(build()).verbs} == {
        name.split()[0] for name in _COMMANDS
    }


def test_what_is_not_in_the_grammar_is_refused_with_the_way_to_the_help() -> None:
    """As usage, whatever is wrong with it."""
    for words in (["beads"], ["bead"], ["up", "--install", "--foreground"], ["bead", "add", "--x"]):
        with pytest.raises(ConfigurationInvalid) as error:
            build().parse_args(words)
        assert "--help` shows what it takes" in error.value.hint

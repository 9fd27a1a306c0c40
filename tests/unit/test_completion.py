"""What shells and readers of manuals are told of the grammar: all of it, in their own language."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from oya_vcs.cli.completion import _SCRIPTS, _known, place
from oya_vcs.cli.manual import page
from oya_vcs.cli.parser import build
from oya_vcs.cli.words import Command, words_of

ROOT = words_of(build())
EVERY = list(ROOT.every())


def by_bash(lines: list[list[str]]) -> list[list[str]]:
    """What bash offers for the last word of each line, as its `complete -F` would ask."""
    asks = []
    for words in lines:
        quoted = " ".join(f"'{word}'" for word in words)
        asks.append(f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _oya_vcs")
        asks.append('echo "${COMPREPLY[*]}"')
    script = _SCRIPTS["bash"](ROOT) + "\n".join(asks)
    ran = subprocess.run(
        ["bash", "--norc", "-euo", "pipefail", "-c", f"set +e\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    return [line.split() for line in ran.stdout.splitlines()]


def test_bash_offers_every_word_of_the_grammar_in_its_place() -> None:
    """Behind each command its verbs, its options, and what an argument may be: all and only
    those."""
    offered = by_bash([["oya-vcs", *one.path, ""] for one in EVERY])
    for command, words in zip(EVERY, offered, strict=True):
        assert words == [word for word, _ in _known(command)], place(command)
    assert {"bead", "queue", "up", "--json"} <= set(offered[0])


def test_bash_knows_where_it_is() -> None:
    """A prefix narrows; options between the words do not lead astray; what an option takes is not
    taken for a verb, and is left to the shell where it can be anything."""
    offered = by_bash(
        [
            ["oya-vcs", "be"],
            ["oya-vcs", "--json", "bead", "--home", "/x", "sh"],
            ["oya-vcs", "bead", "import", "--repo", ""],
            ["oya-vcs", "completion", "f"],
            ["oya-vcs", "nonsense", "bea"],
        ]
    )
    assert offered == [["bead", "bench"], ["show"], [], ["fish"], ["bead"]]


def test_every_shell_is_told_every_word() -> None:
    """Each script holds each command and each long option, with what it is for where the shell
    shows that."""
    for shell, make in _SCRIPTS.items():
        script = make(ROOT)
        for command in EVERY:
            assert place(command) in script, (shell, command.path)
            for one in command.options:
                assert one.names[-1].lstrip("-") in script
        assert ("let beads stand still" in script) is (shell != "bash")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_scripts(shell: str, tmp_path: Path) -> None:
    """The shell itself finds no fault in it; fish offers what it should."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed here")
    script = tmp_path / "script"
    script.write_text(_SCRIPTS[shell](ROOT))
    subprocess.run([program, "-n", str(script)], check=True)
    if shell == "fish":
        ask = f"source {script}; complete -C 'oya-vcs completion '"
        ran = subprocess.run([program, "-c", ask], capture_output=True, text=True, check=True)
        assert {line.split()[0] for line in ran.stdout.splitlines()} >= {"bash", "zsh", "fish"}


def test_the_manual_has_every_command_and_option() -> None:
    """Nothing of the grammar is missing from it, and every command that it names is there."""
    text = page(ROOT).replace("\\-", "-").replace("\\:", "")
    heads = [line.removeprefix(".SS ") for line in text.splitlines() if line.startswith(".SS ")]
    assert heads == [" ".join(one.path) for one in EVERY if one.path]
    missing = [
        name for one in EVERY for option in options_of(one) for name in option if name not in text
    ]
    assert missing == []


def options_of(command: Command) -> list[tuple[str, ...]]:
    """The names of a command's own options."""
    return [one.names for one in command.options]


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed here")
def test_the_manual_is_set_without_a_warning() -> None:
    """groff, asked for every warning, has none; and nothing of the text is lost to its language."""
    ran = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"],
        input=page(ROOT),
        capture_output=True,
        encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "GROFF_NO_SGR": "1", "LC_ALL": "C.UTF-8"},
        check=True,
    )
    assert ran.stderr == ""
    assert "OYA_SECTION__KEY" in ran.stdout
    assert "running, failed, …" in ran.stdout

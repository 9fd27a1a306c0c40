"""`oya-vcs bead add` without a daemon: from arguments, a pipe and an editor."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewProject
from tests.projects import Project, Ran


def add(project: Project, *words: str, text: bytes = b"") -> Ran:
    """`bead add` in the user's workspace, with `text` piped in."""
    argv = project.command("bead", "add", "--repo", str(project.root), *words, "--json")
    ran = subprocess.run(
        argv, env=project.environ, input=text, capture_output=True, timeout=100, check=False
    )
    return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def specs(project: Project) -> dict[str, Any]:
    """What is on record of each bead."""
    rows = json.loads(project.oya("journal", "tail", "-n", "1000", "--json").out)["data"]
    return {row["data"]["bead"]: row["data"]["spec"] for row in rows if row["type"] == "BeadAdded"}


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """One that nobody registered yet."""
    return new_project(files=1)


def test_a_bead_comes_from_arguments_or_a_pipe(project: Project) -> None:
    """Every option is on record; a name is made where none is given; text from a pipe is a title
    and a description; what is wrong is refused by name, and leaves nothing behind."""
    words = ["--description", "Quickly.", "--priority", "P0", "--label", "ui", "--label", "x"]
    first = add(project, "Fix the menu", *words, "--file", "menu.py", "--type", "bug")
    assert (first.code, first.data["bead"]) == (0, "fix-the-menu"), first.err
    text = b"# Then the rest\n\n# Why\nBecause.\n"
    second = add(project, "--id", "rest", "--deps", "fix-the-menu", text=text)
    assert (second.data["state"], second.data["live"]) == ("pending", False)
    assert add(project, "-", text=b"Fix the menu").data["bead"] == "fix-the-menu-2"
    for refused in (
        add(project, "X", "--deps", "nobody"),
        add(project, "X", "--id", "rest"),
        add(project, text=b" \n"),
        add(project, "-", text=b"\xff"),
    ):
        assert refused.code == 1
        assert json.loads(refused.out)["error"]["hint"]
    found = specs(project)
    assert sorted(found) == ["fix-the-menu", "fix-the-menu-2", "rest"]
    menu, rest = found["fix-the-menu"], found["rest"]
    assert (menu["priority"], menu["labels"], menu["kind"]) == (0, ["ui", "x"], "bug")
    assert (menu["description"], menu["files"]) == ("Quickly.", ["menu.py"])
    assert (rest["title"], rest["description"]) == ("Then the rest", "# Why\nBecause.")
    assert rest["needs"] == ["fix-the-menu"]


def test_an_import_takes_the_tracker_s_file_where_none_is_named(project: Project) -> None:
    """`.beads/issues.jsonl` of the repository; where there is none, that is said by its name."""
    missing = project.oya("bead", "import", "--repo", str(project.root))
    assert (missing.code, ".beads/issues.jsonl: the beads file" in missing.err) == (1, True)
    file = project.root / ".beads" / "issues.jsonl"
    file.parent.mkdir()
    file.write_text('{"_type":"issue","id":"t-1","title":"From the tracker"}\n')
    ran = project.oya("bead", "import", "--repo", str(project.root), "--json")
    assert (ran.data["taken"], list(specs(project))) == (1, ["t-1"])


def on_terminal(project: Project, editor: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`bead add` with a terminal to read from, and that editor."""
    script = project.folder / "editor.sh"
    script.write_text(f"#!/bin/sh\n{editor}\n")
    script.chmod(0o755)
    leader, follower = pty.openpty()
    try:
        return subprocess.run(
            project.command("bead", "add", "--repo", str(project.root), *words),
            env={**project.environ, "VISUAL": f"{script} --wait"},
            stdin=follower,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        os.close(leader)
        os.close(follower)


def test_a_bead_is_written_in_an_editor(project: Project, tmp_path: Path) -> None:
    """What stands above the scissors counts, lines with # too; nothing there adds nothing; an
    editor that fails adds nothing; a text that cannot be taken is kept in a file that is named."""
    assert (on_terminal(project, "true").returncode, specs_or_none(project)) == (1, None)
    failed = on_terminal(project, "exit 3")
    assert (failed.returncode, "exit status 3" in failed.stderr) == (4, True)
    write = 'printf "Write it\\n\\n# How\\nWell.\\n" > text; cat "$2" >> text; mv text "$2"'
    assert on_terminal(project, write).returncode == 0
    assert specs(project)["write-it"]["description"] == "# How\nWell."
    assert not list(project.home.glob("bead*"))
    lost = on_terminal(project, write, "--deps", "nobody")
    assert (lost.returncode, str(project.home / "bead.md") in lost.stderr) == (1, True)
    assert (project.home / "bead.md").read_text().startswith("Write it")


def specs_or_none(project: Project) -> dict[str, Any] | None:
    """The beads on record; None where there is no record."""
    return specs(project) if (project.home / "journal.db").exists() else None

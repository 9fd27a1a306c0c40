"""The commands that look: status, bead, journal, workspace, doctor, init, demo; for people and as
JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oya_vcs.cli.parser import build
from oya_vcs.cli.words import words_of
from oya_vcs.journal import driver
from tests.conftest import NewProject
from tests.projects import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def finished(new_project: NewProject) -> Project:
    """A project whose three beads have landed."""
    project = new_project()
    beads = project.beads(
        {"id": "a", "title": "A"},
        {"id": "b", "title": "B", "deps": ["a"]},
        {"id": "c", "title": "C"},
    )
    assert project.run(beads, "honest").code == 0
    return project


@pytest.mark.parametrize(
    ("argv", "schema"),
    [
        (["status"], "status"),
        (["bead", "list"], "bead-list"),
        (["bead", "list", "--state", "landed"], "bead-list"),
        (["bead", "show", "b"], "bead-show"),
        (["bead", "ready"], "bead-ready"),
        (["bead", "blocked"], "bead-blocked"),
        (["bead", "chain", "b"], "bead-chain"),
        (["journal", "tail", "-n", "5"], "journal-tail"),
        (["journal", "verify"], "journal-verify"),
        (["journal", "replay"], "journal-replay"),
        (["journal", "replay", "--to", "4"], "journal-replay"),
        (["journal", "stats"], "journal-stats"),
        (["workspace", "list"], "workspace-list"),
        (["workspace", "list", "--all"], "workspace-list"),
        (["workspace", "show", "b"], "workspace-show"),
        (["workspace", "restore", "b"], "workspace-restore"),
        (["workspace", "clean", "--dry-run"], "workspace-clean"),
        (["doctor"], "doctor"),
    ],
    ids=" ".join,
)
def test_every_command_answers_people_and_programs(
    finished: Project, argv: list[str], schema: str
) -> None:
    """Exit 0; with --json exactly one object of its schema on stdout."""
    plain = finished.oya(*argv)
    assert plain.code == 0, plain.err
    assert plain.out.strip()
    coded = finished.oya(*argv, "--json")
    answer = json.loads(coded.out)
    assert (answer["schema"], answer["ok"]) == (f"oya-vcs/{schema}/v1", True)
    assert "data" in answer


def test_an_error_as_json_has_code_message_and_hint(finished: Project) -> None:
    """Exit 3 and the error object; nothing else on stdout."""
    ran = finished.oya("--json", "bead", "show", "nobody")
    assert ran.code == 3
    answer = json.loads(ran.out)
    assert (answer["schema"], answer["ok"]) == ("oya-vcs/bead-show/v1", False)
    assert set(answer["error"]) == {"code", "message", "hint"}


def test_replay_to_a_number_is_the_state_as_of_then(finished: Project) -> None:
    """Time travel: after the first event nothing has landed, at the end three have."""
    assert finished.oya("journal", "replay", "--to", "1", "--json").data["beads"] == {}
    assert finished.oya("journal", "replay", "--json").data["beads"] == {"landed": 3}


def test_verify_names_an_edited_row(finished: Project) -> None:
    """One changed letter in row 5: exit 1, and the number 5 in the answer."""
    connection = driver.open_writer(finished.home / "journal.db")
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("UPDATE events SET subject = 'zzz' WHERE seq = 5")
    connection.commit()
    connection.close()
    ran = finished.oya("journal", "verify")
    assert ran.code == 1
    assert "5" in ran.out
    assert finished.run(finished.beads({"id": "d", "title": "D"}), "honest").code == 1


def test_an_empty_home_is_no_error_for_status_and_a_clear_one_elsewhere(
    new_project: NewProject,
) -> None:
    """Nothing there yet: status says so with 0, the journal's verbs with 3; nothing is made."""
    project = new_project()
    assert project.oya("status").code == 0
    for argv in (
        ["journal", "tail"],
        ["bead", "list"],
        ["workspace", "list"],
        ["bead", "show", "a"],
    ):
        ran = project.oya(*argv)
        assert ran.code == 3, argv
        assert ran.err.startswith("oya-vcs: ")
    assert not project.home.exists()


def test_init_writes_a_file_that_loads_and_never_overwrites_it(new_project: NewProject) -> None:
    """The written oya.toml is valid as it stands; a second init leaves it alone."""
    project = new_project()
    path = project.root / "oya.toml"
    path.unlink()
    assert project.oya("init", str(project.root)).code == 0
    written = path.read_text()
    assert "[checks]" in written
    path.write_text("# mine\n")
    again = project.oya("init", str(project.root), "--json")
    assert again.data["written"] is False
    assert path.read_text() == "# mine\n"


def test_usage_errors_exit_with_2(new_project: NewProject) -> None:
    """An unknown command or a missing argument is 2, as INTERFACES says; as JSON, too."""
    project = new_project()
    coded = project.oya("--json", "frobnicate")
    assert coded.code == 2
    assert json.loads(coded.out)["error"]["code"] == "configuration_invalid"
    assert project.oya("frobnicate").code == 2
    assert project.oya("run").code == 2
    assert project.oya("workspace", "clean", "--older-than", "soon").code == 2


def test_demo_lands_everything_and_leaves_nothing(tmp_path: Path, new_project: NewProject) -> None:
    """Exit 0 only if all landed and the journal verifies; the temporary folder is gone."""
    project = new_project()
    ran = project.oya("demo", "--beads", "9", "--json")
    assert ran.code == 0, ran.err
    assert (ran.data["landed"], ran.data["journal_ok"]) == (9, True)
    assert not Path(str(ran.data["dir"])).exists()
    kept = project.oya("demo", "--beads", "2", "--dir", str(tmp_path / "kept"))
    assert kept.code == 0, kept.err
    assert (tmp_path / "kept" / "repo" / ".jj").is_dir()
    assert project.oya("demo", "--dir", str(tmp_path / "kept")).code == 2


def test_version_and_help_touch_no_file(tmp_path: Path) -> None:
    """INTERFACES: `--help` and `--version` work with an unwritable, empty environment."""
    for argv in (["--version"], ["--help"], ["run", "--help"], ["bead", "--help"]):
        ran = subprocess.run(
            [sys.executable, "-m", "oya_vcs", *argv],
            env={"HOME": str(tmp_path / "none"), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0
        assert ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_version_imports_only_the_standard_library() -> None:
    """The import budget, as a property: what costs time is not imported before a command is
    known."""
    code = (
        "import sys\nfrom oya_vcs.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'networkx', 'msgspec', 'rich', 'asyncio', 'pysqlite3', 'sqlite3', 'subprocess'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_hostile_text_reaches_no_terminal(new_project: NewProject) -> None:
    """Titles and output with escape sequences are shown, never sent to the terminal."""
    project = new_project()
    worker = project.folder / "rude.sh"
    worker.write_text("#!/bin/sh\nprintf '\\033[2J\\033]0;pwn\\007'; exit 3\n")
    worker.chmod(0o755)
    beads = project.beads({"id": "a", "title": "\x1b[31mRED\x1b]0;pwn\x07"})
    ran = project.oya("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    shown = project.oya("bead", "show", "a")
    for text in (ran.out, ran.err, shown.out, project.oya("status").out):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "RED" in shown.out


def test_an_answer_that_cannot_be_written_is_an_error(new_project: NewProject) -> None:
    """A full disk behind stdout: exit 4 and a sentence, no traceback."""
    project = new_project()
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            project.command("status"),
            env=project.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 4
    assert "could not be written" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_every_command_that_a_message_names_exists() -> None:
    """No hint sends people to a command that this version does not have."""
    named = set()
    for path in [*ROOT.glob("oya_vcs/**/*.py"), ROOT / "README.md", *ROOT.glob("templates/*.toml")]:
        named |= set(
            re.findall(r"`(?:\.venv/bin/)?oya-vcs ([a-z][a-z -]*)", path.read_text("utf-8"))
        )
    grammar = words_of(build()).verbs
    known = {one.path[0] for one in grammar}
    verbs = {one.path[0]: {verb.path[1] for verb in one.verbs} for one in grammar if one.verbs}
    for words in (one.split() for one in named):
        assert words[0] in known, words
        if words[0] in verbs and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in verbs[words[0]], words

"""`journal export`, `import` and `compact` as processes: exit codes, messages, and the record in
between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oya_vcs.journal.lock import HomeLock
from tests.conftest import NewProject
from tests.projects import Project


@pytest.fixture
def finished(new_project: NewProject) -> Project:
    """A project whose two beads have landed; its daemon left a checkpoint of the end."""
    project = new_project()
    beads = project.beads({"id": "a", "title": "A"}, {"id": "b", "title": "B", "deps": ["a"]})
    assert project.run(beads, "honest").code == 0
    return project


def digest(project: Project, *more: str) -> object:
    """The digest of the replayed state."""
    return project.oya("journal", "replay", "--json", *more).data["digest"]


def test_a_record_moves_to_another_home(finished: Project, tmp_path: Path) -> None:
    """Export to a file and to a pipe give the same bytes; the import has the same state."""
    file, home = tmp_path / "export.jsonl", str(tmp_path / "other")
    ran = finished.oya("journal", "export", str(file))
    assert (ran.code, str(file) in ran.out) == (0, True)
    piped = finished.oya("journal", "export")
    assert piped.out.encode() == file.read_bytes()
    ran = finished.oya("--home", home, "journal", "import", str(file), "--json")
    assert ran.code == 0, ran.err
    assert ran.data["rows"] == len(file.read_bytes().splitlines()) - 1
    assert digest(finished) == digest(finished, "--home", home)
    again = finished.oya("--home", home, "journal", "export")
    assert again.out == piped.out
    assert finished.oya("--home", home, "journal", "verify").code == 0


def test_an_export_that_cannot_be_is_refused(finished: Project, tmp_path: Path) -> None:
    """2 for a usage that makes no sense, 3 without a journal, 4 where the disk refuses."""
    ran = finished.oya("journal", "export", "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (2, "configuration_invalid")
    assert finished.oya("journal", "export", str(tmp_path / "no" / "file")).code == 4
    assert finished.oya("--home", str(tmp_path / "none"), "journal", "export").code == 3


def test_an_import_that_cannot_be_is_refused(finished: Project, tmp_path: Path) -> None:
    """1 for a bad file (with its line), 2 for a home with a record, 3 for a missing file; nothing
    is made."""
    file, home = tmp_path / "export.jsonl", tmp_path / "other"
    assert finished.oya("journal", "export", str(file)).code == 0
    ran = finished.oya("journal", "import", str(file))
    assert (ran.code, "has a record already" in ran.err) == (2, True)
    where = ("--home", str(home), "journal", "import")
    assert finished.oya(*where, str(tmp_path / "none")).code == 3
    file.write_bytes(file.read_bytes()[:-30])
    ran = finished.oya(*where, str(file))
    assert ran.code == 1
    assert "export.jsonl, line" in ran.err
    assert not (home / "journal.db").exists()


def test_compaction_changes_nothing_that_can_be_seen(finished: Project) -> None:
    """Dry run, cut, and every reading command after it: the same answers; the next run goes on."""
    before = digest(finished), digest(finished, "--to", "5")
    exported = finished.oya("journal", "export").out
    tail = finished.oya("journal", "tail", "-n", "1000", "--json").out
    shown = finished.oya("bead", "show", "a").out
    rows = finished.oya("journal", "stats", "--json").data["rows"]
    planned = finished.oya("journal", "compact", "--keep", "3", "--dry-run", "--json").data
    assert planned == {
        "first": 1,
        "last": int(str(rows)) - 3,
        "rows": int(str(rows)) - 3,
        "dry_run": True,
        "archives": [],
        "freed_bytes": 0,
    }
    assert not (finished.home / "archive").exists()
    done = finished.oya("journal", "compact", "--keep", "3")
    assert done.code == 0, done.err
    assert "a backup needs both" in done.out
    assert len(list((finished.home / "archive").iterdir())) == 1
    assert (digest(finished), digest(finished, "--to", "5")) == before
    assert finished.oya("journal", "export").out == exported
    assert finished.oya("journal", "tail", "-n", "1000", "--json").out == tail
    assert finished.oya("bead", "show", "a").out == shown
    counted = finished.oya("journal", "stats", "--json").data
    assert (counted["rows"], counted["archived"]) == (rows, planned["rows"])
    beads = finished.beads({"id": "c", "title": "C", "deps": ["b"]}, name="more.jsonl")
    assert finished.run(beads, "honest").code == 0
    finished.assert_healthy()
    assert finished.oya("journal", "compact", "--keep", "1").code == 0
    finished.assert_healthy()


def test_compaction_that_cannot_be_is_refused(finished: Project, tmp_path: Path) -> None:
    """2 where no checkpoint covers the cut (with the mend), 3 without a journal, 5 beside a daemon;
    nothing to do is no error."""
    assert "nothing to archive" in finished.oya("journal", "compact").out
    assert finished.oya("--home", str(tmp_path / "none"), "journal", "compact").code == 3
    assert not (tmp_path / "none").exists()
    with HomeLock(finished.home / "daemon.lock"):
        assert finished.oya("journal", "compact", "--keep", "1").code == 5
    for checkpoint in (finished.home / "checkpoints").iterdir():
        checkpoint.unlink()
    ran = finished.oya("journal", "compact", "--keep", "1")
    assert (ran.code, "journal checkpoint" in ran.err) == (2, True)
    assert finished.oya("journal", "checkpoint").code == 0
    assert finished.oya("journal", "compact", "--keep", "1").code == 0
    bad = finished.oya("journal", "compact", "--keep", "1", "--before", "9")
    assert bad.code == 2


def test_a_damaged_archive_is_named_by_verify(finished: Project) -> None:
    """Exit 1, the range, and what to put back; the daemon still starts from its checkpoint."""
    assert finished.oya("journal", "compact", "--keep", "3").code == 0
    (file,) = (finished.home / "archive").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    ran = finished.oya("journal", "verify")
    assert ran.code == 1
    assert "with events 1 to" in ran.out
    assert f"Put {file.name} back" in ran.out
    beads = finished.beads({"id": "c", "title": "C", "deps": ["b"]}, name="more.jsonl")
    assert finished.run(beads, "honest").code == 0

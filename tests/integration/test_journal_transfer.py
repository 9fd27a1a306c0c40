"""Export and import: the whole record as a file, and back, byte for byte."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oya_vcs.errors import ConfigurationInvalid, InputInvalid, JournalCorrupt, NotFound, WorldFailed
from oya_vcs.journal import compact as compaction
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.transfer import export, export_to, import_
from oya_vcs.journal.verify import verify
from tests.recorded import history, write_journal

ROWS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a history of ROWS events."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    write_journal(path, history(ROWS))
    return path


def exported(journal: Path) -> bytes:
    """The export as bytes."""
    file = io.BytesIO()
    export(journal, file)
    return file.getvalue()


def state(journal: Path) -> str:
    """The digest of the replayed state."""
    with open_reader(journal) as reader:
        return digest(replay(reader.read()))


def test_an_import_exports_to_the_same_bytes_and_replays_to_the_same_state(
    whole: Path, tmp_path: Path
) -> None:
    """export(import(export)) is export; the new journal verifies, and goes on."""
    content = exported(whole)
    file, copy = tmp_path / "export.jsonl", tmp_path / "home" / "journal.db"
    file.write_bytes(content)
    mark = import_(file, copy)
    assert [path.name for path in copy.parent.iterdir()] == ["journal.db"]
    assert exported(copy) == content
    found = verify(copy)
    assert (found.ok, found.rows, found.last_hash) == (True, ROWS, mark.digest.hex())
    assert state(copy) == state(whole)
    SqliteJournal(copy).close()
    assert exported(copy) == content


def test_every_line_is_json_with_every_column(whole: Path) -> None:
    """Programs can read the lines; the last one says how many there are."""
    lines = [json.loads(line) for line in exported(whole).splitlines()]
    columns = ["seq", "at_ms", "type", "version", "subject", "key", "data", "hash"]
    assert all(list(line) == columns for line in lines[:-1])
    assert all(isinstance(line["data"], dict) for line in lines[:-1])
    assert (lines[-1]["events"], lines[-1]["hash"]) == (ROWS, lines[-2]["hash"])


def test_an_empty_journal_makes_the_round_trip(tmp_path: Path) -> None:
    """No events are a record, too."""
    path, file, copy = tmp_path / "journal.db", tmp_path / "e.jsonl", tmp_path / "h" / "journal.db"
    SqliteJournal(path).close()
    export_to(path, file)
    import_(file, copy)
    assert exported(copy) == file.read_bytes()
    assert verify(copy).ok


def test_a_compacted_journal_exports_what_it_exported_before(whole: Path, tmp_path: Path) -> None:
    """Archived rows are in the export as if they had never left the table."""
    path = Path(shutil.copy(whole, tmp_path / "journal.db"))
    wanted = compaction.plan(path, before=200, keep=None, covered=ROWS)
    compaction.compact(path, wanted)
    assert exported(path) == exported(whole)


def cut_at(line: int, content: bytes) -> bytes:
    """Without this line (from 1) and all after it."""
    return b"".join(content.splitlines(keepends=True)[: line - 1])


def edited(content: bytes, line: int, old: bytes, new: bytes) -> bytes:
    """With one line changed."""
    lines = content.splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    return b"".join(lines)


def swapped(content: bytes, line: int) -> bytes:
    """With this line and the next in each other's place."""
    lines = content.splitlines(keepends=True)
    lines[line - 1], lines[line] = lines[line], lines[line - 1]
    return b"".join(lines)


SPOILS: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "cut between lines": (lambda c: cut_at(51, c), 51, "the end is missing"),
    "cut inside a line": (lambda c: cut_at(51, c) + b'{"seq":51,', 51, "cut off"),
    "empty": (lambda c: b"", 1, "the end is missing"),
    "a line is missing": (
        lambda c: c.replace(c.splitlines(keepends=True)[41], b""),
        42,
        "event 42 is missing: this is event 43",
    ),
    "lines are swapped": (lambda c: swapped(c, 10), 10, "event 10 is missing"),
    "a value was changed": (
        lambda c: edited(c, 7, b'"at_ms":17', b'"at_ms":18'),
        7,
        "event 7 does not match its hash",
    ),
    "a field is not known": (
        lambda c: edited(c, 7, b'{"seq"', b'{"more":1,"seq"'),
        7,
        "more",
    ),
    "no JSON": (lambda c: edited(c, 7, b'{"seq"', b"{seq"), 7, "malformed"),
    "rows are missing before the end": (
        lambda c: cut_at(51, c) + c.splitlines(keepends=True)[-1],
        51,
        f"the export had {ROWS} events",
    ),
    "something behind the end": (lambda c: c + b"{}\n", ROWS + 2, "something follows the end"),
    "a newer export": (
        lambda c: edited(c, ROWS + 1, b'"export":1', b'"export":2'),
        ROWS + 1,
        "schema 2",
    ),
    "no export at all": (lambda c: b"hello\n" * 5, 1, "malformed"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoiled_export_leaves_no_journal(whole: Path, tmp_path: Path, spoil: str) -> None:
    """The error names file and line; nothing stands under the journal's name, nor beside it."""
    change, line, said = SPOILS[spoil]
    file, copy = tmp_path / "export.jsonl", tmp_path / "home" / "journal.db"
    file.write_bytes(change(exported(whole)))
    with pytest.raises(InputInvalid, match=rf"export\.jsonl, line {line}: .*{said}") as caught:
        import_(file, copy)
    assert caught.value.hint
    assert list(copy.parent.iterdir()) == []


def test_an_import_into_a_home_with_a_record_is_refused(whole: Path, tmp_path: Path) -> None:
    """What is there stays as it is: a journal, its log without it, an archive."""
    file = tmp_path / "export.jsonl"
    export_to(whole, file)
    for name in ("journal.db", "journal.db-wal", "archive/events.jsonl.zst"):
        home = tmp_path / name.replace("/", "-")
        part = home / name
        part.parent.mkdir(parents=True)
        part.write_bytes(b"precious")
        with pytest.raises(ConfigurationInvalid, match="has a record already"):
            import_(file, home / "journal.db")
        assert part.read_bytes() == b"precious"


def test_an_unfinished_import_is_swept_by_the_next(whole: Path, tmp_path: Path) -> None:
    """What a killed import left beside the journal's place does not count and does not stay."""
    file, copy = tmp_path / "export.jsonl", tmp_path / "home" / "journal.db"
    copy.parent.mkdir()
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(f"journal.db.import{suffix}").write_bytes(b"half")
    export_to(whole, file)
    import_(file, copy)
    assert [path.name for path in copy.parent.iterdir()] == ["journal.db"]


def test_an_export_replaces_its_file_only_when_it_is_whole(whole: Path, tmp_path: Path) -> None:
    """A damaged journal, or a folder that is not there, leaves the older export as it was."""
    file = tmp_path / "export.jsonl"
    file.write_text("the old one")
    broken = tmp_path / "journal.db"
    broken.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(JournalCorrupt):
        export_to(broken, file)
    assert file.read_text() == "the old one"
    assert [path.name for path in tmp_path.glob("export*")] == ["export.jsonl"]
    with pytest.raises(WorldFailed, match="cannot be written"):
        export_to(whole, tmp_path / "none" / "export.jsonl")
    with pytest.raises(NotFound):
        import_(tmp_path / "none", tmp_path / "home" / "journal.db")

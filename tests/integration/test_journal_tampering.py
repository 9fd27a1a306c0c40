"""Every kind of damage is found and named."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.core.events import BeadAdded, BeadReadied, Event
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.errors import JournalCorrupt, NotFound
from oya_vcs.journal.driver import SqliteError, open_writer
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import stats, verify

ROWS = 12


def an_event(number: int) -> Event:
    """Events with and without a unique key in turn."""
    if number % 2:
        spec = BeadSpec(id=BeadId(f"b-{number}"), title="t" * 40)
        return BeadAdded(repo=RepoId("r"), bead=spec.id, key=spec_key(spec), spec=spec)
    return BeadReadied(bead=BeadId(f"b-{number - 1}"))


def fill(path: Path, events: Sequence[Event]) -> None:
    """A journal with these events, one transaction each; at_ms is 1000 times the number."""
    journal = SqliteJournal(path)

    async def append() -> None:
        for number, event in enumerate(events, 1):
            await journal.append(number * 1_000, (event,))

    asyncio.run(append())
    journal.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound journal of ROWS events."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    fill(path, [an_event(number) for number in range(1, ROWS + 1)])
    return path


@pytest.fixture
def journal(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copy(whole, tmp_path / "journal.db"))


def tamper(path: Path, *statements: str) -> None:
    """Change the file with SQL, as somebody with any SQLite tool could."""
    with closing(open_writer(path)) as connection:
        connection.execute("DROP TRIGGER events_are_not_deleted")
        connection.execute("DROP TRIGGER events_are_not_changed")
        for statement in statements:
            connection.execute(statement)


def named(path: Path) -> dict[int, str]:
    """What verify finds, by sequence number; each finding has a mend."""
    found = verify(path)
    assert all(problem.mend for problem in found.problems)
    assert found.ok == (not found.problems)
    return {problem.seq: problem.what for problem in found.problems}


def test_a_sound_journal_has_no_problems(journal: Path) -> None:
    """verify counts every row, says where the chain ends, and reports its progress."""
    heard: list[tuple[int, int]] = []
    found = verify(journal, lambda done, total: heard.append((done, total)))
    assert (found.problems, found.rows, found.last_seq) == ((), ROWS, ROWS)
    assert len(bytes.fromhex(found.last_hash)) == 32
    assert heard[-1] == (ROWS, ROWS)


CHANGES = {
    "at_ms": "at_ms + 1",
    "type": "'BeadRetried'",
    "version": "version + 1",
    "subject": "'b-2'",
    "key": "'other'",
    "data": "replace(data, 'b-', 'c-')",
    "hash": "zeroblob(32)",
}


@pytest.mark.parametrize("seq", [1, 5, 6, ROWS])
@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_cell_is_named(journal: Path, column: str, seq: int) -> None:
    """Whatever column is changed in whatever row: exactly that row is the problem."""
    tamper(journal, f"UPDATE events SET {column} = {CHANGES[column]} WHERE seq = {seq}")
    assert list(named(journal)) == [seq]
    with (
        pytest.raises(JournalCorrupt, match=f"Event {seq} of"),
        open_reader(journal) as reader,
    ):
        list(reader.read())


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_the_data_is_named(journal: Path, bit: int) -> None:
    """Each single bit of a row's text counts, also where the result is no UTF-8."""
    with open_reader(journal) as reader:
        text = next(iter(reader.read(4))).event.subject.encode()
    spoiled = bytes([text[0] ^ 1 << bit]) + text[1:]
    tamper(
        journal,
        f"UPDATE events SET subject = CAST(x'{spoiled.hex()}' AS TEXT) WHERE seq = 5",
    )
    assert 5 in named(journal)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", "CAST(data AS BLOB)"),
        ("subject", "CAST(subject AS BLOB)"),
        ("hash", "CAST(hash AS TEXT)"),
        ("at_ms", "at_ms + 0.5"),
        ("version", "'one'"),
    ],
)
def test_a_column_of_another_type_is_named(journal: Path, column: str, value: str) -> None:
    """The same bytes as another type of SQLite, or a type that does not fit, are damage too."""
    tamper(journal, f"UPDATE events SET {column} = {value} WHERE seq = 4")
    assert 4 in named(journal)


def test_a_deleted_row_is_named(journal: Path) -> None:
    """The number that is missing is the problem, and what follows is not blamed."""
    tamper(journal, "DELETE FROM events WHERE seq = 7")
    with open_reader(journal) as reader:
        for after in (0, 5, 6, 7):
            with pytest.raises(JournalCorrupt, match=r"Event 7 of .* is missing"):
                list(reader.read(after))
        assert [row.seq for row in reader.read(8)] == [9, 10, 11, 12]
    assert named(journal) == {7: "Event 7 is missing from event 7 on."}


def test_a_gap_is_named_with_its_two_ends(journal: Path) -> None:
    """Several rows that are missing are one problem; the second gap is another."""
    tamper(journal, "DELETE FROM events WHERE seq IN (1, 5, 6, 7)")
    assert named(journal) == {
        1: "Event 1 is missing from event 1 on.",
        5: "Events to 7 are missing from event 5 on.",
    }


def test_swapped_rows_are_named(journal: Path) -> None:
    """Two rows that changed places, with their hashes, are both problems."""
    tamper(
        journal,
        "UPDATE events SET seq = -1 WHERE seq = 3",
        "UPDATE events SET seq = 3 WHERE seq = 8",
        "UPDATE events SET seq = 8 WHERE seq = -1",
    )
    assert {3, 8} <= set(named(journal))


def test_a_deleted_row_with_the_rest_moved_up_is_named(journal: Path) -> None:
    """Renumbering hides no hole."""
    tamper(
        journal,
        "DELETE FROM events WHERE seq = 7",
        "UPDATE events SET seq = -seq WHERE seq > 7",
        "UPDATE events SET seq = -seq - 1 WHERE seq < 0",
    )
    found = named(journal)
    assert 7 in found
    assert "cut off" in found[ROWS]


def test_rows_numbered_below_one_are_named(journal: Path) -> None:
    """Nothing can be put in front of the first event."""
    tamper(
        journal, "INSERT INTO events SELECT -1, 0, type, 1, 's', NULL, '', '' FROM events LIMIT 1"
    )
    assert -1 in named(journal)


def test_a_cut_tail_is_named(journal: Path) -> None:
    """Rows cut off the end leave the high-water mark behind: verify, reader and writer say so."""
    tamper(journal, "DELETE FROM events WHERE seq > 9")
    assert named(journal) == {10: f"The end is cut off: events 10 to {ROWS} are missing."}
    with pytest.raises(JournalCorrupt, match="Event 10 of"), open_reader(journal) as reader:
        list(reader.read())
    with pytest.raises(JournalCorrupt, match=f"event {ROWS} was committed last"):
        SqliteJournal(journal)


def test_a_row_that_was_added_by_hand_is_named(journal: Path) -> None:
    """A copy of the last row with the next number is not of the chain."""
    tamper(
        journal,
        f"INSERT INTO events SELECT seq + 1, at_ms, type, version, subject, NULL, data, hash"
        f" FROM events WHERE seq = {ROWS}",
    )
    assert ROWS + 1 in named(journal)
    with pytest.raises(JournalCorrupt):
        SqliteJournal(journal)


def test_an_end_that_is_not_the_marked_one_is_named(journal: Path) -> None:
    """Rows that were rewritten with their hashes to fit each other still miss the mark."""
    mark = f"{ROWS} {'00' * 32}"
    tamper(journal, f"UPDATE journal_meta SET value = '{mark}' WHERE name = 'high_water'")
    assert named(journal) == {ROWS: f"Event {ROWS} is not the one that was committed last."}
    with pytest.raises(JournalCorrupt, match=f"Event {ROWS} of"), open_reader(journal) as reader:
        list(reader.read())


@pytest.mark.parametrize("value", ["'nonsense'", "'5 zz'", "''"])
def test_a_spoiled_mark_is_named(journal: Path, value: str) -> None:
    """The high-water mark itself may be damaged: that is a problem of the whole file."""
    tamper(journal, f"UPDATE journal_meta SET value = {value} WHERE name = 'high_water'")
    assert 0 in named(journal)
    with pytest.raises(JournalCorrupt, match="high-water mark"):
        SqliteJournal(journal)


@pytest.mark.parametrize(
    ("column", "seq"), [*((column, ROWS) for column in CHANGES), ("hash", ROWS - 1)]
)
def test_the_writer_refuses_a_damaged_tail(journal: Path, column: str, seq: int) -> None:
    """Opening for writing proves the last row against the one before it, naming the last."""
    tamper(journal, f"UPDATE events SET {column} = {CHANGES[column]} WHERE seq = {seq}")
    with pytest.raises(JournalCorrupt, match=f"event {ROWS}") as caught:
        SqliteJournal(journal)
    assert "journal verify" in caught.value.hint


def test_the_writer_refuses_a_missing_row_before_the_last(journal: Path) -> None:
    """The hole is named by its number."""
    tamper(journal, f"DELETE FROM events WHERE seq = {ROWS - 1}")
    with pytest.raises(JournalCorrupt, match=f"lacks event {ROWS - 1}"):
        SqliteJournal(journal)


def test_events_of_a_newer_version_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound row of a type or version that this program does not know is found, with the mend."""
    path = tmp_path / "journal.db"
    rows = iter([("BeadPraised", 1), ("BeadReadied", 9), ("BeadReadied", 1)])

    def newer(event: Event) -> tuple[str, int, str, None, bytes]:
        name, version = next(rows)
        return name, version, event.subject, None, b'{"bead":"b-1"}'

    monkeypatch.setattr("oya_vcs.journal.store.encode", newer)
    fill(path, [BeadReadied(bead=BeadId("b-1"))] * 3)
    found = verify(path)
    assert [problem.seq for problem in found.problems] == [1, 2]
    assert all("Upgrade" in problem.mend for problem in found.problems)
    with pytest.raises(JournalCorrupt, match=r"Event 1 of .*BeadPraised"), open_reader(path) as r:
        list(r.read())


@pytest.mark.parametrize(("name", "value"), [("schema", "'2'"), ("hash", "'md5'")])
def test_a_newer_schema_is_refused_by_all(journal: Path, name: str, value: str) -> None:
    """Nobody reads or writes tables or hashes that this version does not know."""
    tamper(journal, f"UPDATE journal_meta SET value = {value} WHERE name = '{name}'")
    with pytest.raises(JournalCorrupt) as caught:
        SqliteJournal(journal)
    assert "Upgrade oya-vcs" in caught.value.hint
    assert 0 in named(journal)
    with pytest.raises(JournalCorrupt):
        stats(journal)


@pytest.mark.parametrize("keep", [0, 1, 50, 4096, 9000])
def test_a_truncated_file_is_a_problem_and_no_traceback(journal: Path, keep: int) -> None:
    """However short the file is cut: verify says so, and the writer refuses it and leaves it be."""
    content = journal.read_bytes()[:keep]
    journal.write_bytes(content)
    assert named(journal)
    with pytest.raises(JournalCorrupt):
        SqliteJournal(journal)
    assert journal.read_bytes() == content


def test_garbage_in_any_page_is_found(journal: Path) -> None:
    """512 bytes of rubbish at any place of the file that holds something never pass."""
    content = journal.read_bytes()
    for start in range(0, len(content), 512):
        block = content[start : start + 512]
        if any(block):
            spoiled = bytes(byte ^ 0x5A for byte in block)
            journal.write_bytes(content[:start] + spoiled + content[start + 512 :])
            assert named(journal), f"rubbish at byte {start} was not found"


def test_no_flipped_bit_of_the_file_changes_what_is_read_and_verifies(journal: Path) -> None:
    """Two hundred seeded single bits of the file: verify says so, or it was one that holds nothing,
    and every row reads as before."""
    dice = random.Random(5)
    content = journal.read_bytes()
    with open_reader(journal) as reader:
        rows = list(reader.read())
    found = 0
    for _ in range(200):
        at = dice.randrange(len(content))
        journal.write_bytes(
            content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
        )
        if named(journal):
            found += 1
            continue
        with open_reader(journal) as reader:
            assert list(reader.read()) == rows, f"byte {at}"
    assert found > 20


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    """Another database, a text file and an empty file are refused; a missing one is NotFound."""
    other = tmp_path / "other.db"
    other.touch()
    with closing(open_writer(other)) as connection:
        connection.execute("CREATE TABLE t(x)")
    text = tmp_path / "text.db"
    text.write_text("hello " * 1_000)
    for path in (other, text):
        assert 0 in named(path)
        with pytest.raises(JournalCorrupt):
            SqliteJournal(path)
    with pytest.raises(SqliteError):
        open_writer(text)
    missing = tmp_path / "none.db"
    for ask in (verify, stats, open_reader):
        with pytest.raises(NotFound) as caught:
            ask(missing)
        assert "oya-vcs run" in caught.value.hint
    assert not missing.exists()


def test_a_log_without_its_journal_is_never_played_into_a_new_one(tmp_path: Path) -> None:
    """Where journal.db is gone and its write-ahead log is there, opening refuses."""
    path = tmp_path / "journal.db"
    path.with_name("journal.db-wal").write_bytes(b"x")
    with pytest.raises(JournalCorrupt, match=r"journal.db is missing"):
        SqliteJournal(path)
    assert not path.exists()


def test_the_tables_refuse_edits_by_hand(journal: Path) -> None:
    """UPDATE and DELETE on events fail in any tool, as long as nobody drops the triggers."""
    with closing(open_writer(journal)) as connection:
        for statement in ("DELETE FROM events", "UPDATE events SET at_ms = 0"):
            with pytest.raises(SqliteError, match="append-only"):
                connection.execute(statement)
    assert verify(journal).ok


def test_stats_count(journal: Path) -> None:
    """Rows by type, beads, times and bytes are those of the file."""
    found = stats(journal)
    assert found.rows == ROWS
    assert found.by_type == {"BeadAdded": ROWS // 2, "BeadReadied": ROWS // 2}
    assert found.subjects == ROWS // 2
    assert (found.first_at_ms, found.last_at_ms) == (1_000, ROWS * 1_000)
    assert found.file_bytes >= journal.stat().st_size

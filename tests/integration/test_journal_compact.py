"""Retention: old rows leave the table for archives, and the record stays whole whatever happens."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.errors import Bug, ConfigurationInvalid, JournalCorrupt, WorldFailed
from oya_vcs.journal import archive, compact
from oya_vcs.journal.compact import Compaction
from oya_vcs.journal.driver import SqliteError, open_writer
from oya_vcs.journal.lines import Raw
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import stats, verify
from tests.recorded import history, write_journal

ROWS = 300
PIECE = 64
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a history of ROWS events."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    write_journal(path, history(ROWS))
    return path


@pytest.fixture(autouse=True)
def small_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    """PIECE rows an archive, so that a few hundred rows make several."""
    monkeypatch.setattr(compact, "ARCHIVE_ROWS", PIECE)


@pytest.fixture
def journal(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(whole, tmp_path / "journal.db"))


def rows_of(path: Path, after: int = 0) -> list[Raw]:
    """Every row, verified on the way."""
    with open_reader(path) as reader:
        return list(reader.rows(after))


def archived(path: Path, before: int) -> Compaction:
    """Archive all before an event."""
    wanted = compact.plan(path, before=before, keep=None, covered=ROWS)
    return compact.compact(path, wanted)


def in_table(path: Path) -> list[int]:
    """The numbers that are left in the table."""
    with closing(open_writer(path)) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM events ORDER BY seq")]


def named(path: Path) -> dict[int, tuple[str, str]]:
    """What verify finds: what and mend, by sequence number."""
    return {one.seq: (one.what, one.mend) for one in verify(path).problems}


@pytest.mark.parametrize("before", [2, PIECE + 1, 200, ROWS, ROWS + 1])
def test_the_record_is_the_same_after_compaction(journal: Path, whole: Path, before: int) -> None:
    """Rows, state, verification and counts are those of before; the table is shorter."""
    done = archived(journal, before)
    assert (done.first, done.last, done.rows) == (1, before - 1, before - 1)
    assert [one.last for one in done.archives] == [*range(PIECE, before - 1, PIECE), before - 1]
    assert in_table(journal) == list(range(before, ROWS + 1))
    expected = rows_of(whole)
    for after in (0, 1, before - 2, before - 1, before, ROWS):
        assert rows_of(journal, max(0, after)) == expected[max(0, after) :]
    with open_reader(journal) as reader, open_reader(whole) as original:
        for until in (None, 1, before):
            assert digest(replay(reader.read(), until=until)) == digest(
                replay(original.read(), until=until)
            )
        assert [reader.hash_at(seq) for seq in (1, 50, before - 1, ROWS, ROWS + 1)] == [
            original.hash_at(seq) for seq in (1, 50, before - 1, ROWS, ROWS + 1)
        ]
    found = verify(journal)
    assert (found.problems, found.rows, found.archived) == ((), ROWS, before - 1)
    assert found.last_hash == verify(whole).last_hash
    counted, counts = stats(journal), stats(whole)
    assert (counted.rows, counted.by_type, counted.subjects) == (
        counts.rows,
        counts.by_type,
        counts.subjects,
    )
    assert (counted.first_at_ms, counted.last_at_ms) == (counts.first_at_ms, counts.last_at_ms)
    assert counted.archived == before - 1


def test_a_compacted_journal_goes_on_and_is_compacted_again(journal: Path) -> None:
    """The chain runs from the archives into the table into new rows; a second cut adds archives."""
    archived(journal, ROWS + 1)
    more = history(ROWS + 40)[ROWS:]
    write_journal(journal, more)
    assert len(rows_of(journal)) == ROWS + 40
    wanted = compact.plan(journal, before=None, keep=10, covered=ROWS + 40)
    assert (wanted.first, wanted.last) == (ROWS + 1, ROWS + 30)
    compact.compact(journal, wanted)
    assert len(rows_of(journal)) == ROWS + 40
    found = verify(journal)
    assert (found.ok, found.archived) == (True, ROWS + 30)


def test_nothing_is_archived_that_no_checkpoint_covers(journal: Path) -> None:
    """The refusal says how far the newest checkpoint goes and what to do; nothing was changed."""
    for covered, said in ((99, "is of event 99"), (0, "is missing")):
        with pytest.raises(ConfigurationInvalid, match=said) as caught:
            compact.plan(journal, before=101, keep=None, covered=covered)
        assert "journal checkpoint" in caught.value.hint
    assert compact.plan(journal, before=100, keep=None, covered=99).last == 99
    assert compact.plan(journal, before=None, keep=ROWS + 5, covered=0).rows == 0
    assert compact.plan(journal, before=None, keep=None, covered=0).rows == 0
    assert in_table(journal) == list(range(1, ROWS + 1))


def test_the_table_refuses_deletion_before_and_after(journal: Path) -> None:
    """Compaction leaves the trigger as it found it."""
    archived(journal, 100)
    with closing(open_writer(journal)) as connection:
        for statement in ("DELETE FROM events", "UPDATE events SET at_ms = 0"):
            with pytest.raises(SqliteError, match="append-only"):
                connection.execute(statement)


def test_a_key_in_an_archive_is_still_unique(journal: Path, whole: Path) -> None:
    """What was recorded once cannot be recorded again, however long ago it was; the error names
    the event."""
    archived(journal, ROWS + 1)
    with open_reader(whole) as reader:
        row = next(row for row in reader.read() if row.event.unique is not None)
    writer = SqliteJournal(journal)

    async def again() -> None:
        await writer.append(0, [row.event])

    with pytest.raises(Bug, match=f"is in the journal as event {row.seq} already"):
        asyncio.run(again())
    writer.close()
    assert verify(journal).rows == ROWS


def test_a_reader_in_the_middle_does_not_notice_compaction(journal: Path, whole: Path) -> None:
    """Rows that leave the table under a reading are found in the archive."""
    with open_reader(journal) as reader:
        reading = reader.rows(10)
        got = [next(reading)]
        archived(journal, 250)
        got += reading
    assert got == rows_of(whole)[10:]


def flip(path: Path, at: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_every_flipped_bit_of_an_archive_is_named_with_its_range(journal: Path) -> None:
    """Wherever the bit is, verify names the archive's first event and its range, and goes on behind
    it; a reading stops at the archive."""
    archived(journal, 200)
    second = sorted((journal.parent / "archive").iterdir())[1]
    content = second.read_bytes()
    for at in range(0, len(content), 97):
        flip(second, at)
        found = named(journal)
        assert list(found) == [PIECE + 1], at
        what, mend = found[PIECE + 1]
        assert f"events {PIECE + 1} to {2 * PIECE}" in what
        assert second.name in mend
        second.write_bytes(content)
    flip(second, len(content) // 2)
    with pytest.raises(JournalCorrupt, match=f"events {PIECE + 1} to {2 * PIECE}"):
        rows_of(journal)
    assert rows_of(journal, 2 * PIECE)[0][0] == 2 * PIECE + 1


def test_a_missing_and_a_cut_archive_are_named(journal: Path) -> None:
    """The range that is gone, and what to put back."""
    archived(journal, 200)
    first, second, *_ = sorted((journal.parent / "archive").iterdir())
    second.write_bytes(second.read_bytes()[:-20])
    first.unlink()
    found = named(journal)
    assert list(found) == [1, PIECE + 1]
    assert "is missing" in found[1][0]
    assert f"Put {first.name} back" in found[1][1]
    with pytest.raises(JournalCorrupt, match=f"events 1 to {PIECE} is missing"):
        rows_of(journal)


def test_swapped_archives_are_named(journal: Path) -> None:
    """Two files in each other's place are two problems, each saying what it holds instead."""
    archived(journal, 200)
    first, second, *_ = sorted((journal.parent / "archive").iterdir())
    spare = first.with_name("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    found = named(journal)
    assert list(found) == [1, PIECE + 1]
    assert f"holds events {PIECE + 1} to {2 * PIECE} instead" in found[1][0]
    assert f"holds events 1 to {PIECE} instead" in found[PIECE + 1][0]


def tamper(path: Path, statement: str) -> None:
    """Change the file with SQL."""
    with closing(open_writer(path)) as connection:
        connection.execute(statement)


def test_edited_records_of_archives_are_named(journal: Path) -> None:
    """What journal_meta says of archives is checked against the files and the chain."""
    archived(journal, 200)
    untouched = journal.read_bytes()
    only = "name = 'archive:000000000065'"
    for statement, seq in (
        (f"DELETE FROM journal_meta WHERE {only}", PIECE + 1),
        (f"UPDATE journal_meta SET value = '[]' WHERE {only}", 0),
        (f"UPDATE journal_meta SET value = replace(value, '-', 'x') WHERE {only}", PIECE + 1),
        ("DELETE FROM archived_keys WHERE seq = 70", 70),
    ):
        has_key = rows_of(journal, 69)[0][5] is not None
        tamper(journal, statement)
        assert seq in named(journal) or (seq == 70 and not has_key), statement
        journal.write_bytes(untouched)


def test_a_damaged_row_is_never_archived(journal: Path) -> None:
    """Compaction stops at a row that does not verify; table and archives are as they were."""
    with closing(open_writer(journal)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET at_ms = 5 WHERE seq = 70")
    with pytest.raises(JournalCorrupt, match="Event 70 is missing or does not verify"):
        archived(journal, 200)
    assert in_table(journal) == list(range(PIECE + 1, ROWS + 1))
    assert len(list((journal.parent / "archive").iterdir())) == 1
    assert list(named(journal)) == [70]


def test_an_archive_that_cannot_be_written_leaves_the_table_alone(journal: Path) -> None:
    """A file where the folder should be: the error names it, and every row is still there."""
    (journal.parent / "archive").write_text("in the way")
    with pytest.raises(WorldFailed, match="cannot be written"):
        archived(journal, 200)
    assert in_table(journal) == list(range(1, ROWS + 1))


def test_an_archive_is_private_and_readable_with_any_zstd(journal: Path) -> None:
    """Mode 0600 in a folder of 0700; one frame of JSON lines."""
    archived(journal, 20)
    folder = journal.parent / "archive"
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    lines = list(archive._lines(file))
    assert lines[0].startswith(b'{"archive":1,"first":1,"last":19,')
    assert lines[-1].startswith(b'{"end":19,')
    assert len(lines) == 21


COMPACTOR = """
import os, signal, sys
from pathlib import Path
from oya_vcs.journal import archive, compact, driver

path, at = Path(sys.argv[1]), 0

def point(*_):
    global at
    at += 1
    if at == until:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    real = getattr(owner, name)
    def call(*args, **more):
        point()
        done = real(*args, **more)
        point()
        return done
    setattr(owner, name, call)

def traced(path, real=compact.open_writer):
    connection = real(path)
    connection.set_trace_callback(point)
    return connection

compact.ARCHIVE_ROWS = 100
compact.open_writer = traced
for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "unlink"), (os, "open")):
    around(owner, name)
for line in sys.stdin:
    until = int(line)
    child = os.fork()
    if child == 0:
        wanted = compact.plan(path, before=181, keep=None, covered=10**9)
        compact.compact(path, wanted)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def test_no_row_is_lost_when_compaction_is_killed_at_any_point(whole: Path, tmp_path: Path) -> None:
    """SIGKILL before and after every fsync, rename, open, unlink and SQL statement: the record
    reads and verifies as before, and the same command finishes the work."""
    home = tmp_path / "home"
    path = home / "journal.db"
    expected = rows_of(whole)
    argv = [sys.executable, "-c", COMPACTOR, str(path)]
    kills = 0
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        while True:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            shutil.copy(whole, path)
            print(kills + 1, file=nursery.stdin, flush=True)
            status = int(nursery.stdout.readline())
            assert rows_of(path) == expected
            assert verify(path).ok
            if status == 0:
                break
            assert status == signal.SIGKILL
            kills += 1
            archived(path, 181)
            assert rows_of(path) == expected
            assert (verify(path).problems, verify(path).archived) == ((), 180)
            assert not list(home.glob("archive/*.new"))
        nursery.communicate()
    assert kills > 50


def test_the_file_gets_smaller(tmp_path: Path) -> None:
    """What the archived rows took is given back to the file system."""
    path = tmp_path / "journal.db"
    write_journal(path, history(3_000))
    size = path.stat().st_size
    wanted = compact.plan(path, before=None, keep=100, covered=3_000)
    done = compact.compact(path, wanted)
    assert path.stat().st_size == size - done.freed_bytes
    assert path.stat().st_size < size // 3
    assert sum(one.size_bytes for one in done.archives) < size // 3
    assert verify(path).rows == 3_000

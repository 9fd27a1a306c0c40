"""The file itself: its making, its readers in other processes, its speed."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oya_vcs.core.events import BeadReadied, Event
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import WorldFailed
from oya_vcs.journal import driver, measure
from oya_vcs.journal.reader import PAGE_ROWS, open_reader
from oya_vcs.journal.schema import create
from oya_vcs.journal.sheaves import SHEAF_ROWS
from oya_vcs.journal.store import BATCH_ROWS, SqliteJournal
from oya_vcs.journal.verify import verify

ROOT = Path(__file__).resolve().parents[2]

READER = """
import os
import sys
from pathlib import Path
from oya_vcs.journal.reader import open_reader

last, parent = 0, os.getppid()
with open_reader(Path(sys.argv[1])) as reader:
    print("ready", flush=True)
    while last < int(sys.argv[2]) and os.getppid() == parent:
        for row in reader.read(last):
            assert row.seq == last + 1
            last = row.seq
print(last)
"""


def readied(number: int) -> Event:
    """An event without a unique key."""
    return BeadReadied(bead=BeadId(f"b-{number}"))


def test_the_file_is_private_and_complete_when_it_appears(tmp_path: Path) -> None:
    """journal.db has mode 0600, folders made for it 0700; an unfinished one is swept away."""
    path = tmp_path / "state" / "oya" / "journal.db"
    path.parent.mkdir(parents=True, mode=0o700)
    unfinished = path.with_name("journal.db.new")
    unfinished.write_text("half a journal")
    deep = tmp_path / "a" / "b" / "journal.db"
    for each in (path, deep):
        SqliteJournal(each).close()
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert verify(each).ok
    assert not unfinished.exists()
    assert stat.S_IMODE(deep.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(deep.parent.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_the_worlds_fault(tmp_path: Path) -> None:
    """A journal whose place is a folder is an error that names it, not a traceback of SQLite."""
    place = tmp_path / "journal.db"
    place.mkdir()
    for opening in (SqliteJournal, lambda path: open_reader(path).last_seq()):
        with pytest.raises(WorldFailed, match=r"journal\.db"):
            opening(place)


def test_a_home_that_cannot_be_made_is_the_worlds_fault(tmp_path: Path) -> None:
    """A file where the folder should be is an error that names the journal and what was wrong."""
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(WorldFailed, match=r"journal\.db cannot be made: .*file"):
        SqliteJournal(blocked / "home" / "journal.db")


def test_two_processes_read_while_the_daemon_writes(tmp_path: Path) -> None:
    """Readers in other processes follow a writer to its end, each row once and verified."""
    path = tmp_path / "journal.db"
    total = 4_000
    journal = SqliteJournal(path)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", READER, str(path), str(total)]
    readers = [subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"

    async def write() -> None:
        for first in range(0, total, 5):
            await journal.append(0, [readied(first + number) for number in range(5)])

    asyncio.run(write())
    outputs = [reader.communicate(timeout=60)[0] for reader in readers]
    journal.close()
    assert outputs == [f"{total}\n"] * 2
    assert [reader.returncode for reader in readers] == [0, 0]


async def test_an_append_larger_than_a_batch_is_one_transaction(tmp_path: Path) -> None:
    """One append is never split, however long; pages of the reader join without a seam."""
    path = tmp_path / "journal.db"
    journal = await asyncio.to_thread(SqliteJournal, path)
    count = max(BATCH_ROWS, PAGE_ROWS) + 77
    await journal.append(5, [readied(number) for number in range(count)])
    await asyncio.to_thread(journal.close)
    assert journal.commits == 1
    found = await asyncio.to_thread(lambda: list(journal.read()))
    assert [row.event for row in found] == [readied(number) for number in range(count)]


async def test_a_gap_in_the_work_of_the_loop_is_one_fsync(tmp_path: Path) -> None:
    """Appends that wait together share a transaction: far fewer commits than appends."""
    path = tmp_path / "journal.db"
    journal = await asyncio.to_thread(SqliteJournal, path)
    waiting = [journal.append(0, (readied(number),)) for number in range(600)]
    await asyncio.gather(*waiting)
    commits = journal.commits
    await asyncio.to_thread(journal.close)
    assert 2 <= commits < 60


def test_what_a_loop_left_behind_is_written(tmp_path: Path) -> None:
    """Appended in the last turn of an event loop, and in the first of the next: both are on disk,
    in order, and the second is answered."""
    journal = SqliteJournal(tmp_path / "journal.db")

    async def leave() -> None:
        _ = journal.append(1, [readied(1)])

    async def wait() -> int:
        (row,) = await journal.append(2, [readied(2)])
        return row.seq

    asyncio.run(leave())
    assert asyncio.run(wait()) == 2
    asyncio.run(leave())
    journal.close()
    with open_reader(journal.path) as reader:
        assert [row.at_ms for row in reader.read()] == [1, 2, 1]


async def test_a_long_turn_of_the_loop_does_not_keep_the_disk_waiting(tmp_path: Path) -> None:
    """The first rows of a turn are on their way before it ends."""
    journal = await asyncio.to_thread(SqliteJournal, tmp_path / "journal.db")
    appended = [journal.append(0, [readied(number)]) for number in range(SHEAF_ROWS)]
    deadline = time.monotonic() + 60
    while journal.commits == 0 and time.monotonic() < deadline:
        time.sleep(0.001)  # noqa: ASYNC251 - the loop takes no turn: that is the point
    assert journal.commits == 1
    assert [(await one)[0].seq for one in appended] == list(range(1, SHEAF_ROWS + 1))
    await asyncio.to_thread(journal.close)


async def test_a_reader_sees_what_was_there_when_it_began(tmp_path: Path) -> None:
    """A reading has an end, although the journal goes on; the next one continues behind it."""
    path = tmp_path / "journal.db"
    journal = await asyncio.to_thread(SqliteJournal, path)
    await journal.append(0, [readied(number) for number in range(3)])
    with await asyncio.to_thread(open_reader, path) as reader:
        reading = reader.read()
        first = await asyncio.to_thread(next, reading)
        await journal.append(0, [readied(3)])
        rest = await asyncio.to_thread(list, reading)
        assert [row.seq for row in (first, *rest)] == [1, 2, 3]
        assert [row.seq for row in await asyncio.to_thread(list, reader.read(3))] == [4]
        assert await asyncio.to_thread(reader.last_seq) == 4
    await asyncio.to_thread(journal.close)


def test_a_journal_goes_on_in_its_next_life(tmp_path: Path) -> None:
    """Numbers and chain continue where the last process stopped, on any event loop."""
    path = tmp_path / "journal.db"
    for life in range(3):
        journal = SqliteJournal(path)

        async def one(journal: SqliteJournal = journal, life: int = life) -> int:
            return (await journal.append(0, (readied(life),)))[0].seq

        assert asyncio.run(one()) == life * 2 + 1
        assert asyncio.run(one()) == life * 2 + 2
        journal.close()
    found = verify(path)
    assert (found.ok, found.rows) == (True, 6)


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """The connection of a reader refuses every change."""
    path = tmp_path / "journal.db"
    await asyncio.to_thread(create, path)
    connection = await asyncio.to_thread(driver.open_read_only, path)
    with pytest.raises(driver.SqliteError, match=r"readonly|read-only"):
        await asyncio.to_thread(connection.execute, "DELETE FROM journal_meta")
    await asyncio.to_thread(connection.close)


@pytest.mark.parametrize(
    ("version", "vulnerable"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
        ((4, 0, 0), False),
    ],
)
def test_the_wal_reset_bug_is_known_by_version(
    version: tuple[int, int, int], vulnerable: bool
) -> None:
    """3.7.0 to 3.51.2 have it, save for the two repaired lines."""
    assert driver.is_vulnerable(version) is vulnerable


def test_the_warning_names_the_version_and_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence for a sound SQLite; for a vulnerable one a sentence that says what to install."""
    library = "oya_vcs.journal.driver.sqlite"
    monkeypatch.setattr(f"{library}.sqlite_version_info", (3, 53, 4))
    assert driver.sqlite_warning() == ""
    monkeypatch.setattr(f"{library}.sqlite_version_info", (3, 51, 2))
    monkeypatch.setattr(f"{library}.sqlite_version", "3.51.2")
    assert "3.51.2" in driver.sqlite_warning()
    assert "pysqlite3 >= 0.6.1" in driver.sqlite_warning()


def test_the_benchmarks_count_what_they_do(tmp_path: Path) -> None:
    """Each reports as many things as it was asked for, and leaves a journal that verifies."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    pace = asyncio.run(
        measure.bench_append(
            journal, [readied(n) for n in range(300)], time.perf_counter, producers=8
        )
    )
    journal.close()
    assert verify(path).rows == pace.count == 300
    assert 0 < pace.p50_ms <= pace.p99_ms <= pace.seconds * 1e3
    assert pace.per_second > 0
    raw = measure.bench_raw_append(
        tmp_path / "raw.db", [readied(n) for n in range(300)], time.perf_counter, batch=8
    )
    assert raw.count == 300

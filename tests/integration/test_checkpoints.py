"""Checkpoints as files: written whole or not at all, never believed without proof, never needed."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.core.world import World
from oya_vcs.errors import JournalCorrupt, WorldFailed
from oya_vcs.journal import checkpoint, snapshot
from oya_vcs.journal.checkpoint import KEPT, load, marks, newest, save
from oya_vcs.journal.driver import open_writer
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.restart import keep, restore
from oya_vcs.journal.verify import verify
from oya_vcs.ports import Recorded
from tests.histories import told
from tests.recorded import history, write_journal

SMALL = told([], 0).world
"""A world of two repositories: its checkpoint is small enough to spoil every byte of it."""


def row_hash(seq: int) -> bytes:
    """A hash for a row of a journal that is not there."""
    return bytes([seq]) * 32


def names(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def home(tmp_path: Path) -> tuple[Path, Path, list[Recorded]]:
    """A journal of 120 events and checkpoints at events 40 and 80: its path, their folder, rows."""
    rows = history(120)
    path, folder = tmp_path / "journal.db", tmp_path / "checkpoints"
    write_journal(path, rows)
    for seq in (40, 80):
        keep(path, folder, seq, snapshot.encode(replay(rows[:seq])))
    return path, folder, rows


def restored_from(path: Path, folder: Path) -> tuple[int, int, str]:
    """The checkpoint's event, the last event, and the digest of a start."""
    with open_reader(path) as reader:
        found = restore(reader, folder)
    return found.since, found.seq, digest(found.world)


# --- Writing ------------------------------------------------------------------------------------


def test_a_checkpoint_comes_back_as_it_was_and_is_private(tmp_path: Path) -> None:
    """Same seq, hash and world; file 0600 in a folder 0700; nothing else is left in it."""
    folder = tmp_path / "checkpoints"
    path = save(folder, SMALL, 7, row_hash(7))
    found = load(path)
    assert (found.seq, found.digest, digest(found.world)) == (7, row_hash(7), digest(SMALL))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert names(folder) == ["000000000007.checkpoint"]


def test_the_newest_ten_are_kept(tmp_path: Path) -> None:
    """One more than KEPT deletes the oldest, and what an interrupted writing left."""
    (tmp_path / "000000000001.new").write_bytes(b"half")
    for seq in range(1, KEPT + 4):
        save(tmp_path, SMALL, seq, row_hash(seq))
    assert names(tmp_path) == [f"{seq:012d}.checkpoint" for seq in range(4, KEPT + 4)]


def test_checkpoints_of_a_later_event_do_not_push_out_those_of_this_journal(
    tmp_path: Path,
) -> None:
    """Where the journal lost its end, what remembers the end stays, and does not count."""
    for seq in range(100, 100 + KEPT):
        save(tmp_path, SMALL, seq, row_hash(seq))
    save(tmp_path, SMALL, 5, row_hash(5))
    assert [seq for seq, _ in marks(tmp_path)] == [5, *range(100, 100 + KEPT)]
    found = newest(tmp_path, lambda seq: row_hash(seq) if seq < 50 else None)
    assert found is not None
    assert found.seq == 5


def test_a_disk_that_refuses_leaves_the_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WorldFailed, no half file under its name, nothing deleted."""
    for seq in range(1, KEPT + 1):
        save(tmp_path, SMALL, seq, row_hash(seq))
    before = names(tmp_path)

    def fails(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WorldFailed, match="Input/output error"):
        save(tmp_path, SMALL, 99, row_hash(99))
    assert names(tmp_path) == before


def test_the_old_ones_go_only_when_the_new_one_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every sync (file, folder) as many are there as before, or more."""
    for seq in range(1, KEPT + 1):
        save(tmp_path, SMALL, seq, row_hash(seq))
    seen: list[int] = []
    real = os.fsync

    def counting(descriptor: int) -> None:
        seen.append(len(list(tmp_path.glob("*.checkpoint"))))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    save(tmp_path, SMALL, 99, row_hash(99))
    assert seen == [KEPT, KEPT + 1]
    assert len(names(tmp_path)) == KEPT


# --- Never believed without proof ---------------------------------------------------------------


def test_no_flipped_byte_is_ever_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every byte of a checkpoint in turn, each bit of it at least once over the file: the one
    before is used, the log names the file, and nothing is raised."""
    save(tmp_path, SMALL, 1, row_hash(1))
    path = save(tmp_path, SMALL, 2, row_hash(2))
    content = path.read_bytes()
    for at in range(len(content)):
        spoiled = bytearray(content)
        spoiled[at] ^= 1 << at % 8
        path.write_bytes(spoiled)
        caplog.clear()
        found = newest(tmp_path, row_hash)
        assert found is not None
        assert found.seq == 1, f"byte {at} of {len(content)}"
        assert path.name in caplog.text
        assert [seq for seq, _ in marks(tmp_path)] == [1]


def test_no_cut_or_grown_file_is_ever_used(tmp_path: Path) -> None:
    """Cut at every length, the empty file among them; with bytes behind it; rubbish of any size."""
    path = save(tmp_path, SMALL, 2, row_hash(2))
    content = path.read_bytes()
    rubbish = [b"\0" * 4096, b"x" * 50, content[:8] * 40, content + b"\0", content + content]
    for spoiled in [*(content[:size] for size in range(len(content))), *rubbish]:
        path.write_bytes(spoiled)
        assert newest(tmp_path, row_hash) is None
        assert marks(tmp_path) == []
        with pytest.raises(JournalCorrupt, match="000000000002"):
            load(path)


def test_other_files_in_the_folder_are_no_checkpoints(tmp_path: Path) -> None:
    """Other names are not looked at; a folder under a checkpoint's name is passed over."""
    path = save(tmp_path, SMALL, 2, row_hash(2))
    (tmp_path / "readme.checkpoint").write_bytes(b"x")
    (tmp_path / "9.txt").write_bytes(b"x")
    (tmp_path / "000000000009.checkpoint").mkdir()
    shutil.copy(path, tmp_path / "000000000005.checkpoint")
    found = newest(tmp_path, row_hash)
    assert found is not None
    assert found.seq == 2
    assert newest(tmp_path / "missing", row_hash) is None


def test_another_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer format, an older one without an upgrade, the same one of another build: not used,
    and said so. An older one with an upgrade is used."""
    save(tmp_path, SMALL, 2, row_hash(2))
    with monkeypatch.context() as newer:
        newer.setattr(snapshot, "FORMAT", snapshot.FORMAT + 1)
        assert newest(tmp_path, row_hash) is None
        assert "no upgrade leads" in caplog.text
        save(tmp_path, SMALL, 3, row_hash(3))
    found = newest(tmp_path, row_hash)
    assert found is not None
    assert found.seq == 2
    assert "newer oya-vcs" in caplog.text
    monkeypatch.setattr(snapshot, "shape", lambda: "00" * 32)
    assert newest(tmp_path, row_hash) is None
    assert "another build" in caplog.text
    assert [seq for seq, _ in marks(tmp_path)] == [2, 3]


# --- Starts -------------------------------------------------------------------------------------


def test_a_start_reads_the_newest_checkpoint_and_the_tail(
    home: tuple[Path, Path, list[Recorded]],
) -> None:
    """The state is that of all events; rows before the checkpoint are not needed for it."""
    path, folder, rows = home
    assert restored_from(path, folder) == (80, 120, digest(replay(rows)))
    (folder / "000000000080.checkpoint").write_bytes(b"")
    assert restored_from(path, folder) == (40, 120, digest(replay(rows)))
    shutil.rmtree(folder)
    assert restored_from(path, folder) == (0, 120, digest(replay(rows)))


def test_every_cut_gives_the_same_state(tmp_path: Path) -> None:
    """A checkpoint at each event of a real file, and the events after it: the full replay."""
    rows = history(60, seed=3)
    path = tmp_path / "journal.db"
    write_journal(path, rows)
    for seq in range(1, len(rows) + 1):
        folder = tmp_path / str(seq)
        keep(path, folder, seq, snapshot.encode(replay(rows[:seq])))
        assert restored_from(path, folder) == (seq, len(rows), digest(replay(rows)))


def test_a_checkpoint_of_another_journal_is_never_used(
    home: tuple[Path, Path, list[Recorded]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Same seq, another history: passed over, and the log says what to look at."""
    _, folder, _ = home
    other = tmp_path / "other.db"
    rows = history(120, seed=8)
    write_journal(other, rows)
    assert restored_from(other, folder) == (0, 120, digest(replay(rows)))
    assert "remembers another event 80" in caplog.text
    short = tmp_path / "short.db"
    write_journal(short, rows[:30])
    assert restored_from(short, folder) == (0, 30, digest(replay(rows[:30])))
    assert "remembers event 40, which the journal does not have" in caplog.text


def test_a_wrong_state_under_the_right_hash_is_found_by_what_follows(
    home: tuple[Path, Path, list[Recorded]], caplog: pytest.LogCaptureFixture
) -> None:
    """Where the tail cannot follow from a checkpoint, all events are read instead."""
    path, folder, rows = home
    keep(path, folder, 80, snapshot.encode(World()))
    assert restored_from(path, folder) == (0, 120, digest(replay(rows)))
    assert "Going on without checkpoints" in caplog.text


def test_damage_in_the_tail_stops_the_start(home: tuple[Path, Path, list[Recorded]]) -> None:
    """A checkpoint hides nothing that is behind it."""
    path, folder, _ = home
    with closing(open_writer(path)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 100")
    with pytest.raises(JournalCorrupt, match="Event 100"):
        restored_from(path, folder)


def test_time_travel_to_before_the_damage_works(home: tuple[Path, Path, list[Recorded]]) -> None:
    """A state is found of the events up to it, whatever is behind them; of none, none is read."""
    path, _, rows = home
    with closing(open_writer(path)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 51")
    with open_reader(path) as reader:
        assert digest(replay(reader.read(), until=50)) == digest(replay(rows[:50]))
        assert digest(replay(reader.read(), until=0)) == digest(World())
        with pytest.raises(JournalCorrupt, match="Event 51"):
            replay(reader.read(), until=51)


def test_keeping_needs_the_event_on_disk(home: tuple[Path, Path, list[Recorded]]) -> None:
    """No checkpoint is written of an event that the journal does not have."""
    path, folder, _ = home
    with pytest.raises(JournalCorrupt, match="does not have event 121"):
        keep(path, folder, 121, snapshot.encode(SMALL))
    assert len(names(folder)) == 2


# --- Witnesses ----------------------------------------------------------------------------------


def test_an_end_that_was_cut_off_with_its_mark_is_named(
    home: tuple[Path, Path, list[Recorded]], tmp_path: Path
) -> None:
    """A journal put back to an earlier state verifies by itself; with what the checkpoints
    remember, the missing events are named."""
    _, folder, rows = home
    earlier = tmp_path / "earlier.db"
    write_journal(earlier, rows[:60])
    assert verify(earlier).ok
    (problem,) = verify(earlier, remembered=marks(folder)).problems
    assert problem.seq == 61
    assert "events 61 to 80 are missing" in problem.what


def test_a_history_that_was_rewritten_whole_is_named(
    home: tuple[Path, Path, list[Recorded]], tmp_path: Path
) -> None:
    """Every hash computed anew, after one event was changed: found at the next checkpoint."""
    path, folder, rows = home
    assert verify(path, remembered=marks(folder)).ok
    forged = [*rows]
    forged[49] = Recorded(50, rows[49].at_ms + 1, rows[49].event)
    other = tmp_path / "forged.db"
    write_journal(other, forged)
    assert verify(other).ok
    (problem,) = verify(other, remembered=marks(folder)).problems
    assert problem.seq == 80
    assert "replaced" in problem.what


# --- Killed -------------------------------------------------------------------------------------

KILLED = """
import sys
from pathlib import Path
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import replay
from oya_vcs.journal.restart import keep
from tests.recorded import history
folder = Path(sys.argv[1])
rows = history(200)
images = {seq: snapshot.encode(replay(rows[:seq])) for seq in range(150, 201)}
print("ready", flush=True)
while True:
    for seq, image in images.items():
        keep(folder / "journal.db", folder / "checkpoints", seq, image)
        print(seq, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_checkpoints(tmp_path: Path) -> None:
    """SIGKILL after any number of checkpoints: each file under a checkpoint's name can be read,
    there are never more than one too many, and the state is right."""
    rows = history(200)
    write_journal(tmp_path / "journal.db", rows)
    folder = tmp_path / "checkpoints"
    for lines in (1, 3, 8, 13, 21):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert child.stdout is not None
        for _ in range(1 + lines):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
        found = [load(path) for path in folder.glob("*.checkpoint")]
        assert 1 <= len(found) <= KEPT + 1
        assert len(marks(folder)) == len(found)
        since, seq, mark = restored_from(tmp_path / "journal.db", folder)
        assert (since, seq, mark) == (max(one.seq for one in found), 200, digest(replay(rows)))


def test_what_was_passed_over_is_a_warning_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line a file, with the reason and that nothing has to be done."""
    save(tmp_path, SMALL, 2, row_hash(2)).write_bytes(checkpoint.MAGIC)
    assert newest(tmp_path, row_hash) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Nothing has to be done" in record.getMessage()

"""What is left when the writer is killed, or the disk says no."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from oya_vcs.core.events import BeadReadied
from oya_vcs.core.ids import BeadId
from oya_vcs.core.standing import BeadRow
from oya_vcs.errors import Bug, JournalCorrupt, WorldFailed
from oya_vcs.journal import store
from oya_vcs.journal.driver import open_writer
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import verify
from oya_vcs.ports import Recorded

KILLS = 100
ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import asyncio, os, sys
from pathlib import Path
from oya_vcs.core.events import BeadReadied
from oya_vcs.core.ids import BeadId
from oya_vcs.errors import OyaError
from oya_vcs.journal.store import SqliteJournal

async def produce(journal, name):
    number = 0
    while True:
        number += 1
        events = [BeadReadied(bead=BeadId(f"{name}-{number}-{part}")) for part in (1, 2, 3)]
        try:
            rows = await journal.append(0, events)
        except OyaError as error:
            return f"{type(error).__name__}: {error.message}"
        said = "".join(f"{row.seq} {row.event.bead}\\n" for row in rows)
        os.write(1, said.encode())

async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    ends = await asyncio.gather(*(produce(journal, f"{os.getpid()}-{n}") for n in range(4)))
    os.write(2, "\\n".join(ends).encode())

if sys.argv[2:] == ["once"]:
    asyncio.run(main())
else:  # a fresh writer for every line on stdin; everything is imported before, so that it is quick
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(main())
            os._exit(1)
        os.write(1, f"pid {child}\\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"\\ndead\\n")
"""


def start(path: Path, *args: str, file_bytes_max: int = -1) -> subprocess.Popen[bytes]:
    """A process that appends for ever and prints `SEQ BEAD` of each acknowledged event."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))

    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if args else None,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=limit,  # noqa: PLW1509 - no other thread runs here
    )


def acknowledged(lines: Sequence[bytes]) -> dict[int, str]:
    """What whole lines say; the last line before a kill may have been cut, and does not count."""
    pairs = (line.decode().split() for line in lines if line.endswith(b"\n"))
    return {int(seq): bead for seq, bead in pairs}


def killed_after(nursery: subprocess.Popen[bytes], lines_before: int) -> list[bytes]:
    """What a new writer said that was killed once it had said so many lines (0: at its birth)."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(b"\n")
    nursery.stdin.flush()
    said = [nursery.stdout.readline()]
    while not any(line.startswith(b"pid ") for line in said) or len(said) <= lines_before:
        said.append(nursery.stdout.readline())
        assert said[-1] not in {b"", b"dead\n"}, "the writer ended by itself; its stderr says why"
    pids = [line for line in said if line.startswith(b"pid ")]
    os.kill(int(pids[0].split()[1]), signal.SIGKILL)
    while said[-1] != b"dead\n":
        said.append(nursery.stdout.readline())
    # The line break before "dead" ends a line that the kill had cut: that line is not whole.
    said[-2] = said[-2].removesuffix(b"\n")
    return [line for line in said[:-1] if line not in pids]


def on_disk(path: Path) -> dict[int, str]:
    """Every event by its number, with the chain checked."""
    with open_reader(path) as reader:
        return {row.seq: row.event.subject for row in reader.read()}


def killed_writers(path: Path, dice: random.Random, kills: int) -> int:
    """So many writers, one after the other, each killed at a random moment of its work on the same
    journal; after each death everything is checked. Returns how many events were acknowledged."""
    promised: dict[int, str] = {}
    SqliteJournal(path).close()
    with start(path) as nursery:
        for _ in range(kills):
            promised |= acknowledged(killed_after(nursery, dice.randrange(60)))
            kept = on_disk(path)
            assert promised.items() <= kept.items()
            assert sum(1 for bead in kept.values() if bead.endswith("-1")) * 3 == len(kept)
            found = verify(path)
            assert found.ok, found.problems
            assert found.last_seq == len(kept)
        nursery.communicate()
    return len(promised)


def test_no_acknowledged_event_is_lost_by_sigkill(tmp_path: Path) -> None:
    """KILLS writers, each killed at a seeded random moment: what one of them acknowledged is there
    with its number, in whole transactions, and it verifies."""
    dice = random.Random(20_240_601)
    assert killed_writers(tmp_path / "journal.db", dice, KILLS) > KILLS


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(12))
def test_no_acknowledged_event_is_lost_by_many_sigkills(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Fifty writers on one journal, each killed at a random moment of its work: what one of them
    acknowledged is there with its number, in whole transactions, and the journal verifies."""
    promised = killed_writers(tmp_path / "journal.db", random.Random(seed), 50)
    assert promised > 50
    record_property("kills of the writer", 50)
    record_property("acknowledged events", promised)
    record_property("acknowledged events missing", 0)


def test_a_full_disk_fails_loudly_and_loses_nothing(tmp_path: Path) -> None:
    """When the file can grow no more, every producer hears WorldFailed; what was acknowledged
    before is there, verifies, and the journal goes on once there is room again."""
    path = tmp_path / "journal.db"
    with start(path, "once", file_bytes_max=300_000) as writer:
        output, said = writer.communicate(timeout=60)
    ends = said.decode().splitlines()
    assert writer.returncode == 0, said
    assert len(ends) == 4
    assert all(end.startswith("JournalStopped: SQLite failed while writing") for end in ends)
    assert all("takes no more" in end for end in ends)
    promised = acknowledged(output.splitlines(keepends=True))
    assert len(promised) > 10
    assert promised.items() <= on_disk(path).items()
    assert verify(path).ok
    append_some(path, 5)
    assert promised.items() <= on_disk(path).items()
    assert verify(path).ok


def append_some(path: Path, count: int) -> Sequence[Recorded]:
    """Open, append one transaction, close."""
    journal = SqliteJournal(path)

    async def append() -> Sequence[Recorded]:
        return await journal.append(
            0, [BeadReadied(bead=BeadId(f"b-{number}")) for number in range(count)]
        )

    try:
        return asyncio.run(append())
    finally:
        journal.close()


def readied(number: int) -> BeadReadied:
    """An event without a unique key."""
    return BeadReadied(bead=BeadId(f"b-{number}"))


async def gathered(journal: SqliteJournal, count: int) -> list[object]:
    """The outcomes of that many appends made at once."""
    waiting = [journal.append(0, (BeadReadied(bead=BeadId(f"b-{n}")),)) for n in range(count)]
    return list(await asyncio.gather(*waiting, return_exceptions=True))


def test_appends_wait_while_another_program_holds_the_file(tmp_path: Path) -> None:
    """A database that is locked for a while delays the acknowledgement, and loses nothing."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    blocker = open_writer(path)
    blocker.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: blocker.execute("COMMIT"))

    async def scene() -> list[object]:
        waiting = asyncio.ensure_future(gathered(journal, 8))
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        assert on_disk(path) == {}
        release.start()
        return await waiting

    outcomes = asyncio.run(scene())
    release.join()
    blocker.close()
    journal.close()
    assert all(isinstance(outcome, tuple) for outcome in outcomes)
    assert len(on_disk(path)) == 8


def test_a_lock_that_never_ends_fails_every_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the longest wait all appends fail, also later ones, though the lock may be gone by
    then; the hint says what to do, and none of them is on record."""
    path = tmp_path / "journal.db"
    monkeypatch.setattr("oya_vcs.journal.driver.WRITE_WAIT_S", 0.05)
    journal = SqliteJournal(path)
    blocker = open_writer(path)
    blocker.execute("BEGIN IMMEDIATE")
    failed = asyncio.run(gathered(journal, 3))
    blocker.execute("ROLLBACK")
    blocker.close()
    failed += asyncio.run(gathered(journal, 1))
    journal.close()
    for outcome in failed:
        assert isinstance(outcome, WorldFailed)
        assert not outcome.retryable
        assert "start the daemon again" in outcome.hint
    assert on_disk(path) == {}


def test_two_writers_on_one_file_end_in_an_error_and_not_in_a_mixed_record(tmp_path: Path) -> None:
    """Without the home lock a second writer cannot slip rows in: the first one stops as a bug."""
    path = tmp_path / "journal.db"
    first, second = SqliteJournal(path), SqliteJournal(path)
    assert isinstance(asyncio.run(gathered(first, 1))[0], tuple)
    (outcome,) = asyncio.run(gathered(second, 1))
    first.close()
    second.close()
    assert "Another program wrote" in str(outcome)
    assert list(on_disk(path)) == [1]
    assert verify(path).ok


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_dies_leaves_nobody_waiting(tmp_path: Path) -> None:
    """A bug on the writer's thread fails the appends that wait and the later ones; none hangs."""
    journal = SqliteJournal(tmp_path / "journal.db")

    async def scene() -> list[object]:
        await journal.refill(())
        no_row = cast("BeadRow", None)
        waiting = [journal.append(0, ()), journal.append(0, (readied(1),), [no_row])]
        outcomes = list(await asyncio.gather(*waiting, return_exceptions=True))
        return outcomes[1:] + await gathered(journal, 2)

    outcomes = asyncio.run(scene())
    journal.close()
    assert [type(outcome) for outcome in outcomes] == [Bug] * 3
    assert on_disk(journal.path) == {}


async def test_a_time_that_no_column_can_hold_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing is queued, no number is taken, and the journal goes on."""
    journal = await asyncio.to_thread(SqliteJournal, tmp_path / "journal.db")
    with pytest.raises(Bug, match=f"{2**70} ms"):
        await journal.append(2**70, (readied(1),))
    (row,) = await journal.append(2**63 - 1, (readied(2),))
    await asyncio.to_thread(journal.close)
    assert (row.seq, row.event) == (1, readied(2))
    assert on_disk(journal.path) == {1: "b-2"}


def test_reading_damage_stops_the_writing(tmp_path: Path) -> None:
    """Once the daemon has read a broken row, it appends nothing behind it."""
    path = tmp_path / "journal.db"
    append_some(path, 5)
    journal = SqliteJournal(path)
    editor = open_writer(path)
    editor.execute("DROP TRIGGER events_are_not_changed")
    editor.execute("UPDATE events SET at_ms = 7 WHERE seq = 2")
    editor.close()
    with pytest.raises(JournalCorrupt, match="Event 2 of"):
        list(journal.read())
    (outcome,) = asyncio.run(gathered(journal, 1))
    journal.close()
    assert isinstance(outcome, JournalCorrupt)
    assert "Event 2 of" in outcome.message


def test_the_log_is_folded_under_load_and_when_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write-ahead log does not grow with the number of commits: it is folded every so many, and
    in quiet moments; the commits themselves never fold it."""
    monkeypatch.setattr(store, "FOLD_COMMITS", 50)
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)

    async def one_by_one() -> None:
        for number in range(400):
            await journal.append(0, (BeadReadied(bead=BeadId(f"b-{number}")),))

    asyncio.run(one_by_one())
    log = path.with_name("journal.db-wal")
    assert 0 < log.stat().st_size < 150 * 4 * 4096
    assert path.stat().st_size > 8 * 4096
    journal.close()
    assert not log.exists()
    assert len(on_disk(path)) == 400

"""Behind a start from a checkpoint: what was not read is proved while the daemon works."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.core.events import QueueResumed
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import JournalCorrupt
from oya_vcs.journal import proof
from oya_vcs.journal.driver import open_writer
from oya_vcs.journal.proof import Proof
from oya_vcs.journal.store import SqliteJournal
from tests.recorded import history, write_journal

ROWS = 2_500


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of more than two pages."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    write_journal(path, history(ROWS))
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    copy = tmp_path / "journal.db"
    copy.write_bytes(whole.read_bytes())
    return copy


def damage(path: Path, seq: int) -> None:
    """Change one event, and nothing else."""
    with closing(open_writer(path)) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET subject = 'x' WHERE seq = ?", (seq,))


async def append(journal: SqliteJournal) -> None:
    """One event more."""
    await journal.append(0, [QueueResumed(repo=RepoId("repo-0"))])


async def test_a_sound_journal_goes_on(path: Path) -> None:
    """Every row is looked at, nobody hears of it, and the journal takes more."""
    journal = SqliteJournal(path)
    heard: list[JournalCorrupt] = []
    proving = Proof(path, ROWS - 100, heard.append)
    await append(journal)
    await asyncio.to_thread(proving.wait)
    assert heard == []
    await append(journal)
    await asyncio.to_thread(journal.close)


@pytest.mark.parametrize("seq", [1, 1_000, 1_001, ROWS - 100])
async def test_a_changed_event_before_the_checkpoint_stops_the_journal(
    path: Path, seq: int
) -> None:
    """Also the first and the last of those that the checkpoint stands for; the error names it."""
    damage(path, seq)
    journal = SqliteJournal(path)
    await append(journal)
    proving = Proof(path, ROWS - 100, journal.refuse)
    await asyncio.to_thread(proving.wait)
    with pytest.raises(JournalCorrupt, match=f"Event {seq} "):
        await append(journal)
    await asyncio.to_thread(journal.close)


async def test_what_a_start_reads_itself_is_not_read_again(path: Path) -> None:
    """Rows behind the checkpoint are the start's business; without a checkpoint all are."""
    damage(path, ROWS - 99)
    heard: list[JournalCorrupt] = []
    for upto in (ROWS - 100, 0):
        proving = Proof(path, upto, heard.append)
        await asyncio.to_thread(proving.wait)
    assert heard == []


async def test_a_proof_can_be_stopped_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run does not wait for it: closing ends the pause, too."""
    damage(path, 2_400)
    monkeypatch.setattr(proof, "PAUSE_S", 1_000)
    heard: list[JournalCorrupt] = []
    proving = Proof(path, ROWS, heard.append)
    await asyncio.wait_for(asyncio.to_thread(proving.close), 30)
    assert heard == []
    proving.close()

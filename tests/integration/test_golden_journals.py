"""Journals and checkpoints that older versions wrote, read for ever (CONTRIBUTING.md says how to
add one; none is ever changed)."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.core.events import EVENTS
from oya_vcs.core.ids import canonical_json
from oya_vcs.journal import snapshot
from oya_vcs.journal.checkpoint import load, marks
from oya_vcs.journal.driver import open_writer
from oya_vcs.journal.lines import Raw, row_of
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import digest, plain, replay
from oya_vcs.journal.restart import restore
from oya_vcs.journal.schema import SET_HIGH_WATER, create
from oya_vcs.journal.verify import verify
from tests.golden import FOLDER

JOURNALS = sorted(FOLDER.glob("*.jsonl"))
GOLDEN = FOLDER / "golden-1.jsonl"
CHECKPOINTS = sorted(FOLDER.glob("*.checkpoint"))


@pytest.fixture(params=JOURNALS, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Each golden journal as a database, made of its rows as they are; and its file of lines."""
    lines: Path = request.param
    path = tmp_path / "journal.db"
    fill(path, [row_of(line) for line in lines.read_bytes().splitlines()])
    return path, lines


def fill(path: Path, rows: list[Raw]) -> None:
    """A journal of rows that another version made: nothing of them is computed here."""
    create(path)
    with closing(open_writer(path)) as connection:
        connection.execute("BEGIN")
        for seq, at_ms, name, version, subject, key, data, digest_ in rows:
            texts = (None if one is None else one.decode() for one in (name, subject, key, data))
            type_name, about, unique, held = texts
            cells = (seq, at_ms, type_name, version, about, unique, held, digest_)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", cells)
        connection.execute(SET_HIGH_WATER, (f"{rows[-1][0]} {rows[-1][7].hex()}",))
        connection.execute("COMMIT")


def as_known_then(now: Any, then: Any) -> Any:
    """What the older version could know of a state: data classes without later fields."""
    if isinstance(then, dict) and isinstance(now, dict):
        if "is" in then:
            return {name: as_known_then(now.get(name), one) for name, one in then.items()}
        return {name: as_known_then(one, then.get(name)) for name, one in now.items()}
    if isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        return [as_known_then(*pair) for pair in zip(now, then, strict=True)]
    return now


def test_there_are_golden_files_and_between_them_they_tell_every_kind_of_event() -> None:
    """A kind of event without a golden journal is one whose replay may break unseen: add one."""
    lines = [line for path in JOURNALS for line in path.read_bytes().splitlines()]
    told = {row_of(line)[2].decode() for line in lines}
    assert told == {kind.__name__ for kind in EVENTS}


def test_an_old_journal_verifies(golden: tuple[Path, Path]) -> None:
    """Chain, columns and data are what they were."""
    found = verify(golden[0])
    assert found.problems == ()
    assert found.rows == len(golden[1].read_bytes().splitlines())


def test_an_old_journal_gives_the_state_that_it_gave_then(golden: tuple[Path, Path]) -> None:
    """Replayed by this program: in every field that the old one knew, the state is the same."""
    path, lines = golden
    expected = json.loads(lines.with_suffix(".state.json").read_text(encoding="utf-8"))
    assert sha256(canonical_json(expected["state"])).hexdigest() == expected["digest"]
    with open_reader(path) as reader:
        world = replay(reader.read())
    assert as_known_then(plain(world), expected["state"]) == expected["state"]


def test_what_an_older_program_knew_can_be_told_apart() -> None:
    """A later field is left out; another value, a missing thing or one more is not."""
    then = {"beads": {"a": {"is": "Bead", "n": 1}}, "queue": ["a"]}
    for now, same in (
        ({"beads": {"a": {"is": "Bead", "n": 1, "new": 5}}, "queue": ["a"]}, True),
        ({"beads": {"a": {"is": "Bead", "n": 2}}, "queue": ["a"]}, False),
        ({"beads": {"a": {"is": "Bead"}}, "queue": ["a"]}, False),
        ({"beads": {"a": {"is": "Bead", "n": 1}, "b": {}}, "queue": ["a"]}, False),
        ({"beads": {}, "queue": ["a"]}, False),
        ({"beads": {"a": {"is": "Bead", "n": 1}}, "queue": ["a", "b"]}, False),
    ):
        assert (as_known_then(now, then) == then) is same


@pytest.mark.parametrize("file", CHECKPOINTS, ids=lambda path: path.stem)
def test_an_old_checkpoint_is_lifted_or_passed_over(file: Path, tmp_path: Path) -> None:
    """Written by format version N: with its journal it gives the state of a full replay, whether
    this program can still read it or not; it is a witness for ever."""
    name, _, version = file.stem.partition(".format-")
    path, folder = tmp_path / "journal.db", tmp_path / "checkpoints"
    rows = [row_of(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]
    fill(path, rows)
    seq = int.from_bytes(file.read_bytes()[20:28])
    folder.mkdir()
    shutil.copy(file, folder / f"{seq:012d}.checkpoint")
    with open_reader(path) as reader:
        found = restore(reader, folder)
        assert digest(found.world) == digest(replay(reader.read()))
    known = all(step in snapshot.UPGRADES for step in range(int(version), snapshot.FORMAT))
    assert found.since == (seq if known else 0)
    assert marks(folder) == [(seq, rows[seq - 1][7])]


def test_every_format_version_has_an_old_checkpoint() -> None:
    """Of each version that was ever written one file is kept."""
    versions = {int(path.stem.partition(".format-")[2]) for path in CHECKPOINTS}
    assert versions == set(snapshot.SHAPES)


def test_a_file_of_format_1_can_be_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file itself, read by a program of format 2 with an upgrade: every bead is in it, changed
    as the upgrade says."""
    file = FOLDER / "golden-1.format-1.checkpoint"
    seq = int.from_bytes(file.read_bytes()[20:28])
    path = tmp_path / f"{seq:012d}.checkpoint"
    shutil.copy(file, path)
    fill(tmp_path / "journal.db", [row_of(line) for line in GOLDEN.read_bytes().splitlines()])
    with open_reader(tmp_path / "journal.db") as reader:
        then = replay(reader.read(), until=seq)

    def upgrade(data: dict[str, Any]) -> dict[str, object]:
        pulls: dict[str, object] = {"pulls": {}, "pull_of": {}}
        return {**data, **pulls, "stops": {}, "now_ms": data["now_ms"] + 1}

    monkeypatch.setattr(snapshot, "FORMAT", 2)
    monkeypatch.setattr(snapshot, "UPGRADES", {1: upgrade})
    lifted = load(path).world
    assert list(lifted.beads) == list(then.beads)
    assert len(lifted.beads) == 8
    assert lifted.now_ms == then.now_ms + 1

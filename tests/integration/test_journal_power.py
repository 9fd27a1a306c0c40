"""Power cuts and failing disks: what the disk was asked for is recorded, and every state that it
could be in at any moment is built and opened.

An image keeps what was synced. Of what was not, it keeps nothing, everything, some writes, or some
sectors of some writes; what a failed fsync covered may be missing for ever, whatever is synced
later.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import verify
from tests.integration.sick_disk import Case, Op, Trace

ROOT = Path(__file__).resolve().parents[2]
SECTOR = 512
APPENDS = 40
HOWS = {"fsync": 24, "eio": 80, "enospc": 80, "short": 80, "truncate": 4}
"""Ways to fail, and how many such operations a run has, about."""


class Nursery:
    """Runs cases, each in a process of its own that has everything imported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.integration.sick_disk import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            text=True,
        )

    def run(
        self,
        *,
        how: str = "",
        nth: int = 0,
        times: int = 1,
        synchronous: str = "",
        rewrites: bool = True,
    ) -> tuple[Path, Trace]:
        """The journal of a case that was done to its end, and what the disk was asked for."""
        self._count += 1
        folder = self._folder / f"case-{self._count}"
        folder.mkdir()
        case = Case(
            path=str(folder / "journal.db"),
            trace=str(folder / "trace"),
            appends=APPENDS,
            how=how,
            nth=nth,
            times=times,
            synchronous=synchronous,
            rewrites=rewrites,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asdict(case)), file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "0\n", case
        trace = pickle.loads((folder / "trace").read_bytes())  # noqa: S301 - our own child's
        assert isinstance(trace, Trace)
        return folder / "journal.db", trace

    def close(self) -> None:
        """Let it end."""
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One nursery for all tests here."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


def fates(ops: Sequence[Op]) -> list[bool]:
    """Of each operation: whether it is on disk for certain when the last one has returned, since
    the next sync of its file succeeded."""
    sure = [False] * len(ops)
    synced: dict[str, bool] = {}
    for at in range(len(ops) - 1, -1, -1):
        op = ops[at]
        if op.kind == "sync":
            synced[op.name] = not op.failed
        elif op.kind == "delete":
            synced[op.name] = False
        elif op.kind in {"write", "truncate"}:
            sure[at] = synced.get(op.name, False)
    return sure


def kept(op: Op, dice: Random, mode: str) -> Iterator[tuple[int, bytes]]:
    """The parts of a write that was not synced which are on disk all the same."""
    if mode == "all" or (mode == "some" and dice.random() < 0.5):
        yield op.at, op.data
    elif mode == "sectors":
        start = 0
        while start < len(op.data):
            end = start + SECTOR - (op.at + start) % SECTOR
            if dice.random() < 0.5:
                yield op.at + start, op.data[start:end]
            start = end


def image(trace: Trace, until: int, dice: Random, folder: Path) -> Path:
    """The files as they may be after a power cut behind the first `until` operations."""
    mode = dice.choice(("none", "all", "some", "sectors"))
    files = {"journal.db": bytearray(trace.base)}
    ops = trace.ops[:until]
    for op, sure in zip(ops, fates(ops), strict=True):
        if op.failed or op.kind not in {"write", "truncate", "delete"}:
            continue
        file = files.setdefault(op.name, bytearray())
        if op.kind == "delete":
            if dice.random() < 0.5:
                del files[op.name]
        elif op.kind == "truncate":
            if sure or mode == "all" or (mode != "none" and dice.random() < 0.5):
                del file[op.at :]
                file.extend(bytes(op.at - len(file)))
        else:
            for at, data in [(op.at, op.data)] if sure else kept(op, dice, mode):
                file.extend(bytes(max(0, at - len(file))))
                file[at : at + len(data)] = data
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "journal.db"


def promised(ops: Sequence[Op]) -> dict[int, str]:
    """What was acknowledged."""
    return {op.at: op.data.decode() for op in ops if op.kind == "ack"}


def on_disk(path: Path) -> dict[int, str]:
    """What is there, verified."""
    found = verify(path)
    assert found.ok, found.problems
    with open_reader(path) as reader:
        return {row.seq: row.event.subject for row in reader.read()}


def losses(trace: Trace, dice: Random, images: int, folder: Path) -> int:
    """Build so many images at random moments; returns how many lack something acknowledged, or do
    not verify, before or after a writer opened them. Transactions are always whole."""
    lost = 0
    for number in range(images):
        until = dice.randrange(len(trace.ops) + 1)
        path = image(trace, until, dice, folder / f"image-{number}")
        if not verify(path).ok:
            lost += 1
            continue
        there = on_disk(path)
        assert len(there) % 3 == 0
        lost += not promised(trace.ops[:until]).items() <= there.items()
        SqliteJournal(path).close()
        assert on_disk(path) == there
    return lost


def check_power_cuts(nursery: Nursery, folder: Path, seed: int, images: int) -> None:
    """A healthy disk, and a power cut at any moment."""
    folder.mkdir()
    _, trace = nursery.run()
    assert trace.stops == 0
    assert len(promised(trace.ops)) == 3 * APPENDS
    assert losses(trace, Random(seed), images, folder) == 0


def check_failure(nursery: Nursery, folder: Path, how: str, seed: int, images: int) -> int:
    """An operation fails; the journal stops, is opened anew and goes on; then a power cut at any
    moment, before or after. Returns how often the journal stopped."""
    folder.mkdir()
    dice = Random(f"{how} {seed}")
    nth, times = dice.randrange(1, HOWS[how]), dice.choice((1, 1, 3))
    path, trace = nursery.run(how=how, nth=nth, times=times)
    there = on_disk(path)
    assert promised(trace.ops).items() <= there.items()
    wanted = {f"b-{number}-{part}" for number in range(APPENDS) for part in (1, 2, 3)}
    assert wanted == set(there.values())
    failed = {op.handle: at for at, op in reversed([*enumerate(trace.ops)]) if op.failed}
    if how == "fsync":
        again = [
            op
            for at, op in enumerate(trace.ops)
            if op.kind == "sync" and at > failed.get(op.handle, at)
        ]
        assert not again, "a file was synced again after a failed sync"
    assert losses(trace, dice, images, folder) == 0
    return trace.stops


def test_a_power_cut_loses_nothing_that_was_acknowledged(nursery: Nursery, tmp_path: Path) -> None:
    """At any moment and whatever the disk kept of the unsynced: it verifies, all acknowledged
    events are there, the others as whole transactions or not at all."""
    check_power_cuts(nursery, tmp_path / "images", seed=1, images=40)


@pytest.mark.parametrize("how", HOWS)
def test_a_disk_that_fails_loses_nothing_that_was_acknowledged(
    nursery: Nursery, tmp_path: Path, how: str
) -> None:
    """Short writes, EIO, ENOSPC and failed fsyncs stop the journal; opened anew it goes on, and no
    power cut after that loses anything either, nor is a file synced again whose sync had failed."""
    seeds = range(3)
    stops = [check_failure(nursery, tmp_path / f"seed-{seed}", how, seed, 10) for seed in seeds]
    assert any(stops)


def test_the_images_find_a_writer_that_does_not_sync(nursery: Nursery, tmp_path: Path) -> None:
    """The same writer with synchronous=NORMAL does lose acknowledged events: these tests can
    fail."""
    _, trace = nursery.run(synchronous="NORMAL")
    assert losses(trace, Random(2), 30, tmp_path) > 0


def test_the_images_find_what_only_memory_holds_after_a_failed_fsync(
    nursery: Nursery, tmp_path: Path
) -> None:
    """Without `rewrite_log`, rows of a failed fsync that are read back from memory make the rows
    behind them disappear at the next power cut."""
    lost = 0
    for seed in range(4):
        folder = tmp_path / f"unwritten-{seed}"
        folder.mkdir()
        _, trace = nursery.run(how="fsync", nth=2 + seed, rewrites=False)
        lost += losses(trace, Random(seed), 40, folder)
    assert lost > 0


Note = Callable[[str, object], None]


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 140))
def test_no_power_cut_loses_what_was_acknowledged(
    nursery: Nursery, tmp_path: Path, seed: int, record_property: Note
) -> None:
    """A run on a healthy disk, and twenty-five states that a power cut may leave: each verifies,
    holds every event acknowledged by then, and takes a new writer."""
    check_power_cuts(nursery, tmp_path / "images", seed, images=25)
    record_property("power cuts", 25)
    record_property("acknowledged events missing", 0)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("seed", range(200, 240))
def test_no_failing_disk_loses_what_was_acknowledged(
    nursery: Nursery, tmp_path: Path, how: str, seed: int, record_property: Note
) -> None:
    """A write, sync or truncation fails somewhere: the writer stops and acknowledges nothing more,
    opened anew it goes on, and ten power cuts before or after that lose nothing either."""
    stops = check_failure(nursery, tmp_path / "images", how, seed, images=10)
    record_property("stops of the writer", stops)
    record_property("power cuts", 10)
    record_property("acknowledged events missing", 0)

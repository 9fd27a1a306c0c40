"""What is left of runs that are over: what goes, what stays, and what is none of ours."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import ManualClock, SystemClock
from oya_vcs.adapters.process import upkeep as upkeep_module
from oya_vcs.adapters.process.upkeep import Upkeep
from oya_vcs.config import LogsConfig
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, execution_key
from oya_vcs.ports import Recorded
from tests.processes import Bench, nothing, until

DAY_MS = 86_400_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@dataclass
class Home:
    """Runs and logs, and who still asks for what."""

    root: Path
    live: set[Key] = field(default_factory=set)

    @property
    def bench(self) -> Bench:
        """For real runs."""
        return Bench(self.root)

    def key(self, name: str) -> Key:
        """A key."""
        return execution_key(BeadId("bead"), name)

    def upkeep(self, open_effects: Iterable[Key] = (), **limits: int) -> Upkeep:
        """The upkeep, in a daemon that began with these effects open."""
        upkeep = Upkeep(
            runs=self.root / "runs",
            logs=self.root / "logs",
            limits=LogsConfig(**limits),
            live=lambda: self.live,
            clock=SystemClock(),
        )
        upkeep.watch(open_effects)
        return upkeep

    def run(self, name: str, part_of: str = "") -> Path:
        """A run that is over."""
        folder = self.root / "runs" / self.key(name)
        (folder / "worker").mkdir(parents=True)
        log = self.log(name)
        effect = self.key(part_of or name)
        (folder / "spec.json").write_text(json.dumps({"log": str(log), "part_of": effect}))
        (folder / "outcome.json").write_text('{"exit_code": 0, "reason": null, "detail": ""}')
        (folder / "worker" / "bead.json").write_text("{}")
        return folder

    def log(self, name: str, *, size: int = 10, age_ms: int = 0) -> Path:
        """A log."""
        path = self.root / "logs" / "bead" / f"1-{self.key(name)[:8]}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        at = SystemClock().now_ms() - age_ms
        os.utime(path, ns=(at * 1_000_000, at * 1_000_000))
        return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    return Home(tmp_path)


def rows(*events: e.Event) -> list[Recorded]:
    """Events that are on disk."""
    return [Recorded(seq, 0, event) for seq, event in enumerate(events, 1)]


def requested(key: Key) -> e.Requested:
    """An effect that was requested under this key."""
    effect = f.RunChecks(
        repo=RepoId("repo"),
        bead=BeadId("bead"),
        change=ChangeId("change"),
        candidate=CommitId("commit"),
        round=1,
    )
    return e.Requested(key=key, effect=effect)


def settled(key: Key) -> e.EffectFailed:
    """Its outcome."""
    return e.EffectFailed(
        key=key, bead=BeadId("bead"), kind="RunChecks", workspace=None, message=""
    )


async def test_a_run_goes_when_its_outcome_is_on_disk(home: Home) -> None:
    """Open effects keep their runs, those of their parts too; settled ones keep none."""
    one, part, other = home.run("one"), home.run("part", part_of="checks"), home.run("other")
    upkeep = home.upkeep([home.key("one"), home.key("checks")])
    await upkeep.look()
    assert (one.exists(), part.exists(), other.exists()) == (True, True, False)
    upkeep.publish(rows(settled(home.key("checks"))))
    await upkeep.look()
    assert (one.exists(), part.exists()) == (True, False)
    upkeep.publish(rows(settled(home.key("one"))))
    await upkeep.look()
    assert not one.exists()
    assert home.log("one").exists()


async def test_nothing_goes_before_the_record_was_read(home: Home) -> None:
    """Until somebody says which effects are open, every run may be one of them."""
    folder, log = home.run("one"), home.log("one")
    upkeep = Upkeep(
        runs=home.root / "runs",
        logs=home.root / "logs",
        limits=LogsConfig(bytes_max=0),
        live=lambda: home.live,
        clock=SystemClock(),
    )
    upkeep.publish(rows(settled(home.key("one"))))
    await upkeep.look()
    assert folder.exists()
    assert log.exists()
    upkeep.watch([])
    await upkeep.look()
    assert not folder.exists()


async def test_a_run_of_an_effect_that_was_requested_since_stays(home: Home) -> None:
    """What was requested while the daemon runs is open until its outcome is on disk."""
    upkeep = home.upkeep()
    upkeep.publish(rows(requested(home.key("new"))))
    new = home.run("new")
    await upkeep.look()
    assert new.exists()


async def test_a_run_that_somebody_waits_for_stays(home: Home) -> None:
    """A run of this very process stays, whatever the record says of its effect."""
    folder = home.run("checking", part_of="settled long ago")
    home.live.add(home.key("checking"))
    await home.upkeep().look()
    assert folder.exists()
    home.live.clear()
    await home.upkeep().look()
    assert not folder.exists()


@LINUX
async def test_a_run_with_a_process_stays(home: Home) -> None:
    """While a process carries its key, nobody forgets the run."""
    bench = home.bench
    runner = bench.runner()
    order = bench.order("sh", "-c", "until test -e go; do sleep 0.02; done")
    run = asyncio.create_task(runner.run(order, nothing))
    await until((bench.folder() / "started").exists)
    await home.upkeep().look()
    assert bench.folder().exists()
    (bench.work / "go").touch()
    assert (await run).reason is None
    await home.upkeep().look()
    assert not bench.folder().exists()
    assert bench.log().exists()  # its name is not one that a worker's log has


async def test_what_a_reaper_complained_about_stays_as_long_as_a_log(home: Home) -> None:
    """A folder that somebody may have to look at is kept, and goes when it is old."""
    folder = home.run("odd")
    (folder / "reaper.log").write_text("Traceback")
    await home.upkeep().look()
    assert folder.exists()
    old = SystemClock().now_ms() - 2 * DAY_MS
    os.utime(folder, ns=(old * 1_000_000, old * 1_000_000))
    await home.upkeep(age_ms_max=DAY_MS).look()
    assert not folder.exists()


async def test_a_folder_that_was_half_removed_goes(home: Home) -> None:
    """A daemon killed in the middle of a removal leaves a rest without description."""
    folder = home.run("half")
    (folder / "spec.json").unlink()
    (folder / "outcome.json").unlink()
    await home.upkeep().look()
    assert not folder.exists()


async def test_a_folder_that_takes_rights_away_goes(home: Home) -> None:
    """What a worker left in its own home without the right to write to it is removed."""
    folder = home.run("odd")
    nested = folder / "worker" / "home" / "deep"
    nested.mkdir(parents=True)
    (nested / "file").touch()
    nested.chmod(0o500)
    nested.parent.chmod(0o500)
    await home.upkeep().look()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"bytes_max": 25}, ["new", "newer"]),
        ({"files_max": 1}, ["new"]),
        ({"age_ms_max": DAY_MS}, ["new", "newer"]),
        ({"bytes_max": 0}, []),
        ({}, ["new", "newer", "old"]),
    ],
)
async def test_logs_stay_within_their_limits(
    home: Home, limits: dict[str, int], left: list[str]
) -> None:
    """Bytes, files, age: the oldest go first, and an empty folder with the last."""
    logs = {
        "old": home.log("old", age_ms=3 * DAY_MS),
        "newer": home.log("newer", age_ms=1_000),
        "new": home.log("new"),
    }
    await home.upkeep([], **limits).look()
    assert sorted(name for name, path in logs.items() if path.exists()) == sorted(left)
    assert (home.root / "logs" / "bead").exists() == bool(left)


async def test_the_log_of_a_run_that_is_not_over_stays(home: Home) -> None:
    """However small the budget, nobody loses the log that is being written."""
    home.run("one")
    await home.upkeep([home.key("one")], bytes_max=0).look()
    assert (home.root / "logs" / "bead" / f"1-{home.key('one')[:8]}.log").exists()
    await home.upkeep([], bytes_max=0).look()
    assert not (home.root / "logs" / "bead").exists()


async def test_only_what_is_ours_is_touched(home: Home) -> None:
    """Other names, links, and folders where files should be stay as they are."""
    home.log("ours")
    logs, runs = home.root / "logs", home.root / "runs"
    runs.mkdir()
    elsewhere = home.root / "elsewhere"
    (elsewhere / "bead").mkdir(parents=True)
    strangers = [
        logs / "bead" / "notes.txt",
        logs / "1-0123abcd.log",
        elsewhere / "bead" / "1-0123abcd.log",
        elsewhere / "target.log",
        runs / "README",
    ]
    for path in strangers:
        path.write_text("mine")
    (logs / "linked").symlink_to(elsewhere / "bead")
    (logs / "bead" / "2-0123abcd.log").symlink_to(elsewhere / "target.log")
    (logs / "bead" / "3-0123abcd.log").mkdir()
    (runs / home.key("linked")).symlink_to(elsewhere)
    (runs / "not-a-key").mkdir()
    await home.upkeep(bytes_max=0, files_max=0).look()
    assert all(path.read_text() == "mine" for path in strangers)
    assert (logs / "linked").is_symlink()
    assert (logs / "bead" / "2-0123abcd.log").is_symlink()
    assert (logs / "bead" / "3-0123abcd.log").is_dir()
    assert (runs / home.key("linked")).is_symlink()
    assert (runs / "not-a-key").is_dir()
    assert not (logs / "bead" / f"1-{home.key('ours')[:8]}.log").exists()


async def test_one_look_has_a_budget(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that grew for a year is cleaned bit by bit."""
    monkeypatch.setattr(upkeep_module, "REMOVALS_MAX", 2)
    logs = [home.log(f"log {number}", age_ms=number * 1_000) for number in range(5)]
    upkeep = home.upkeep(files_max=0)
    left = []
    for _ in range(3):
        await upkeep.look()
        left.append([number for number, path in enumerate(logs) if path.exists()])
    assert left == [[0, 1, 2], [0], []]


async def test_it_looks_at_the_start_after_outcomes_and_now_and_then(home: Home) -> None:
    """A task that is woken by the record, with a pause between two looks."""
    clock = ManualClock()
    upkeep = Upkeep(
        runs=home.root / "runs",
        logs=home.root / "logs",
        limits=LogsConfig(),
        live=lambda: home.live,
        clock=clock,
    )
    upkeep.watch([home.key("one")])
    first, one = home.run("first"), home.run("one")
    task = asyncio.create_task(upkeep.run())
    try:
        await until(lambda: not first.exists())
        upkeep.publish(rows(settled(home.key("one"))))
        await until(lambda: not one.exists())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

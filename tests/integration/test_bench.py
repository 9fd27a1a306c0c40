"""The benchmark's parts: what they measure is what they say. No test here depends on a time."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from oya_vcs.bench import appends, following, parts, pool, replays, story, webhooks, workflow
from oya_vcs.bench.figures import Figure, put, regressed
from oya_vcs.cli import main
from oya_vcs.cli.bench import LEAST
from oya_vcs.core import events as e
from oya_vcs.core.beads import TERMINAL
from oya_vcs.core.fold import apply
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal.driver import open_read_only
from oya_vcs.journal.measure import bare_fold, bench_lookup, bench_raw_append, fill
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import digest, replay
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.journal.verify import verify

OF_RUN = ["bead-1", "bead-4", "pause", "cancel", "steps"]
"""The figures of `bench run`."""
OF_QUEUE = ["candidate", "plan", "green"]
"""The figures of `bench queue`."""
OF_RUNTIME = ["message", "restart-child"]
OF_CORE = [
    "bead-finished",
    "bead-finished-anywhere",
    "graph-finished-small",
    "graph-finished-large",
    "graph-submitted",
    "bead-memory",
    "order-small",
    "order-large",
    *(f"queue-{strategy}" for strategy in ("fifo", "lifo", "priority", "round_robin")),
]
OF_WEBHOOK = ["webhook", "webhook-least", "webhook-p99", "webhook-memory"]
OF_WATCH = ["operation-seen", "operation-burst", "watch-idle"]
"""The figures of `bench watch`."""
OF_LOAD = ["load-bead", "load-claimed"]
"""The figures of `bench load` that are judged."""
OF_POOL = ["first-beat", "hundred-workers", "hook-start"]
"""The figures of `bench pool`."""
GATE = Path(__file__).resolve().parents[2] / "docs" / "bench-gate.json"


@pytest.fixture(scope="module")
def told() -> story.Story:
    """A short story."""
    return asyncio.run(story.record(beads=60))


def figure(name: str, ratio: float) -> Figure:
    """A figure with this ratio."""
    return Figure(name=name, what="x", ours="1", baseline="1", ratio=ratio)


def test_a_story_meets_trouble_and_ends(told: story.Story) -> None:
    """It has attempts, results and candidates that fail, and each telling ends all its beads."""
    world = World()
    kinds: Counter[str] = Counter()
    count = 3 * told.rows_a_telling + 1
    for (at_ms, _), event in zip(told.rows(count), told.events(count), strict=True):
        apply(world, event, at_ms)
        kinds[type(event).__name__] += 1
    assert len(world.beads) == 180
    assert all(bead.state in TERMINAL for bead in world.beads.values())
    assert not world.open
    assert {"BeadBackedOff", "BeadReworked", "CandidateConflicted", "Landed"} <= set(kinds)


def test_tellings_share_no_key(told: story.Story) -> None:
    """However often the story is told, no unique key comes twice."""
    keys = [row[3] for _, row in told.rows(20 * told.rows_a_telling) if row[3] is not None]
    assert len(keys) == len(set(keys)) > 10_000


def test_a_filled_journal_is_like_any_other(tmp_path: Path, told: story.Story) -> None:
    """It verifies, and the bare loop folds it into the same state as a replay."""
    path = tmp_path / "filled.db"
    mark = fill(path, told.rows(2_500))
    assert mark.seq == 2_500
    assert verify(path).ok
    with open_reader(path) as reader:
        assert digest(replay(reader.read())) == digest(bare_fold(path))
    keys = [row[3] for _, row in told.rows(100) if row[3] is not None]
    ours, bare = bench_lookup(path, keys, itertools.count().__next__)
    assert len(ours) == len(bare) == len(keys)


@pytest.mark.parametrize("clients", [1, 8])
def test_a_workflow_is_three_durable_steps(tmp_path: Path, clients: int) -> None:
    """Each workflow leaves nine rows: three requests, three outcomes, and what frames them; alone
    it takes four transactions."""
    path = tmp_path / "workflow.db"
    ran = asyncio.run(workflow.run(path, 16, clients))
    with open_reader(path) as reader:
        kinds = Counter(type(row.event) for row in reader.read())
    assert kinds[e.Requested] == 48
    assert kinds[e.BeadAdded] == kinds[e.BeadFailed] == 16
    assert sum(kinds.values()) == 16 * workflow.ROWS + 1
    assert ran.count == 16
    assert ran.batch == workflow.ROWS / 4 if clients == 1 else ran.batch > workflow.ROWS / 4


def test_crashes_are_timed_and_a_message_is_answered() -> None:
    """Every child is back as often as it crashed, and its sibling was started once: else the figure
    says that the promise is missed, whatever the times."""
    (restart,) = parts.restarts(crashes=7)
    assert restart.what.startswith("9 crashes")
    assert restart.ratio >= 1, "no restart is quicker than its back-off"
    (message,) = parts.messages(1, count=50)
    assert message.ratio > 0


def test_the_gate_names_what_regressed(tmp_path: Path) -> None:
    """A ratio beyond a limit is named; one at its limit, unknown or not measured is not."""
    gate = tmp_path / "gate.json"
    limits = {"slow": {"at_most": 2}, "low": {"at_least": 0.5}, "gone": {"at_most": 1}}
    gate.write_text(json.dumps({"figures": limits}))
    found = [figure("slow", 2.1), figure("low", 0.5), figure("new", 9)]
    assert regressed(found, gate) == ["slow regressed: its ratio is 2.10, above 2."]
    assert "low regressed" in regressed([figure("low", 0.4)], gate)[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"figures": {"a": {"most": 1}}}'])
def test_a_gate_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    """A gate that judges nothing by mistake would let everything through."""
    gate = tmp_path / "gate.json"
    gate.write_text(text)
    with pytest.raises(ConfigurationInvalid, match=r"gate\.json cannot be used"):
        regressed([figure("a", 1)], gate)


def test_a_table_replaces_the_one_before(tmp_path: Path) -> None:
    """What stands around the marks of a block stays, and so do other blocks."""
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nBefore.\n")
    put(file, "a", "First.", [("h",), ("1",)])
    put(file, "b", "Other.", [("h",), ("2",)])
    put(file, "a", "Second.", [("h",), ("3",)])
    text = file.read_text()
    assert text.startswith("# Figures\n\nBefore.\n")
    assert "First." not in text
    assert "| 1 |" not in text
    assert text.index("Second.") < text.index("| 3 |") < text.index("Other.") < text.index("| 2 |")


@pytest.fixture
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds as short as they can be."""
    monkeypatch.setattr(appends, "GROUPED", 640)
    monkeypatch.setattr(appends, "SINGLE", 20)
    monkeypatch.setattr(replays, "CHECKPOINT_BEADS", story.BEADS)
    monkeypatch.setattr(replays, "TAIL", 1_000)
    monkeypatch.setattr(workflow, "COUNT", 64)


SMALL = ["--events", "20000", "--rows", "1000", "--rounds", "1", "--beads", "2", "--steps", "640"]


@pytest.mark.usefixtures("least")
def test_the_command_measures_and_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench journal` answers with every figure of the record that the repository's gate judges,
    writes its table, leaves nothing behind, and fails at a gate that nothing can pass."""
    names = set(json.loads(GATE.read_text())["figures"])
    names -= {*OF_RUN, *OF_LOAD, *OF_QUEUE, *OF_POOL, *OF_RUNTIME, *OF_CORE, *OF_WEBHOOK}
    names -= {*OF_WATCH}
    gate = tmp_path / "gate.json"
    gate.write_text(json.dumps({"figures": {name: {"at_most": 0} for name in names}}))
    figures = tmp_path / "figures.md"
    where = ["--dir", str(tmp_path), "--write", str(figures), "--gate", str(gate)]
    assert main(["--json", "bench", "journal", *SMALL, *where]) == ExitCode.WORK_FAILED
    answer = json.loads(capsys.readouterr().out)
    found = {one["name"] for one in answer["data"]["figures"]}
    assert found == names | {"single-commit-p99"}
    assert len(answer["data"]["regressed"]) == len(names)
    assert "<!-- bench journal: begin -->" in figures.read_text()
    assert [path.name for path in tmp_path.glob("oya-vcs-bench-*")] == []


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(("part", "figures"), [("run", OF_RUN), ("queue", OF_QUEUE)])
def test_what_needs_jj_and_git_is_measured_and_judged(
    tmp_path: Path, part: str, figures: list[str]
) -> None:
    """`bench run` and `bench queue`, as a process: their figures are the others that the gate
    judges."""
    argv = [sys.executable, "-m", "oya_vcs", "--json", "bench", part, *SMALL]
    ran = subprocess.run(
        [*argv, "--dir", str(tmp_path)], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stderr
    found = [one["name"] for one in json.loads(ran.stdout)["data"]["figures"]]
    assert found == figures
    assert set(figures) <= set(json.loads(GATE.read_text())["figures"])


@pytest.mark.callback_blocks
def test_what_others_do_is_measured_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench watch`: each operation is waited for, and its figures are judged."""
    for name, least in (("OPERATIONS", 2), ("BURST", 3), ("REPOS", 2), ("IDLE_S", 0.05)):
        monkeypatch.setattr(following, name, least)
    argv = ["--json", "bench", "watch", "--rounds", "1", "--dir", str(tmp_path)]
    assert main(argv) == ExitCode.DONE
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["data"]["figures"]}
    assert list(found) == OF_WATCH
    assert set(OF_WATCH) <= set(json.loads(GATE.read_text())["figures"])
    assert found["operation-burst"]["ratio"] > 1


def test_runs_are_measured_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench pool`: its figures are judged, and what it ran is gone."""
    monkeypatch.setattr(pool, "ALONE", 2)
    monkeypatch.setattr(pool, "AT_ONCE", 3)
    argv = ["--json", "bench", "pool", "--rounds", "1", "--dir", str(tmp_path)]
    assert main(argv) == ExitCode.DONE
    found = [one["name"] for one in json.loads(capsys.readouterr().out)["data"]["figures"]]
    assert found == OF_POOL
    assert set(OF_POOL) <= set(json.loads(GATE.read_text())["figures"])
    assert list(tmp_path.iterdir()) == []


def test_webhooks_are_measured_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench webhook`: every delivery is accepted and on record once, and what the gate judges is
    measured."""
    monkeypatch.setattr(webhooks, "ROUND", 64)
    argv = ["--json", "bench", "webhook", "--rounds", "1", "--deliveries", "64"]
    kept: list[Counter[str]] = []
    closed = SqliteJournal.close

    def close(journal: SqliteJournal) -> None:
        kept.append(Counter(type(row.event).__name__ for row in journal.read()))
        closed(journal)

    monkeypatch.setattr(SqliteJournal, "close", close)
    assert main([*argv, "--dir", str(tmp_path)]) == ExitCode.DONE
    found = [one["name"] for one in json.loads(capsys.readouterr().out)["data"]["figures"]]
    assert found == OF_WEBHOOK
    assert {"webhook", "webhook-memory"} <= set(json.loads(GATE.read_text())["figures"])
    assert kept[0]["Received"] == 128
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", [*LEAST])
def test_too_little_to_measure_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure of next to nothing would mean nothing: exit 2, and the least is named."""
    assert main(["bench", f"--{flag}", "0"]) == ExitCode.USAGE
    assert f"{LEAST[flag]:,}" in capsys.readouterr().err


def test_the_bare_loop_writes_the_same_rows(tmp_path: Path) -> None:
    """What stands beside a workflow writes its events and its beads, column by column but for time
    and hash, into the same tables with the same indexes."""
    path, raw = tmp_path / "journal.db", tmp_path / "raw.db"
    asyncio.run(workflow.run(path, 16, 4))
    with open_reader(path) as reader:
        recorded = [row.event for row in reader.read()]
    bench_raw_append(raw, recorded, itertools.count().__next__, batch=7.5, beads=True)
    asked = (
        "SELECT seq, type, version, subject, key, data FROM events ORDER BY seq",
        "SELECT id, repo, title, state, waits, priority FROM beads ORDER BY id",
        "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name",
    )
    with closing(open_read_only(path)) as ours, closing(open_read_only(raw)) as bare:
        for query in asked:
            rows = ours.execute(query).fetchall()
            assert rows
            assert rows == bare.execute(query).fetchall()

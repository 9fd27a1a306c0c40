"""What a run may not do: too much memory, too many processes, out of reach; and what its log may
not hold. Real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process import runner as runner_module
from oya_vcs.adapters.process.children import has_descriptors, watched_by_descriptor
from oya_vcs.adapters.process.folder import RunFolder
from oya_vcs.adapters.reaper import weight
from oya_vcs.core.events import Reason
from tests.processes import Bench, left, nothing, until, zombies

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A home for runs."""
    return Bench(tmp_path)


HOG = (
    "import os, signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    held = b'x' * 150_000_000\n"
    "    print('held', flush=True)\n"
    "while True:\n"
    "    signal.pause()\n"
)
CROWD = (
    "import os, signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "for _ in range(12):\n"
    "    if os.fork() == 0:\n"
    "        os.setsid()\n"
    "        break\n"
    "while True:\n"
    "    signal.pause()\n"
)


@LINUX
async def test_memory_of_the_whole_tree_is_limited(bench: Bench) -> None:
    """A child in a session of its own that takes too much ends the run, with all of it, and its
    reason says how much was allowed."""
    order = replace(bench.order(sys.executable, "-c", HOG), rss_bytes_max=100_000_000)
    finished = await bench.run(order)
    assert finished.reason is Reason.MEMORY_LIMIT
    assert "more memory than 100,000,000 bytes" in finished.detail
    assert int(str(bench.outcome()["rss_bytes_peak"])) > 100_000_000
    assert left(order.key) == []
    assert zombies() == []


@LINUX
async def test_the_number_of_processes_is_limited(bench: Bench) -> None:
    """Thirteen where ten are allowed: killed, in whatever sessions they are."""
    order = replace(bench.order(sys.executable, "-c", CROWD), processes_max=10)
    finished = await bench.run(order)
    assert finished.reason is Reason.PROCESS_LIMIT
    assert "more than 10 processes" in finished.detail
    assert bench.outcome()["processes_peak"] == 13
    assert left(order.key) == []


@LINUX
async def test_what_keeps_to_its_limits_is_let_alone(bench: Bench) -> None:
    """A run within its limits ends by itself, and what it weighed is on record."""
    script = "sleep 0.1; sleep 0.1"
    order = replace(bench.order("sh", "-c", script), rss_bytes_max=10_000_000_000, processes_max=10)
    assert (await bench.run(order)).reason is None
    assert 1 <= int(str(bench.outcome()["processes_peak"])) <= 2


@LINUX
def test_a_tree_is_found_with_and_without_lists_of_children() -> None:
    """Both ways of asking the kernel find the same processes below this one."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo up; wait"], stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        tree = set(weight.below(os.getpid()))
        assert child.pid in tree
        assert len(tree) == 2
        assert set(weight._below_by_parents(os.getpid())) == tree
        assert all(weight.resident_bytes(pid) > 0 for pid in tree)
        for pid in tree:
            os.kill(pid, signal.SIGKILL)
    assert weight.resident_bytes(child.pid) == 0


@LINUX
async def test_a_frozen_reaper_is_out_of_reach(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reaper that gives no sign of life ends the run, though the program goes on beating."""
    monkeypatch.setattr(runner_module, "BEAT_MS", 50)
    monkeypatch.setattr(runner_module, "TRANSPORT_MS_MAX", 500)
    monkeypatch.setattr(runner_module, "GRACE_MS", 200)
    monkeypatch.setattr(runner_module, "POLL_MS_MAX", 50)
    bench = Bench(bench.root, {"BEAT": str(bench.root / "heartbeat")})
    script = 'kill -STOP $PPID; while :; do sleep 0.05; : >> "$NOWHERE"; done'
    order = bench.order("sh", "-c", script, lease_ms=0, stop_ms=100)
    finished = await bench.run(replace(order, env={**order.env, "NOWHERE": os.devnull}))
    assert finished.reason is Reason.TRANSPORT_LOST
    assert "no sign of life" in finished.detail
    assert left(order.key) == []
    assert await bench.runner().outcome(order.key) == finished


async def test_a_silent_program_has_a_reaper_that_beats(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where silence is allowed, the reaper's own beats keep the run in reach, and show outside."""
    monkeypatch.setattr(runner_module, "BEAT_MS", 20)
    order = bench.order("sh", "-c", "until test -e go; do sleep 0.02; done", lease_ms=0)
    run = asyncio.create_task(bench.run(order))
    started = bench.folder() / "started"
    await until(started.exists)
    first = started.stat().st_mtime_ns
    await until(lambda: started.stat().st_mtime_ns != first)
    clocks = await asyncio.to_thread(RunFolder(bench.folder()).clocks)
    assert clocks is not None
    assert clocks.process_ms <= clocks.progress_ms <= clocks.transport_ms
    assert clocks.deadline_ms == clocks.process_ms + order.wall_ms_max
    (bench.work / "go").touch()
    assert (await run).reason is None
    assert await asyncio.to_thread(RunFolder(bench.folder()).clocks) is None


SECRET = "s3cr3t-value-of-the-daemon"
TOKEN = "ghp_" + "aB3" * 12


@pytest.mark.parametrize("pause", ["", "sleep 0.05; "])
async def test_no_secret_reaches_the_log(bench: Bench, pause: str) -> None:
    """A value that is known and a token that is not, written whole and in halves, appear in no file
    of the run and not in its end."""
    script = (
        f"echo plain; echo {SECRET} {TOKEN} >&2; printf {SECRET[:9]}; {pause}echo {SECRET[9:]}; "
        f"printf {TOKEN[:9]}; {pause}echo {TOKEN[9:]}; printf 'no newline {SECRET}'"
    )
    program = bench.root / "program.sh"
    program.write_text(script)
    runner = ReaperRunner(bench.root / "runs", SystemClock(), [SECRET])
    finished = await runner.run(bench.order("sh", str(program)), nothing)
    hidden = "plain\n[redacted] [redacted]\n[redacted]\n[redacted]\nno newline [redacted]"
    assert finished.tail == hidden
    assert bench.log().read_text() == hidden
    for file in bench.root.rglob("*"):
        if file.is_file() and file != program:
            text = file.read_bytes()
            assert SECRET.encode() not in text, file
            assert TOKEN.encode() not in text, file


async def test_output_that_is_held_back_is_a_beat(bench: Bench) -> None:
    """A program that prints, bit by bit, what may become a secret is not silent."""
    script = "for one in g h p _ a b c d; do printf $one; sleep 0.2; done"
    finished = await bench.run(bench.order("sh", "-c", script, lease_ms=800))
    assert finished.reason is None
    assert finished.tail == "ghp_abcd"


async def test_a_log_with_marks_in_it_stays_within_its_limit(bench: Bench) -> None:
    """The mark is longer than a short secret, and the log not longer than allowed."""
    runner = ReaperRunner(bench.root / "runs", SystemClock(), ["abcdef"])
    script = "for i in 1 2 3 4 5 6 7 8 9 0; do printf abcdef; done"
    order = bench.order("sh", "-c", script, output_bytes_max=60)
    assert (await runner.run(order, nothing)).reason is None
    assert bench.log().read_text() == ("[redacted]" * 10)[:60]


def test_the_reaper_is_a_program_of_the_standard_library() -> None:
    """In isolated mode it finds itself, loads nothing but the standard library and its own folder,
    and ends without a trace where nobody gives orders."""
    main = ROOT / "oya_vcs" / "adapters" / "reaper" / "__main__.py"
    code = (
        f"import runpy, sys; runpy.run_path({str(main)!r}, run_name='__main__');"
        "print(*(one for one in sys.modules if one.partition('.')[0] not in"
        " sys.stdlib_module_names))"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    packages = {"__main__", "oya_vcs", "oya_vcs.adapters", "oya_vcs.adapters.reaper"}
    loaded = set(ran.stdout.split()) - packages
    assert loaded
    assert all(name.startswith("oya_vcs.adapters.reaper.") for name in loaded), loaded
    assert "oya_vcs.adapters.reaper.quiet" not in loaded


@pytest.mark.skipif(not has_descriptors(), reason="this system has no descriptors of processes")
async def test_children_are_waited_for_without_threads(bench: Bench) -> None:
    """While ten runs are under way no thread waits for one of them; each end is told."""
    runner = bench.runner()
    script = "until test -e go; do sleep 0.02; done; exit 7"
    orders = [bench.order("sh", "-c", script, name=f"run-{number}") for number in range(10)]
    with watched_by_descriptor():
        runs = [asyncio.create_task(runner.run(order, nothing)) for order in orders]
        folders = [bench.folder(f"run-{number}") for number in range(10)]
        await until(lambda: all((one / "started").exists() for one in folders))
        assert not [one.name for one in threading.enumerate() if "waitpid" in one.name]
        (bench.work / "go").touch()
        ends = await asyncio.gather(*runs)
    assert [end.exit_code for end in ends] == [7] * 10
    assert zombies() == []
    assert (await runner.run(bench.order("true", name="after"), nothing)).exit_code == 0


async def test_the_orders_of_a_run_are_described_without_their_values(bench: Bench) -> None:
    """What lies in the run's folder names the program and the limits, and no argument."""
    order = replace(bench.order("sh", "-c", f"echo {SECRET} > /dev/null"), rss_bytes_max=10**9)
    await bench.run(order)
    spec = json.loads((bench.folder() / "spec.json").read_text())
    assert (spec["program"], spec["rss_bytes_max"]) == ("sh", 10**9)
    assert SECRET not in json.dumps(spec)

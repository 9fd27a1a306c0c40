"""What is left when a daemon, a reaper or both die or are cancelled: no process, and an answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from oya_vcs.adapters.process import runner as runner_module
from oya_vcs.core.events import Reason
from oya_vcs.ports import Finished, Probe
from tests.processes import (
    SECONDS,
    Bench,
    cmdline,
    left,
    nothing,
    start_daemon,
    until,
    zombies,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

FORKED = "left three processes"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A home for runs."""
    return Bench(tmp_path)


def says(bench: Bench, text: str) -> bool:
    """Whether the program has said this."""
    return bench.log().exists() and text in bench.log().read_text()


def runs(bench: Bench, program: bytes) -> bool:
    """Whether a process of the run has this among its arguments."""
    return any(program in cmdline(pid) for pid in left(bench.key()))


def reaper(bench: Bench) -> int:
    """The pid of the run's reaper."""
    return int(json.loads((bench.folder() / "pid").read_text())["pid"])


async def expect_interrupted(bench: Bench) -> Finished:
    """The outcome, which has to be INTERRUPTED, as soon as all is gone and whenever it is asked
    for."""
    async with asyncio.timeout(SECONDS):
        while (first := await bench.runner().outcome(bench.key())) is Probe.UNKNOWN:
            pass
    assert isinstance(first, Finished)
    assert first.reason is Reason.INTERRUPTED
    assert left(bench.key()) == []
    assert await bench.runner().outcome(bench.key()) == first
    return first


@pytest.mark.parametrize(
    ("agent", "title", "ready"),
    [("forker.py", "wait", FORKED), ("ignore_term.py", "", "still here"), ("hang.py", "", "")],
)
async def test_a_killed_daemon_leaves_nothing_and_its_outcome(
    bench: Bench, agent: str, title: str, ready: str
) -> None:
    """SIGKILL of the daemon: within stop_ms and 2 s every process is gone and the end recorded."""
    daemon = await start_daemon(bench, agent, title)
    await until(lambda: says(bench, ready) and (bench.folder() / "started").exists())
    daemon.kill()
    await daemon.wait()
    killed = time.monotonic()
    await until((bench.folder() / "outcome.json").exists)
    assert left(bench.key()) == []
    assert time.monotonic() - killed < 0.3 + 2
    await expect_interrupted(bench)


async def test_the_next_daemon_waits_for_a_reaper_at_work(bench: Bench) -> None:
    """Asked while the reaper still stops a program that will not end, `outcome` returns its end."""
    daemon = await start_daemon(bench, "ignore_term.py")
    await until(lambda: says(bench, "still here"))
    daemon.kill()
    await daemon.wait()
    finished = await expect_interrupted(bench)
    assert finished.exit_code == -signal.SIGKILL


async def test_work_that_was_done_before_the_daemon_died_counts(bench: Bench) -> None:
    """A program that had ended when the daemon was killed has succeeded, whatever it left."""
    program = bench.root / "leaves_a_child.sh"
    program.write_text(
        "#!/bin/sh\n(trap 'echo asked to end' TERM; while :; do sleep 0.02; done) &\nexit 0\n"
    )
    program.chmod(0o755)
    daemon = await start_daemon(bench, str(program))
    await until(lambda: says(bench, "asked to end"))  # so the reaper has seen the program's end
    daemon.kill()
    await daemon.wait()
    finished = await bench.runner().outcome(bench.key())
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.exit_code) == (None, 0)
    assert left(bench.key()) == []


async def test_a_daemon_interrupted_without_a_chance_leaves_nothing(bench: Bench) -> None:
    """Three interrupts end the interpreter in the middle of its clean-up; the tree goes."""
    daemon = await start_daemon(bench, "forker.py", "wait")
    await until(lambda: says(bench, FORKED))
    for _ in range(3):
        daemon.send_signal(signal.SIGINT)
    await daemon.wait()
    await expect_interrupted(bench)


async def expect_blamed(bench: Bench, finished: Finished, how: str) -> None:
    """The program failed, with the reason in words, now and whenever it is asked for."""
    assert finished.reason is Reason.WORKER_FAILED
    assert f"its reaper was {how}" in finished.detail
    assert left(bench.key()) == []
    assert zombies() == []
    assert await bench.runner().outcome(bench.key()) == finished


async def test_a_killed_reaper_is_noticed_at_once(bench: Bench) -> None:
    """SIGKILL of the reaper is the program's failure, for who else would; what it left is found
    and killed."""
    run = asyncio.create_task(bench.run(bench.order("sh", "-c", "sleep 99 & echo up; sleep 99")))
    await until(lambda: says(bench, "up"))
    os.kill(reaper(bench), signal.SIGKILL)
    killed = time.monotonic()
    finished = await run
    assert time.monotonic() - killed < 2
    assert finished.exit_code is None
    await expect_blamed(bench, finished, "killed")


async def test_a_frozen_reaper_does_not_lift_the_limits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that stops its reaper (SIGSTOP) runs out of time all the same, and is told so."""
    monkeypatch.setattr(runner_module, "GRACE_MS", 200)
    order = bench.order("sh", "-c", "kill -STOP $PPID; sleep 99", wall_ms_max=300, stop_ms=100)
    finished = await bench.run(order)
    assert finished.reason is Reason.WALL_TIME
    assert "longer than its limit of 0.3 s" in finished.detail
    assert left(bench.key()) == []
    assert await bench.runner().outcome(bench.key()) == finished


async def test_reaper_and_daemon_killed(bench: Bench) -> None:
    """With both gone the next daemon finds what is left by its key, kills it, and has an answer."""
    daemon = await start_daemon(bench, "hang.py")
    await until(lambda: runs(bench, b"hang.py"))
    os.kill(reaper(bench), signal.SIGSTOP)
    daemon.kill()
    os.kill(reaper(bench), signal.SIGKILL)
    await daemon.wait()
    await until(lambda: not runs(bench, b"hang.py"))  # the kernel's doing, with nobody there
    finished = await expect_interrupted(bench)
    assert finished.exit_code is None


async def test_a_signal_to_the_reaper_stops_its_program(bench: Bench) -> None:
    """SIGTERM to the reaper is an order to stop, and not the daemon's."""
    run = asyncio.create_task(bench.run(bench.agent("forker.py", title="wait")))
    await until(lambda: says(bench, FORKED))
    os.kill(reaper(bench), signal.SIGTERM)
    await expect_blamed(bench, await run, "told to stop")


async def test_cancelled_means_gone(bench: Bench) -> None:
    """When a cancelled run raises, cancelled again meanwhile, its tree is gone and recorded."""
    run = asyncio.create_task(bench.run(bench.agent("forker.py", title="wait")))
    await until(lambda: says(bench, FORKED))
    run.cancel()
    await asyncio.wait({run}, timeout=0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert left(bench.key()) == []
    assert bench.outcome()["reason"] == Reason.INTERRUPTED
    assert zombies() == []
    await expect_interrupted(bench)


async def test_cancelled_before_the_start_runs_nothing(bench: Bench) -> None:
    """A run cancelled while its reaper was being recorded has not happened."""
    reached = asyncio.Event()

    async def spawned(_pid: int, _started: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    runner = bench.runner()
    order = bench.order("touch", "ran")
    run = asyncio.create_task(runner.run(order, spawned))
    await reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not (bench.work / "ran").exists()
    assert await runner.outcome(order.key) is Probe.ABSENT


async def test_a_reaper_that_does_not_answer_is_killed_with_its_tree(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancellation is bounded: a frozen reaper is killed, and all that it should have stopped."""
    monkeypatch.setattr(runner_module, "GRACE_MS", 200)
    run = asyncio.create_task(bench.run(bench.agent("forker.py", title="wait")))
    await until(lambda: says(bench, FORKED))
    os.kill(reaper(bench), signal.SIGSTOP)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await expect_interrupted(bench)


async def test_a_reaper_that_goes_on_for_too_long_leaves_the_outcome_unknown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next daemon's patience with a living reaper ends; then it knows nothing and says so."""
    monkeypatch.setattr(runner_module, "GRACE_MS", 50)
    run = asyncio.create_task(bench.run(bench.agent("ignore_term.py", stop_ms=100)))
    await until(lambda: says(bench, "still here"))
    assert await bench.runner().outcome(bench.key()) is Probe.UNKNOWN
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_key_that_nobody_ran_is_absent(bench: Bench) -> None:
    """No folder: the effect has not happened."""
    assert await bench.runner().outcome(bench.key()) is Probe.ABSENT


async def test_a_reaper_that_never_got_the_word_ran_nothing(bench: Bench) -> None:
    """A pid without `started` is a daemon that died before it said go: absent, and free to run."""
    bench.folder().mkdir(parents=True)
    (bench.folder() / "pid").write_text('{"pid": 1, "started": 0, "boot": "another"}')
    assert await bench.runner().outcome(bench.key()) is Probe.ABSENT
    assert (await bench.run(bench.order("true"))).reason is None


SENSELESS = (
    "",
    '{"exit_code": 0, "rea',
    "[]",
    '{"exit_code": "0"}',
    '{"exit_code": null}',
    '{"reason": 5}',
    '{"exit_code": 1, "reason": "no_such_reason"}',
)


@pytest.mark.parametrize("text", SENSELESS)
async def test_an_outcome_that_makes_no_sense_is_none(bench: Bench, text: str) -> None:
    """A cut or senseless outcome.json is neither believed nor fatal: the run was interrupted."""
    await bench.run(bench.order("true"))
    (bench.folder() / "outcome.json").write_text(text)
    await expect_interrupted(bench)


async def test_a_pid_used_again_is_not_our_reaper(bench: Bench) -> None:
    """A process with the recorded pid but another start time is neither waited for nor killed."""
    await bench.runner().run(bench.order("true"), nothing)
    recorded = json.loads((bench.folder() / "pid").read_text())
    (bench.folder() / "pid").write_text(json.dumps({**recorded, "pid": os.getpid()}))
    (bench.folder() / "outcome.json").rename(bench.folder() / "started")
    await expect_interrupted(bench)

"""Runs that stand still: real trees of processes, stopped in their tracks and let go on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oya_vcs.adapters.process.freezing import below, strike
from oya_vcs.core.events import Reason
from oya_vcs.ports import Finished
from tests.processes import SECONDS, Bench, left, nothing, until


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A home for runs."""
    return Bench(tmp_path)


def states(bench: Bench) -> set[str]:
    """The states of all processes of the run but its reaper, as proc(5) has them."""
    found = set()
    for pid in left(bench.key()):
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        found.add(text.rpartition(")")[2].split()[0])
    return found


def frozen(bench: Bench, count: int) -> bool:
    """Whether so many processes are there, and none of them moves."""
    return len(left(bench.key())) >= count and states(bench) == {"T"}


async def test_a_whole_tree_stands_still_and_goes_on(bench: Bench) -> None:
    """Children in sessions of their own too; one that goes on ends as always, and leaves
    nothing."""
    runner = bench.runner()
    order = bench.agent("forker.py", title="wait")
    running = asyncio.create_task(runner.run(order, nothing))
    await until((bench.work / "forked.txt").exists)
    await runner.freeze(bench.key(), frozen=True)
    await until(lambda: frozen(bench, 3))
    await runner.freeze(bench.key(), frozen=False)
    await until(lambda: "T" not in states(bench))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left(bench.key()) == []


NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


async def test_a_tree_in_a_pid_namespace_stands_still_too(bench: Bench) -> None:
    """As a sandbox has it: the first process of the namespace is deaf to signals from within, not
    to these."""
    if not _has_namespaces():
        pytest.skip("no PID namespaces here")
    runner = bench.runner()
    work = "sleep 60 & sleep 60 & echo begun; wait"
    running = asyncio.create_task(runner.run(bench.order(*NAMESPACE, "sh", "-c", work), nothing))
    await until(lambda: bench.log().exists() and bench.log().read_text() == "begun\n")
    await runner.freeze(bench.key(), frozen=True)
    await until(lambda: frozen(bench, 4))
    await runner.freeze(bench.key(), frozen=False)
    await until(lambda: "T" not in states(bench))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left(bench.key()) == []


def _has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0


async def test_what_stands_still_does_not_age(bench: Bench) -> None:
    """Longer than its lease and its wall time it neither beats nor is stopped; let go on, it beats
    and ends well."""
    runner = bench.runner()
    work = "while ! test -e finish; do echo beat; sleep 0.05; done"
    order = bench.order("sh", "-c", work, lease_ms=1_500, wall_ms_max=2_500)
    running = asyncio.create_task(runner.run(order, nothing))
    await until(lambda: bench.log().exists() and bench.log().stat().st_size)
    await runner.freeze(bench.key(), frozen=True)
    since = time.monotonic()
    await until(lambda: time.monotonic() > since + 4)
    assert not running.done()
    assert frozen(bench, 1)
    (bench.work / "finish").touch()
    await runner.freeze(bench.key(), frozen=False)
    ended = await running
    assert (ended.reason, ended.exit_code) == (None, 0)


async def test_what_is_about_to_begin_waits(bench: Bench) -> None:
    """Frozen while its start is being recorded: the program is not started before it is let go."""
    runner = bench.runner()
    order = bench.order("sh", "-c", "echo begun")
    recorded = asyncio.Event()

    async def spawned(_pid: int, _started: int) -> None:
        await runner.freeze(bench.key(), frozen=True)
        recorded.set()

    running = asyncio.create_task(runner.run(order, spawned))
    await recorded.wait()
    for _ in range(20):
        assert not (bench.folder() / "started").exists()
        await asyncio.sleep(0.01)
    await runner.freeze(bench.key(), frozen=False)
    assert (await running).reason is None
    assert bench.log().read_text() == "begun\n"


async def test_what_was_frozen_before_it_began_waits_too(bench: Bench) -> None:
    """A start that the world refused, and that is tried again during a pause: nothing begins before
    it is let go, and what waits so can be stopped."""
    runner = bench.runner()
    await runner.freeze(bench.key(), frozen=True)
    stopped = asyncio.create_task(runner.run(bench.order("sh", "-c", "echo begun"), nothing))
    await until((bench.folder() / "pid").exists)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    running = asyncio.create_task(runner.run(bench.order("sh", "-c", "echo begun"), nothing))
    await until((bench.folder() / "pid").exists)
    for _ in range(20):
        assert not (bench.folder() / "started").exists()
        await asyncio.sleep(0.01)
    await runner.freeze(bench.key(), frozen=False)
    assert (await running).reason is None
    assert bench.log().read_text() == "begun\n"
    assert left(bench.key()) == []


@pytest.mark.parametrize("agent", ["ignore_term.py", "hang.py"])
async def test_what_stands_still_can_be_stopped(bench: Bench, agent: str) -> None:
    """Nobody has to let it go first, whether it hears SIGTERM or not."""
    runner = bench.runner()
    running = asyncio.create_task(runner.run(bench.agent(agent), nothing))
    await until(lambda: (bench.folder() / "started").exists() and left(bench.key()))
    await runner.freeze(bench.key(), frozen=True)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left(bench.key()) == []
    ended = await bench.runner().outcome(bench.key())
    assert isinstance(ended, Finished)
    assert ended.reason is Reason.INTERRUPTED


async def test_a_program_that_has_just_begun_can_be_frozen_and_stopped(bench: Bench) -> None:
    """Frozen the moment anything is there: the reaper, which waits for its child to become the
    program, hears a stop all the same and records the end itself."""
    runner = bench.runner()
    for number in range(8):
        name = f"run-{number}"
        reaper = asyncio.get_running_loop().create_future()

        async def spawned(pid: int, _started: int, reaper: asyncio.Future[int] = reaper) -> None:
            reaper.set_result(pid)

        running = asyncio.create_task(runner.run(bench.order("sleep", "60", name=name), spawned))
        pid = await reaper
        while not await asyncio.to_thread(below, pid):  # noqa: ASYNC110 - as soon as ever it can
            await asyncio.sleep(0)
        await runner.freeze(bench.key(name), frozen=True)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.outcome(name)["exit_code"] == -signal.SIGTERM


def test_a_fork_that_is_no_program_yet_is_let_be() -> None:
    """What has the reaper's own arguments is the reaper's fork on its way: it is moving, and not
    stopped."""
    code = "import os, time; os.fork(); os.write(1, b'.'); time.sleep(60)"
    argv = [sys.executable, "-c", code]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert parent.stdout is not None
        assert parent.stdout.read(2) == b".."
        assert strike(parent.pid)
        assert b"T" not in [state for _, state in below(parent.pid)]
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


async def test_a_run_that_is_not_here_is_no_error(bench: Bench) -> None:
    """It has ended, or is another daemon's."""
    await bench.runner().freeze(bench.key(), frozen=True)
    await bench.runner().freeze(bench.key(), frozen=False)


def test_parents_come_before_their_children() -> None:
    """In the order in which they are stopped, so that no shell sees a child stop."""
    script = "sh -c 'sleep 60 & wait' & wait"
    shell = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    deadline = time.monotonic() + SECONDS
    try:
        while len(found := below(shell.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (child, _), (grandchild, _) = found
        assert [pid for pid, _ in below(child)] == [grandchild]
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()

"""Who is killed, and what a program leaves: nothing runs twice for one key, and nothing is left.

The program of every run writes the key it was started under, then what the column says. The daemon
is a process of its own; the next one is this test.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from oya_vcs.adapters.agents.command import CommandWorkers
from oya_vcs.adapters.clock import ManualClock, SystemClock
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.config import WorkerConfig
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.events import Reason
from oya_vcs.core.ids import BeadId, RepoId, WorkspaceName
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.world import World
from oya_vcs.errors import Bug
from oya_vcs.ports import Finished
from oya_vcs.runtime.engine import Engine
from tests.processes import Bench, all_pids, carries, left, nothing, start_daemon, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WITNESS = """#!{python}
import os, signal, sys, time
open({ledger!r}, "a").write(os.environ["OYA_EXECUTION_KEY"] + "\\n")
def leave(sessions, env):
    for _ in range(sessions):
        if os.fork():
            os._exit(0)
        os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.execve("/bin/sleep", [os.environ["OYA_EXECUTION_KEY"], "3600"], env)
{leaves}
print("ready", os.getpid(), flush=True)
while True:
    signal.pause()
"""
LEAVES = {
    "alone": "",
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "children": "for _ in range(3):\n    os.fork() or leave(0, dict(os.environ))",
    "sessions": "for n in (1, 2, 3):\n    os.fork() or leave(n, dict(os.environ))",
}
VICTIMS = ("daemon", "reaper", "worker", "daemon and reaper", "reaper and worker", "all three")


def witness(bench: Bench, leaves: str) -> Path:
    """The program, which is its own record of having been started."""
    path = bench.root / "witness.py"
    text = WITNESS.format(
        python=sys.executable, ledger=str(bench.root / "ledger"), leaves=LEAVES[leaves]
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("leaves", LEAVES)
@pytest.mark.parametrize("victims", VICTIMS)
async def test_whoever_is_killed(tmp_path: Path, victims: str, leaves: str) -> None:
    """SIGKILL of any of them: the next daemon has one answer for the key, no process carries it,
    and the program was started once and is never started again."""
    bench = Bench(tmp_path)
    key = bench.key()
    daemon = await start_daemon(bench, str(witness(bench, leaves)))
    await until(lambda: bench.log().exists() and "ready" in bench.log().read_text())
    pids = {
        "daemon": daemon.pid,
        "reaper": int(json.loads((bench.folder() / "pid").read_text())["pid"]),
        "worker": int(bench.log().read_text().split()[1]),
    }
    chosen = tuple(pids) if victims == "all three" else victims.split(" and ")
    for victim in chosen:
        with suppress(ProcessLookupError):  # the reaper ends them, too, when the daemon dies
            os.kill(pids[victim], signal.SIGKILL)
    if "daemon" not in chosen:  # one that lives sees the end by itself, and records it
        await until((bench.folder() / "outcome.json").exists)
        daemon.kill()
    await daemon.wait()
    finished = await bench.runner().outcome(key)
    assert isinstance(finished, Finished)
    expected = {Reason.INTERRUPTED if "daemon" in chosen else Reason.WORKER_FAILED}
    if "reaper" in chosen or victims == "all three":
        # Whose doing it was is for the daemon to say, where it lives long enough.
        expected = {Reason.INTERRUPTED, Reason.WORKER_FAILED}
    elif victims == "worker":
        assert finished.exit_code == -signal.SIGKILL
    assert finished.reason in expected
    assert left(key) == []
    assert not [pid for pid in all_pids() if carries(pid, key)]
    with pytest.raises(Bug, match="carried out before"):
        await bench.run(bench.agent(str(witness(bench, leaves))))
    assert (bench.root / "ledger").read_text() == f"{key}\n"
    assert await bench.runner().outcome(key) == finished


class Attempts:
    """One bead whose attempts run in turn, with an engine that knows which is open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reported: list[e.Event] = []
        settings = WorkerConfig(command=("sh", "-c", "exit 3"), lease_ms=400, stop_ms=100)
        self.workers = CommandWorkers(
            ReaperRunner(root / "runs", SystemClock()),
            settings,
            runs=root / "runs",
            logs=root / "logs",
            environ={"PATH": os.environ["PATH"]},
        )

    def effect(self, attempt: int, worker: str) -> f.RunWorker:
        """An attempt by this command."""
        return f.RunWorker(
            repo=RepoId("repo"),
            bead=BeadId("bead"),
            attempt=attempt,
            workspace=WorkspaceName(f"bead-{attempt}"),
            path=str(self.root),
            spec=BeadSpec(id=BeadId("bead"), title="Do it", worker=worker),
            feedback="",
        )

    async def report(self, event: e.Event) -> None:
        """Take a fact."""
        self.reported.append(event)


async def test_a_zombie_of_an_older_attempt_is_heard_nowhere(tmp_path: Path) -> None:
    """While attempt 2 runs, one of attempt 1 that was thought dead beats, writes its log and an
    outcome: attempt 2 is judged by its own silence and ends with its own reason; what is offered
    in the name of attempt 1 changes nothing."""
    attempts = Attempts(tmp_path)
    first, second = attempts.effect(1, "sh -c 'exit 3'"), attempts.effect(2, "sleep 60")
    one, two = f.effect_key(first), f.effect_key(second)
    assert one != two
    old = await attempts.workers.do(one, first, attempts.report)
    assert isinstance(old, e.WorkerFinished)
    forged = {"exit_code": 0, "reason": None, "detail": ""}
    zombie = tmp_path / "runs" / one
    run = asyncio.create_task(attempts.workers.do(two, second, attempts.report))
    while not run.done():
        (zombie / "worker" / "heartbeat").touch()
        (tmp_path / "logs" / "bead" / f"1-{one[:8]}.log").write_text("still here\n")
        (zombie / "outcome.json").write_text(json.dumps(forged))
        await asyncio.wait({run}, timeout=0.05)
    finished = run.result()
    assert isinstance(finished, e.WorkerFinished)
    assert (finished.attempt, finished.reason) == (2, Reason.LEASE_EXPIRED)
    assert "still here" not in finished.detail
    world = World()
    journal = MemoryJournal()
    policy = Policy(repo=RepoId("repo"), slots=1, attempts_max=3, backoff_ms=1, idle=True)
    engine = Engine(world=world, journal=journal, clock=ManualClock(), policy=policy)
    late = await attempts.workers.probe(one, first)
    assert isinstance(late, e.WorkerFinished)
    assert late.reason is None  # the forged one: nobody asks, and nobody would listen
    await engine.offer(late)
    await engine.offer(e.WorkerSpawned(run=one, bead=BeadId("bead"), attempt=1, pid=1, started=1))
    assert list(journal.read()) == []


async def test_a_run_whose_folder_was_removed_is_not_brought_back(tmp_path: Path) -> None:
    """What a zombie writes after the folder of its settled run was removed lands nowhere."""
    bench = Bench(tmp_path)
    await bench.runner().run(bench.order("true"), nothing)
    for file in bench.folder().iterdir():
        file.unlink()
    bench.folder().rmdir()
    with pytest.raises(FileNotFoundError):
        (bench.folder() / "outcome.json").write_text("{}")

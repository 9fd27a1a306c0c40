"""What the runner promises of a run that ends by itself or breaks a limit. Real processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.core.events import Reason
from oya_vcs.errors import Bug, WorldFailed
from oya_vcs.ports import Probe
from tests.processes import AGENTS, Bench, Limits, left, nothing, until, zombies

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A home for runs."""
    return Bench(tmp_path)


async def test_a_program_that_ends_well(bench: Bench) -> None:
    """Status 0 is no reason; the output is in the log, its end in `tail`; the answer is kept."""
    finished = await bench.run(bench.order("sh", "-c", "echo out; echo err >&2"))
    assert finished.reason is None
    assert finished.exit_code == 0
    assert finished.detail == "The program exited with status 0."
    assert bench.log().read_text() == finished.tail == "out\nerr\n"
    assert await bench.runner().outcome(bench.key()) == finished
    assert bench.outcome()["output_bytes"] == 8


@pytest.mark.parametrize(
    ("agent", "title", "limits", "reason", "detail"),
    [
        ("crash.py", "", {}, Reason.WORKER_FAILED, "The program exited with status 3."),
        (
            "hang.py",
            "",
            {"lease_ms": 400},
            Reason.LEASE_EXPIRED,
            "The program gave no output and no heartbeat for 0.4 s and was stopped.",
        ),
        (
            "ignore_term.py",
            "",
            {"wall_ms_max": 500, "lease_ms": 400},
            Reason.WALL_TIME,
            "The program ran longer than its limit of 0.5 s and was stopped.",
        ),
        (
            "flood.py",
            "",
            {"output_bytes_max": 100_000},
            Reason.OUTPUT_LIMIT,
            "The program wrote more output than its limit of 100000 bytes and was stopped.",
        ),
        ("forker.py", "", {}, None, "The program exited with status 0."),
        (
            "forker.py",
            "wait",
            {"wall_ms_max": 800},
            Reason.WALL_TIME,
            "The program ran longer than its limit of 0.8 s and was stopped.",
        ),
    ],
)
@LINUX
async def test_every_misbehaviour_has_its_reason_and_leaves_nothing(
    bench: Bench,
    agent: str,
    title: str,
    limits: Limits,
    reason: Reason | None,
    detail: str,
) -> None:
    """Whatever a program does, its run ends with the right reason, no process and no zombie."""
    order = bench.agent(agent, title=title, **limits)
    finished = await bench.run(order)
    assert finished.reason is reason
    assert finished.detail == detail
    assert left(order.key) == []
    assert zombies() == []


async def test_a_log_ends_at_its_limit(bench: Bench) -> None:
    """Of a flood exactly the allowed bytes are kept, and the outcome says that there were more."""
    await bench.run(bench.agent("flood.py", output_bytes_max=100_000))
    assert bench.log().stat().st_size == 100_000
    assert int(str(bench.outcome()["output_bytes"])) > 100_000


async def test_output_at_exactly_the_limit_is_allowed(bench: Bench) -> None:
    """A program may write all that its limit says."""
    order = bench.order("sh", "-c", "printf 0123456789", output_bytes_max=10)
    assert (await bench.run(order)).reason is None


@LINUX
async def test_what_is_left_in_the_background_is_stopped_and_counted(bench: Bench) -> None:
    """A run is over only when its whole tree is gone: sessions, orphans, bare environments too."""
    await bench.run(bench.agent("forker.py"))
    assert bench.outcome()["killed"] == 3


@LINUX
async def test_processes_that_keep_forking_away_are_caught(bench: Bench) -> None:
    """Eight chains of processes, each one gone from its session when its child is there, end."""
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        while os.fork() == 0:\n"
        "            os.setsid()\n"
        "        os._exit(0)\n"
    )
    order = bench.order(sys.executable, "-c", program)
    assert (await bench.run(order)).reason is None
    assert left(order.key) == []


async def test_what_begins_while_a_program_ends_is_asked_to_end_too(bench: Bench) -> None:
    """What it starts when it is told to end, it may need for that; once it has ended itself, that
    is told too, and is not waited for until it has to be killed."""
    script = "trap 'setsid sleep 300 & exit 0' TERM; echo up; while :; do sleep 0.02; done"
    order = bench.order("sh", "-c", script, stop_ms=15_000)
    run = asyncio.create_task(bench.runner().run(order, nothing))
    await until(lambda: bench.log().exists() and bench.log().read_text() == "up\n")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert bench.outcome()["killed"] == 0
    assert left(bench.key()) == []


async def test_a_background_process_may_write_its_last_lines(bench: Bench) -> None:
    """What ends by itself shortly after the program (a `tee`) is not stopped."""
    await bench.run(bench.order("sh", "-c", "(sleep 0.05; echo late) & echo soon"))
    assert bench.log().read_text() == "soon\nlate\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("no-such-program-anywhere",), "on PATH"),
        (("./missing.sh",), "in the workspace"),
        (("./plain.txt",), "chmod +x"),
        (("./lost.sh",), "interpreter named in its first line"),
        (("./data.bin",), "does not begin with #!"),
    ],
)
async def test_a_program_that_cannot_be_run_is_missing(
    bench: Bench, argv: tuple[str, ...], said: str
) -> None:
    """A program that is not there or no program is a reason of its own, and the detail says why."""
    order = bench.order(*argv)
    for name, text, mode in (
        ("plain.txt", "text", 0o600),
        ("lost.sh", "#!/no/such/interpreter\n", 0o700),
        ("data.bin", "\x01\x02", 0o700),
    ):
        (bench.work / name).write_text(text)
        (bench.work / name).chmod(mode)
    finished = await bench.run(order)
    assert finished.reason is Reason.WORKER_MISSING
    assert finished.exit_code is None
    assert argv[0] in finished.detail
    assert said in finished.detail


async def test_a_folder_that_is_gone_is_no_fault_of_the_program(bench: Bench) -> None:
    """Where there is nothing to work in, the infrastructure failed."""
    order = replace(bench.order("true"), cwd=bench.root / "gone")
    finished = await bench.run(order)
    assert finished.reason is Reason.INFRASTRUCTURE
    assert "gone" in finished.detail


async def test_the_end_by_a_signal_is_told(bench: Bench) -> None:
    """A program that was killed from outside failed, and its detail names the signal."""
    finished = await bench.run(bench.order("sh", "-c", "kill -9 $$"))
    assert finished.reason is Reason.WORKER_FAILED
    assert finished.exit_code == -9
    assert finished.detail == "The program was ended by signal 9 (SIGKILL)."


@pytest.mark.parametrize("beat", ["echo beat", 'touch "$BEAT"', 'touch -d @$i "$BEAT"'])
async def test_a_beat_keeps_a_program_alive(tmp_path: Path, beat: str) -> None:
    """Output, a touch, and a touch by a clock that stands in 1970: each is a beat."""
    bench = Bench(tmp_path, {"BEAT": str(tmp_path / "heartbeat")})
    script = f"for i in 1 2 3 4 5 6 7 8; do sleep 0.2; {beat}; done"
    finished = await bench.run(bench.order("sh", "-c", script, lease_ms=800))
    assert finished.reason is None


async def test_a_wall_clock_that_jumps_stops_nobody(bench: Bench) -> None:
    """Limits are counted on a clock that only goes forward, one second a second."""

    class Jumping(SystemClock):
        def now_ms(self) -> int:
            return next(times)

    times = itertools.cycle([0, 10**15])
    runner = ReaperRunner(bench.root / "runs", Jumping())
    order = bench.order("sleep", "0.5", lease_ms=2_000, wall_ms_max=5_000)
    assert (await runner.run(order, nothing)).reason is None


@LINUX
async def test_a_program_gets_exactly_what_was_ordered(tmp_path: Path) -> None:
    """Its environment is the order's, its input is empty, no other file is open, no signal is
    ignored or blocked, and its session is its own."""
    program = (
        "import json, os, sys\n"
        "status = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines())\n"
        "print(json.dumps([dict(os.environ), sys.stdin.read(), len(os.listdir('/proc/self/fd')),"
        " int(status['SigIgn'], 16), int(status['SigBlk'], 16), os.getsid(0) == os.getpid(),"
        " os.getcwd()]))\n"
    )
    (tmp_path / "program.py").write_text(program)
    bench = Bench(tmp_path, {"ONLY": "this ü"})
    argv = (sys.executable, "-I", "-S", str(tmp_path / "program.py"))
    order = replace(bench.order(*argv), env={"ONLY": "this ü"})
    finished = await bench.run(order)
    env, read, files, ignored, blocked, leader, cwd = json.loads(finished.tail)
    assert env.items() >= {"ONLY": "this ü", "OYA_EXECUTION_KEY": order.key}.items()
    assert env.keys() <= {"ONLY", "OYA_EXECUTION_KEY", "LC_CTYPE"}
    assert read == ""
    assert files == 4  # 0, 1, 2 and the folder being listed
    assert (ignored & ~PYTHON_IGNORES, blocked) == (0, 0)
    assert leader
    assert Path(cwd) == bench.work


PYTHON_IGNORES = 1 << 12 | 1 << 24 | 1 << 31 | 1 << 32
"""SIGPIPE and SIGXFSZ, which Python ignores; 32 and 33, which the C library lets nobody set."""


@LINUX
@pytest.mark.callback_blocks
async def test_no_secret_is_on_disk_or_in_an_argument(tmp_path: Path) -> None:
    """The environment's values reach the program alone, not the run's folder or an argv."""
    bench = Bench(tmp_path, {"TOKEN": "s3cr3t-value"})
    argv: list[bytes] = []

    async def spawned(pid: int, _started: int) -> None:
        argv.append(Path(f"/proc/{pid}/cmdline").read_bytes())

    await bench.runner().run(bench.order("true"), spawned)
    assert b"reaper/__main__.py" in argv[0]
    assert b"s3cr3t" not in argv[0]
    kept = [file for file in bench.folder().rglob("*") if file.is_file()]
    assert {"spec.json", "pid", "outcome.json"} <= {file.name for file in kept}
    assert all(b"s3cr3t" not in file.read_bytes() for file in kept)
    assert "TOKEN" in json.loads((bench.folder() / "spec.json").read_text())["env_names"]


@pytest.mark.callback_blocks
async def test_a_program_starts_only_after_its_reaper_is_recorded(bench: Bench) -> None:
    """While `spawned` has not returned nothing runs, and the pid is on disk already."""
    order = bench.order("touch", "ran")

    async def spawned(pid: int, started: int) -> None:
        recorded = json.loads((bench.folder() / "pid").read_text())
        assert (recorded["pid"], recorded["started"]) == (pid, started)
        await until(lambda: "sleeping" in Path(f"/proc/{pid}/status").read_text())
        assert not (bench.folder() / "started").exists()
        assert not (bench.work / "ran").exists()

    assert (await bench.runner().run(order, spawned)).reason is None
    assert (bench.work / "ran").exists()


async def test_a_spawn_that_is_not_recorded_runs_nothing(bench: Bench) -> None:
    """Where `spawned` fails the program is never started, and the key may be run later."""
    order = bench.order("touch", "ran")
    runner = bench.runner()

    async def refused(_pid: int, _started: int) -> None:
        raise WorldFailed("The journal is full.")

    with pytest.raises(WorldFailed, match="journal is full"):
        await runner.run(order, refused)
    assert not (bench.work / "ran").exists()
    assert await runner.outcome(order.key) is Probe.ABSENT
    assert (await runner.run(order, nothing)).reason is None


async def test_nothing_runs_twice_for_one_key(bench: Bench) -> None:
    """A key with an outcome is refused, in this daemon and in the next."""
    order = bench.order("sh", "-c", "echo ran >> times")
    await bench.run(order)
    with pytest.raises(Bug, match="carried out before"):
        await bench.run(order)
    assert (bench.work / "times").read_text() == "ran\n"


async def test_a_run_in_progress_is_unknown_and_cannot_be_started_again(bench: Bench) -> None:
    """The daemon that runs a program neither probes it away nor starts it twice."""
    runner = bench.runner()
    order = bench.order("sh", "-c", "until test -e go; do sleep 0.02; done")
    run = asyncio.create_task(runner.run(order, nothing))
    await until((bench.folder() / "started").exists)
    assert await runner.outcome(order.key) is Probe.UNKNOWN
    with pytest.raises(Bug, match="in progress"):
        await runner.run(order, nothing)
    (bench.work / "go").touch()
    assert (await run).reason is None


async def test_a_disk_that_refuses_is_the_worlds_fault(bench: Bench) -> None:
    """Where the run's folder cannot be made the error may be tried again, and nothing ran."""
    order = bench.order("touch", "ran")
    (bench.root / "runs").write_text("a file where a folder should be")
    with pytest.raises(WorldFailed) as caught:
        await bench.run(order)
    assert caught.value.retryable
    assert not (bench.work / "ran").exists()


@LINUX
async def test_many_at_once(bench: Bench) -> None:
    """Twenty runs at a time end as twenty runs one after the other, and leave no zombie."""
    orders = [
        bench.order("sh", "-c", f"sleep 0.1; exit {number}", name=f"run-{number}")
        for number in range(20)
    ]
    runner = bench.runner()
    ends = await asyncio.gather(*(runner.run(order, nothing) for order in orders))
    assert [end.exit_code for end in ends] == list(range(20))
    assert [left(order.key) for order in orders] == [[]] * 20
    assert zombies() == []


def test_the_agents_are_executable() -> None:
    """Every fake agent can be named as a worker as it stands; what has no first line that says so
    is a program's, not a worker's."""
    agents = [one for one in AGENTS.glob("*.py") if one.read_bytes().startswith(b"#!")]
    assert len(agents) >= 11
    assert all(os.access(agent, os.X_OK) for agent in agents)

"""Sessions on opencode servers, each of another character, under the real reaper and escort."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.agents.command import CommandWorkers, unboxed
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.config import OpencodeConfig, WorkerConfig
from oya_vcs.core.effects import RunWorker, effect_key
from oya_vcs.core.events import Event, Reason, WorkerFinished
from oya_vcs.core.ids import BeadId, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.usage import Usage
from oya_vcs.ports import Box
from tests.integration.test_sandbox import REAL, Boxed
from tests.processes import AGENTS, Bench, left, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SERVER = (sys.executable, str(AGENTS / "opencode_server.py"))
PASSWORD = "a-password-of-the-user-77"
SPEC = BeadSpec(id=BeadId("bead-1"), title="Greet", description="Say hello.")


class Desk:
    """A workspace, and workers for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.box: Box = unboxed
        self.workspace = root / "work"
        self.workspace.mkdir()

    def workers(self, settings: WorkerConfig, server: OpencodeConfig) -> CommandWorkers:
        """Workers by these settings."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root), "SERVER_KEY": PASSWORD}
        return CommandWorkers(
            ReaperRunner(self.root / "runs", SystemClock()),
            settings,
            runs=self.root / "runs",
            logs=self.root / "logs",
            environ=environ,
            box=self.box,
            server=server,
        )

    def effect(self) -> RunWorker:
        """An attempt at the bead."""
        return RunWorker(
            repo=RepoId("repo"),
            bead=SPEC.id,
            attempt=1,
            workspace=WorkspaceName("w"),
            path=str(self.workspace),
            spec=SPEC,
            feedback="",
        )

    async def attempt(
        self, settings: WorkerConfig, server: OpencodeConfig | None = None
    ) -> WorkerFinished:
        """One attempt; nothing of it is left."""
        effect = self.effect()
        key, workers = effect_key(effect), self.workers(settings, server or OpencodeConfig())
        finished = await workers.do(key, effect, report)
        assert isinstance(finished, WorkerFinished)
        assert left(key) == []
        return finished

    def log(self) -> str:
        """What the attempt said."""
        [log] = (self.root / "logs").rglob("*.log")
        return log.read_text()

    def files(self) -> set[str]:
        """What is in the workspace."""
        return {path.name for path in self.workspace.iterdir()}


async def report(_event: Event) -> None:
    """Take a fact."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk."""
    return Desk(tmp_path)


def own(way: str, **more: object) -> WorkerConfig:
    """Settings for a server of the attempt's own, of this character."""
    given = {"lease_ms": 20_000, "stop_ms": 3_000, **more}
    return WorkerConfig(kind="opencode", command=(*SERVER, way), **given)  # type: ignore[arg-type]


async def test_an_honest_server(desk: Desk) -> None:
    """It is asked what the bead says; its words and tools are the log, what it used is told, its
    file is the workspace's only change; and it may do no more than change files."""
    finished = await desk.attempt(own("honest"))
    assert (finished.reason, finished.exit_code) == (None, 0)
    assert finished.usage == Usage(tokens_in=100, tokens_out=10, cost_micros=250_000)
    assert desk.files() == {"bead-1.txt"}
    lines = desk.log().splitlines()
    assert "agent: I was asked: # Greet" in lines
    assert "tool: write (completed): bead-1.txt" in lines
    [rules] = [line for line in lines if line.startswith("rules: ")]
    assert rules.startswith('rules: [{"permission": "*", "pattern": "*", "action": "deny"}')
    assert '"bash"' not in rules


@pytest.mark.parametrize(
    ("way", "reason", "words"),
    [
        pytest.param("slow", None, "", marks=pytest.mark.chaos),
        ("lying", None, ""),
        ("cutting", None, ""),
        ("begging", None, ""),
        ("asking", None, ""),
        ("crashing", Reason.WORKER_FAILED, "ended with status 9 in the middle"),
        ("failing", Reason.WORKER_FAILED, "APIError: the model is confused"),
        ("stopping", Reason.WORKER_FAILED, "stopped in the middle of its work"),
        ("retrying", Reason.WORKER_FAILED, "The model does not answer: overloaded"),
        pytest.param("lame", None, "", marks=pytest.mark.chaos),
        pytest.param("deaf", None, "", marks=pytest.mark.chaos),
        pytest.param("losing", None, "", marks=pytest.mark.chaos),
        pytest.param("endless", Reason.WORKER_FAILED, "without end", marks=pytest.mark.chaos),
    ],
)
async def test_servers_of_each_character(
    desk: Desk, way: str, reason: Reason | None, words: str
) -> None:
    """What they say is put into one reason and a sentence; a broken stream, a lost prompt and a
    question to nobody cost no attempt."""
    finished = await desk.attempt(own(way))
    assert finished.reason is reason, finished.detail
    assert words in finished.detail
    if reason is None:
        assert desk.files() == (set() if way == "lying" else {"bead-1.txt"})
    if way == "begging":
        assert '"reply": "reject"' in desk.log()
    if way == "losing":
        assert desk.log().count("agent: I was asked") == 1


async def test_a_silent_server_makes_no_progress(desk: Desk) -> None:
    """Its stream is there, and says nothing that is work: silence is the agent's."""
    finished = await desk.attempt(own("silent", lease_ms=1_500, stop_ms=1_000))
    assert finished.reason is Reason.LEASE_EXPIRED
    assert "aborted" in desk.log() or "asked to stop" in desk.log()


async def test_a_flooding_server_is_stopped(desk: Desk) -> None:
    """Its events are weighed as they come."""
    finished = await desk.attempt(own("flooding", output_bytes_max=3_000_000))
    assert finished.reason is Reason.OUTPUT_LIMIT


async def test_a_program_that_is_not_there(desk: Desk) -> None:
    """It is missing, as any worker's would be."""
    settings = WorkerConfig(kind="opencode", command=("./no-opencode",))
    finished = await desk.attempt(settings)
    assert finished.reason is Reason.WORKER_MISSING


async def test_a_stopped_attempt_leaves_no_server(desk: Desk) -> None:
    """Neither one that does not listen to SIGTERM."""
    effect = desk.effect()
    key, workers = effect_key(effect), desk.workers(own("stubborn", stop_ms=300), OpencodeConfig())
    run = asyncio.create_task(workers.do(key, effect, report))
    await until(lambda: any((desk.root / "logs").rglob("*.log")) and "rules" in desk.log())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert left(key) == []


@REAL
async def test_a_server_in_the_sandbox(desk: Desk) -> None:
    """Its escort speaks to it from outside; it writes in its workspace, and is gone with it."""
    (desk.root / "user").mkdir()
    box = Boxed(Bench(desk.root)).box(user_home=desk.root / "user")
    desk.box = replace(box, reads=(*box.reads, AGENTS)).around
    finished = await desk.attempt(own("honest"))
    assert finished.reason is None, finished.detail
    assert desk.files() == {"bead-1.txt"}


@asynccontextmanager
async def running(
    desk: Desk, way: str, *, password: str = PASSWORD
) -> AsyncIterator[tuple[str, Path]]:
    """A server of the user's own, its address, and what it says."""
    said = desk.root / f"{way}.log"
    with said.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(*SERVER, way, "--port", "0"),
            env={"OPENCODE_SERVER_PASSWORD": password, "PATH": os.environ["PATH"]},
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        await until(lambda: "listening on" in said.read_text())
        yield f"http://127.0.0.1:{said.read_text().split()[2]}", said
    finally:
        process.kill()
        await process.wait()


async def test_sessions_on_servers_that_run(desk: Desk) -> None:
    """The first that is well takes the session, with its user's password: not one that is gone, nor
    one that answers everything with 200."""
    attached = WorkerConfig(kind="opencode", lease_ms=20_000)
    async with running(desk, "page") as (page, _), running(desk, "honest") as (url, said):
        urls = ("http://127.0.0.1:9", page, url)
        finished = await desk.attempt(
            attached, OpencodeConfig(urls=urls, password_env="SERVER_KEY")
        )
        assert finished.reason is None, finished.detail
        assert desk.files() == {"hello.txt"}
        assert "rules:" in said.read_text()
    assert PASSWORD not in desk.log()
    folder = desk.root / "runs"
    assert not [
        path for path in folder.rglob("*") if path.is_file() and PASSWORD in path.read_text()
    ]


async def test_a_server_that_does_not_let_us_in(desk: Desk) -> None:
    """A wrong password is said, and not tried again."""
    attached = WorkerConfig(kind="opencode", lease_ms=20_000)
    async with running(desk, "honest", password="another") as (url, _):
        finished = await desk.attempt(
            attached, OpencodeConfig(urls=(url,), password_env="SERVER_KEY")
        )
    assert finished.reason is Reason.WORKER_FAILED
    assert "refuses our password" in finished.detail


async def test_a_stopped_session_is_aborted_at_its_server(desk: Desk) -> None:
    """What runs elsewhere is told to end, and is not ended with the attempt."""
    effect = desk.effect()
    key = effect_key(effect)
    async with running(desk, "silent") as (url, said):
        settings = WorkerConfig(kind="opencode", lease_ms=20_000)
        server = OpencodeConfig(urls=(url,), password_env="SERVER_KEY")
        workers = desk.workers(settings, server)
        run = asyncio.create_task(workers.do(key, effect, report))
        await until(lambda: any((desk.root / "logs").rglob("*.log")) and "asked" in desk.log())
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert "aborted" in said.read_text()
    assert left(key) == []

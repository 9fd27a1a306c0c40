"""Agents that are spoken to, each of another character, under the real reaper and escort: what
their attempt ends with, that nothing of them stays, and what is told of them."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from oya_vcs.adapters.agents.command import CommandWorkers, unboxed
from oya_vcs.adapters.agents.presets import PRESETS
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.config import WorkerConfig
from oya_vcs.core.effects import RunWorker, effect_key
from oya_vcs.core.events import Event, Reason, WorkerFinished
from oya_vcs.core.ids import BeadId, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.usage import Usage
from oya_vcs.ports import Box
from tests.integration.test_sandbox import REAL, Boxed
from tests.processes import AGENTS, Bench, left, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

KEY = "sk-ant-api03-" + "t0p5ecret" * 6
SPEC = BeadSpec(
    id=BeadId("bead-1"),
    title="Greet",
    description="Say hello.",
    acceptance="A greeting is there.",
    files=("bead-1.txt",),
)


@dataclass(slots=True)
class Desk:
    """A workspace beside a home, and workers for it."""

    root: Path
    reported: list[Event] = field(default_factory=list)
    box: Box = unboxed

    @property
    def workspace(self) -> Path:
        """Where the agent works."""
        return self.root / "work"

    async def report(self, event: Event) -> None:
        """Take a fact."""
        self.reported.append(event)

    def workers(self, settings: WorkerConfig) -> CommandWorkers:
        """Workers by these settings, in an environment with a secret that is passed on."""
        return CommandWorkers(
            ReaperRunner(self.root / "runs", SystemClock(), [KEY]),
            settings,
            runs=self.root / "runs",
            logs=self.root / "logs",
            environ={"PATH": os.environ["PATH"], "HOME": str(self.root), "MODEL_API_KEY": KEY},
            box=self.box,
        )

    def effect(self, attempt: int = 1, feedback: str = "", session: str = "") -> RunWorker:
        """An attempt at the bead."""
        self.workspace.mkdir(exist_ok=True)
        return RunWorker(
            repo=RepoId("repo"),
            bead=SPEC.id,
            attempt=attempt,
            workspace=WorkspaceName("w"),
            path=str(self.workspace),
            spec=SPEC,
            feedback=feedback,
            session=session,
        )

    async def attempt(self, settings: WorkerConfig, effect: RunWorker) -> WorkerFinished:
        """One attempt; nothing of it is left, and a later daemon would find the same end."""
        key, workers = effect_key(effect), self.workers(settings)
        finished = await workers.do(key, effect, self.report)
        assert isinstance(finished, WorkerFinished)
        assert left(key) == []
        assert await workers.probe(key, effect) == finished
        return finished

    def log(self) -> str:
        """What the newest attempt said."""
        newest = max((self.root / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_text()

    def files(self) -> set[str]:
        """What is in the workspace."""
        return {path.name for path in self.workspace.iterdir()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk."""
    return Desk(tmp_path)


def acp(character: str, **more: object) -> WorkerConfig:
    """Settings for one of the fake ACP agents."""
    given = {"lease_ms": 10_000, "stop_ms": 300, **more}
    command = (str(AGENTS / "acp_agent.py"), character)
    return WorkerConfig(kind="acp", command=command, **given)  # type: ignore[arg-type]


async def test_an_honest_agent(desk: Desk) -> None:
    """It is asked what the bead says; its plan, tools and words are the log; what it used and the
    name of the session are told; its files are the workspace's only change."""
    finished = await desk.attempt(acp("honest"), desk.effect(feedback="The test failed."))
    assert finished.reason is None
    assert finished.usage == Usage(tokens_in=35, tokens_out=7, cost_micros=12_500)
    assert finished.session == "s-1"
    assert desk.files() == {"bead-1.txt"}
    asked = (desk.workspace / "bead-1.txt").read_text()
    for part in ("# Greet", "Say hello.", "A greeting is there.", "- bead-1.txt", "test failed"):
        assert part in asked
    assert "OYA_HEARTBEAT" not in asked
    assert "status 0" not in asked
    assert "Whatever you ask leave for is refused" in asked
    log = desk.log()
    for line in ("plan: [x] write", "tool: Write bead-1.txt (completed)", "agent: I wrote it."):
        assert line in log.splitlines()


@pytest.mark.parametrize(
    ("character", "reason", "words"),
    [
        ("lying", None, ""),
        ("forking", None, ""),
        ("cutting", None, ""),
        ("babbling", None, ""),
        ("asking", None, ""),
        ("crashing", Reason.WORKER_FAILED, "status 9 before it had answered session/prompt"),
        ("old", Reason.WORKER_FAILED, "speaks version 7 of the Agent Client Protocol"),
        ("locked", Reason.WORKER_FAILED, "log in: Authentication required"),
        ("refusing", Reason.WORKER_FAILED, "it refuses to do this"),
    ],
)
async def test_agents_of_each_character(
    desk: Desk, character: str, reason: Reason | None, words: str
) -> None:
    """What they say is put into one reason and a sentence; nothing they start outlives them."""
    finished = await desk.attempt(acp(character), desk.effect())
    assert finished.reason is reason
    assert words in finished.detail
    if reason is None:
        assert desk.files() == (set() if character == "lying" else {"bead-1.txt"})


async def test_a_silent_agent_is_stopped(desk: Desk) -> None:
    """The escort makes no progress of its own: an agent that says nothing has none."""
    finished = await desk.attempt(acp("silent", lease_ms=700), desk.effect())
    assert finished.reason is Reason.LEASE_EXPIRED


async def test_a_flooding_agent_is_stopped(desk: Desk) -> None:
    """Its messages are weighed as they come, not as they are told."""
    finished = await desk.attempt(acp("flooding", output_bytes_max=300_000), desk.effect())
    assert finished.reason is Reason.OUTPUT_LIMIT


async def test_a_program_that_is_not_there(desk: Desk) -> None:
    """It is missing, as it would be without an escort."""
    settings = WorkerConfig(kind="acp", command=("./no-such-agent",))
    finished = await desk.attempt(settings, desk.effect())
    assert finished.reason is Reason.WORKER_MISSING
    assert "./no-such-agent cannot be run: No such file" in finished.detail


@pytest.mark.parametrize("permissions", [(), ("edit",), ("all",)])
async def test_leave_is_given_as_configured(desk: Desk, permissions: tuple[str, ...]) -> None:
    """Nothing by default; a kind where it is named; never for a path outside of the workspace."""
    finished = await desk.attempt(acp("begging", permissions=permissions), desk.effect())
    log = desk.log()
    assert finished.reason is None
    assert ("allowed: edit here" in log) is bool(permissions)
    assert ("allowed: run make" in log) is (permissions == ("all",))
    assert "refused: edit the neighbour" in log
    assert desk.files() == ({"bead-1.txt"} if permissions else set())
    if permissions:
        asked = (desk.workspace / "bead-1.txt").read_text()
        assert ("of these kinds: edit. Others are refused" in asked) is (permissions == ("edit",))


async def test_a_session_is_taken_up_again(desk: Desk) -> None:
    """The next attempt goes on with the conversation, where the agent still has it; else it opens a
    new one."""
    first = await desk.attempt(acp("honest"), desk.effect())
    await desk.attempt(acp("honest"), desk.effect(2, "Again.", session=first.session))
    assert "its session s-1 is taken up again" in desk.log()
    await desk.attempt(acp("honest"), desk.effect(3, "Again.", session="s-0"))
    assert "it cannot be taken up (no such session); a new one is opened" in desk.log()


async def test_an_agent_that_is_to_stop_is_asked_first(desk: Desk) -> None:
    """A cancelled attempt asks the agent in its own words, and then ends it, whatever it says."""
    effect = desk.effect()
    key, workers = effect_key(effect), desk.workers(acp("stubborn"))
    run = asyncio.create_task(workers.do(key, effect, desk.report))
    await until((desk.workspace / "begun").exists)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert left(key) == []
    assert "escort: the agent is asked to stop" in desk.log().splitlines()
    stopped = await workers.stopped(key, effect, Reason.CANCELLED)
    assert isinstance(stopped, WorkerFinished)
    assert stopped.reason is Reason.CANCELLED


async def test_no_secret_is_told(desk: Desk) -> None:
    """An agent that says its whole environment, on both outputs: the key is in no log, no report
    and no event; what is not named does not even reach it."""
    settings = acp("thief", env=("MODEL_API_KEY",), home="private")
    finished = await desk.attempt(settings, desk.effect())
    assert "MODEL_API_KEY" in desk.log()
    assert str(desk.root / "runs") in desk.log()  # its home
    assert KEY not in repr((finished, desk.reported))
    assert [
        path for path in desk.root.rglob("*") if path.is_file() and KEY in path.read_text()
    ] == []
    await desk.attempt(acp("thief"), desk.effect(2))
    assert "MODEL_API_KEY" not in desk.log()


def cli(dialect: str, character: str, **more: object) -> WorkerConfig:
    """Settings for one of the fake programs; it gets what its preset gives it."""
    given = {"lease_ms": 10_000, "stop_ms": 300, **more}
    tail = [word for word in PRESETS[dialect].command if word.startswith("{prompt")]
    option = ("--message-file",) if dialect == "aider" else ()
    command = (str(AGENTS / "cli.py"), dialect, character, *option, *tail)
    return WorkerConfig(preset=dialect, command=command, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", PRESETS)
async def test_a_preset_reads_what_its_program_prints(desk: Desk, dialect: str) -> None:
    """Each gets its task in its own way; words, tokens and cost come out of what it prints."""
    finished = await desk.attempt(cli(dialect, "honest"), desk.effect())
    assert finished.reason is None
    assert "# Greet" in (desk.workspace / "bead-1.txt").read_text()
    cost = 0 if dialect == "codex" else 250_000
    assert finished.usage == Usage(tokens_in=100, tokens_out=20, cost_micros=cost)
    assert "I look at it." in desk.log()


@pytest.mark.parametrize(
    ("dialect", "character", "reason", "words"),
    [
        ("codex", "failing", Reason.WORKER_FAILED, "model overloaded"),
        ("claude", "failing", Reason.WORKER_FAILED, "model overloaded"),
        ("opencode", "failing", Reason.WORKER_FAILED, "model overloaded"),
        ("codex", "crashing", Reason.WORKER_FAILED, "signal 9 (SIGKILL)"),
        ("codex", "lying", None, ""),
        ("codex", "babbling", None, ""),
        ("claude", "cutting", None, ""),
        ("opencode", "flooding", Reason.OUTPUT_LIMIT, "limit"),
    ],
)
async def test_programs_of_each_character(
    desk: Desk, dialect: str, character: str, reason: Reason | None, words: str
) -> None:
    """A program that says that it failed has failed, whatever its status; one that is not
    understood costs figures only."""
    finished = await desk.attempt(
        cli(dialect, character, output_bytes_max=3_000_000), desk.effect()
    )
    assert finished.reason is reason
    assert words in finished.detail


async def test_who_holds_an_ended_programs_output_open_keeps_nobody_waiting(desk: Desk) -> None:
    """A child in a session of its own that ignores SIGTERM is stopped with the run."""
    finished = await desk.attempt(cli("opencode", "forking"), desk.effect())
    assert (finished.reason, finished.usage is None) == (None, False)


def boxed(desk: Desk) -> Desk:
    """The desk with a sandbox, in which the fake agents can be seen."""
    (desk.root / "user").mkdir()
    box = Boxed(Bench(desk.root)).box(user_home=desk.root / "user")
    return replace(desk, box=replace(box, reads=(*box.reads, AGENTS)).around)


@REAL
async def test_the_escort_stands_outside_of_the_sandbox(desk: Desk) -> None:
    """The agent in the box talks through it, sees no home but its own, and what it reports is not
    the agent's to write."""
    desk = boxed(desk)
    finished = await desk.attempt(acp("thief", env=("MODEL_API_KEY",)), desk.effect())
    assert (finished.reason, finished.usage is None) == (None, False)
    assert desk.files() == {"bead-1.txt"}
    assert KEY not in desk.log()


@REAL
async def test_an_agent_in_the_sandbox_is_told_to_stop_through_its_escort(desk: Desk) -> None:
    """Neither the escort nor the box goes before the agent has had its time to end."""
    desk = boxed(desk)
    effect = desk.effect()
    key, workers = effect_key(effect), desk.workers(acp("obedient", stop_ms=20_000))
    run = asyncio.create_task(workers.do(key, effect, desk.report))
    await until((desk.workspace / "begun").exists)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert left(key) == []
    assert (desk.workspace / "stopped").exists()
    assert "escort: the agent ended its turn: cancelled" in desk.log().splitlines()


async def test_an_agent_that_others_wrote_the_protocol_for(desk: Desk) -> None:
    """The `agent-client-protocol` package checks all that we say against the protocol's schema, and
    speaks for itself: leave is given and refused, a session taken up, tokens counted."""
    command = (sys.executable, str(AGENTS / "acp_peer.py"))
    settings = WorkerConfig(kind="acp", command=command, permissions=("edit",))
    finished = await desk.attempt(settings, desk.effect())
    assert (finished.reason, finished.usage) == (None, Usage(tokens_in=10, tokens_out=2))
    assert "# Greet" in (desk.workspace / "bead-1.txt").read_text()
    assert finished.session == "peer-1"
    strict = WorkerConfig(kind="acp", command=command)
    (desk.workspace / "bead-1.txt").unlink()
    again = await desk.attempt(strict, desk.effect(2, "Again.", session="peer-1"))
    assert again.reason is None
    assert desk.files() == set()
    log = desk.log()
    assert "its session peer-1 is taken up again" in log
    assert "refused: Write: [worker] permissions does not hold 'edit'" in log

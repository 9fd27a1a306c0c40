"""Workers that are a command: what they are given, and what their end means. Real processes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.agents.brief import bead_json, prompt
from oya_vcs.adapters.agents.command import CommandWorkers
from oya_vcs.adapters.agents.programs import relative_program, require_program
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.config import WorkerConfig
from oya_vcs.core.effects import OpenChange, RunWorker, effect_key
from oya_vcs.core.events import Event, Reason, WorkerFinished, WorkerSpawned
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug, ConfigurationInvalid, WorldFailed
from oya_vcs.ports import Probe
from tests.processes import AGENTS, left

SPEC = BeadSpec(
    id=BeadId("bead-1"),
    title="Greet",
    description="Say hello.",
    acceptance="A greeting is there.",
    needs=(BeadId("bead-0"),),
    files=("hello.txt",),
    labels=("small",),
)
ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/someone",
    "LC_TIME": "C.UTF-8",
    "OYA_GITHUB_WEBHOOK_SECRET": "s3cr3t",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t",
}


class Home:
    """A home with a workspace, and workers in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = root / "workspace"
        self.workspace.mkdir()
        self.reported: list[Event] = []

    async def report(self, event: Event) -> None:
        """Take a fact."""
        self.reported.append(event)

    def workers(self, *command: str, **limits: int) -> CommandWorkers:
        """Workers that run `command` where the bead names none."""
        settings = WorkerConfig(command=command, stop_ms=300, **limits)  # type: ignore[arg-type]
        return CommandWorkers(
            ReaperRunner(self.root / "runs", SystemClock()),
            settings,
            runs=self.root / "runs",
            logs=self.root / "logs",
            environ=ENVIRON,
        )

    def effect(self, spec: BeadSpec = SPEC, attempt: int = 1, feedback: str = "") -> RunWorker:
        """An attempt at a bead."""
        return RunWorker(
            repo=RepoId("repo"),
            bead=spec.id,
            attempt=attempt,
            workspace=WorkspaceName("workspace"),
            path=str(self.workspace),
            spec=spec,
            feedback=feedback,
        )

    async def attempt(self, agent: str, effect: RunWorker, **limits: int) -> WorkerFinished:
        """One attempt by one of fixtures/agents."""
        workers = self.workers(str(AGENTS / agent), **limits)
        finished = await workers.do(effect_key(effect), effect, self.report)
        assert isinstance(finished, WorkerFinished)
        assert left(effect_key(effect)) == []
        return finished

    def files(self) -> set[str]:
        """What is in the workspace."""
        return {str(path.relative_to(self.workspace)) for path in self.workspace.rglob("*")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    return Home(tmp_path)


async def test_an_honest_worker(home: Home) -> None:
    """Its files are the workspace's only change, its start was reported before, its end settles."""
    effect = home.effect()
    key = effect_key(effect)
    finished = await home.attempt("honest.py", effect)
    assert finished == WorkerFinished(
        key=key,
        bead=SPEC.id,
        attempt=1,
        reason=None,
        exit_code=0,
        detail="The worker exited with status 0.",
    )
    assert home.files() == {"bead-1.txt"}
    assert (home.workspace / "bead-1.txt").read_text() == "Greet\nSay hello.\n"
    [spawned] = home.reported
    assert isinstance(spawned, WorkerSpawned)
    assert (spawned.run, spawned.bead, spawned.attempt) == (key, SPEC.id, 1)
    assert (home.root / "logs" / "bead-1" / f"1-{key[:8]}.log").read_text() == (
        "wrote bead-1.txt\n"
    )


@pytest.mark.parametrize(
    ("agent", "limits", "reason", "detail"),
    [
        (
            "crash.py",
            {},
            Reason.WORKER_FAILED,
            (
                "The worker exited with status 3.\n\nThe end of its output:\n"
                "cannot go on: the model is confused"
            ),
        ),
        (
            "defer.py",
            {},
            Reason.WORKER_DEFERRED,
            (
                "The worker exited with status 75: it asks to be tried again later.\n\n"
                "The end of its output:\nthe service is busy"
            ),
        ),
        (
            "hang.py",
            {"lease_ms": 300},
            Reason.LEASE_EXPIRED,
            "The worker gave no output and no heartbeat for 0.3 s and was stopped.",
        ),
        (
            "hang.py",
            {"wall_ms_max": 300},
            Reason.WALL_TIME,
            "The worker ran longer than its limit of 0.3 s and was stopped.",
        ),
    ],
)
async def test_how_a_worker_can_fail(
    home: Home, agent: str, limits: dict[str, int], reason: Reason, detail: str
) -> None:
    """Every end has its reason, and a sentence with the end of the output."""
    finished = await home.attempt(agent, home.effect(), **limits)
    assert (finished.reason, finished.detail) == (reason, detail)


async def test_a_deferred_worker_finishes_later(home: Home) -> None:
    """Another attempt is another key and another run."""
    await home.attempt("defer.py", home.effect(attempt=1))
    finished = await home.attempt("defer.py", home.effect(attempt=2))
    assert finished.reason is None
    assert home.files() == {"bead-1.txt"}


async def test_a_beating_worker_may_be_silent(home: Home) -> None:
    """Touching the heartbeat file holds the lease."""
    spec = replace(SPEC, description="1.2 seconds of work")
    assert (await home.attempt("slow.py", home.effect(spec), lease_ms=600)).reason is None


async def test_a_worker_that_changes_nothing_has_not_failed_here(home: Home) -> None:
    """Whether no change is a failure is for whoever collects the result."""
    assert (await home.attempt("empty.py", home.effect())).reason is None
    assert home.files() == set()


async def test_big_files_stay(home: Home) -> None:
    """What a worker leaves is left as it is."""
    await home.attempt("big_files.py", home.effect())
    assert (home.workspace / "big.bin").stat().st_size == 3_000_000


async def test_feedback_reaches_the_worker(home: Home) -> None:
    """Without feedback the shared line is edited; with it the file is read and appended to."""
    shared = home.workspace / "shared.txt"
    shared.write_text("nobody\n")
    await home.attempt("edit_same_line.py", home.effect())
    assert shared.read_text() == "bead-1\n"
    shared.write_text("bead-0\n")
    await home.attempt("edit_same_line.py", home.effect(attempt=2, feedback="It conflicted."))
    assert shared.read_text() == "bead-0\nbead-1\n"


PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


async def test_the_environment_is_what_is_documented(home: Home) -> None:
    """The allowed variables and the documented OYA_ ones; no secret of the daemon's."""
    effect = home.effect(feedback="Once more.")
    key = effect_key(effect)
    workers = home.workers(sys.executable, "-I", "-c", PRINT_ENVIRONMENT)
    await workers.do(key, effect, home.report)
    log = home.root / "logs" / "bead-1" / f"1-{key[:8]}.log"
    env = json.loads(log.read_text())
    given = home.root / "runs" / key / "worker"
    env.pop("LC_CTYPE", None)  # Python's own, in a C locale (PEP 538)
    assert env == {
        "PATH": os.environ["PATH"],
        "HOME": "/home/someone",
        "LC_TIME": "C.UTF-8",
        "OYA_BEAD_ID": "bead-1",
        "OYA_BEAD_FILE": str(given / "bead.json"),
        "OYA_PROMPT_FILE": str(given / "prompt.md"),
        "OYA_FEEDBACK_FILE": str(given / "feedback.txt"),
        "OYA_HEARTBEAT": str(given / "heartbeat"),
        "OYA_ATTEMPT": "1",
        "OYA_EXECUTION_KEY": key,
        "OYA_WORKSPACE": str(home.workspace),
    }
    assert (given / "feedback.txt").read_text() == "Once more."
    assert home.files() == set()


async def test_a_bead_may_name_its_own_worker(home: Home) -> None:
    """The bead's command is split as a shell would, and used instead of the configured one."""
    spec = replace(SPEC, worker="sh -c 'echo \"$0 $1\" > own.txt' 'two words' x")
    assert (await home.attempt("crash.py", home.effect(spec))).reason is None
    assert (home.workspace / "own.txt").read_text() == "two words x\n"


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ("no-such-agent --fast", "no-such-agent cannot be run"),
        ("./agent.sh", "in the workspace"),
        ('agent "open', "No closing quotation"),
    ],
)
async def test_a_beads_worker_that_is_not_there(home: Home, worker: str, said: str) -> None:
    """It is the bead that fails, with a reason of its own and words that help."""
    finished = await home.attempt("honest.py", home.effect(replace(SPEC, worker=worker)))
    assert finished.reason is Reason.WORKER_MISSING
    assert finished.exit_code is None
    assert said in finished.detail


async def test_without_any_command_the_worker_is_missing(home: Home) -> None:
    """Nothing configured and nothing in the bead is no crash."""
    effect = home.effect()
    finished = await home.workers().do(effect_key(effect), effect, home.report)
    assert isinstance(finished, WorkerFinished)
    assert finished.reason is Reason.WORKER_MISSING
    assert home.reported == []


async def test_probe_finds_what_a_dead_daemon_started(home: Home) -> None:
    """Before the run it is absent; afterwards another daemon gets the same settling event."""
    effect = home.effect()
    key = effect_key(effect)
    assert await home.workers().probe(key, effect) is Probe.ABSENT
    finished = await home.attempt("crash.py", effect)
    assert await home.workers().probe(key, effect) == finished


async def test_the_brief_that_cannot_be_written_is_the_worlds_fault(home: Home) -> None:
    """A disk that refuses before the start may be tried again, and nothing was started."""
    (home.root / "runs").write_text("in the way")
    effect = home.effect()
    with pytest.raises(WorldFailed) as caught:
        await home.workers("true").do(effect_key(effect), effect, home.report)
    assert caught.value.retryable
    assert home.reported == []


async def test_only_workers_are_run(home: Home) -> None:
    """Any other effect is a bug of whoever sent it here."""
    other = OpenChange(
        repo=RepoId("repo"),
        bead=SPEC.id,
        attempt=1,
        change=ChangeId("c"),
        head=CommitId("0" * 40),
        title="t",
    )
    assert home.workers().kinds == (RunWorker,)
    with pytest.raises(Bug, match="OpenChange"):
        await home.workers("true").do(Key("k"), other, home.report)


def test_the_bead_file_speaks_the_dialect_of_the_beads_file() -> None:
    """Field for field, so that whatever reads one reads the other."""
    spec = replace(SPEC, tenant="team", allow_empty=True, worker="w", sticky="soft")
    assert json.loads(bead_json(spec)) == {
        "id": "bead-1",
        "title": "Greet",
        "description": "Say hello.",
        "acceptance_criteria": "A greeting is there.",
        "status": "in_progress",
        "priority": 2,
        "issue_type": "task",
        "labels": ["small"],
        "dependencies": [{"depends_on_id": "bead-0", "type": "blocks"}],
        "metadata": {
            "oya": {
                "tenant": "team",
                "sticky": "soft",
                "files": ["hello.txt"],
                "worker": "w",
                "allow_empty": True,
            }
        },
    }


def test_the_prompt_says_all_that_is_asked(home: Home) -> None:
    """Title, description, acceptance, files, feedback and the rules, each under its name."""
    text = prompt(home.effect(attempt=2, feedback="The check failed.\n"), 30_000)
    assert text.startswith("# Greet\n\n## What is asked\n\nSay hello.\n\n## It is finished when\n")
    for words in (
        "- hello.txt",
        "## Why it came back\n\nThe check failed.",
        "bead bead-1, attempt 2",
        "Do not run jj",
        "status 0",
        "75",
        "30 seconds",
        "changes no file has failed",
    ):
        assert words in text


def test_the_prompt_leaves_out_what_does_not_apply(home: Home) -> None:
    """No empty section, no rule about a lease that is not kept or a change that is not needed."""
    spec = BeadSpec(id=BeadId("b"), title="Look", allow_empty=True)
    text = prompt(home.effect(spec), 0)
    assert text.startswith("# Look\n\n## Rules\n\n")
    for words in ("What is asked", "Files", "came back", "OYA_HEARTBEAT", "has failed."):
        assert words not in text.replace("Any other status means that this attempt failed.", "")


@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        ((), "No worker is configured", "worker.command"),
        (("no-such-agent",), "not on PATH", "Install it"),
        (("{}/gone.sh",), "gone.sh is not there", "worker.command"),
        (("{}/folder",), "folder is not there", "worker.command"),
        (("{}/plain.sh",), "not executable", "chmod +x"),
    ],
)
def test_a_missing_program_is_an_error_at_the_start(
    tmp_path: Path, argv: tuple[str, ...], said: str, hint: str
) -> None:
    """Before any bead is started the user hears what is wrong, and what to do."""
    (tmp_path / "plain.sh").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationInvalid) as caught:
        require_program([one.format(tmp_path) for one in argv], os.environ["PATH"])
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_program_that_is_there_is_accepted(tmp_path: Path) -> None:
    """By name on PATH and by an absolute path; a relative one is the repository's business."""
    script = tmp_path / "agent.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for argv in (("sh",), ("./agent.sh", "--fast"), (str(script),)):
        require_program(argv, os.environ["PATH"])
    assert relative_program(("./agent.sh", "--fast")) == "./agent.sh"
    assert relative_program(("sh",)) == relative_program((str(script),)) == ""

"""The setup command of a new workspace. Real processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from oya_vcs.adapters.agents.command import unboxed
from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.process.survivors import bearing
from oya_vcs.adapters.sandbox import Bubblewrap
from oya_vcs.adapters.setup import SetupCommand
from oya_vcs.config import WorkerConfig, WorkspaceConfig
from oya_vcs.core.effects import SetUpWorkspace, VerifyResult, effect_key
from oya_vcs.core.events import Event, Reason, ResultVerified, WorkspaceSetUp
from oya_vcs.core.ids import BeadId, CommitId, RepoId, WorkspaceName
from oya_vcs.ports import Box, Probe
from tests.integration.test_sandbox import BWRAP, REAL

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/home/someone", "LC_ALL": "C", "SECRET": "s3cr3t"}


def setup(home: Path, command: str, setup_ms_max: int = 60_000, box: Box = unboxed) -> SetupCommand:
    """The performer with this command."""
    runner = ReaperRunner(home / "runs", SystemClock())
    settings = WorkspaceConfig(setup=command, setup_ms_max=setup_ms_max)
    return SetupCommand(
        runner, settings, runs=home / "runs", logs=home / "logs", environ=ENVIRON, box=box
    )


def effect(home: Path, attempt: int = 1) -> SetUpWorkspace:
    """Setting up a workspace of bead b."""
    (home / "space").mkdir(exist_ok=True)
    return SetUpWorkspace(
        repo=RepoId("r"),
        bead=BeadId("b"),
        attempt=attempt,
        workspace=WorkspaceName("b-a1"),
        path=str(home / "space"),
    )


async def never(event: Event) -> None:
    """Nothing is told before it settles."""
    raise AssertionError(event)


async def done(performer: SetupCommand, work: SetUpWorkspace) -> WorkspaceSetUp:
    """Carry it out."""
    event = await performer.do(effect_key(work), work, never)
    assert isinstance(event, WorkspaceSetUp)
    return event


async def test_it_runs_in_the_workspace_and_its_output_is_logged(tmp_path: Path) -> None:
    """A shell command with the allow-listed environment; the probe then finds the same outcome."""
    performer = setup(tmp_path, 'env > seen; echo "done in $PWD, attempt $OYA_ATTEMPT" | cat')
    work = effect(tmp_path)
    assert await performer.probe(effect_key(work), work) is Probe.ABSENT
    event = await done(performer, work)
    assert (event.reason, event.detail, event.workspace) == (None, "", "b-a1")
    seen = (tmp_path / "space" / "seen").read_text()
    assert "HOME=/home/someone" in seen
    assert "s3cr3t" not in seen
    (log,) = (tmp_path / "logs" / "b").iterdir()
    assert log.read_text() == f"done in {tmp_path}/space, attempt 1\n"
    assert await performer.probe(effect_key(work), work) == event


async def test_its_failure_is_told_in_a_sentence_of_its_own(tmp_path: Path) -> None:
    """The exit status, where it is configured, where its output is, and the end of that."""
    performer = setup(tmp_path, "echo 'no network here' >&2; exit 7")
    event = await done(performer, effect(tmp_path))
    assert event.reason is Reason.WORKER_FAILED
    assert event.detail.startswith("The workspace was not set up ([workspace] setup in oya.toml)")
    assert "7" in event.detail
    assert str(tmp_path / "logs" / "b") in event.detail
    assert event.detail.endswith("no network here")


async def test_it_has_a_time_limit(tmp_path: Path) -> None:
    """A setup that hangs is stopped, with all it started."""
    performer = setup(tmp_path, "sleep 600 & sleep 600", setup_ms_max=200)
    event = await done(performer, effect(tmp_path))
    assert event.reason is Reason.WALL_TIME


async def test_one_that_was_cut_off_is_known_as_such(tmp_path: Path) -> None:
    """Cancelled as by the daemon's end: the process is gone, and the probe says interrupted."""
    performer = setup(tmp_path, "echo started; exec sleep 600")
    work = effect(tmp_path)
    running = asyncio.ensure_future(performer.do(effect_key(work), work, never))
    logs = tmp_path / "logs" / "b"
    async with asyncio.timeout(30):
        while not any(log.read_text() for log in logs.glob("*")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = await performer.probe(effect_key(work), work)
    assert isinstance(found, WorkspaceSetUp)
    assert found.reason is Reason.INTERRUPTED


async def test_one_that_was_stopped_says_why(tmp_path: Path) -> None:
    """Cancelled for a reason: that is its end, unless it had come to its own before."""
    work, performer = effect(tmp_path), setup(tmp_path, "exit 5")
    never_begun = await performer.stopped(effect_key(work), work, Reason.INTERRUPTED)
    assert isinstance(never_begun, WorkspaceSetUp)
    assert never_begun.reason is Reason.INTERRUPTED
    await done(performer, work)
    ended = await performer.stopped(effect_key(work), work, Reason.INTERRUPTED)
    assert isinstance(ended, WorkspaceSetUp)
    assert ended.reason is Reason.WORKER_FAILED


@REAL
async def test_in_a_sandbox_it_can_write_to_its_workspace_alone(tmp_path: Path) -> None:
    """The same walls as around a worker: it prepares its workspace; our home, its user's and `.jj`
    stay as they are, and what it writes to its own home is gone with its run."""
    user, oya = tmp_path / "user", tmp_path / "oya"
    work = effect(tmp_path)
    for path in (user, oya, tmp_path / "space" / ".jj"):
        path.mkdir()
    box = Bubblewrap(program=BWRAP, user_home=user, hidden=oya)
    places = (oya, user.parent, f"{work.path}/.jj", tmp_path / "logs")
    tries = [f"(echo x > {place}/planted) 2> /dev/null" for place in places]
    script = "; ".join(("echo ready > made", "echo x > ~/cache || exit 4", *tries, "exit 0"))
    event = await done(setup(tmp_path, script, box=box.around), work)
    assert event.reason is None, event.detail
    found = await asyncio.to_thread(lambda: [*tmp_path.rglob("*")])
    assert tmp_path / "space" / "made" in found
    outside = [path for path in found if tmp_path / "runs" not in path.parents]
    assert "planted" not in {path.name for path in outside}
    assert await asyncio.to_thread(lambda: list(user.iterdir())) == []


@REAL
async def test_a_boxed_setup_that_hangs_is_stopped_with_its_box(tmp_path: Path) -> None:
    """Its time limit holds there too, and nothing of it is left."""
    box = Bubblewrap(program=BWRAP, user_home=tmp_path, hidden=tmp_path / "oya")
    performer = setup(tmp_path, "sleep 600 & sleep 600", setup_ms_max=300, box=box.around)
    work = effect(tmp_path)
    event = await done(performer, work)
    assert event.reason is Reason.WALL_TIME
    assert effect_key(work) not in await asyncio.to_thread(bearing)


# --- Verifying a result ---------------------------------------------------------------------------


def verification(home: Path, round_: int = 1) -> VerifyResult:
    """Verifying what was done in the workspace of bead b."""
    place = effect(home)
    return VerifyResult(
        repo=place.repo,
        bead=place.bead,
        attempt=place.attempt,
        workspace=place.workspace,
        path=place.path,
        commit=CommitId("c" * 40),
        round=round_,
    )


def verifier(home: Path, command: str, **more: int) -> SetupCommand:
    """The performer with this verify command."""
    return SetupCommand(
        ReaperRunner(home / "runs", SystemClock()),
        WorkspaceConfig(setup="exit 99"),
        WorkerConfig(verify=command, **more),  # type: ignore[arg-type]
        runs=home / "runs",
        logs=home / "logs",
        environ=ENVIRON,
        box=unboxed,
    )


async def verified(performer: SetupCommand, work: VerifyResult) -> ResultVerified:
    """Carry it out; a later daemon finds the same."""
    event = await performer.do(effect_key(work), work, never)
    assert isinstance(event, ResultVerified)
    assert await performer.probe(effect_key(work), work) == event
    return event


async def test_a_result_is_verified_where_it_was_made(tmp_path: Path) -> None:
    """In the workspace, with no more of the environment than a setup sees; its output is a log."""
    event = await verified(verifier(tmp_path, 'test ! "$SECRET"; pwd'), verification(tmp_path))
    assert (event.reason, event.detail, event.round) == (None, "", 1)
    [log] = (tmp_path / "logs" / "b").glob("verify-1-*.log")
    assert log.read_text().strip() == str(tmp_path / "space")


async def test_a_result_that_fails_says_how(tmp_path: Path) -> None:
    """The status, the key in oya.toml, and the end of the output; a limit of time holds."""
    event = await verified(
        verifier(tmp_path, "echo 2 tests failed; exit 3"), verification(tmp_path)
    )
    assert event.reason is Reason.WORKER_FAILED
    assert event.detail.startswith("The result was not verified ([worker] verify in oya.toml)")
    assert event.detail.endswith("2 tests failed")
    slow = verifier(tmp_path, "sleep 600", verify_ms_max=200)
    assert (await verified(slow, verification(tmp_path, 2))).reason is Reason.WALL_TIME


async def test_no_more_results_are_verified_at_once_than_workers_run(tmp_path: Path) -> None:
    """A slot is free again when its worker has ended: without this, verifications would pile up."""
    performer = verifier(tmp_path, "mkdir one && rmdir one", slots=1)
    rounds = [verification(tmp_path, number) for number in range(1, 5)]
    done_ = await asyncio.gather(*(verified(performer, one) for one in rounds))
    assert [one.reason for one in done_] == [None] * 4

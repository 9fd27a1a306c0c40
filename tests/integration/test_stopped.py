"""What became of workers and checks that were stopped: real processes, real outcomes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, RepoId, WorkspaceName
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug
from oya_vcs.ports import Finished, Probe
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, Ended, no_report
from tests.integration.test_command import Home
from tests.processes import AGENTS, left, until

STOPPED = e.Reason.CANCELLED


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home."""
    return Home(tmp_path)


async def cut_off(doing: asyncio.Task[e.Event]) -> None:
    """Cancel, as the outbox does, and wait until that is through."""
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing


@pytest.mark.parametrize("agent", ["hang.py", "ignore_term.py", "forker.py"])
async def test_a_worker_that_was_stopped_says_why_and_has_left_nothing(
    home: Home, agent: str
) -> None:
    """Also one that is deaf to SIGTERM, and one whose children have sessions of their own."""
    effect = home.effect()
    if agent == "forker.py":
        effect = home.effect(_titled("wait"))
    key = f.effect_key(effect)
    workers = home.workers(str(AGENTS / agent))
    doing = asyncio.create_task(workers.do(key, effect, home.report))
    await until(lambda: left(key) and (home.reported and _has_begun(home, agent)))
    await cut_off(doing)
    assert left(key) == []
    event = await workers.stopped(key, effect, STOPPED)
    assert isinstance(event, e.WorkerFinished)
    assert event.reason is STOPPED
    assert event.detail.startswith("The worker was stopped before its end.")
    assert await workers.stopped(key, effect, STOPPED) == event


def _titled(title: str) -> BeadSpec:
    return BeadSpec(id=BeadId("bead-1"), title=title)


def _has_begun(home: Home, agent: str) -> bool:
    if agent == "forker.py":
        return (home.workspace / "forked.txt").exists()
    logs = list((home.root / "logs").rglob("*.log"))
    return bool(logs) and (agent == "hang.py" or any(log.stat().st_size for log in logs))


async def test_a_worker_that_never_began_was_stopped_too(home: Home) -> None:
    """No process, no outcome file: the reason alone."""
    effect = home.effect()
    key = f.effect_key(effect)
    event = await home.workers("true").stopped(key, effect, STOPPED)
    assert isinstance(event, e.WorkerFinished)
    assert (event.reason, event.exit_code) == (STOPPED, None)
    assert event.detail == "The worker was stopped before it began."


async def test_a_worker_that_had_ended_is_not_said_to_have_been_stopped(home: Home) -> None:
    """Its own end stands: its result is whole."""
    effect = home.effect()
    key = f.effect_key(effect)
    workers = home.workers(str(AGENTS / "honest.py"))
    ended = await workers.do(key, effect, home.report)
    assert await workers.stopped(key, effect, STOPPED) == ended


@pytest.fixture(params=["plain"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough: checks read objects alone."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


async def test_checks_that_were_stopped_have_no_result_of_their_own(
    changes: Changes, tmp_path: Path
) -> None:
    """One had passed and one was cut: neither pass nor failure, but stopped. A result that was
    there stands, and what cannot be told yet is asked again."""
    ran = tmp_path / "ran"
    checks = {"passed": "true", "cut": f"echo cut >> {ran}; sleep 300"}
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    key, effect = changes.check(built.commit)
    doing = asyncio.create_task(changes.forge(checks).do(key, effect, no_report))
    await until(lambda: ran.exists() and ran.read_text() == "cut\n")
    await cut_off(doing)
    event = await changes.forge(checks).stopped(key, effect, STOPPED)
    assert isinstance(event, e.ChecksFinished)
    assert (event.reason, event.check, event.candidate) == (STOPPED, "", built.commit)
    assert ran.read_text() == "cut\n"
    waiting = Ended(_well(), earlier=[Probe.UNKNOWN])
    assert await changes.forge(checks, runner=waiting).stopped(key, effect, STOPPED) is None
    passed = Ended(_well(), earlier=[_well(), _well()])
    told = await changes.forge(checks, runner=passed).stopped(key, effect, STOPPED)
    assert isinstance(told, e.ChecksFinished)
    assert told.reason is None


def _well() -> Finished:
    return Finished(reason=None, exit_code=0, detail="It ended with status 0.", tail="")


async def test_what_ends_by_itself_is_never_asked(changes: Changes) -> None:
    """A landing, or a workspace that is being made, is not stopped: to ask is a bug."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    with pytest.raises(Bug):
        await changes.forge().stopped(*changes.land(built), STOPPED)
    workspaces = JjWorkspaces(changes.repository, changes.home, changes.home, "main")
    creation = f.CreateWorkspace(
        repo=RepoId("r"), bead=BeadId("b"), attempt=1, workspace=WorkspaceName("w")
    )
    with pytest.raises(Bug):
        await workspaces.stopped(f.effect_key(creation), creation, STOPPED)

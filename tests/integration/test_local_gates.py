"""The gates of a repository, on real git and real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.local import Gates, LocalForge
from oya_vcs.adapters.local.checkout import Checkouts
from oya_vcs.adapters.local.checks import Checks
from oya_vcs.adapters.local.gates import commands_of, files_of
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.config import HooksConfig
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, RepoId, execution_key
from oya_vcs.errors import ConfigurationInvalid, WorldFailed
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import Changes, no_report

SECRET = "correct-horse-battery"
KEY = execution_key(BeadId("b1"), "look")


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough: only objects are read."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def gates(changes: Changes, hooks: HooksConfig, wall_ms_max: int = 60_000) -> Gates:
    """The gates that this configuration names, with a secret that no output may show."""
    repository, home, main = changes.repository, changes.home, changes.commit("main")
    runner = ReaperRunner(home / "runs", SystemClock(), [SECRET])

    def at(gate: str) -> Mapping[str, str]:
        return commands_of(gate, hooks, changes.user.tools.git)

    async def tip() -> CommitId:
        return main

    return Gates(
        repo=RepoId("r"),
        checks={
            gate: Checks(
                repository,
                runner,
                checks_at=lambda _text, gate=gate: at(gate),  # type: ignore[misc]
                checkouts=Checkouts(repository, home / "gates", 1),
                parallel=1,
                logs=home / "logs",
                check_ms_max=wall_ms_max,
                environ={"PATH": changes.user.environ["PATH"], "TOKEN": "t0ken"},
                files=files_of(gate),
            )
            for gate in ("pre_push", "pre_enqueue")
        },
        tip=tip,
    )


async def look(gates: Gates, commit: CommitId) -> e.ChecksFinished | None:
    """What the gate before a push says of a commit."""
    return await gates.look("pre_push", KEY, BeadId("b1"), ChangeId("c1"), commit)


async def test_a_gate_sees_the_commit_alone_and_its_words_hold_no_secret(changes: Changes) -> None:
    """A clean checkout, an allow-listed environment; the end of its output, without secrets."""
    told = f'echo "[{SECRET}] [$TOKEN] $(ls | tr "\\n" " ")"; exit 3'
    head = changes.head({"mine.txt": "x\n"})
    said = await look(gates(changes, HooksConfig(pre_push=told)), head)
    assert said is not None
    assert (said.check, said.reason) == ("hooks.pre_push", e.Reason.CHECK_FAILED)
    assert "status 3" in said.detail
    assert "[] " in said.detail
    assert "mine.txt" in said.detail
    assert SECRET not in said.detail
    assert await look(gates(changes, HooksConfig(pre_push="true")), head) is None


async def test_a_gate_has_a_limit_and_leaves_no_process(changes: Changes) -> None:
    """Its whole process tree goes with it."""
    begun = gates(changes, HooksConfig(pre_push="sleep 600 & sleep 600"), wall_ms_max=300)
    said = await look(begun, changes.head({"mine.txt": "x\n"}))
    assert said is not None
    assert "did not end within 300 ms" in said.detail


async def test_a_gate_that_has_spoken_is_not_run_again(changes: Changes) -> None:
    """Under the same key it says the same, in another life too."""
    count = changes.home / "count"
    changes.home.mkdir(exist_ok=True)
    hooks = HooksConfig(pre_push=f"echo once >> {count}; exit 1")
    head = changes.head({"mine.txt": "x\n"})
    first = await look(gates(changes, hooks), head)
    assert await look(gates(changes, hooks), head) == first
    assert count.read_text() == "once\n"


async def test_what_the_gate_blocks_is_no_change_request(changes: Changes) -> None:
    """It is settled as refused, with the words of the gate; what passes is opened."""
    hooks = HooksConfig(pre_enqueue="test ! -e bad.txt || { echo not this; exit 1; }")
    plain = changes.forge()
    forge = LocalForge(
        changes.repository,
        changes.runner(),
        target="main",
        checks_at=lambda _text: {},
        checkouts=changes.home / "checkouts",
        logs=changes.home / "logs",
        check_ms_max=20_000,
        environ={},
        gates=gates(changes, hooks),
    )
    bad = changes.opening(changes.head({"bad.txt": "x\n"}))
    event = await forge.do(*bad, no_report)
    assert isinstance(event, e.ResultRefused)
    assert event.reason is e.Reason.HOOK_REFUSED
    assert "not this" in event.detail
    assert isinstance(await plain.do(*bad, no_report), e.ChangeOpened)
    good = changes.opening(changes.head({"good.txt": "x\n"}))
    assert isinstance(await forge.do(*good, no_report), e.ChangeOpened)


async def test_a_target_that_cannot_be_read_lets_nothing_pass(changes: Changes) -> None:
    """The look comes to nothing, with the mend; a gate without anything to run lets all pass."""

    async def gone() -> CommitId:
        raise ConfigurationInvalid("There is no bookmark main.", "Make one.")

    here = gates(changes, HooksConfig())
    broken = Gates(repo=here.repo, checks=here.checks, tip=gone)
    head = changes.head({"mine.txt": "x\n"})
    with pytest.raises(WorldFailed, match="no bookmark main"):
        await look(broken, head)
    assert await look(here, head) is None
    assert await look(Gates(repo=here.repo, checks={}, tip=gone), head) is None


@pytest.mark.parametrize(("where", "status"), [("open", 0), ("closed", 1)])
def test_where_pre_commit_is_missing_the_gate_says_so(
    tmp_path: Path, where: str, status: int
) -> None:
    """And is open or closed, as it is configured."""
    command = commands_of("pre_push", HooksConfig(pre_commit=where), Path("git"))
    argv = ["/bin/sh", "-c", command[".pre-commit-config.yaml"]]
    ran = subprocess.run(
        argv, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == status
    assert "pre-commit is not installed" in ran.stdout

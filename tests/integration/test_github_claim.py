"""Which home works on a repository on GitHub (`adapters/github/claim.py`), at a bare repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.github import claim
from oya_vcs.adapters.github.claim import CLAIM
from oya_vcs.adapters.jj import JjRepository, Programs, open_remote, open_repository
from oya_vcs.errors import Locked, WorldFailed
from tests.integration.conftest import UserRepo
from tests.integration.remotes import origin_of


@pytest.fixture(params=["plain"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind: nothing here is about the folder."""
    return str(request.param)


async def test_a_repository_is_one_homes_until_somebody_lets_go_of_it(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path
) -> None:
    """The first has it, in every life; another is told what to do, changes nothing, and has it once
    that is done; then the first is told."""
    clock, folder = SystemClock(), tmp_path / "another"
    other = await open_repository(user_repo.root, workspaces=folder, programs=programs)
    with origin_of(user_repo, tmp_path, "file") as origin:
        first = await open_remote(repository, "origin", user_repo.environ)
        second = await open_remote(other, "origin", user_repo.environ)
        await claim(first, repository, clock)
        held = origin.git("rev-parse", CLAIM)
        await claim(first, repository, clock)
        with pytest.raises(Locked, match="Another home of oya-vcs works on origin") as told:
            await claim(second, other, clock)
        assert f"`git push origin :{CLAIM}`" in told.value.hint
        assert origin.git("rev-parse", CLAIM) == held
        user_repo.git("push", "-q", str(origin.bare), f":{CLAIM}")
        await claim(second, other, clock)
        assert origin.git("rev-parse", CLAIM) != held
        origin.git("fsck", "--strict", "--no-dangling")
        with pytest.raises(Locked):
            await claim(first, repository, clock)


@pytest.mark.parametrize("way", ["file", "http"])
async def test_of_two_that_claim_at_once_the_slower_is_told(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path, way: str
) -> None:
    """The other's claim arrives while the server takes ours: it is the other's, not a refusal."""
    with origin_of(user_repo, tmp_path, way) as origin:
        remote = await open_remote(repository, "origin", user_repo.environ)
        theirs = origin.main()
        origin.overtake(CLAIM, theirs)
        with pytest.raises(Locked, match="Another home of oya-vcs works on origin"):
            await claim(remote, repository, SystemClock())
        assert origin.git("rev-parse", CLAIM) == theirs


async def test_a_repository_that_takes_no_pushes_is_no_reason_to_wait(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """A refusal is an error that says whom to ask, and not asked again for ever."""
    with origin_of(user_repo, tmp_path, "http") as origin:
        remote = await open_remote(repository, "origin", user_repo.environ)
        origin.fault = "403"
        with pytest.raises(WorldFailed, match="could not be taken for this home") as failed:
            await claim(remote, repository, SystemClock())
    assert "doctor" in failed.value.hint

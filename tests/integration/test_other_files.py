"""A bead that names its files: what its worker changed beside them is no result. On real jj."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.events import Reason
from oya_vcs.core.ids import CommitId
from tests.integration.attempts import Attempt, no_report
from tests.integration.conftest import UserRepo


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


async def collect(attempt: Attempt, base: CommitId, *files: str) -> e.Event:
    """Collect what is in the folder, for a bead that names these files."""
    effect = replace(attempt.collection(base), files=files)
    return await attempt.performer.do(f.effect_key(effect), effect, no_report)


async def test_only_the_files_that_a_bead_names_may_change(attempt: Attempt) -> None:
    """New, edited, deleted and renamed ones beside them are named in the refusal, and stay where
    they are; without them the same folder is a result, and one for a bead that names no file."""
    base = (await attempt.create()).base
    path = attempt.path
    (path / "src" / "main.py").write_text("print('changed')\n")
    (path / "src" / "new.py").write_text("new\n")
    (path / " odd ünïcode\n.txt").write_text("odd\n")
    (path / "README").unlink()
    refused = await collect(attempt, base, "src/*.py")
    assert isinstance(refused, e.ResultRefused)
    assert refused.reason is Reason.OTHER_FILES
    assert "README" in refused.detail
    assert " odd ünïcode\n.txt" in refused.detail
    assert "It may change src/*.py (metadata.oya.files)" in refused.detail
    assert "main.py" not in refused.detail
    assert not (path / "README").exists()
    assert isinstance(await collect(attempt, base), e.ResultCollected)
    (path / " odd ünïcode\n.txt").unlink()
    (path / "README").write_text("A project.\n")
    assert isinstance(await collect(attempt, base, "src/*.py"), e.ResultCollected)


async def test_a_commit_of_the_workers_own_hides_nothing(attempt: Attempt) -> None:
    """What one commit changes and the next takes back would land with both: it is refused."""
    base = (await attempt.create()).base
    (attempt.path / "README").write_text("Somebody else's.\n")
    attempt.user.jj("commit", "-m", "one", at=attempt.path)
    (attempt.path / "README").write_text("A project.\n")
    (attempt.path / "own.txt").write_text("own\n")
    refused = await collect(attempt, base, "own.txt")
    assert isinstance(refused, e.ResultRefused)
    assert refused.reason is Reason.OTHER_FILES

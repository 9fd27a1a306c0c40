"""Configuration that a worker planted where jj looks for it: never obeyed, and never for long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs
from oya_vcs.errors import WorldFailed
from tests.integration.attempts import Attempt
from tests.integration.conftest import UserRepo

RULES = """
[template-aliases]
"commit_id" = '"planted"'
[aliases]
log = ["util", "exec", "--", "touch", "{ran}"]
[snapshot]
auto-track = "none()"
"""


def plant(path: Path, ran: Path) -> Path:
    """Configuration that would lie, and run a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RULES.format(ran=ran))
    return path


@pytest.mark.parametrize(
    "where",
    [
        *("jj.toml", "config/jj/config.toml", "config/.jjconfig.toml", "config/jj/conf.d/a.toml"),
        *("config/.config/jj/config.toml", "jj/config.toml", "config/jj/repos/ID/config.toml"),
    ],
)
async def test_what_is_put_into_jjs_home_has_no_say(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path, where: str
) -> None:
    """A configuration for the user, for the repository or in pieces, anywhere in the home that jj
    is given: jj does not obey it, and it is gone from where jj could."""
    user_repo.peek("config", "set", "--repo", "ui.pager", "cat")
    await repository.jj("log")
    identity = (repository.store / "config-id").read_text()
    ran = tmp_path / "ran"
    planted = plant(programs.home / where.replace("ID", identity), ran)
    assert await repository.jj("log", "-r", "main", "--no-graph", "-T", "commit_id") == (
        user_repo.commit("main")
    )
    assert not ran.exists()
    assert planted.exists() == (not where.startswith("config/"))
    made = await Attempt(user_repo, repository, tmp_path / "oya-home").create()
    assert made.base == user_repo.commit("main")


async def test_a_configuration_of_the_repository_that_appears_is_refused(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """jj would move an old-style file to its home and obey it, as it would a planted name of
    another configuration: nothing is run, the error names the file, and without it all is well."""
    (repository.store / "config-id").unlink(missing_ok=True)
    (repository.store / "config.toml").unlink(missing_ok=True)
    ran = tmp_path / "ran"
    old = plant(repository.store / "config.toml", ran)
    with pytest.raises(WorldFailed, match="has appeared in the repository"):
        await repository.jj("log")
    old.unlink()
    identity = repository.store / "config-id"
    identity.write_text(f"../../../{'../' * 20}{tmp_path}/evil")
    plant(tmp_path / "evil" / "config.toml", ran)
    with pytest.raises(WorldFailed, match="config-id is not what jj writes"):
        await repository.jj("log")
    identity.unlink()
    assert await repository.jj("log", "-r", "main", "--no-graph", "-T", "commit_id") == (
        user_repo.commit("main")
    )
    assert not ran.exists()


async def test_a_pipe_for_ignored_files_stops_nobody_for_ever(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """jj would wait for somebody to write into `info/exclude`: it is refused by name."""
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    exclude = repository.git_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.unlink(missing_ok=True)
    os.mkfifo(exclude)
    (attempt.path / "new").write_text("work\n")
    with pytest.raises(WorldFailed, match="exclude is no file"):
        await attempt.collect(made.base)
    exclude.unlink()
    assert await attempt.collect(made.base)

"""Traps of jj that have cost people their work (docs/TRAPS.md), each on real jj: first that it is
there, so that a jj in which it is gone is noticed, then that nothing of ours falls into it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.workspaces import RESULTS
from oya_vcs.core import effects as f
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.attempts import Attempt, Counted
from tests.integration.conftest import UserRepo

OPERATIONS = 'id ++ " " ++ user ++ " " ++ tags ++ "\\n"'
"""Of an operation: its id, who did it, and with which arguments."""


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


ONE_KIND = pytest.mark.parametrize("repo_kind", ["colocated"], indirect=True)


def as_user(user: UserRepo, *args: str) -> subprocess.CompletedProcess[str]:
    """jj in the user's workspace, however it ends."""
    argv = [str(user.tools.jj), "--no-pager", "--color=never", "-R", str(user.root), *args]
    return subprocess.run(argv, env=user.environ, capture_output=True, text=True, check=False)


def heads(user: UserRepo) -> set[str]:
    """The operation heads, as their folder has them."""
    return {path.name for path in (user.root / ".jj/repo/op_heads/heads").iterdir()}


@dataclass
class Noted(Counted):
    """Notes when the file system was synced, among the programs that were started."""

    async def sync(self) -> None:
        self.calls.append(("sync",))
        await self.inner.sync()


async def test_the_life_of_a_workspace_as_the_op_log_has_it(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """Arguments stay in the op log for ever: no text of a bead is one. Each operation of ours is
    marked as this home's. A colocated repository gets no git worktree: parallel adds break them."""
    before = user_repo.peek("op", "log", "--no-graph", "-T", OPERATIONS).splitlines()
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    effect = replace(
        attempt.collection(made.base), message="The hunter2 of a title\n\nOya-Key: k\n"
    )
    await attempt.performer.do(f.effect_key(effect), effect, _unheard)
    assert user_repo.git("worktree", "list").count("\n") == 0
    await attempt.remove(None)
    after = user_repo.peek("op", "log", "--no-graph", "-T", OPERATIONS)
    ours = [line for line in after.splitlines() if line not in before]
    assert len(ours) > 3
    assert {line.split()[1] for line in ours} == {f"oya-vcs@{repository.workspace_prefix}"}
    assert "args: jj" in after.replace("tags: ", "")
    assert "hunter2" not in after
    assert "hunter2" in user_repo.git("log", "--all", "--format=%s")


async def _unheard(event: object) -> None:
    raise AssertionError(event)


@ONE_KIND
async def test_no_command_of_ours_leaves_its_revision_out(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """`jj abandon`, `describe` and `new` without a revision take @, and succeed: each of ours names
    one, which is not empty."""
    bare = as_user(user_repo, "--ignore-working-copy", "describe", "-m", "on @")
    assert bare.returncode == 0
    assert user_repo.peek("log", "--no-graph", "-r", "@", "-T", "description") == "on @\n"
    counted = Counted(repository)
    attempt = Attempt(user_repo, counted, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    await attempt.collect(made.base)
    await attempt.remove(None)
    verbs = {"abandon", "describe", "new", "rebase", "squash", "duplicate", "forget", "edit"}
    found = [call for call in counted.calls if call[0] == "jj" and verbs & set(call[1:3])]
    assert {"describe", "forget"} <= {verb for call in found for verb in call[1:3]}
    for call in found:
        last = call[-1]
        assert last.strip(), call
        assert last not in verbs, call


@ONE_KIND
async def test_what_is_collected_is_on_disk_before_it_is_told(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """Neither jj nor git syncs objects and refs: the file system is, behind the last write and
    before the result is settled, and again where a probe tells of it."""
    noted = Noted(repository)
    attempt = Attempt(user_repo, noted, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    await attempt.collect(made.base)
    assert noted.calls[-1] == ("sync",)
    assert any(RESULTS in word for word in noted.calls[-2]), "the pin is the last write"
    noted.calls.clear()
    effect = attempt.collection(made.base)
    assert not isinstance(await attempt.performer.probe(f.effect_key(effect), effect), Probe)
    assert noted.calls[-1] == ("sync",)
    (attempt.path / "late").write_text("unsaved\n")
    noted.calls.clear()
    await attempt.remove(None)
    writes = [at for at, call in enumerate(noted.calls) if "update-ref" in call]
    syncs = [at for at, call in enumerate(noted.calls) if call == ("sync",)]
    forgotten = next(at for at, call in enumerate(noted.calls) if "forget" in call)
    assert any(writes[0] < at < forgotten for at in syncs), noted.calls


@ONE_KIND
async def test_an_add_that_fails_and_leaves_something_is_taken_back(
    user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """`workspace add -r BAD` ends with 1 and leaves a folder and an entry. Ours is made whole by
    the next try, under the same name, with one entry."""
    place = tmp_path / "left"
    failed = as_user(user_repo, "workspace", "add", "--no-colocate", "-r", "nowhere", str(place))
    assert failed.returncode == 1
    assert place.is_dir()
    assert "left:" in user_repo.peek("workspace", "list")
    bad = tmp_path / "bad-jj"
    bad.write_text(
        "#!/bin/sh\nfor word do case $word in exactly*) word=nowhere;; esac\n"
        f'set -- "$@" "$word"; shift; done\nexec "{programs.jj}" "$@"\n'
    )
    bad.chmod(0o755)
    workspaces = tmp_path / "oya-home" / "workspaces"
    broken, well = [
        await open_repository(user_repo.root, workspaces=workspaces, programs=one)
        for one in (replace(programs, jj=bad), programs)
    ]
    await well.prepare()
    attempt = Attempt(user_repo, broken, tmp_path / "oya-home")
    with pytest.raises(WorldFailed, match="nowhere"):
        await attempt.create()
    attempt = Attempt(user_repo, well, tmp_path / "oya-home")
    made = await attempt.create()
    assert made.base == user_repo.commit("main")
    assert (attempt.path / "README").is_file()
    assert attempt.entries().count(attempt.entry) == 1


@ONE_KIND
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "plain"])
async def test_a_fetch_after_the_forge_deleted_a_branch_takes_nobodys_commits(
    attempt: Attempt, tmp_path: Path, *, ours: bool
) -> None:
    """jj abandons the commits of a branch that is gone at the remote, a live worker's too; told not
    to, as all of our commands are, it keeps them."""
    user = attempt.user
    bare = tmp_path / "origin.git"
    user.run(user.tools.git, "init", "-q", "--bare", "-b", "main", bare)
    user.peek("git", "remote", "add", "origin", str(bare))
    await attempt.create()
    (attempt.path / "work").write_text("of a worker\n")
    user.jj("commit", "-m", "In review", at=attempt.path)
    commit = user.jj("log", "--no-graph", "-r", "@-", "-T", "commit_id", at=attempt.path)
    user.peek("bookmark", "create", "topic", "-r", commit)
    user.peek("git", "push", "--remote", "origin", "--bookmark", "topic")
    user.run(user.tools.git, f"--git-dir={bare}", "update-ref", "-d", "refs/heads/topic")
    fetch = ("git", "fetch", "--remote", "origin")
    if ours:
        assert isinstance(attempt.repository, JjRepository)
        await attempt.repository.jj(*fetch)
    else:
        user.peek(*fetch)
    seen = user.peek("log", "--no-graph", "-r", f"::visible_heads() & {commit}", "-T", "commit_id")
    assert seen == (commit if ours else "")


@ONE_KIND
async def test_two_operation_heads_are_no_operation(
    user_repo: UserRepo, repository: JjRepository
) -> None:
    """A look at the op log with two heads writes an operation that joins them, which would call
    whoever watches again; the name of the newest one is read from the folder, and only where there
    is one."""
    (first,) = heads(user_repo)
    assert await repository.operation() == first
    user_repo.peek("new", "--no-edit", "-m", "one", "main")
    user_repo.peek("--at-op", first, "new", "--no-edit", "-m", "two", "main")
    two = heads(user_repo)
    assert len(two) == 2
    assert await repository.operation() == ""
    user_repo.peek("--at-op", min(two), "log", "-r", "main")
    assert heads(user_repo) == two, "a look at one operation writes none"
    user_repo.peek("op", "log", "-n1")
    (joined,) = heads(user_repo)
    assert joined not in two
    assert await repository.operation() == joined


@ONE_KIND
async def test_what_its_user_renamed_has_no_say(
    user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """Aliases, templates and revsets of the user's own configuration change no command of ours; an
    alias with the name of a command is not even heard by jj."""
    config = user_repo.home / ".jjconfig.toml"
    config.write_text(
        f"{config.read_text()}[aliases]\n"
        'workspace = ["util", "exec", "--", "false"]\nst = ["util", "exec", "--", "false"]\n'
        '[template-aliases]\ncommit_id = "\\"hers\\""\n'
        '[revset-aliases]\n"conflicts()" = "all()"\n'
        '[snapshot]\nmax-new-file-size = "1"\n[git]\nabandon-unreachable-commits = true\n'
    )
    assert as_user(user_repo, "--ignore-working-copy", "workspace", "list").returncode == 0
    assert as_user(user_repo, "--ignore-working-copy", "st").returncode == 1
    repository = await open_repository(
        user_repo.root, workspaces=tmp_path / "oya-home" / "workspaces", programs=programs
    )
    await repository.prepare()
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "big").write_bytes(os.urandom(4_000))
    result = await attempt.collect(made.base)
    assert "big" in attempt.files_of(result.commit)


@ONE_KIND
def test_jj_runs_no_hook_of_git(user_repo: UserRepo, tmp_path: Path) -> None:
    """Neither a commit nor `jj git push` asks a hook: no promise of ours may stand on one."""
    ran = tmp_path / "ran"
    hooks = user_repo.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-commit", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    bare = tmp_path / "origin.git"
    user_repo.run(user_repo.tools.git, "init", "-q", "--bare", bare)
    user_repo.peek("git", "remote", "add", "origin", str(bare))
    user_repo.jj("commit", "-m", "Without a hook")
    user_repo.peek("git", "push", "--remote", "origin", "--bookmark", "main")
    assert user_repo.run(user_repo.tools.git, f"--git-dir={bare}", "branch", "--list").strip()
    assert not ran.exists()

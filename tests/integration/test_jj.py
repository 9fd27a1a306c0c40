"""The repository as the daemon drives it: real jj; the user's configuration and files stay."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from oya_vcs.adapters import jj
from oya_vcs.adapters.jj import (
    JjRepository,
    Programs,
    clear_stale_locks,
    find_root,
    open_repository,
)
from oya_vcs.adapters.workspaces import RESULTS
from oya_vcs.errors import ConfigurationInvalid, NotFound, WorldFailed
from tests.integration.attempts import Attempt, Untouched
from tests.integration.conftest import UserRepo


def age(path: Path, seconds: float = 60) -> Path:
    """A file that was last written some time ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time.time() - seconds,) * 2)
    return path


async def test_the_identity_is_the_users(user_repo: UserRepo, repository: JjRepository) -> None:
    """What the daemon commits has the author whom the user's own jj configuration names."""
    assert repository.identity == ("Uma User", "uma@example.org")
    assert repository.id == JjRepository.name_of(user_repo.root)


async def test_opening_changes_nothing(
    user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """Neither opening nor reading a file at a bookmark leaves an operation, a folder or a file."""
    before = (Untouched.of(user_repo), user_repo.peek("op", "log", "-n1", "-T", "id"))
    home = tmp_path / "oya-home"
    opened = await open_repository(
        user_repo.root, workspaces=home / "workspaces", programs=programs
    )
    tip = await jj.tip(opened, "main")
    assert await jj.file_at(opened, tip, "README") == "A project."
    assert await jj.file_at(opened, tip, "src") is None
    assert await jj.file_at(opened, tip, "dirty.txt") is None
    assert not await jj.is_program_at(opened, tip, "./README")
    with pytest.raises(ConfigurationInvalid, match="There is no bookmark nowhere"):
        await jj.tip(opened, "nowhere")
    assert not (home / "workspaces").exists()
    assert (Untouched.of(user_repo), user_repo.peek("op", "log", "-n1", "-T", "id")) == before


async def test_any_folder_of_any_workspace_opens_the_repository(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path
) -> None:
    """A subfolder and a second workspace of the user lead to the same repository; elsewhere is an
    error that says the next step."""
    user_repo.jj("workspace", "add", "--name", "second", str(tmp_path / "second"))
    for path in (user_repo.root / "src", tmp_path / "second"):
        opened = await open_repository(path, workspaces=tmp_path / "w", programs=programs)
        assert (opened.id, opened.store) == (repository.id, repository.store)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotFound) as missing:
        find_root(tmp_path / "nothing")
    assert "jj git init" in missing.value.hint


async def test_a_repository_has_one_id_however_it_is_spelled(
    user_repo: UserRepo,
    programs: Programs,
    tmp_path: Path,
    repository: JjRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`.`, `..`, a symbolic link and a link's subfolder lead to one id, root and store."""
    (tmp_path / "link").symlink_to(user_repo.root)
    (tmp_path / "inner").symlink_to(user_repo.root / "src")
    monkeypatch.chdir(user_repo.root / "src")
    up, link, inner = Path(".."), tmp_path / "link", tmp_path / "inner"
    for path in (Path(), up, user_repo.root / "src" / "..", link, link / "src", inner):
        opened = await open_repository(path, workspaces=tmp_path / "w", programs=programs)
        assert (opened.id, opened.root) == (repository.id, repository.root)
        assert opened.store == repository.store
    assert JjRepository.name_of(link) == JjRepository.name_of(up) == repository.id


async def test_the_users_old_configuration_stays_the_users(
    user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """jj moves a `.jj/repo/config.toml` to whoever looks first: that is the user's own jj."""
    old = user_repo.root / ".jj" / "repo"
    (old / "config-id").unlink(missing_ok=True)
    (old / "config.toml").unlink(missing_ok=True)
    (old / "config.toml").write_text('[user]\nemail = "uma@work.example.org"\n')
    opened = await open_repository(user_repo.root, workspaces=tmp_path / "w", programs=programs)
    await opened.prepare()
    assert user_repo.peek("config", "get", "user.email").strip() == "uma@work.example.org"
    assert opened.identity == ("Uma User", "uma@work.example.org")


@pytest.mark.parametrize("way", ["forgotten", "deleted", "damaged", "both"])
async def test_the_control_workspace_is_mended(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path, way: str
) -> None:
    """Preparing again makes a workspace possible, whatever became of the control workspace."""
    if way in {"forgotten", "both"}:
        user_repo.peek("workspace", "forget", repository.workspace_prefix)
    if way in {"deleted", "both"}:
        shutil.rmtree(repository.control)
    if way == "damaged":
        (repository.control / ".jj" / "working_copy" / "checkout").write_bytes(b"")
    await repository.prepare()
    made = await Attempt(user_repo, repository, tmp_path / "oya-home").create()
    assert made.base == user_repo.commit("main")


async def test_no_commit_of_the_user_is_given_a_child(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """Where the user's @ is one that jj holds immutable (a tag), no operation of ours moves it."""
    user_repo.peek("config", "set", "--user", 'revset-aliases."immutable_heads()"', "none()")
    user_repo.peek("tag", "set", "v1", "-r", "default@")
    before = Untouched.of(user_repo)
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    await attempt.collect(made.base)
    await attempt.remove(None)
    assert Untouched.of(user_repo) == before


async def test_the_lock_has_one_holder(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path
) -> None:
    """Two daemons (two objects, as in two processes) and two tasks take turns; a cancelled wait
    takes nothing."""
    other = await open_repository(user_repo.root, workspaces=tmp_path / "w", programs=programs)
    inside = 0

    async def take(one: JjRepository) -> None:
        nonlocal inside
        async with one.lock():
            inside += 1
            assert inside == 1
            await one.sync()
            inside -= 1

    await asyncio.gather(*(take(one) for one in [repository, other] * 5))
    async with other.lock():
        waiting = asyncio.ensure_future(take(repository))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(take(repository), 5)


VICTIM = """
import asyncio, sys
from pathlib import Path
from oya_vcs.adapters import jj
from oya_vcs.adapters.jj import Programs, open_repository

async def main() -> None:
    root, workspaces, jj, slow, git, home = map(Path, sys.argv[1:])
    known = dict(git=git, path="/usr/bin:/bin", home=home)
    repository = await open_repository(
        root, workspaces=workspaces, programs=Programs(jj=jj, **known)
    )
    repository._programs = Programs(jj=slow, **known)
    async with repository.lock():
        await repository.jj("log")

asyncio.run(main())
"""


async def test_the_lock_outlives_a_killed_daemon_as_long_as_its_jj(
    user_repo: UserRepo, repository: JjRepository, programs: Programs, tmp_path: Path
) -> None:
    """A daemon that is killed leaves its jj running; the next daemon waits until that is done."""
    slow, begun, go = tmp_path / "slow", tmp_path / "begun", tmp_path / "go"
    slow.write_text(
        f"#!/bin/sh\ntouch {begun}\nwhile [ ! -e {go} ]; do sleep 0.01; done\n", "utf-8"
    )
    slow.chmod(0o755)
    paths = (user_repo.root, tmp_path / "w", programs.jj, slow, programs.git, programs.home)
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", VICTIM, *paths)
    async with asyncio.timeout(20):
        while not begun.exists():
            assert victim.returncode is None
            await asyncio.sleep(0.01)
        victim.kill()
        await victim.wait()
        waiting = asyncio.ensure_future(_hold(repository))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        go.touch()
        assert not done
        await waiting


async def _hold(repository: JjRepository) -> None:
    async with repository.lock():
        pass


async def test_a_failing_program_says_what_it_was(repository: JjRepository) -> None:
    """The error carries argv and stderr, and no retry is promised for what cannot pass."""
    with pytest.raises(WorldFailed, match="nonesuch") as failed:
        await repository.jj("log", "-r", "nonesuch")
    assert failed.value.command[-1] == "nonesuch"
    assert "nonesuch" in failed.value.stderr
    assert not failed.value.retryable


# --- The janitor ----------------------------------------------------------------------------------


async def test_a_stale_lock_file_is_cleared(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """What a killed git left stops one command, which may be retried, and not the next; preparing
    clears the rest."""
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    stale = age(repository.git_dir / f"{attempt.pin(RESULTS)}.lock")
    with pytest.raises(WorldFailed) as stopped:
        await attempt.collect(made.base)
    assert stopped.value.retryable
    assert not stale.exists()
    await attempt.collect(made.base)
    packed = age(repository.git_dir / "packed-refs.lock")
    assert await repository.prepare() == (packed,)
    assert not packed.exists()


async def test_a_lock_file_in_use_is_left_alone(repository: JjRepository) -> None:
    """A young one, one that a live process holds open, and whatever is no plain file."""
    git_dir = repository.git_dir
    young = age(git_dir / "HEAD.lock", seconds=0)
    assert clear_stale_locks(git_dir, repository.store) == ()
    assert young.exists()
    with age(git_dir / "packed-refs.lock").open("r") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert clear_stale_locks(git_dir, repository.store) == ()
        assert (git_dir / "packed-refs.lock").exists()
    young.unlink()
    assert clear_stale_locks(git_dir, repository.store) == (git_dir / "packed-refs.lock",)


async def test_a_lock_that_was_left_a_moment_ago_costs_a_wait_and_no_attempt(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """After a crash and an immediate restart: the command that it stops fails when the lock is old
    enough to be deleted, and the next try goes through; nobody has to try for seconds."""
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    young = age(repository.git_dir / f"{attempt.pin(RESULTS)}.lock", seconds=1)
    with pytest.raises(WorldFailed) as stopped:
        await attempt.collect(made.base)
    assert stopped.value.retryable
    assert not young.exists()
    await attempt.collect(made.base)


async def test_a_lock_of_a_git_that_holds_nothing_open_is_left(
    repository: JjRepository, tmp_path: Path
) -> None:
    """`git commit` keeps its lock file, and no descriptor of it, while its editor is open: as long
    as a git works in the repository its locks are its own, however old."""
    git_dir = repository.git_dir
    held = age(git_dir / "index.lock")
    editor = tmp_path / "git"
    shutil.copy("/bin/sleep", editor)
    working = await asyncio.create_subprocess_exec(editor, "600", cwd=repository.root)
    try:
        assert clear_stale_locks(git_dir, repository.store) == ()
        assert held.exists()
    finally:
        working.kill()
        await working.wait()
    elsewhere = await asyncio.create_subprocess_exec(editor, "600", cwd=tmp_path)
    try:
        assert clear_stale_locks(git_dir, repository.store) == (held,)
    finally:
        elsewhere.kill()
        await elsewhere.wait()


async def test_lock_files_of_jjs_own_that_were_left_stop_nothing(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """jj's locks are the kernel's and die with their holder; a file that is left is only a file,
    and is not ours to delete."""
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    made = await attempt.create()
    left = [
        repository.store / "op_heads" / "heads" / "lock",
        repository.store / "git_import_export.lock",
        repository.store / "store" / "extra" / "lock",
        attempt.path / ".jj" / "working_copy" / "working_copy.lock",
    ]
    for path in left:
        age(path)
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    await attempt.remove(result.commit)
    assert clear_stale_locks(repository.git_dir, repository.store) == ()

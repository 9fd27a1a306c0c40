"""Workspaces that do not show all, and rules that would hide what a worker made, on real jj."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.adapters.workspaces import KEPT, including
from oya_vcs.core import effects as f
from oya_vcs.core.events import Reason
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.attempts import Attempt, Untouched
from tests.integration.conftest import UserRepo

DEEP = {
    "src/main.py": b"print('hello')\n",
    "src/a/one.py": b"1\n",
    "src/a/two.py": b"2\n",
    "src/b/three.py": b"3\n",
    "docs/page.md": b"# Page\n",
    "docs/.gitignore": b"*.html\n",
    "run.sh": b"#!/bin/sh\n",
    "README": b"A project.\n",
    ".gitignore": b"*.o\nbuild/\n",
}


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


def land(user: UserRepo, files: dict[str, bytes]) -> None:
    """Put files onto main, and leave the user's own file uncommitted as it was."""
    dirty = user.root / "dirty.txt"
    text = dirty.read_bytes()
    dirty.unlink()
    for name, data in files.items():
        path = user.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    user.jj("commit", "-m", "More")
    user.jj("bookmark", "set", "main", "-r", "@-")
    dirty.write_bytes(text)


def on_disk(root: Path) -> set[str]:
    """Every file below a folder, but for jj's own."""
    found = (path.relative_to(root) for path in root.rglob("*") if not path.is_dir())
    return {path.as_posix() for path in found if path.parts[0] != ".jj"}


@pytest.fixture
def sparse(attempt: Attempt) -> Attempt:
    """An attempt at a bead that names a folder by a pattern and a file that is yet to be made."""
    land(attempt.user, DEEP)
    attempt.files, attempt.always = ("src/a/*.py", "new/file.txt"), ("run.sh",)
    return attempt


# --- Sparse workspaces ----------------------------------------------------------------------------


async def test_a_sparse_workspace_shows_what_is_named(sparse: Attempt) -> None:
    """The folder above a wildcard, what is always shown, and every .gitignore: no more; and a
    probe finds just that."""
    made = await sparse.create()
    shown = {"src/a/one.py", "src/a/two.py", "run.sh", ".gitignore", "docs/.gitignore"}
    assert on_disk(sparse.path) == shown
    effect = sparse.creation()
    assert await sparse.performer.probe(f.effect_key(effect), effect) == made


async def test_what_is_not_shown_is_not_deleted(sparse: Attempt) -> None:
    """Edits, deletions and new files within the patterns are the result; every other file of the
    base is in it as it was."""
    made = await sparse.create()
    (sparse.path / "src/a/one.py").write_text("edited\n")
    (sparse.path / "src/a/two.py").unlink()
    (sparse.path / "new").mkdir()
    (sparse.path / "new/file.txt").write_text("new\n")
    before = Untouched.of(sparse.user)
    result = await sparse.collect(made.base)
    wanted = {**DEEP, "src/a/one.py": b"edited\n", "new/file.txt": b"new\n"}
    del wanted["src/a/two.py"]
    assert sparse.files_of(result.commit) == wanted
    assert Untouched.of(sparse.user) == before


async def test_what_is_made_outside_is_collected(sparse: Attempt) -> None:
    """New files elsewhere, one in the place of a hidden file, odd names: in the result; what the
    hidden folder's own .gitignore ignores is not."""
    made = await sparse.create()
    (sparse.path / "src/b").mkdir()
    (sparse.path / "src/b/three.py").write_text("mine\n")
    (sparse.path / "docs/new.md").write_text("new\n")
    (sparse.path / "docs/made.html").write_text("built\n")
    (sparse.path / "x.o").write_text("built\n")
    (sparse.path / '-a "b"\\ü').write_text("odd\n")
    result = await sparse.collect(made.base)
    outside = {"src/b/three.py": b"mine\n", "docs/new.md": b"new\n", '-a "b"\\ü': b"odd\n"}
    assert sparse.files_of(result.commit) == {**DEEP, **outside}
    assert (sparse.path / "docs/made.html").exists()


async def test_a_sparse_workspace_is_removed_with_all_that_is_in_it(sparse: Attempt) -> None:
    """Hidden files do not count as lost, edits inside and outside are pinned, and nothing stays."""
    made = await sparse.create()
    (sparse.path / "src/a/one.py").write_text("edited\n")
    (sparse.path / "elsewhere.txt").write_text("outside\n")
    removed = await sparse.remove(None)
    assert removed.pinned is not None
    expected = {**DEEP, "src/a/one.py": b"edited\n", "elsewhere.txt": b"outside\n"}
    assert sparse.files_of(removed.pinned) == expected
    assert sparse.user.git("rev-parse", sparse.pin(KEPT)) == removed.pinned
    assert sparse.entry not in sparse.entries()
    assert not sparse.path.exists()
    assert sparse.user.git("rev-parse", f"{removed.pinned}^") == made.base


async def test_an_untouched_sparse_workspace_goes_without_a_trace(sparse: Attempt) -> None:
    """What it did not show is no change: nothing is pinned."""
    await sparse.create()
    assert (await sparse.remove(None)).pinned is None


async def test_a_worker_that_hides_files_by_itself_loses_none(attempt: Attempt) -> None:
    """`jj sparse set` by a worker in a whole workspace: what it then makes outside is collected,
    and the removal does not take the hidden files for lost."""
    land(attempt.user, DEEP)
    made = await attempt.create()
    attempt.user.jj("sparse", "set", "--clear", "--add", "src", at=attempt.path)
    (attempt.path / "outside.txt").write_text("work\n")
    result = await attempt.collect(made.base)
    assert attempt.files_of(result.commit) == {**DEEP, "outside.txt": b"work\n"}
    assert (await attempt.remove(result.commit)).pinned is None


async def test_a_half_shown_workspace_is_half_made(sparse: Attempt) -> None:
    """Killed between adding it and showing its files, a workspace is empty and has no changes: it
    is not taken for a whole one, and is made again."""
    sparse.folder.mkdir(parents=True, exist_ok=True)
    mark = ("-m", "b1: attempt 1 in progress (oya-vcs)", "--name", sparse.entry)
    how = ("--no-colocate", "--sparse-patterns", "empty", "-r", "main", *mark)
    sparse.user.jj("workspace", "add", *how, str(sparse.path))
    effect = sparse.creation()
    assert await sparse.performer.probe(f.effect_key(effect), effect) is Probe.ABSENT
    await sparse.create()
    assert "src/a/one.py" in on_disk(sparse.path)


@pytest.mark.parametrize("files", [(".",), ("**/*.py",), ("src", "*.md")])
async def test_patterns_that_may_mean_anything_show_everything(
    attempt: Attempt, files: tuple[str, ...]
) -> None:
    """A wildcard at the root cannot be narrowed to a folder."""
    land(attempt.user, DEEP)
    attempt.files = files
    await attempt.create()
    assert on_disk(attempt.path) == set(DEEP)


# --- A list of ignored files that somebody planted ------------------------------------------------


@pytest.mark.parametrize("rule", ["*", "/new/", "src/", "*.txt"])
async def test_only_gitignore_files_decide_what_is_a_result(
    attempt: Attempt, repository: JjRepository, rule: str
) -> None:
    """`info/exclude` hides nothing from a result, and makes no ignored file part of it."""
    made = await attempt.create()
    exclude = repository.git_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text(f"# planted\n{rule}\n")
    (attempt.path / "new").mkdir()
    (attempt.path / "new" / 'a "b"\\\x1b\n.txt').write_text("odd\n")
    (attempt.path / "new" / "made.o").write_text("built\n")
    (attempt.path / "src" / "more.txt").write_text("more\n")
    result = await attempt.collect(made.base)
    new = attempt.files_of(result.commit).keys() - attempt.files_of(made.base).keys()
    assert new == {'new/a "b"\\\x1b\n.txt', "src/more.txt"}
    assert (await attempt.remove(result.commit)).pinned is None


# --- Files that no commit may hold ----------------------------------------------------------------


@pytest.fixture
def included(attempt: Attempt) -> Attempt:
    """An attempt in a repository that names environment files, with some in the user's folder."""
    rules = b".env*\nconfig/**/*.local\nsecret\nlinked/\n*.txt\n.jj/\n"
    ignored = b"*.o\nbuild/\n.env*\n*.local\nlink\nlinked/\n.worktree\nsecret\n"
    land(attempt.user, {".worktreeinclude": rules, ".gitignore": ignored, "config/app": b"x"})
    root = attempt.user.root
    (root / ".env").write_text("TOKEN=1\n")
    (root / ".env").chmod(0o600)
    (root / "config" / "deep").mkdir()
    (root / "config" / "deep" / "db.local").write_text("db\n")
    (root / "config" / "deep" / "db.local").chmod(0o755)
    (root / "made.o").write_text("not named\n")
    return attempt


async def test_named_and_ignored_files_are_copied(included: Attempt) -> None:
    """With their permissions; what is named and would be part of a result, and what is only
    ignored, is not; the user's workspace is as it was."""
    before = Untouched.of(included.user)
    made = await included.create()
    base = set(included.files_of(made.base))
    assert on_disk(included.path) == base | {".env", "config/deep/db.local"}
    assert (included.path / ".env").read_text() == "TOKEN=1\n"
    assert stat.S_IMODE((included.path / ".env").stat().st_mode) == 0o600
    assert (included.path / "config/deep/db.local").stat().st_mode & 0o111
    assert Untouched.of(included.user) == before
    effect = included.creation()
    assert await included.performer.probe(f.effect_key(effect), effect) == made


async def test_no_link_is_followed(included: Attempt, tmp_path: Path) -> None:
    """Neither a linked file nor one in a linked folder is copied; nor a pipe, which nobody waits
    for."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("elsewhere\n")
    root = included.user.root
    (root / "linked").symlink_to(outside)
    (root / ".env.link").symlink_to(outside / "secret")
    os.mkfifo(root / ".env.pipe")
    await included.create()
    assert on_disk(included.path) & {"linked/secret", ".env.link", ".env.pipe"} == set()
    assert (included.path / ".env").exists()


async def test_a_copied_file_never_lands(included: Attempt) -> None:
    """A worker that takes it out of .gitignore, or commits it by itself and deletes it again, is
    refused, by the file's name; with the file ignored again, its work is collected."""
    made = await included.create()
    rules = (included.path / ".gitignore").read_text()
    (included.path / ".gitignore").write_text("*.o\n")
    (included.path / "new.py").write_text("work\n")
    refused = await included.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert ".env" in refused.detail
    assert "TOKEN" not in refused.detail
    (included.path / ".gitignore").write_text(rules)
    untracked = ("root:.env", "root:config/deep/db.local")
    included.user.jj("file", "untrack", *untracked, at=included.path)
    result = await included.collect(made.base)
    assert "new.py" in included.files_of(result.commit)
    assert ".env" not in included.files_of(result.commit)


async def test_a_half_copied_workspace_is_half_made(included: Attempt) -> None:
    """Killed among the copies, a workspace has no note of them, and is made again."""
    made = await included.create()
    note = included.folder / ".included" / f"{included.name}.json"
    note.unlink()
    (included.path / ".env").unlink()
    effect = included.creation()
    assert await included.performer.probe(f.effect_key(effect), effect) is Probe.ABSENT
    assert await included.create() == made
    assert (included.path / ".env").exists()
    await included.remove(None)
    assert not note.exists()


def test_a_file_that_cannot_be_copied_is_named(tmp_path: Path) -> None:
    """A workspace is not handed to a worker without a file that it needs: the error says which."""
    name = "n" * 300
    with pytest.raises(WorldFailed, match=f"{name} could not be copied"):
        including.copy(tmp_path, tmp_path, [name])


async def test_a_sparse_workspace_gets_them_too(included: Attempt) -> None:
    """The rules are shown whatever the bead names."""
    included.files = ("src",)
    await included.create()
    assert (included.path / ".env").exists()
    assert not (included.path / "README").exists()

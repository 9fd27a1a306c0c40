"""Removing a workspace, on real jj: no edit is lost, and nothing of anybody else's goes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.workspaces import KEPT, RESULTS
from oya_vcs.core import effects as f
from oya_vcs.core.ids import BeadId, WorkspaceName
from oya_vcs.core.leftovers import Kind, Standing
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.attempts import Attempt, Untouched
from tests.integration.conftest import UserRepo


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


def left(attempt: Attempt) -> list[str]:
    """Everything that still bears the workspace's name."""
    found = [entry for entry in attempt.entries() if entry == attempt.entry]
    for folder in (attempt.folder, attempt.trash):
        if folder.exists():
            found += [one.name for one in folder.iterdir() if one.name.startswith(attempt.name)]
    return found


def in_sight(attempt: Attempt) -> str:
    """The first lines of all that a user's `jj log` can show."""
    return attempt.user.peek("log", "--no-graph", "-r", "all()", "-T", "description.first_line()")


# --- Nothing is lost ------------------------------------------------------------------------------


async def test_an_untouched_workspace_goes_without_a_trace(attempt: Attempt) -> None:
    """No folder, no entry, no trash, no pin, and no empty commit in the user's log."""
    await attempt.create()
    removed = await attempt.remove(None)
    assert removed.pinned is None
    assert left(attempt) == []
    assert "in progress" not in in_sight(attempt)
    assert not attempt.user.git("for-each-ref", KEPT)


async def test_a_landed_workspace_keeps_nothing_twice(attempt: Attempt) -> None:
    """Where the folder holds what `kept_as` holds and ignored files, nothing is pinned."""
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    (attempt.path / "build").mkdir()
    (attempt.path / "build" / "out.o").write_text("built\n")
    attempt.user.jj("--ignore-working-copy", "bookmark", "set", "main", "-r", result.commit)
    assert (await attempt.remove(result.commit, landed=True)).pinned is None
    assert left(attempt) == []
    assert "A title" in in_sight(attempt)
    assert not attempt.user.git("for-each-ref", RESULTS)


async def test_superseded_work_is_out_of_sight_and_comes_back_by_its_id(attempt: Attempt) -> None:
    """A result that did not land litters nobody's `jj log`; its pin keeps it, and jj finds it."""
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    assert (await attempt.remove(result.commit)).pinned is None
    assert left(attempt) == []
    assert "A title" not in in_sight(attempt)
    assert attempt.user.git("for-each-ref", "--format=%(objectname)", RESULTS) == result.commit
    assert attempt.user.peek("file", "show", "-r", result.commit, "root:new") == "work\n"


async def test_unsaved_edits_are_pinned_byte_for_byte(attempt: Attempt) -> None:
    """Edits after the collection, big files too, read back from the pin as they were on disk."""
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    big = hashlib.sha256(b"seed").digest() * 100_000
    (attempt.path / "big.bin").write_bytes(big)
    (attempt.path / "new").write_bytes(b"\r\n\xff edited")
    (attempt.path / "README").unlink()
    removed = await attempt.remove(result.commit)
    assert removed.pinned is not None
    assert attempt.user.git("rev-parse", attempt.pin(KEPT)) == removed.pinned
    files = attempt.files_of(removed.pinned)
    assert files["big.bin"] == big
    assert files["new"] == b"\r\n\xff edited"
    assert "README" not in files
    assert left(attempt) == []


@pytest.mark.parametrize("way", ["edit", "new", "gone", "mode"])
async def test_a_late_edit_to_landed_work_is_pinned_beside_it(attempt: Attempt, way: str) -> None:
    """Whatever was done in the folder after the result landed is a commit of its own, and the
    landed one stays as it is."""
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    attempt.user.jj("--ignore-working-copy", "bookmark", "set", "main", "-r", result.commit)
    file = attempt.path / "new"
    if way == "edit":
        file.write_text("krow\n")
    elif way == "new":
        (attempt.path / "newer").write_text("late\n")
    elif way == "gone":
        file.unlink()
    else:
        file.chmod(0o755)
    removed = await attempt.remove(result.commit, landed=True)
    assert removed.pinned is not None
    assert attempt.user.git("rev-parse", f"{removed.pinned}^") == result.commit
    assert attempt.user.commit("main") == result.commit
    assert attempt.user.git("diff", "--summary", "--raw", result.commit, removed.pinned)
    assert left(attempt) == []


async def test_an_edit_that_jj_cannot_see_is_not_lost(attempt: Attempt) -> None:
    """jj knows an edit by size and time; one that changes neither is found by its content."""
    made = await attempt.create()
    file = attempt.path / "README"
    before = file.stat()
    file.write_bytes(b"X" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    removed = await attempt.remove(made.base)
    assert removed.pinned is not None
    assert attempt.files_of(removed.pinned)["README"] == b"X" * before.st_size


async def test_a_workspace_that_was_forgotten_is_still_saved(attempt: Attempt) -> None:
    """A folder with edits whose entry somebody removed is recorded before it goes."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.peek("workspace", "forget", attempt.entry)
    removed = await attempt.remove(None)
    assert removed.pinned is not None
    assert attempt.files_of(removed.pinned)["new"] == b"work\n"
    assert left(attempt) == []


async def test_a_folder_that_a_person_deleted_leaves_no_entry(attempt: Attempt) -> None:
    """What jj last knew of it is pinned, and jj forgets the workspace."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.jj("util", "snapshot", at=attempt.path)
    shutil.rmtree(attempt.path)
    removed = await attempt.remove(None)
    assert removed.pinned is not None
    assert attempt.files_of(removed.pinned)["new"] == b"work\n"
    assert left(attempt) == []


async def test_a_conflicted_workspace_is_pinned(attempt: Attempt) -> None:
    """A commit with a conflict is kept as it is."""
    made = await attempt.create()
    for text in ("one\n", "two\n"):
        attempt.user.jj("new", made.base, at=attempt.path)
        (attempt.path / "README").write_text(text)
        attempt.user.jj("commit", "-m", text.strip(), at=attempt.path)
    sides = [f'description(exact:"{text}\n")' for text in ("one", "two")]
    attempt.user.jj("new", *sides, at=attempt.path)
    removed = await attempt.remove(None)
    assert removed.pinned is not None
    said = attempt.user.peek("log", "--no-graph", "-r", removed.pinned, "-T", "conflict")
    assert said == "true"
    assert left(attempt) == []


@pytest.mark.parametrize("way", ["excludesFile", "ignoreCase", "exclude", "index"])
async def test_planted_rules_make_no_file_worthless(
    attempt: Attempt, repository: JjRepository, tmp_path: Path, way: str
) -> None:
    """Lists of ignored files in git's configuration or folder, and an index in the workspace, may
    be written by any worker: what they name is kept all the same, or the removal is refused."""
    made = await attempt.create()
    precious = attempt.path / "BUILD" / "precious"
    precious.parent.mkdir()
    precious.write_text("work\n")
    if way in {"excludesFile", "exclude"}:
        rules = tmp_path / "all" if way == "excludesFile" else repository.git_dir / "info/exclude"
        rules.parent.mkdir(exist_ok=True)
        rules.write_text("*\n")
        if way == "excludesFile":
            attempt.user.git("config", "core.excludesFile", str(rules))
        removed = await attempt.remove(None)
        assert removed.pinned is not None
        assert attempt.files_of(removed.pinned)["BUILD/precious"] == b"work\n"
        return
    (precious.parent / ".git").mkdir()
    (precious.parent / ".git" / "packed-refs").touch()
    if way == "ignoreCase":
        attempt.user.git("config", "core.ignoreCase", "true")
    elif way == "index":
        index = f"GIT_INDEX_FILE={attempt.path / '.jj' / 'no-index'}"
        git = (attempt.user.tools.git, f"--git-dir={repository.git_dir}")
        entry = f"160000,{made.base},BUILD"
        attempt.user.run("env", index, *git, "update-index", "--add", "--cacheinfo", entry)
    with pytest.raises(WorldFailed, match="was not removed"):
        await attempt.remove(None)
    assert precious.read_text() == "work\n"


@pytest.mark.parametrize("what", ["nested repository", "name", "own git commits"])
async def test_what_nothing_keeps_is_not_deleted(attempt: Attempt, what: str) -> None:
    """A repository within, a name that is not UTF-8, commits of a `git init`: the folder stays, the
    error names the place, and once it is gone the removal works."""
    await attempt.create()
    if what == "nested repository":
        culprit = attempt.path / "vendor"
        (culprit / ".git").mkdir(parents=True)
        (culprit / "code.py").write_text("x\n")
    elif what == "name":
        culprit = Path(os.fsdecode(os.fsencode(attempt.path) + b"/odd\xff"))
        culprit.write_text("x\n")
    else:
        culprit = attempt.path / ".git"
        (culprit / "logs").mkdir(parents=True)
    with pytest.raises(WorldFailed) as refused:
        await attempt.remove(None)
    assert not refused.value.retryable
    assert culprit.name[:3] in refused.value.message
    assert refused.value.hint
    assert culprit.exists()
    assert attempt.entry in attempt.entries()
    if culprit.is_dir():
        shutil.rmtree(culprit)
    else:
        culprit.unlink()
    assert (await attempt.remove(None)).pinned is None
    assert left(attempt) == []


async def test_pipes_read_only_folders_and_links_go_too(attempt: Attempt, tmp_path: Path) -> None:
    """Deleting copes with read-only folders and follows no link out of the folder."""
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_text("mine\n")
    await attempt.create()
    (attempt.path / "out").symlink_to(outside)
    (attempt.path / "build").mkdir()
    (attempt.path / "build" / "out").symlink_to(outside)
    (attempt.path / "build" / "x.o").write_text("x")
    (attempt.path / "build").chmod(0o500)
    os.mkfifo(attempt.path / "pipe")
    await attempt.remove(None)
    assert left(attempt) == []
    assert (outside / "file").read_text() == "mine\n"
    assert outside.stat().st_mode & 0o777 != 0o700


async def test_a_home_behind_a_link_works(
    user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """jj records a workspace's real path; a home that is reached through a link is none the less
    ours: made, found in use, surveyed, removed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    home = tmp_path / "link" / "home"
    opened = await open_repository(
        user_repo.root, workspaces=home / "workspaces", programs=programs
    )
    await opened.prepare()
    attempt = Attempt(user_repo, opened, home)
    await attempt.create()
    (finding,) = await attempt.performer.survey({})
    assert finding.kind is Kind.ORPHAN
    (attempt.path / "new").write_text("work\n")
    with (attempt.path / "new").open(), pytest.raises(WorldFailed, match="process"):
        await attempt.remove(None)
    assert (await attempt.remove(None)).pinned
    assert left(attempt) == []


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cwd", "open file"])
async def test_a_folder_in_use_is_not_removed(attempt: Attempt, way: str) -> None:
    """A live process in it, or with a file of it open, is named; the removal can be tried again."""
    await attempt.create()
    program = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(attempt.path / "README")),
        cwd=attempt.path if way == "cwd" else "/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    with pytest.raises(WorldFailed, match=f"process {process.pid}") as refused:
        await attempt.remove(None)
    assert refused.value.retryable
    await process.communicate(b"")
    assert attempt.path.is_dir()
    await attempt.remove(None)
    assert left(attempt) == []


@pytest.mark.parametrize("way", ["link", "users", "moved in", "outside", "copy"])
async def test_a_path_that_is_not_the_workspaces_is_refused(
    attempt: Attempt, way: str, tmp_path: Path
) -> None:
    """A link, the user's main workspace, another attempt's folder, and a name that leads out of the
    folder are refused before anything is looked at, and keep every byte."""
    await attempt.create()
    other = Attempt(attempt.user, attempt.repository, attempt.home, BeadId("b2"))
    before = Untouched.of(attempt.user)
    victim = attempt.path
    if way == "link":
        attempt.path.rename(tmp_path / "elsewhere")
        attempt.path.symlink_to(tmp_path / "elsewhere")
        victim = tmp_path / "elsewhere"
    elif way == "users":
        shutil.rmtree(attempt.path)
        shutil.copytree(attempt.user.root, attempt.path, symlinks=True)
    elif way == "moved in":
        await other.create()
        attempt.path.rename(tmp_path / "elsewhere")
        other.path.rename(attempt.path)
    elif way == "copy":
        shutil.copytree(attempt.path, other.path)
        attempt, victim = other, other.path
    effect = attempt.removal(None)
    if way == "outside":
        name = WorkspaceName(os.path.relpath(attempt.user.root, attempt.folder))
        effect = f.RemoveWorkspace(
            repo=effect.repo, bead=effect.bead, workspace=name, round=1, kept_as=None
        )
        victim = attempt.user.root
    files = sorted(path.name for path in victim.iterdir())
    with pytest.raises(WorldFailed):
        await attempt.performer.do(f.effect_key(effect), effect, _never)
    assert sorted(path.name for path in victim.iterdir()) == files
    assert Untouched.of(attempt.user) == before


async def _never(event: object) -> None:
    raise AssertionError(event)


# --- Again, and again -----------------------------------------------------------------------------


async def test_a_removal_may_be_done_again_from_anywhere(attempt: Attempt) -> None:
    """The same event from the start, from the trash, from the entry alone, and from nothing left;
    the probe says ABSENT until all is gone."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    effect = attempt.removal(None)
    key = f.effect_key(effect)
    assert await attempt.performer.probe(key, effect) is Probe.ABSENT
    removed = await attempt.remove(None)
    assert await attempt.performer.probe(key, effect) == removed
    assert await attempt.remove(None) == removed
    (attempt.trash / f"{attempt.name}-0").mkdir()
    assert await attempt.performer.probe(key, effect) is Probe.ABSENT
    assert await attempt.remove(None) == removed
    assert left(attempt) == []


# --- Survey ---------------------------------------------------------------------------------------


async def test_a_survey_tells_what_is_whose(attempt: Attempt) -> None:
    """Each workspace by name with its kind; the user's own are left out; nothing is touched."""
    names = ("live", "kept", "orphan", "entry", "folder", "stump", "link")
    attempts = {
        name: Attempt(attempt.user, attempt.repository, attempt.home, BeadId(name))
        for name in names
    }
    for one in attempts.values():
        await one.create()
    shutil.rmtree(attempts["entry"].path)
    attempt.user.peek("workspace", "forget", attempts["folder"].entry)
    shutil.rmtree(attempts["stump"].path / ".jj")
    shutil.rmtree(attempts["link"].path)
    attempts["link"].path.symlink_to(attempt.user.root)
    before = (Untouched.of(attempt.user), attempt.user.peek("op", "log", "-n1", "-T", "id"))
    recorded = {attempts["live"].name: Standing.LIVE, attempts["kept"].name: Standing.KEPT}
    findings = {one.name: one for one in await attempt.performer.survey(recorded)}
    assert {name: findings[one.name].kind for name, one in attempts.items()} == {
        "live": Kind.LIVE,
        "kept": Kind.KEPT,
        "orphan": Kind.ORPHAN,
        "entry": Kind.ENTRY_ONLY,
        "folder": Kind.FOLDER_ONLY,
        "stump": Kind.HALF_MADE,
        "link": Kind.NOT_OURS,
    }
    assert len(findings) == len(names)
    safe = {name for name, one in attempts.items() if findings[one.name].safe_to_remove}
    assert safe == {"kept", "orphan", "entry", "folder", "stump"}
    after = (Untouched.of(attempt.user), attempt.user.peek("op", "log", "-n1", "-T", "id"))
    assert after == before
    for name in safe:
        await attempts[name].remove(None)
        assert left(attempts[name]) == []

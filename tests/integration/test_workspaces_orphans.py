"""What may be left of workspaces, on real jj: each kind is told by its name and explained, what is
ours goes without losing a byte, and what is not is never touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.workspaces import KEPT
from oya_vcs.core.ids import BeadId, WorkspaceName
from oya_vcs.core.leftovers import Finding, Kind, Standing
from oya_vcs.errors import WorldFailed
from tests.integration.attempts import Attempt, Untouched
from tests.integration.conftest import UserRepo


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


async def found(attempt: Attempt, standing: Standing | None = None) -> Finding:
    """What a survey says of the one thing that there is."""
    recorded = {attempt.name: standing} if standing else {}
    (finding,) = await attempt.performer.survey(recorded)
    assert finding.why.endswith(".")
    return finding


async def gone(attempt: Attempt, finding: Finding) -> str | None:
    """Sweep it, and make sure that nothing of it is left; the pin."""
    before = Untouched.of(attempt.user)
    pinned = await attempt.performer.sweep(finding)
    assert await attempt.performer.survey({}) == ()
    assert attempt.entry not in attempt.entries()
    assert not attempt.path.exists()
    assert Untouched.of(attempt.user) == before
    return pinned


async def test_a_workspace_that_the_record_does_not_know(attempt: Attempt) -> None:
    """Whole, with work in it: an orphan; its work is pinned."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    finding = await found(attempt)
    assert finding.kind is Kind.ORPHAN
    assert finding.since_ms
    pinned = await gone(attempt, finding)
    assert pinned is not None
    assert attempt.files_of(pinned)["new"] == b"work\n"


async def test_a_workspace_that_was_brought_back_after_its_removal(attempt: Attempt) -> None:
    """The record has it as removed."""
    await attempt.create()
    finding = await found(attempt, Standing.REMOVED)
    assert (finding.kind, finding.safe_to_remove) == (Kind.ORPHAN, True)
    assert "removed" in finding.why
    assert await gone(attempt, finding) is None


async def test_an_entry_without_its_folder(attempt: Attempt) -> None:
    """Deleted or moved by somebody: what jj last knew of it is pinned."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.jj("util", "snapshot", at=attempt.path)
    shutil.rmtree(attempt.path)
    finding = await found(attempt)
    assert finding.kind is Kind.ENTRY_ONLY
    assert "deleted or moved" in finding.why
    assert await gone(attempt, finding)


async def test_a_folder_without_its_entry(attempt: Attempt) -> None:
    """Forgotten by somebody: recorded again, pinned, removed."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.peek("workspace", "forget", attempt.entry)
    finding = await found(attempt)
    assert finding.kind is Kind.FOLDER_ONLY
    pinned = await gone(attempt, finding)
    assert pinned is not None
    assert attempt.files_of(pinned)["new"] == b"work\n"


async def test_a_workspace_that_never_left_the_root_commit(attempt: Attempt) -> None:
    """Half made by a killed jj: told as such, and removed without a trace."""
    attempt.folder.mkdir(parents=True, exist_ok=True)
    where = ("--name", attempt.entry, str(attempt.path))
    attempt.user.jj("workspace", "add", "--no-colocate", "-r", "root()", *where)
    finding = await found(attempt)
    assert (finding.kind, finding.safe_to_remove) == (Kind.HALF_MADE, True)
    assert (await found(attempt, Standing.LIVE)).kind is Kind.LIVE
    assert await gone(attempt, finding) is None


@pytest.mark.parametrize("missing", [".jj", ".jj/repo", ".jj/working_copy"])
async def test_a_half_made_folder_without_work(attempt: Attempt, missing: str) -> None:
    """Filled in part, unusable for jj, and with nothing in it that git does not hold: removed, and
    nothing is pinned."""
    await attempt.create()
    _delete(attempt.path / missing)
    (attempt.path / "README").unlink()
    (attempt.path / "made.o").write_text("built\n")
    finding = await found(attempt)
    assert finding.kind is Kind.HALF_MADE
    assert await gone(attempt, finding) is None
    assert not attempt.user.git("for-each-ref", KEPT)


@pytest.mark.parametrize("missing", [".jj", ".jj/repo", ".jj/working_copy"])
async def test_a_damaged_folder_with_work_is_saved_file_by_file(
    attempt: Attempt, missing: str
) -> None:
    """What jj cannot record any more, git does: edits, new files, links and odd names are in the
    pin byte for byte, on top of what jj last knew; ignored files are not."""
    await attempt.create()
    (attempt.path / "first").write_text("recorded\n")
    attempt.user.jj("util", "snapshot", at=attempt.path)
    recorded = attempt.user.commit(f'"{attempt.entry}"@')
    (attempt.path / "README").write_bytes(b"\r\n\xff edited")
    (attempt.path / "src" / "main.py").unlink()
    (attempt.path / 'a\nb "ü"').write_text("odd\n")
    (attempt.path / "link").symlink_to("/etc/passwd")
    (attempt.path / "run.sh").write_text("#!/bin/sh\n")
    (attempt.path / "run.sh").chmod(0o755)
    (attempt.path / "made.o").write_text("built\n")
    (attempt.path / "big").write_bytes(b"x" * 3_000_000)
    _delete(attempt.path / missing)
    pinned = await gone(attempt, await found(attempt))
    assert pinned is not None
    assert attempt.files_of(pinned) == {
        ".gitignore": b"*.o\nbuild/\n",
        "README": b"\r\n\xff edited",
        "first": b"recorded\n",
        'a\nb "ü"': b"odd\n",
        "link": b"/etc/passwd",
        "run.sh": b"#!/bin/sh\n",
        "big": b"x" * 3_000_000,
    }
    assert attempt.user.git("rev-parse", f"{pinned}^") == recorded
    assert attempt.user.git("rev-parse", attempt.pin(KEPT)) == pinned


async def test_a_damaged_folder_with_a_repository_in_it_is_left(attempt: Attempt) -> None:
    """Nothing could keep that: refused by its name, until it is gone."""
    await attempt.create()
    inner = attempt.path / "vendor"
    (inner / ".git").mkdir(parents=True)
    (inner / "code.py").write_text("x\n")
    _delete(attempt.path / ".jj")
    finding = await found(attempt)
    with pytest.raises(WorldFailed, match="vendor"):
        await attempt.performer.sweep(finding)
    assert (inner / "code.py").exists()
    assert attempt.entry in attempt.entries()
    shutil.rmtree(inner)
    assert await gone(attempt, finding) is None


async def test_a_salvaged_folder_is_kept_though_the_removal_was_cut_off(attempt: Attempt) -> None:
    """Killed after the folder was renamed: the pin of what was salvaged is not replaced by the
    older commit that jj knows."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.jj("util", "snapshot", at=attempt.path)
    entry = attempt.user.commit(f'"{attempt.entry}"@')
    (attempt.path / "later").write_text("later\n")
    _delete(attempt.path / ".jj")
    pinned = await attempt.performer.sweep(await found(attempt))
    at = ("workspace", "add", "--no-colocate", "--name", attempt.entry, "-r", entry)
    attempt.user.jj(*at, str(attempt.path))
    attempt.user.jj("edit", entry, at=attempt.path)
    shutil.rmtree(attempt.path)
    again = await attempt.performer.sweep(await found(attempt))
    assert again == pinned
    assert attempt.files_of(str(pinned))["later"] == b"later\n"


async def test_a_worktree_of_git(attempt: Attempt, repository: JjRepository) -> None:
    """Left below our folder by whoever made it there: once its folder is gone git forgets it, and
    a commit that only it knew is pinned; one of the user's is not mentioned."""
    user = attempt.user
    attempt.folder.mkdir(parents=True, exist_ok=True)
    mine, ours = user.root.parent / "mine", attempt.path
    for place in (mine, ours):
        user.git("worktree", "add", "--detach", str(place), user.commit("main"))
    git = (user.tools.git, "-C", str(ours), "-c", "user.name=w", "-c", "user.email=w@example.org")
    (ours / "new").write_text("work\n")
    user.run(*git, "add", "new")
    user.run(*git, "commit", "-qm", "By git")
    (there,) = await attempt.performer.survey({})
    assert (there.kind, there.safe_to_remove) == (Kind.GIT_WORKTREE, False)
    head = user.run(*git, "rev-parse", "HEAD").strip()
    shutil.rmtree(ours)
    finding = await found(attempt)
    assert (finding.kind, finding.safe_to_remove) == (Kind.GIT_WORKTREE, True)
    assert await attempt.performer.sweep(finding) == head
    assert user.git("for-each-ref", "--format=%(objectname)", KEPT) == head
    listed = user.git("worktree", "list", "--porcelain")
    assert str(mine) in listed
    assert str(ours) not in listed
    assert await attempt.performer.survey({}) == ()


async def test_what_a_killed_removal_left_in_the_trash(attempt: Attempt) -> None:
    """It was verified before it got there, and is deleted."""
    left = attempt.trash / f"{attempt.name}-0"
    (left / "src").mkdir(parents=True)
    (left / "src").chmod(0o500)
    finding = await found(attempt)
    assert (finding.kind, finding.path) == (Kind.TRASH, str(left))
    assert await attempt.performer.sweep(finding) is None
    assert not left.exists()


# --- Never touched --------------------------------------------------------------------------------


async def test_a_live_workspace_is_nobodys_business(attempt: Attempt) -> None:
    """Whatever state it is in."""
    await attempt.create()
    assert (await found(attempt, Standing.LIVE)).kind is Kind.LIVE
    _delete(attempt.path / ".jj")
    finding = await found(attempt, Standing.LIVE)
    assert (finding.kind, finding.safe_to_remove) == (Kind.HALF_MADE, False)
    shutil.rmtree(attempt.path)
    assert not (await found(attempt, Standing.LIVE)).safe_to_remove


@pytest.mark.parametrize("way", ["link", "users", "strangers", "file", "copy", "other repo"])
async def test_what_is_not_ours_is_explained_and_left(
    attempt: Attempt, way: str, tmp_path: Path
) -> None:
    """A link, the user's own workspace, a folder or file that somebody put there, a copy of one of
    ours, another repository's: explained, not safe to remove, and refused by the removal itself."""
    path = attempt.path
    attempt.folder.mkdir(parents=True, exist_ok=True)
    if way in {"link", "copy"}:
        other = Attempt(attempt.user, attempt.repository, attempt.home, BeadId("b2"))
        await other.create()
        if way == "link":
            path.symlink_to(tmp_path)
        else:
            shutil.copytree(other.path, path)
        await other.remove(None) if way == "link" else None
    elif way == "users":
        shutil.copytree(attempt.user.root, path, symlinks=True)
    elif way == "strangers":
        path.mkdir()
        (path / "notes.txt").write_text("mine\n")
    elif way == "file":
        path.write_text("mine\n")
    else:
        attempt.user.run(attempt.user.tools.jj, "git", "init", "--no-colocate", str(path))
    before = Untouched.of(attempt.user)
    findings = {one.name: one for one in await attempt.performer.survey({})}
    finding = findings[attempt.name]
    assert (finding.kind, finding.safe_to_remove) == (Kind.NOT_OURS, False)
    names = _names(path)
    if way != "strangers":
        with pytest.raises(WorldFailed):
            await attempt.performer.sweep(finding)
    assert path.exists()
    assert _names(path) == names
    assert Untouched.of(attempt.user) == before


async def test_another_home_that_is_gone(
    user_repo: UserRepo, attempt: Attempt, programs: Programs, tmp_path: Path
) -> None:
    """Its workspaces are explained, with the command that forgets them, and not touched; while it
    is there it is not even mentioned, nor are the user's own."""
    home = tmp_path / "second-home"
    opened = await open_repository(
        user_repo.root, workspaces=home / "workspaces", programs=programs
    )
    await opened.prepare()
    theirs = Attempt(user_repo, opened, home)
    await theirs.create()
    user_repo.jj("workspace", "add", "--name", "second", str(tmp_path / "second"))
    shutil.rmtree(tmp_path / "second")
    assert await attempt.performer.survey({}) == ()
    shutil.rmtree(home)
    findings = await attempt.performer.survey({})
    assert {one.kind for one in findings} == {Kind.OTHER_HOME}
    assert {one.name for one in findings} == {theirs.entry, opened.workspace_prefix}
    assert not any(one.safe_to_remove for one in findings)
    assert all("jj workspace forget" in one.why for one in findings)


async def test_a_workspace_that_jj_has_elsewhere(attempt: Attempt, tmp_path: Path) -> None:
    """Somebody moved it, and jj knows: neither place is touched."""
    attempt.folder.mkdir(parents=True, exist_ok=True)
    elsewhere = tmp_path / "elsewhere"
    name = ("--name", attempt.entry)
    attempt.user.jj("workspace", "add", "--no-colocate", "-r", "main", *name, str(elsewhere))
    finding = await found(attempt)
    assert (finding.kind, finding.safe_to_remove) == (Kind.MOVED, False)
    assert str(elsewhere) in finding.why
    assert elsewhere.exists()


async def test_a_survey_reads_only(attempt: Attempt) -> None:
    """No operation, no file, no ref comes of it."""
    await attempt.create()
    (attempt.path / "new").write_text("work\n")
    before = attempt.user.peek("op", "log", "--no-graph", "-n1", "-T", "id")
    refs = attempt.user.git("for-each-ref")
    await found(attempt)
    assert attempt.user.peek("op", "log", "--no-graph", "-n1", "-T", "id") == before
    assert attempt.user.git("for-each-ref") == refs


async def test_a_zombie_of_one_attempt_reaches_no_other(attempt: Attempt) -> None:
    """What writes to the path of a removed workspace later finds nothing there, and whatever it
    makes is in no other attempt's result; it is explained and left."""
    await attempt.create()
    zombie = attempt.path / "late.txt"
    await attempt.remove(None)
    second = Attempt(attempt.user, attempt.repository, attempt.home, number=2)
    made = await second.create()
    assert second.path != attempt.path
    zombie.parent.mkdir()
    zombie.write_text("late\n")
    (second.path / "new").write_text("work\n")
    result = await second.collect(made.base)
    assert "late.txt" not in second.files_of(result.commit)
    await second.remove(result.commit)
    finding = await found(attempt)
    assert finding.kind is Kind.NOT_OURS
    assert zombie.read_text() == "late\n"


# --- Another file system --------------------------------------------------------------------------


async def test_a_trash_on_another_file_system(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """What cannot be renamed to the home's trash goes by one beside the workspaces."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only here; tests/e2e/full_disk.py mounts several")
    attempt = Attempt(user_repo, repository, tmp_path / "oya-home")
    trash = shared / f"oya-{os.getpid()}-{tmp_path.name}"
    attempt.trash.parent.mkdir(parents=True, exist_ok=True)
    attempt.trash.symlink_to(trash)
    trash.mkdir()
    try:
        await attempt.create()
        (attempt.path / "new").write_text("work\n")
        assert (await attempt.remove(None)).pinned
        assert not attempt.path.exists()
        assert list(trash.iterdir()) == []
        assert list((attempt.folder / ".trash").iterdir()) == []
    finally:
        shutil.rmtree(trash)


# --- Looking closely, and bringing back -----------------------------------------------------------


async def test_a_visit_tells_what_is_nowhere_else(attempt: Attempt) -> None:
    """Size with ignored files, and the names that differ from what jj recorded, without them;
    nothing is recorded by looking."""
    made = await attempt.create()
    (attempt.path / "saved").write_text("saved\n")
    attempt.user.jj("util", "snapshot", at=attempt.path)
    (attempt.path / "README").write_text("edited\n")
    (attempt.path / "src" / "main.py").unlink()
    (attempt.path / "new").write_text("new\n")
    (attempt.path / "made.o").write_bytes(b"x" * 1000)
    seen = await attempt.performer.visit(attempt.name)
    assert seen.there
    assert seen.unsaved == ("README", "new", "src/main.py")
    assert seen.files == 5
    assert seen.bytes > 1000
    assert seen.pins == {}
    assert (await attempt.performer.visit(attempt.name)).commit == seen.commit
    result = await attempt.collect(made.base)
    after = await attempt.performer.visit(attempt.name)
    assert (after.unsaved, list(after.pins.values())) == ((), [result.commit])


async def test_the_last_content_comes_back(attempt: Attempt, tmp_path: Path) -> None:
    """What was only in the folder, big files, links and bits too; in a new folder, which appears
    when it is whole; where something stands nothing is written."""
    await attempt.create()
    (attempt.path / "big").write_bytes(b"x" * 3_000_000)
    (attempt.path / "run.sh").write_text("#!/bin/sh\n")
    (attempt.path / "run.sh").chmod(0o755)
    (attempt.path / "link").symlink_to("README")
    (attempt.path / "crlf").write_bytes(b"a\r\nb\r\n")
    (attempt.path / ".gitattributes").write_text("* text=auto eol=lf\n*.sh ident\n")
    wanted = _content(attempt.path)
    await attempt.remove(None)
    commit = await attempt.performer.last_content(attempt.name, [])
    assert commit is not None
    into = tmp_path / "back" / "again"
    assert await attempt.performer.restore(commit, into) == len(wanted)
    assert _content(into) == wanted
    assert list(into.parent.iterdir()) == [into]
    (into / "README").write_text("mine by now\n")
    with pytest.raises(WorldFailed, match="there already"):
        await attempt.performer.restore(commit, into)
    assert (into / "README").read_text() == "mine by now\n"
    assert list(into.parent.iterdir()) == [into]
    assert await attempt.performer.last_content(WorkspaceName("nobody"), []) is None


def _content(root: Path) -> dict[str, tuple[bytes, bool]]:
    """Every file below a folder, with whether it can be run."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if name.startswith(".jj") or (path.is_dir() and not path.is_symlink()):
            continue
        data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[name] = (data, not path.is_symlink() and os.access(path, os.X_OK))
    return found


def _names(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir()) if path.is_dir() else []


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()

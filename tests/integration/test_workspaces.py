"""Making a workspace and collecting what was done in it, on real jj."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.workspaces import KEPT, RESULTS
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.events import Reason
from oya_vcs.core.ids import BeadId
from oya_vcs.ports import Probe
from tests.integration.attempts import Attempt, Counted, Untouched
from tests.integration.conftest import UserRepo


@pytest.fixture
def attempt(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Attempt:
    """The first attempt at a bead, its workspace not yet made."""
    return Attempt(user_repo, repository, tmp_path / "oya-home")


# --- Making ---------------------------------------------------------------------------------------


async def test_a_workspace_is_the_target_and_nothing_of_the_user(attempt: Attempt) -> None:
    """It holds exactly the target's files, stands on the target's commit, and has one entry."""
    made = await attempt.create()
    assert made.base == attempt.user.commit("main")
    assert made.path == str(attempt.path)
    assert (attempt.path / "src" / "main.py").read_text() == "print('hello')\n"
    assert not (attempt.path / "dirty.txt").exists()
    assert not (attempt.path / ".git").exists()
    assert attempt.entries().count(attempt.entry) == 1
    said = attempt.user.peek("log", "--no-graph", "-r", f'"{attempt.entry}"@', "-T", "description")
    assert said == "b1: attempt 1 in progress (oya-vcs)\n"


async def test_nothing_of_the_user_is_touched(attempt: Attempt) -> None:
    """Files, their times, @ and the op log of the user's workspace are as before, whatever is done;
    a file that the user had not shown to jj is still not shown."""
    before = Untouched.of(attempt.user)
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    (attempt.path / "later").write_text("unsaved\n")
    await attempt.remove(result.commit)
    assert Untouched.of(attempt.user) == before


async def test_a_probe_finds_a_whole_workspace_and_only_that(attempt: Attempt) -> None:
    """ABSENT before and after a half-made one, the event where it is whole; doing it again gives a
    whole one in every case."""
    effect = attempt.creation()
    key = f.effect_key(effect)
    assert await attempt.performer.probe(key, effect) is Probe.ABSENT
    made = await attempt.create()
    assert await attempt.performer.probe(key, effect) == made
    (attempt.path / "README").unlink()
    assert await attempt.performer.probe(key, effect) is Probe.ABSENT
    assert await attempt.create() == made
    assert (attempt.path / "README").exists()
    shutil.rmtree(attempt.path)
    assert await attempt.create() == made
    attempt.user.peek("workspace", "forget", attempt.entry)
    assert await attempt.create() == made
    assert attempt.entries().count(attempt.entry) == 1
    assert not list(attempt.trash.iterdir())
    in_progress = attempt.user.peek("log", "--no-graph", "-r", "all()", "-T", "description")
    assert in_progress.count("in progress") == 2  # what a person forgot stays in sight


async def test_a_workspace_that_never_left_the_root_commit_is_half_made(attempt: Attempt) -> None:
    """jj makes every workspace on the root commit and then moves it; killed between the two, what
    is there is whole, and empty. It is not taken for a workspace on the target."""
    effect = attempt.creation()
    attempt.folder.mkdir(parents=True, exist_ok=True)
    where = ("--name", attempt.entry, str(attempt.path))
    attempt.user.jj("workspace", "add", "--no-colocate", "-r", "root()", *where)
    assert await attempt.performer.probe(f.effect_key(effect), effect) is Probe.ABSENT
    made = await attempt.create()
    assert made.base == attempt.user.commit("main")
    assert attempt.entries().count(attempt.entry) == 1


async def test_a_target_that_cannot_be_started_from_is_explained(attempt: Attempt) -> None:
    """A missing, conflicted or empty target blocks, says the mend, and leaves neither folder nor
    entry; with the target well, the same effect makes the workspace."""
    attempt.target = "nowhere"
    missing = await attempt.blocked()
    assert missing.reason is Reason.TARGET_MISSING
    assert "`nowhere` does not exist" in missing.detail
    assert "jj bookmark create nowhere" in missing.detail
    attempt.target = "empty"
    attempt.user.peek("bookmark", "create", "empty", "-r", "root()")
    assert "empty root commit" in (await attempt.blocked()).detail
    attempt.target = "main"
    operation = attempt.user.peek("op", "log", "--no-graph", "-n1", "-T", "id")
    attempt.user.peek("new", "--no-edit", "-m", "left", "main")
    attempt.user.peek("new", "--no-edit", "-m", "right", "main")
    attempt.user.peek("bookmark", "set", "main", "-r", 'description(exact:"left\n")')
    late = ("--at-operation", operation, "bookmark", "set", "main", "-r", "default@")
    attempt.user.peek(*late)
    conflicted = await attempt.blocked()
    assert conflicted.reason is Reason.TARGET_CONFLICTED
    assert "jj bookmark set main" in conflicted.detail
    assert attempt.entry not in attempt.entries()
    assert not attempt.path.exists()
    attempt.user.peek("bookmark", "set", "main", "-r", 'description(exact:"left\n")')
    await attempt.create()


async def test_eight_workspaces_at_once(attempt: Attempt, programs: Programs) -> None:
    """Attempts of one process and of another are made side by side, each whole."""
    workspaces = attempt.home / "workspaces"
    other = await open_repository(attempt.user.root, workspaces=workspaces, programs=programs)
    await other.prepare()
    attempts = [
        Attempt(attempt.user, repository, attempt.home, BeadId(f"b{number}"))
        for number, repository in enumerate([attempt.repository, other] * 4)
    ]
    made = await asyncio.gather(*(one.create() for one in attempts))
    assert len({one.path for one in made}) == 8
    assert {one.entry for one in attempts} <= set(attempt.entries())
    for one in attempts:
        assert (one.path / "src" / "main.py").is_file()


# --- Collecting -----------------------------------------------------------------------------------


async def test_a_result_is_exactly_the_files(attempt: Attempt) -> None:
    """Content, executable bits, links, big files, odd names and deletions are in the commit;
    ignored files are not, and stay; the commit has our message, a pin, and the base below it."""
    made = await attempt.create()
    path = attempt.path
    (path / "README").unlink()
    (path / "src" / "main.py").write_bytes(b"\x00\xffbinary")
    (path / "big").write_bytes(b"x" * 3_000_000)
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / "link").symlink_to("/etc/passwd")
    (path / 'a\nb "ü"').write_text("odd\n")
    (path / "made.o").write_text("ignored\n")
    result = await attempt.collect(made.base)
    files = attempt.files_of(result.commit)
    assert files == {
        ".gitignore": b"*.o\nbuild/\n",
        "src/main.py": b"\x00\xffbinary",
        "big": b"x" * 3_000_000,
        "run.sh": b"#!/bin/sh\n",
        "link": b"/etc/passwd",
        'a\nb "ü"': b"odd\n",
    }
    assert attempt.user.git("ls-tree", result.commit, "run.sh").startswith("100755")
    assert attempt.user.git("ls-tree", result.commit, "link").startswith("120000")
    assert attempt.user.git("rev-parse", f"{result.commit}^{{tree}}") == result.tree
    assert attempt.user.git("rev-parse", f"{result.commit}^") == made.base
    message = attempt.collection(made.base).message
    assert attempt.user.git("log", "-1", "--format=%B", result.commit) == message.strip()
    assert attempt.user.git("rev-parse", attempt.pin(RESULTS)) == result.commit
    assert (path / "made.o").read_text() == "ignored\n"


async def test_a_probe_finds_the_result(attempt: Attempt) -> None:
    """ABSENT before, the same event after; a second collection with new files replaces the pin."""
    made = await attempt.create()
    effect = attempt.collection(made.base)
    assert await attempt.performer.probe(f.effect_key(effect), effect) is Probe.ABSENT
    (attempt.path / "one").write_text("1\n")
    first = await attempt.collect(made.base)
    assert await attempt.performer.probe(f.effect_key(effect), effect) == first
    assert await attempt.collect(made.base) == first
    (attempt.path / "two").write_text("2\n")
    second = await attempt.collect(made.base)
    assert await attempt.performer.probe(f.effect_key(effect), effect) == second
    assert attempt.user.git("rev-parse", f"{second.commit}^") == made.base


async def test_no_change_is_nothing_to_land(attempt: Attempt) -> None:
    """Untouched, touched in time only, ignored files only: refused; taken where it is allowed."""
    made = await attempt.create()
    assert (await attempt.refused(made.base)).reason is Reason.NOTHING_TO_LAND
    (attempt.path / "README").touch()
    (attempt.path / "made.o").write_text("ignored\n")
    assert (await attempt.refused(made.base)).reason is Reason.NOTHING_TO_LAND
    allowed = await attempt.finish(made.base, allow_empty=True)
    assert isinstance(allowed, e.ResultCollected)


async def test_files_that_jj_leaves_out_are_never_left_out_silently(attempt: Attempt) -> None:
    """A repository within the workspace, and a name that is not UTF-8, refuse the result by name;
    an ignored repository does not matter."""
    made = await attempt.create()
    (attempt.path / "build" / "dep" / ".git").mkdir(parents=True)
    (attempt.path / "new").write_text("work\n")
    assert await attempt.collect(made.base)
    (attempt.path / "src" / ".git").mkdir()
    (attempt.path / "src" / "main.py").write_text("edited\n")
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert "src" in refused.detail
    (attempt.path / "src" / ".git").rmdir()
    odd = os.fsencode(attempt.path) + b"/odd\xff"
    Path(os.fsdecode(odd)).write_text("x")
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert "odd" in refused.detail
    Path(os.fsdecode(odd)).unlink()
    assert attempt.files_of((await attempt.collect(made.base)).commit)["src/main.py"] == b"edited\n"


async def test_planted_configuration_is_not_obeyed(attempt: Attempt) -> None:
    """A workspace's own jj configuration cannot change what is collected."""
    made = await attempt.create()
    (attempt.path / ".jj" / "workspace-config.toml").write_text(
        '[snapshot]\nauto-track = "none()"\n[revset-aliases]\n"bookmarks()" = "none()"\n'
        '[template-aliases]\n"commit_id" = "\\"planted\\""\n'
    )
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    assert attempt.files_of(result.commit)["new"] == b"work\n"
    (attempt.path / ".jj" / "workspace-config.toml").mkdir()
    assert (await attempt.refused(made.base)).reason is Reason.RESULT_UNUSABLE


# --- Workers that use jj themselves ---------------------------------------------------------------


async def test_commits_of_the_worker_are_respected(attempt: Attempt) -> None:
    """Where it committed by itself, the last commit with changes is the result, with its own words
    and our trailers."""
    made = await attempt.create()
    for number in (1, 2):
        (attempt.path / f"file{number}").write_text("x\n")
        attempt.user.jj("commit", "-m", f"Step {number}", at=attempt.path)
    result = await attempt.collect(made.base)
    assert attempt.user.git("rev-parse", f"{result.commit}~2") == made.base
    message = attempt.user.git("log", "-1", "--format=%B", result.commit)
    assert message.startswith("Step 2\n\nOya-Bead: b1\n")
    assert set(attempt.files_of(result.commit)) >= {"file1", "file2"}
    effect = attempt.collection(made.base)
    assert await attempt.performer.probe(f.effect_key(effect), effect) == result
    assert await attempt.collect(made.base) == result
    assert (await attempt.remove(result.commit)).pinned is None


async def test_a_worker_on_the_targets_own_commit_does_not_change_it(attempt: Attempt) -> None:
    """`jj edit main` in a workspace, then edits: the target stays, the files are the result."""
    made = await attempt.create()
    attempt.user.jj("edit", "main", at=attempt.path)
    (attempt.path / "README").write_text("Edited.\n")
    before = Untouched.of(attempt.user)
    result = await attempt.collect(made.base)
    assert attempt.user.commit("main") == made.base
    assert attempt.user.git("rev-parse", f"{result.commit}^") == made.base
    assert attempt.files_of(result.commit)["README"] == b"Edited.\n"
    assert Untouched.of(attempt.user) == before


async def test_a_worker_on_the_users_commit_does_not_change_it(attempt: Attempt) -> None:
    """`jj edit default@` in a workspace: refused, and the user's commit is as it was."""
    made = await attempt.create()
    attempt.user.peek("describe", "-m", "Mine", "-r", "default@")
    attempt.user.jj("edit", "default@", at=attempt.path)
    (attempt.path / "README").write_text("Edited.\n")
    before = Untouched.of(attempt.user)
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert "default@" in refused.detail
    removed = await attempt.remove(None)
    assert removed.pinned is not None
    assert attempt.files_of(removed.pinned)["README"] == b"Edited.\n"
    assert Untouched.of(attempt.user) == before


MOVES = {
    "commit, bookmark": (
        ("jj", "commit", "-m", "mine"),
        ("jj", "bookmark", "set", "main", "-r", "@-"),
    ),
    "bookmark on @": (("jj", "bookmark", "set", "main", "-r", "@"),),
    "commit, ref": (("jj", "commit", "-m", "mine"), ("ref", "@-")),
    "describe, ref": (("jj", "describe", "-m", "mine"), ("ref", "@")),
    "ref alone": (("ref", "@"),),
    "ref far on": (("jj", "commit", "-m", "mine"), ("child", "@-")),
}
"""How a worker can move the target by itself; `ref` moves git's branch, of which jj knows
nothing, and `child` moves it onto a commit on top."""


@pytest.mark.parametrize("edits", [False, True], ids=["", "more edits"])
@pytest.mark.parametrize("way", MOVES)
async def test_a_moved_target_is_not_a_result(attempt: Attempt, way: str, *, edits: bool) -> None:
    """A worker that moves the target onto its own commit is refused, and told so, whichever of jj
    and git it did it with, and whatever it did after."""
    user = attempt.user
    made = await attempt.create()
    (attempt.path / "new").write_text("sly\n")
    for kind, *words in MOVES[way]:
        if kind == "jj":
            user.jj(*words, at=attempt.path)
        else:
            commit = user.jj("log", "--no-graph", "-r", *words, "-T", "commit_id", at=attempt.path)
            if kind == "child":
                tree, message = f"{commit}^{{tree}}", ("-m", "on top", "-p", commit)
                commit = user.git(*IDENTITY, "commit-tree", tree, *message)
            user.git("update-ref", "refs/heads/main", commit)
    if edits:
        (attempt.path / "later").write_text("honest\n")
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert "moved the target itself" in refused.detail
    assert made.base in refused.detail
    assert not user.git("for-each-ref", RESULTS)


IDENTITY = ("-c", "user.name=Uma", "-c", "user.email=uma@example.org")


@pytest.mark.parametrize("way", ["nothing", "rebase", "merge", "go there"])
@pytest.mark.parametrize("landed_in", ["jj", "git"])
async def test_a_target_that_others_moved_is_no_fault_of_the_worker(
    attempt: Attempt, way: str, landed_in: str
) -> None:
    """What another attempt landed meanwhile, or a person, is no reason to refuse: not where the
    worker stayed on its base, and not where it took the newer target up."""
    user = attempt.user
    made = await attempt.create()
    other = Attempt(user, attempt.repository, attempt.home, BeadId("b2"))
    base = (await other.create()).base
    (other.path / "theirs").write_text("x\n")
    theirs = (await other.collect(base)).commit
    if landed_in == "jj":
        user.peek("bookmark", "set", "main", "-r", theirs)
    else:
        user.git("update-ref", "refs/heads/main", theirs)
    if way in {"rebase", "merge", "go there"} and landed_in == "git":
        user.peek("git", "import")
    if way == "go there":
        user.jj("new", "main", at=attempt.path)
        assert (await attempt.refused(made.base)).reason is Reason.NOTHING_TO_LAND
    (attempt.path / "new").write_text("work\n")
    if way == "rebase":
        user.jj("rebase", "-o", "main", at=attempt.path)
    elif way == "merge":
        user.jj("new", "@", "main", at=attempt.path)
    result = await attempt.collect(made.base)
    assert attempt.files_of(result.commit)["new"] == b"work\n"


async def test_two_homes_on_one_repository_do_not_meet(
    attempt: Attempt, programs: Programs, tmp_path: Path
) -> None:
    """The same bead and attempt in another home has its own workspace, folder and pins: neither
    home forgets, overwrites or lists what is the other's."""
    home = tmp_path / "other-home"
    second = await open_repository(
        attempt.user.root,
        workspaces=home / "workspaces",
        programs=replace(programs, home=home / "jj"),
    )
    await second.prepare()
    other = Attempt(attempt.user, second, home)
    assert other.name == attempt.name
    one, two = await attempt.create(), await other.create()
    (attempt.path / "one").write_text("1\n")
    (other.path / "two").write_text("2\n")
    first, last = await attempt.collect(one.base), await other.collect(two.base)
    for mine, result in ((attempt, first), (other, last)):
        assert attempt.user.git("rev-parse", mine.pin(RESULTS)) == result.commit
        assert mine.entry in mine.entries()
        found = await mine.performer.survey({})
        assert [one.name for one in found] == [mine.name]
    await other.remove(None)
    assert attempt.entry in attempt.entries()
    assert (await attempt.remove(first.commit)).pinned is None
    assert attempt.user.git("rev-parse", other.pin(KEPT)) == last.commit


async def test_a_worker_that_left_its_base_is_refused(attempt: Attempt) -> None:
    """A commit that does not descend from the base is no result."""
    made = await attempt.create()
    attempt.user.jj("new", "root()", at=attempt.path)
    (attempt.path / "alone").write_text("x\n")
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert made.base in refused.detail


async def test_a_conflict_is_no_result(attempt: Attempt) -> None:
    """A commit with a conflict, made by the worker's own merge, is refused as conflicted."""
    made = await attempt.create()
    (attempt.path / "README").write_text("one\n")
    attempt.user.jj("commit", "-m", "one", at=attempt.path)
    attempt.user.jj("new", made.base, at=attempt.path)
    (attempt.path / "README").write_text("two\n")
    attempt.user.jj("commit", "-m", "two", at=attempt.path)
    attempt.user.jj(
        "new", 'description(exact:"one\n")', 'description(exact:"two\n")', at=attempt.path
    )
    assert (await attempt.refused(made.base)).reason is Reason.RESULT_CONFLICTED


@pytest.mark.parametrize("way", ["bookmark", "merge"])
async def test_what_is_not_the_workspaces_alone_is_no_result(attempt: Attempt, way: str) -> None:
    """A commit with somebody's bookmark, or another attempt's work merged in, is refused by name,
    and neither is rewritten."""
    made = await attempt.create()
    (attempt.path / "new").write_text("work\n")
    attempt.user.jj("commit", "-m", "one", at=attempt.path)
    other = Attempt(attempt.user, attempt.repository, attempt.home, BeadId("b2"))
    await other.create()
    if way == "bookmark":
        foreign = "mine"
        attempt.user.peek("bookmark", "create", foreign, "-r", 'description(exact:"one\n")')
    else:
        foreign = f"{other.entry}@"
        attempt.user.jj("new", "@-", foreign, at=attempt.path)
    before = attempt.user.commit(foreign)
    refused = await attempt.refused(made.base)
    assert refused.reason is Reason.RESULT_UNUSABLE
    assert foreign in refused.detail
    assert attempt.user.commit(foreign) == before


@pytest.mark.parametrize("way", ["rebase", "abandon", "forget", "describe"])
async def test_a_workspace_that_jj_lost_track_of_keeps_its_files(
    attempt: Attempt, way: str
) -> None:
    """Rebased, abandoned, forgotten or described from elsewhere: not one unsaved file is replaced,
    and the result holds them."""
    made = await attempt.create()
    (attempt.path / "README").write_text("unsaved edit\n")
    (attempt.path / "new").write_text("unsaved file\n")
    at = f'"{attempt.entry}"@'
    if way == "rebase":
        attempt.user.peek("new", "--no-edit", "-m", "next", "main")
        attempt.user.peek("restore", "--from", "root()", "--into", 'description(exact:"next\n")')
        attempt.user.peek("rebase", "-s", at, "-o", 'description(exact:"next\n")')
    elif way == "abandon":
        attempt.user.peek("abandon", at)
    elif way == "describe":
        attempt.user.peek("describe", "-r", at, "-m", "somebody was here")
    else:
        attempt.user.peek("workspace", "forget", attempt.entry)
    result = await attempt.collect(made.base)
    assert attempt.files_of(result.commit)["README"] == b"unsaved edit\n"
    assert attempt.files_of(result.commit)["new"] == b"unsaved file\n"
    assert attempt.user.git("rev-parse", f"{result.commit}^") == made.base
    assert (attempt.path / "README").read_text() == "unsaved edit\n"
    assert (await attempt.remove(result.commit)).pinned is None


@pytest.mark.parametrize("way", ["gone", "link", "no jj", "own jj", "other repo", "swapped"])
async def test_a_folder_that_is_not_the_workspace_is_refused(
    attempt: Attempt, way: str, tmp_path: Path
) -> None:
    """Nothing is read through a link, from another repository, or from another attempt's folder."""
    made = await attempt.create()
    other = Attempt(attempt.user, attempt.repository, attempt.home, BeadId("b2"))
    (attempt.path / "new").write_text("work\n")
    if way == "gone":
        shutil.rmtree(attempt.path)
    elif way == "link":
        attempt.path.rename(tmp_path / "elsewhere")
        attempt.path.symlink_to(tmp_path / "elsewhere")
    elif way == "no jj":
        shutil.rmtree(attempt.path / ".jj")
    elif way == "swapped":
        await other.create()
        attempt.path.rename(tmp_path / "elsewhere")
        other.path.rename(attempt.path)
    else:
        shutil.rmtree(attempt.path / ".jj")
        where = str(tmp_path / "foreign")
        attempt.user.run(attempt.user.tools.jj, "git", "init", "--no-colocate", where)
        shutil.copytree(tmp_path / "foreign" / ".jj", attempt.path / ".jj")
        if way == "other repo":
            shutil.rmtree(attempt.path / ".jj" / "repo")
            (attempt.path / ".jj" / "repo").write_text(str(tmp_path / "foreign" / ".jj" / "repo"))
    before = Untouched.of(attempt.user)
    assert (await attempt.refused(made.base)).reason is Reason.RESULT_UNUSABLE
    assert Untouched.of(attempt.user) == before


async def test_few_programs_are_started(
    user_repo: UserRepo, repository: JjRepository, tmp_path: Path
) -> None:
    """Each costs 3 ms (git) to 20 ms (jj): making takes 2, collecting 4, removing 4 where the
    result is kept, landed or not, and 6 where something is to be pinned."""
    counted = Counted(repository)
    attempt = Attempt(user_repo, counted, tmp_path / "oya-home")
    made = await attempt.create()
    assert len(counted.calls) <= 2
    counted.calls.clear()
    (attempt.path / "new").write_text("work\n")
    result = await attempt.collect(made.base)
    assert len(counted.calls) <= 4
    counted.calls.clear()
    await attempt.remove(result.commit)
    assert len(counted.calls) <= 4
    made = await attempt.create()
    (attempt.path / "new").write_text("landed\n")
    result = await attempt.collect(made.base)
    user_repo.jj("--ignore-working-copy", "bookmark", "set", "main", "-r", result.commit)
    counted.calls.clear()
    await attempt.remove(result.commit, landed=True)
    assert [call[1] for call in counted.calls if call[0] == "jj"] == ["log", "workspace"]
    assert len(counted.calls) <= 4
    made = await attempt.create()
    (attempt.path / "new").write_text("unsaved\n")
    counted.calls.clear()
    assert (await attempt.remove(None)).pinned
    assert len(counted.calls) <= 6

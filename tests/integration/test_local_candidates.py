"""Candidates of the local forge, on real git and jj repositories of both kinds."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import MADE_AT_MS, Changes, Watched, no_report


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


async def test_candidate_is_the_merge_of_head_into_the_tip(changes: Changes) -> None:
    """Parents (base, head), the merged tree, the message as it is, the user as the author, the
    effect's date; kept by a pin under the effect's key."""
    base = changes.commit("main")
    head = changes.head({"new.txt": "new\n"})
    message = "-m 'quoted' \"too\"\n\n$(touch pwned) `x`\n--end-of-options\n"
    key, effect = changes.build(head, message=message)
    event = await changes.forge().do(key, effect, no_report)
    assert isinstance(event, e.CandidateBuilt)
    assert event.base == base
    assert event.tree == changes.tree(event.commit)
    assert changes.files(event.commit) == [".gitignore", "README", "new.txt", "src/main.py"]
    form = "--format=%P|%an|%ae|%at|%ct|%B"
    parents, *rest = changes.git("log", "-1", form, event.commit).split("|", 5)
    assert parents.split() == [base, head]
    seconds = str(MADE_AT_MS // 1000)
    assert rest == ["Uma User", "uma@example.org", seconds, seconds, message.strip()]
    assert changes.pins() == [f"c1/{key}"]
    changes.whole()


async def test_user_sees_nothing_of_a_candidate(changes: Changes) -> None:
    """@, the files on disk, HEAD, the index and the op log are the user's: of a build, at most the
    export of what jj had not told git yet is seen there."""
    base = changes.commit("main")
    seen, before = _user_state(changes), changes.operations()
    await changes.built(changes.head({"new.txt": "new\n"}))
    assert set(changes.operations()[: -len(before)]) <= {"export git refs"}
    assert _user_state(changes) == seen
    operations = changes.operations()
    await changes.built(changes.head({"other.txt": "other\n"}))
    assert changes.operations() == operations
    assert changes.commit("main") == changes.branch() == base


def _user_state(changes: Changes) -> dict[str, object]:
    root = changes.user.root
    head, index = root / ".git" / "HEAD", root / ".git" / "index"
    return {
        "at": changes.user.commit("@"),
        "dirty": (root / "dirty.txt").read_bytes() == DIRTY,
        "HEAD": head.read_bytes() if head.exists() else b"",
        "index": index.read_bytes() if index.exists() else b"",
        "visible": changes.user.peek("log", "--no-graph", "-r", "all()", "-T", "commit_id"),
    }


async def test_same_effect_gives_the_same_commit(changes: Changes) -> None:
    """Building again, by this process or another, gives the same id, and probing finds it."""
    key, effect = changes.build(changes.head({"new.txt": "new\n"}))
    assert await changes.forge().probe(key, effect) is Probe.ABSENT
    first = await changes.forge().do(key, effect, no_report)
    assert await changes.forge().do(key, effect, no_report) == first
    assert await changes.forge().probe(key, effect) == first
    other, rebuilt = changes.build(effect.head, number=2)
    assert await changes.forge().probe(other, rebuilt) is Probe.ABSENT


async def test_conflict_names_its_files(changes: Changes) -> None:
    """A real conflict names exactly its files, odd names whole, and builds nothing."""
    odd = 'dïr/a b\n"c"'
    start = changes.head({odd: "1\n", "fine": "1\n"})
    head = changes.head({odd: "2\n", "README": "theirs\n", "mine": "1\n"}, on=start)
    tip = changes.head({odd: "3\n", "README": "ours\n", "fine": "2\n"}, on=start)
    _move_with_git(changes, tip)
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.CandidateConflicted)
    assert (event.base, sorted(event.files)) == (tip, sorted([odd, "README"]))
    assert changes.pins() == []


async def test_change_that_is_in_the_target_is_redundant(changes: Changes) -> None:
    """An ancestor of the tip, the tip itself and a change that another commit made already."""
    base = changes.commit("main")
    head = changes.head({"new.txt": "new\n"})
    twin = changes.head({"new.txt": "new\n", "more.txt": "more\n"})
    _move_with_git(changes, twin)
    for redundant in (base, twin, head):
        event = await changes.forge().do(*changes.build(redundant), no_report)
        assert isinstance(event, e.CandidateRedundant), redundant
        assert (event.base, event.tree) == (twin, changes.tree(twin))


@pytest.mark.parametrize("repo_kind", ["colocated"], indirect=True)
async def test_a_merge_is_the_one_that_jj_makes(changes: Changes) -> None:
    """Seeded edits of neighbouring lines on both sides: the same tree as `jj new A B` has, and a
    conflict where that has one. Merging in Python was measured to lose edits without a word."""
    dice = Random(8)
    plain = [f"line {number}\n" for number in range(24)]
    base = changes.head({"a": "".join(plain), "b": "".join(plain)})
    _move_with_git(changes, base)
    outcomes = set[bool]()
    for number in range(10):
        ours, theirs = [
            changes.head(
                {name: _edited(plain, side, dice) for name in ("a", "b")}, on=base, message=side
            )
            for side in ("ours", "theirs")
        ]
        _move_with_git(changes, ours)
        changes.git("update-ref", "refs/heads/side", theirs)
        changes.user.peek("git", "import")
        changes.user.peek("new", "--no-edit", "-m", f"merge {number}", ours, theirs)
        merge = f'description(exact:"merge {number}\n")'
        conflict = changes.user.peek("log", "--no-graph", "-r", merge, "-T", "conflict") == "true"
        event = await changes.forge().do(*changes.build(theirs, number=number), no_report)
        assert isinstance(event, e.CandidateConflicted) is conflict, number
        if isinstance(event, e.CandidateBuilt):
            assert event.tree == changes.tree(changes.user.commit(merge)), number
        outcomes.add(conflict)
    assert outcomes == {True, False}


def _edited(lines: list[str], side: str, dice: Random) -> str:
    """The lines with two of them changed, taken out or followed by another."""
    edited = list(lines)
    for at in sorted(dice.sample(range(len(lines)), 2), reverse=True):
        edited[at : at + 1] = dice.choice([[f"{side}\n"], [], [lines[at], f"{side}\n"]])
    return "".join(edited)


async def test_head_that_is_gone_is_an_error(changes: Changes) -> None:
    """A commit that is not there is the world's failure for good, for the request and the
    candidate; never a conflict."""
    key, effect = changes.build(CommitId("1" * 40))
    with pytest.raises(WorldFailed, match="1111") as raised:
        await changes.forge().do(key, effect, no_report)
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        (".jjconflict-base-0/README", True),
        (".jjconflict-side-7/src/a", True),
        (".jjconflict-new", True),
        ("docs/.jjconflict-base-0", False),
        ("jjconflict-base-0", False),
    ],
)
async def test_conflict_trees_never_become_a_candidate(
    changes: Changes, path: str, *, refused: bool
) -> None:
    """What jj writes for a conflict stands at the root of a tree; there it is refused for good."""
    key, effect = changes.build(changes.head({path: "x\n"}))
    if not refused:
        assert isinstance(await changes.forge().do(key, effect, no_report), e.CandidateBuilt)
        return
    with pytest.raises(WorldFailed, match="unresolved jj conflict") as raised:
        await changes.forge().do(key, effect, no_report)
    assert not raised.value.retryable
    assert changes.pins() == []


async def test_head_with_conflict_trees_is_refused_where_its_merge_has_none(
    changes: Changes,
) -> None:
    """The target deleted what the head still holds: the merge is clean, the head is not."""
    start = changes.head({".jjconflict-side-0/x": "x\n"})
    head = changes.head({"new.txt": "new\n"}, on=start)
    _move_with_git(changes, changes.head({".jjconflict-side-0/x": None}, on=start))
    changes.user.peek("git", "import")
    with pytest.raises(WorldFailed, match="unresolved jj conflict"):
        await changes.forge().do(*changes.build(head), no_report)


async def test_merge_with_conflict_trees_is_refused_where_its_head_has_none(
    changes: Changes,
) -> None:
    """Somebody put them on the target: nothing more is built on it."""
    head = changes.head({"new.txt": "new\n"})
    _move_with_git(changes, changes.head({".jjconflict-side-0/x": "x\n"}))
    with pytest.raises(WorldFailed, match="unresolved jj conflict"):
        await changes.forge().do(*changes.build(head), no_report)


async def test_commit_that_jj_left_in_conflict_is_refused(changes: Changes, tmp_path: Path) -> None:
    """The real thing: a merge with a conflict, made and committed by jj."""
    sides = [changes.head({"README": side}) for side in ("one\n", "two\n")]
    for number, side in enumerate(sides):
        changes.git("update-ref", f"refs/heads/side{number}", side)
    changes.user.peek("git", "import")
    there = tmp_path / "worker"
    changes.user.jj("workspace", "add", "--no-colocate", "-r", "main", str(there))
    changes.user.jj("new", "-m", "merge", *sides, at=there)
    head = CommitId(changes.user.jj("log", "--no-graph", "-r", "@", "-T", "commit_id", at=there))
    assert any(name.startswith(".jjconflict-") for name in changes.files(head))
    with pytest.raises(WorldFailed, match="unresolved jj conflict"):
        await changes.forge().do(*changes.build(head), no_report)


@pytest.mark.parametrize("way", ["jj", "git"])
async def test_missing_target_blocks(changes: Changes, way: str) -> None:
    """A target deleted with jj or with git blocks, with the mend."""
    head = changes.head({"new.txt": "new\n"})
    if way == "git":
        changes.user.peek("git", "export")
        changes.git("update-ref", "-d", "refs/heads/main")
    else:
        changes.user.jj("bookmark", "delete", "main")
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.TARGET_MISSING
    assert "jj bookmark create main" in event.detail


async def test_conflicted_target_blocks_until_it_is_mended(changes: Changes) -> None:
    """A bookmark that was moved in two ways blocks, with the mend; mended, it is built on."""
    head = changes.head({"new.txt": "new\n"})
    one, two = (changes.head({"README": side}) for side in ("one\n", "two\n"))
    for name, side in (("one", one), ("two", two)):
        changes.git("update-ref", f"refs/heads/{name}", side)
    changes.user.peek("git", "import")
    operation = changes.user.peek("op", "log", "--no-graph", "-n1", "-T", "id")
    changes.user.peek("bookmark", "set", "main", "-r", one)
    changes.user.peek("--at-op", operation, "bookmark", "set", "main", "-r", two)
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.TARGET_CONFLICTED
    assert "jj bookmark set main" in event.detail
    changes.user.peek("bookmark", "set", "main", "-r", two, "--allow-backwards")
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.CandidateBuilt)
    assert event.base == two


async def test_base_is_the_tip_that_either_tool_moved_to(changes: Changes) -> None:
    """The target moved with git, which jj has not seen, and with jj, which git has not seen."""
    tip = changes.head({"one.txt": "1\n"})
    _move_with_git(changes, tip)
    head = changes.head({"new.txt": "new\n"}, on=tip)
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.CandidateBuilt)
    assert event.base == tip == changes.commit("main")
    further = changes.head({"two.txt": "2\n"}, on=tip)
    changes.git("update-ref", "refs/heads/other", further)
    changes.user.peek("git", "import")
    changes.user.peek("bookmark", "set", "main", "-r", further)
    event = await changes.forge().do(*changes.build(head), no_report)
    assert isinstance(event, e.CandidateBuilt)
    assert event.base == further == changes.branch()


@pytest.mark.parametrize("name", ["-x", "--output=x", "ünï/côde", "o'brien", "a$(id)"])
async def test_odd_target_names_land(changes: Changes, name: str) -> None:
    """A target whose name looks like an option, or needs quoting, is a target as any other."""
    changes.user.peek("bookmark", "create", "-r", "main", f'"{name}"')
    odd = Changes(changes.user, changes.repository, changes.home, target=name)
    built = await odd.built(odd.head({"new.txt": "new\n"}))
    event = await odd.forge().do(*odd.land(built), no_report)
    assert isinstance(event, e.Landed)
    assert odd.commit(name) == odd.branch() == built.commit
    odd.whole()


@pytest.mark.parametrize("name", ["a b", 'q"uo\\te', "main/below"])
async def test_target_that_git_cannot_name_blocks(changes: Changes, name: str) -> None:
    """jj takes more names than git: such a target blocks, and the detail says to rename it."""
    changes.user.peek("git", "export")
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    changes.user.peek("bookmark", "create", "-r", "main", f'"{quoted}"')
    odd = Changes(changes.user, changes.repository, changes.home, target=name)
    event = await odd.forge().do(*odd.build(changes.head({"n": "n\n"})), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.TARGET_MISSING
    assert "jj bookmark rename" in event.detail


async def test_build_starts_few_processes(changes: Changes) -> None:
    """Four for a candidate, one more than plain git needs (it looks for jj's conflicts), and a
    fifth where the head stands on a commit that may bring more; jj only where something has
    happened in it since."""
    await changes.built(changes.head({"first.txt": "1\n"}))
    watched = Watched(changes.repository)
    forge = changes.forge(repository=watched)
    asked = [("jj", "bookmark")]
    for head, programs in (
        (changes.head({"new.txt": "new\n"}), BUILDS),
        (changes.commit("main"), ["cat-file", "merge-tree", "rev-list", "update-ref"]),
        (changes.head({"more.txt": "more\n"}), BUILDS),
        (changes.head({"a": "a\n"}, on=changes.head({"b": "b\n"})), sorted([*BUILDS, "rev-list"])),
    ):
        watched.calls.clear()
        await forge.do(*changes.build(head), no_report)
        ran = [call for call in watched.calls if call[0] == "jj"]
        assert [call[:2] for call in ran] == asked
        assert sorted(call[2] for call in watched.calls if call[0] == "git") == programs
        asked = []


BUILDS = ["cat-file", "commit-tree", "merge-tree", "update-ref"]


async def test_replaced_objects_are_not_believed(changes: Changes) -> None:
    """A replacement ref that shows another head does not change what is built."""
    head = changes.head({"new.txt": "new\n"})
    changes.git("replace", head, changes.head({"evil.txt": "evil\n"}))
    event = await changes.built(head)
    files = changes.git("--no-replace-objects", "ls-tree", "--name-only", event.tree).split()
    assert "new.txt" in files
    assert "evil.txt" not in files


def _move_with_git(changes: Changes, tip: str) -> None:
    """Move the target as a user of plain git would, without telling jj."""
    changes.user.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", tip)

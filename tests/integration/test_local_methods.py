"""Squashing and rebasing on real git: authors, messages, merges within a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import events as e
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from tests.integration.conftest import UserRepo
from tests.integration.local_changes import MADE_AT_MS, Changes, no_report

MESSAGE = "Land b1: Work\n\nOya-Bead: b1\nOya-Change: c1\n"
SECONDS = str(MADE_AT_MS // 1000)


@pytest.fixture(params=["colocated"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """One kind is enough: only objects are made."""
    return str(request.param)


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def by(changes: Changes, who: str, files: dict[str, str | None], on: str, message: str) -> CommitId:
    """A commit with these files by somebody, in 2001."""
    tree = changes.tree(changes.head(files, on=on))
    name, _, email = who.partition(" <")
    raw = (
        f"tree {tree}\nparent {on}\nauthor {name} <{email.rstrip('>')}> 1000000000 +0200\n"
        f"committer C <c@x> 1000000000 +0000\n\n{message}"
    )
    return CommitId(changes.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode()))


async def built(changes: Changes, head: CommitId, method: str) -> e.CandidateBuilt:
    """The candidate of a head, by a method."""
    effect = changes.build(head, method=method, message=MESSAGE)
    event = await changes.forge().do(*effect, no_report)
    assert isinstance(event, e.CandidateBuilt), event
    return event


def shown(changes: Changes, commit: str, form: str) -> str:
    """What git shows of one commit."""
    return changes.git("log", "-1", f"--format={form}", commit)


async def test_squash_keeps_the_author_and_names_the_others(changes: Changes) -> None:
    """The first commit's author is the author; who wrote the others, or is named in their trailers,
    is named once, in the paragraph of our trailers; we are the committer, at the effect's time."""
    main = changes.commit("main")
    one = by(changes, "Ann <ann@x>", {"a": "1\n"}, main, "One\n")
    named = "Two\n\nCo-authored-by: Cid <cid@x>\nCo-authored-by: ann <ANN@x>\n"
    two = by(changes, "Bob <bob@x>", {"a": "2\n"}, one, named)
    three = by(changes, "Bobby <bob@x>", {"a": "3\n"}, two, "Three\n")
    event = await built(changes, three, "squash")
    assert shown(changes, event.commit, "%P|%an|%ae|%at|%ct|%cn") == (
        f"{main}|Ann|ann@x|{SECONDS}|{SECONDS}|Uma User"
    )
    assert shown(changes, event.commit, "%B") == (
        f"{MESSAGE}Co-authored-by: Bobby <bob@x>\nCo-authored-by: Cid <cid@x>"
    )
    changes.whole()


async def test_rebase_keeps_each_author_and_date(changes: Changes) -> None:
    """Every commit has its own author, date and words; the committer and time are ours; the last
    one has our trailers in place of what it said were ours."""
    main = changes.commit("main")
    one = by(changes, "Ann <ann@x>", {"a": "1\n"}, main, "One\n\n[skip ci] Fixes #3\n")
    signed = "Two\n\nSigned-off-by: Bob <bob@x>\n"
    two = by(changes, "Bob <bob@x>", {"a": "2\n"}, one, signed)
    three = by(changes, "Bob <bob@x>", {"a": "3\n"}, two, "Three\n\nOya-Bead: forged\n")
    event = await built(changes, three, "rebase")
    form = "%an|%ae|%ad|%ct|%cn|%B%x00"
    log = changes.git(
        "log", "--reverse", "--date=raw", f"--format={form}", f"{main}..{event.commit}"
    )
    assert [entry.strip() for entry in log.split("\0") if entry.strip()] == [
        f"Ann|ann@x|1000000000 +0200|{SECONDS}|Uma User|One\n\n(skip ci) Fixes - #3",
        f"Bob|bob@x|1000000000 +0200|{SECONDS}|Uma User|{signed.strip()}",
        f"Bob|bob@x|1000000000 +0200|{SECONDS}|Uma User|Three\n\nOya-Bead: b1\nOya-Change: c1",
    ]
    changes.whole()


async def test_our_trailers_stand_on_the_last_commit_that_is_left(changes: Changes) -> None:
    """The last of the change is empty on the new base and left out: the one before has them."""
    main = changes.commit("main")
    tip = by(changes, "Tim <tim@x>", {"b": "b\n"}, main, "Tip\n")
    changes.user.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", tip)
    one = by(changes, "Ann <ann@x>", {"a": "1\n"}, main, "One\n")
    two = by(changes, "Ann <ann@x>", {"b": "b\n"}, one, "Two\n")
    event = await built(changes, two, "rebase")
    assert shown(changes, event.commit, "%P %B") == f"{tip} One\n\nOya-Bead: b1\nOya-Change: c1"
    assert event.base == tip


@pytest.mark.parametrize("method", ["squash", "rebase"])
@pytest.mark.parametrize("who", [" <>", ". <x@y>", " <a b>"])
async def test_an_author_that_git_would_not_take_is_no_obstacle(
    changes: Changes, method: str, who: str
) -> None:
    """Empty names, names of nothing but punctuation, broken addresses: something stands there."""
    head = by(changes, who, {"a": "1\n"}, changes.commit("main"), "One\n")
    event = await built(changes, head, method)
    assert shown(changes, event.commit, "%an") in ("unknown", "x@y", "ab")


async def test_what_a_merge_within_the_change_resolved_is_not_lost(changes: Changes) -> None:
    """Rebased, merges are left out where they resolved nothing; where one did, the change
    conflicts, in just those files, and squash or merge take it."""
    main = changes.commit("main")
    one, two = (changes.head({f"{name}": f"{name}\n"}, on=main) for name in "ab")
    clean = changes.head({"a": "a\n", "b": "b\n"}, on=main)
    merge = ("commit-tree", "-p", one, "-p", two, "-m", "Merge")
    plain = CommitId(changes.git(*merge, changes.tree(clean)))
    event = await built(changes, plain, "rebase")
    assert changes.git("rev-list", "--count", f"{main}..{event.commit}") == "2"
    assert changes.files(event.commit) == [".gitignore", "README", "a", "b", "src/main.py"]
    by_hand = changes.head({"a": "by hand\n", "b": "b\n"}, on=main)
    evil = CommitId(changes.git(*merge, changes.tree(by_hand)))
    conflict = await changes.forge().do(*changes.build(evil, method="rebase"), no_report)
    assert isinstance(conflict, e.CandidateConflicted)
    assert conflict.files == ("a",)
    assert changes.tree((await built(changes, evil, "squash")).commit) == changes.tree(by_hand)


async def test_a_history_of_its_own_is_not_rebased(changes: Changes) -> None:
    """A change that brings a second root merges, and is refused by rebase with the mend."""
    main = changes.commit("main")
    both = changes.tree(changes.head({"own": "x\n"}))
    root = changes.git("commit-tree", changes.tree(main), "-m", "Another root")
    head = CommitId(changes.git("commit-tree", "-p", main, "-p", root, "-m", "Merge", both))
    assert (await built(changes, head, "merge")).tree == both
    with pytest.raises(WorldFailed, match="has no parent") as raised:
        await changes.forge().do(*changes.build(head, method="rebase"), no_report)
    assert "squash" in raised.value.hint


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
async def test_conflict_trees_below_the_head_never_land(changes: Changes, method: str) -> None:
    """A commit in the middle held what jj writes for a conflict; the head does not any more."""
    middle = changes.head({".jjconflict-base-0/deep/x": "x\n"})
    head = changes.head({".jjconflict-base-0/deep/x": None, "new": "n\n"}, on=middle)
    with pytest.raises(WorldFailed, match="unresolved jj conflict"):
        await changes.forge().do(*changes.build(head, method=method), no_report)
    assert changes.pins() == []

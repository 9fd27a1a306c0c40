"""Landing on real git and jj repositories of both kinds, with a user who moves the target too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Probe
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import Changes, Watched, no_report

CALLS_MAX = 6
"""How many processes a landing may start; each of them is a moment for a user to step in."""


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


async def test_landing_moves_the_target_to_the_tested_tree(changes: Changes) -> None:
    """Branch and bookmark stand at the candidate, whose tree is the one that was built; the pins of
    the bead's candidates are gone, of this and of older ones; nothing but an import is new in the
    op log."""
    await changes.built(changes.head({"older.txt": "older\n"}))
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    assert len(changes.pins()) == 2
    operations = changes.operations()
    event = await changes.forge().do(*changes.land(built), no_report)
    assert event == e.Landed(
        key=changes.land(built)[0],
        bead=built.bead,
        change=built.change,
        base=built.base,
        commit=built.commit,
        tree=built.tree,
    )
    assert changes.commit("main") == changes.branch() == built.commit
    assert changes.tree(changes.branch()) == built.tree
    assert changes.pins() == []
    assert changes.operations() == ["import git refs", *operations]
    changes.whole()


async def test_user_at_work_is_not_disturbed(changes: Changes) -> None:
    """@, its parent and the files on disk stay; the user's next jj command shows the edits that
    were there before, and the new target beside them."""
    at, parent = changes.user.commit("@"), changes.user.commit("@-")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    await changes.forge().do(*changes.land(built), no_report)
    assert (changes.user.commit("@"), changes.user.commit("@-")) == (at, parent)
    assert (changes.user.root / "dirty.txt").read_bytes() == DIRTY
    assert not (changes.user.root / "new.txt").exists()
    assert _edits(changes.user) == ["dirty.txt"]
    assert changes.user.commit("@-") == parent
    assert changes.user.commit("main") == built.commit


async def test_result_of_a_jj_workspace_lands(changes: Changes, tmp_path: Path) -> None:
    """A head that jj made, with jj's own headers, lands as its second parent and stays visible."""
    there = tmp_path / "worker"
    changes.user.jj("workspace", "add", "--no-colocate", "-r", "main", str(there))
    (there / "result.txt").write_text("done\n")
    changes.user.jj("commit", "-m", "A result", at=there)
    head = CommitId(changes.user.jj("log", "--no-graph", "-r", "@-", "-T", "commit_id", at=there))
    changes.user.jj("workspace", "forget", "worker")
    built = await changes.built(head)
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)
    assert changes.user.commit("main-").splitlines() != []
    assert "result.txt" in changes.files(changes.branch())
    changes.whole()


@pytest.mark.parametrize("way", ["git", "jj", "jj without export"])
async def test_moved_target_is_stale(changes: Changes, way: str) -> None:
    """A target that moved since the candidate was built, however, is reported with where it is;
    nothing is changed, and the candidate stays pinned."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    other = changes.head({"other.txt": "other\n"})
    _move(changes, way, other)
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.LandingStale)
    assert event.found == other == changes.branch() == changes.commit("main")
    assert changes.pins() != []


async def test_target_moved_back_is_stale(changes: Changes) -> None:
    """A force-push backwards never resurrects what it dropped."""
    first = changes.commit("main")
    changes.user.peek("git", "export")
    changes.git("update-ref", "refs/heads/main", changes.head({"dropped.txt": "x\n"}))
    built = await changes.built(changes.head({"new.txt": "new\n"}, on=changes.branch()))
    changes.git("update-ref", "refs/heads/main", first)
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.LandingStale)
    assert event.found == first == changes.branch()


@pytest.mark.parametrize("way", ["git", "jj"])
async def test_deleted_target_blocks(changes: Changes, way: str) -> None:
    """A target deleted before the landing is not made again."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    if way == "git":
        changes.git("update-ref", "-d", "refs/heads/main")
    else:
        changes.user.jj("bookmark", "delete", "main")
    for event in (
        await changes.forge().do(*changes.land(built), no_report),
        await changes.forge().probe(*changes.land(built)),
    ):
        assert isinstance(event, e.TargetBlocked)
        assert event.reason is e.Reason.TARGET_MISSING
    assert changes.branch() in ("", built.base)


@pytest.mark.callback_blocks
@pytest.mark.parametrize("way", ["git", "jj"])
async def test_user_may_step_in_at_any_moment(changes: Changes, way: str) -> None:
    """Whatever moment somebody moves the target in, the outcome tells the truth, the two tools
    agree (or jj shows the conflict), and what the other put there is never dropped."""
    outcomes = set()
    for moment in range(1, CALLS_MAX + 1):
        built = await changes.built(changes.head({f"new-{moment}": "new\n"}))
        other = changes.head({f"other-{moment}": "other\n"}, on=built.base)

        async def step_in(number: int, moment: int = moment, other: str = other) -> None:
            if number == moment:
                _move(changes, way, other)

        watched = Watched(changes.repository, before=step_in)
        event = await changes.forge(repository=watched).do(*changes.land(built), no_report)
        outcomes.add(type(event).__name__)
        if isinstance(event, e.TargetBlocked):
            assert event.reason is e.Reason.TARGET_CONFLICTED
            changes.user.peek("bookmark", "set", "main", "-r", other, "--allow-backwards")
            await changes.forge().probe(*changes.land(built))
            continue
        tip = changes.branch()
        assert tip == changes.commit("main")
        if isinstance(event, e.LandingStale):
            assert event.found == tip
            assert not changes.contains(tip, built.commit)
        else:
            assert isinstance(event, e.Landed)
            assert changes.contains(tip, built.commit)
        assert changes.contains(tip, other) or moment > len(watched.calls), (moment, event)
        changes.whole()
    assert "LandingStale" in outcomes


async def test_other_tree_or_commit_than_tested_never_lands(changes: Changes) -> None:
    """The tree is checked from the objects before the target moves; a lost commit is an error."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    _, effect = changes.land(built)
    for wrong in (
        replace(effect, tree=changes.tree(built.base)),
        replace(effect, commit=CommitId("1" * 40)),
    ):
        with pytest.raises(WorldFailed) as raised:
            await changes.forge().do(effect_key(wrong), wrong, no_report)
        assert not raised.value.retryable
    assert changes.branch() == built.base
    changes.git("update-ref", "refs/heads/main", built.commit)
    untested = replace(effect, tree=changes.tree(built.base))
    with pytest.raises(WorldFailed, match="must not land"):
        await changes.forge().probe(effect_key(untested), untested)


async def test_landing_again_changes_nothing(changes: Changes) -> None:
    """Done twice, or done and probed, it is the same landing, once in the history."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    first = await changes.forge().do(*changes.land(built), no_report)
    operations = changes.operations()
    assert await changes.forge().do(*changes.land(built), no_report) == first
    assert await changes.forge().probe(*changes.land(built)) == first
    assert changes.operations() == operations
    assert changes.branch() == built.commit


async def test_probe_finishes_what_a_dead_process_began(changes: Changes) -> None:
    """ABSENT at base; landed where only git's branch moved, which jj then learns; landed below a
    newer tip; stale where the target went elsewhere."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    assert await changes.forge().probe(*changes.land(built)) is Probe.ABSENT
    changes.git("update-ref", "refs/heads/main", built.commit)
    event = await changes.forge().probe(*changes.land(built))
    assert isinstance(event, e.Landed)
    assert changes.commit("main") == built.commit
    above = changes.head({"above.txt": "x\n"}, on=built.commit)
    changes.git("update-ref", "refs/heads/main", above)
    assert await changes.forge().probe(*changes.land(built)) == event
    beside = changes.head({"beside.txt": "x\n"}, on=built.base)
    changes.git("update-ref", "refs/heads/main", beside)
    stale = await changes.forge().probe(*changes.land(built))
    assert isinstance(stale, e.LandingStale)
    assert stale.found == beside


@pytest.mark.parametrize("repo_kind", ["colocated"])
async def test_attached_head_is_detached_as_jj_does(changes: Changes) -> None:
    """With HEAD on the target's branch (a new colocated repository), the user's files must not read
    as undoing the landing: to git and jj they are the edits that they were."""
    user = changes.user
    work = ("--work-tree", str(user.root), "-C", str(user.root))
    user.git(*work, "checkout", "-q", "main")
    user.jj("status")
    before = user.git(*work, "status", "--porcelain")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.Landed)
    assert changes.git("rev-parse", "HEAD") == built.base
    assert user.git(*work, "status", "--porcelain") == before
    assert _edits(user) == ["dirty.txt"]
    assert user.commit("@-") == built.base
    changes.whole()


def _edits(user: UserRepo) -> list[str]:
    """What the user's own next look at @ shows as changed."""
    return user.jj("diff", "-T", 'path ++ "\\n"').split()


async def test_target_checked_out_in_a_git_worktree_blocks(
    changes: Changes, tmp_path: Path
) -> None:
    """A linked worktree on the target's branch blocks, with the mend; mended, it lands."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    linked = tmp_path / "linked tree"
    changes.git("worktree", "add", "-q", str(linked), "main")
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert f"{linked}" in event.detail
    assert "git checkout --detach" in event.detail
    assert changes.branch() == built.base
    changes.user.run(changes.user.tools.git, "-C", str(linked), "checkout", "-q", "--detach")
    assert isinstance(await changes.forge().do(*changes.land(built), no_report), e.Landed)


async def test_what_is_told_is_on_disk(changes: Changes) -> None:
    """The file system is synced after the last write and before a candidate or a landing is told,
    done or probed."""
    head = changes.head({"new.txt": "new\n"})
    built = await changes.built(head)
    for key, effect in (changes.build(head), changes.land(built)):
        for again in (False, True):
            watched = Watched(changes.repository)
            forge = changes.forge(repository=watched)
            event = await (forge.probe(key, effect) if again else forge.do(key, effect, no_report))
            assert isinstance(event, e.CandidateBuilt | e.Landed)
            assert watched.synced == [len(watched.calls)]


async def test_landing_starts_few_processes(changes: Changes) -> None:
    """At most six."""
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    watched = Watched(changes.repository)
    await changes.forge(repository=watched).do(*changes.land(built), no_report)
    assert len(watched.calls) <= CALLS_MAX, watched.calls


async def test_change_request_opens_for_a_commit_that_is_there(changes: Changes) -> None:
    """The record is the request; a head that is gone is refused for good."""
    head = changes.head({"new.txt": "new\n"})
    key, effect = changes.opening(head)
    forge = changes.forge()
    assert await forge.probe(key, effect) is Probe.ABSENT
    event = await forge.do(key, effect, no_report)
    assert isinstance(event, e.ChangeOpened)
    assert (event.head, event.change) == (head, effect.change)
    with pytest.raises(WorldFailed) as raised:
        await forge.do(*changes.opening(CommitId("1" * 40)), no_report)
    assert not raised.value.retryable


def _move(changes: Changes, way: str, commit: str) -> None:
    """Move the target as a user would: with git, with jj, or in jj alone."""
    if way == "git":
        changes.git("update-ref", "refs/heads/main", commit)
        return
    changes.git("update-ref", f"refs/heads/tmp-{commit}", commit)
    changes.user.peek("git", "import")
    changes.user.peek("bookmark", "set", "main", "-r", commit, "--allow-backwards")
    if way == "jj":
        changes.user.peek("git", "export")

"""Candidates on candidates, what keeps them, and a target that somebody else moves meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.errors import WorldFailed
from tests.integration.conftest import DIRTY, UserRepo
from tests.integration.local_changes import Changes, Moves, Watched, no_report


@pytest.fixture
def changes(user_repo: UserRepo, repository: JjRepository, tmp_path: Path) -> Changes:
    """Changes to the user's repository, and a home of our own."""
    return Changes(user=user_repo, repository=repository, home=tmp_path / "oya")


def dropping(change: str) -> tuple[Key, f.DropCandidates]:
    """The effect of letting go of a change's candidates."""
    effect = f.DropCandidates(repo=RepoId("r"), bead=BeadId("b1"), change=ChangeId(change), round=1)
    return effect_key(effect), effect


async def stack(changes: Changes, *names: str) -> list[e.CandidateBuilt]:
    """Changes c1, c2, ..., each with one file, built on one another."""
    base, made = changes.commit("main"), list[e.CandidateBuilt]()
    for number, name in enumerate(names, start=1):
        head = changes.head({name: f"{name}\n"}, on=base)
        onto = made[-1].commit if made else None
        effect = changes.build(head, change=f"c{number}", onto=onto)
        event = await changes.forge().do(*effect, no_report)
        assert isinstance(event, e.CandidateBuilt)
        made.append(event)
    return made


async def test_user_sees_nothing_of_a_stack(changes: Changes) -> None:
    """Three candidates deep: no operation, no visible commit, no file, no branch is new; on main or
    not, the user's edits are as they were."""
    changes.user.peek("git", "export")
    before = changes.operations()
    visible = changes.user.peek("log", "--no-graph", "-r", "all()", "-T", "commit_id")
    branches = changes.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes")
    await stack(changes, "a", "b", "c")
    assert changes.operations() == before
    assert changes.user.peek("log", "--no-graph", "-r", "all()", "-T", "commit_id") == visible
    assert changes.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes") == branches
    assert (changes.user.root / "dirty.txt").read_bytes() == DIRTY
    changes.whole()


async def test_a_stacked_build_asks_jj_nothing_twice(changes: Changes) -> None:
    """As many programs as any other candidate."""
    (one,) = await stack(changes, "a")
    watched = Watched(changes.repository)
    forge = changes.forge(repository=watched)
    for name in ("b", "c"):
        watched.calls.clear()
        head = changes.head({name: "x\n"})
        await forge.do(*changes.build(head, change=name, onto=one.commit), no_report)
    assert [call[2] for call in watched.calls if call[0] == "git"].count("update-ref") == 1
    assert len(watched.calls) == 5


async def test_a_candidate_that_is_gone_is_not_built_on(changes: Changes) -> None:
    """The world's failure for good, by name."""
    head = changes.head({"a": "a\n"})
    with pytest.raises(WorldFailed, match="1111") as raised:
        await changes.forge().do(*changes.build(head, onto=CommitId("1" * 40)), no_report)
    assert not raised.value.retryable


async def test_pins_outlive_collection_and_go_with_their_change(changes: Changes) -> None:
    """What is kept survives git's garbage collection; when the lowest is let go, what stands on it
    keeps it; when all are, nothing of ours is left."""
    made = await stack(changes, "a", "b", "c")
    await changes.forge().do(*dropping("c1"), no_report)
    changes.git("gc", "--quiet", "--prune=now")
    for one in made:
        changes.git("rev-list", "--objects", one.commit)
    for change in ("c2", "c3", "c3"):
        event = await changes.forge().do(*dropping(change), no_report)
        assert isinstance(event, e.CandidatesDropped)
    assert changes.pins() == []
    changes.whole()


async def test_pins_of_another_home_are_not_ours(
    changes: Changes, user_repo: UserRepo, programs: Programs, tmp_path: Path
) -> None:
    """Two homes work on one repository, with beads of the same names: neither a landing nor letting
    go touches what the other keeps."""
    other = await open_repository(
        user_repo.root, workspaces=tmp_path / "other-home", programs=programs
    )
    await other.prepare()
    theirs = Changes(user_repo, other, tmp_path / "oya-2")
    built = await changes.built(changes.head({"a": "a\n"}))
    await theirs.built(theirs.head({"b": "b\n"}))
    kept = theirs.pins()
    assert len(kept) == 1
    await changes.forge().do(*changes.land(built), no_report)
    await changes.forge().do(*dropping("c1"), no_report)
    assert (changes.pins(), theirs.pins()) == ([], kept)


async def test_landing_lets_go_of_its_own_change_only(changes: Changes) -> None:
    """Of a stack, the lowest lands; the others stay kept, and land after it."""
    made = await stack(changes, "a", "b")
    for number, one in enumerate(made, start=1):
        landing = f.Land(
            repo=RepoId("r"),
            bead=one.bead,
            change=one.change,
            round=1,
            base=one.base,
            commit=one.commit,
            tree=one.tree,
        )
        event = await changes.forge().do(effect_key(landing), landing, no_report)
        assert isinstance(event, e.Landed)
        assert len(changes.pins()) == 2 - number
    assert changes.commit("main") == changes.branch() == made[-1].commit
    changes.whole()


async def test_who_moves_the_target_is_noticed(changes: Changes) -> None:
    """Told once, where the target is, when a candidate is built on it or on another one, or landed;
    our own landings are not told."""
    forge, moves = changes.forge(), Moves()
    one = await forge.do(*changes.build(changes.head({"a": "a\n"})), moves)
    assert isinstance(one, e.CandidateBuilt)
    assert isinstance(await forge.do(*changes.land(one), moves), e.Landed)
    two = await forge.do(*changes.build(changes.head({"b": "b\n"})), moves)
    assert isinstance(two, e.CandidateBuilt)
    assert moves.seen == []

    def move() -> CommitId:
        tip = changes.head({"other": f"{len(moves.seen)}\n"})
        changes.git("update-ref", "refs/heads/main", tip)
        changes.user.peek("git", "import")
        return tip

    onto = changes.build(changes.head({"c": "c\n"}), change="c3", onto=two.commit)
    tips = [move()]
    assert isinstance(await forge.do(*onto, moves), e.CandidateBuilt)
    assert moves.seen == tips
    assert isinstance(await forge.do(*changes.land(two), moves), e.LandingStale)
    assert moves.seen == tips
    tips.append(move())
    assert isinstance(await forge.do(*changes.land(two), moves), e.LandingStale)
    assert moves.seen == tips
    tips.append(move())
    assert isinstance(await forge.do(*changes.build(two.commit, number=2), moves), e.Event)
    assert moves.seen == tips
    again = Moves()
    assert isinstance(await changes.forge().do(*onto, again), e.CandidateBuilt)
    assert again.seen == tips[-1:], "a new process sees that the stack stands on something else"


async def test_a_target_that_is_being_edited_blocks_landing(changes: Changes) -> None:
    """The user works in the very commit that main is (`jj edit main`), with edits that jj has not
    seen: landing waits, with the mend; the edits are there, the bookmark is whole, and after
    `jj new` it lands."""
    user = changes.user
    user.jj("edit", "main")
    (user.root / "README").write_text("edited\n")
    built = await changes.built(changes.head({"new.txt": "new\n"}))
    event = await changes.forge().do(*changes.land(built), no_report)
    assert isinstance(event, e.TargetBlocked)
    assert event.reason is e.Reason.TARGET_CONFLICTED
    assert "default" in event.detail
    assert "`jj new`" in event.detail
    assert (user.root / "README").read_text() == "edited\n"
    user.jj("new")
    assert "conflict" not in user.peek("bookmark", "list", "main")
    rebuilt = await changes.forge().do(
        *changes.build(changes.head({"n": "n\n"}), number=2), no_report
    )
    assert isinstance(rebuilt, e.CandidateBuilt)
    assert isinstance(await changes.forge().do(*changes.land(rebuilt), no_report), e.Landed)
    assert changes.user.blob("main:README") == b"edited\n"
    changes.whole()

"""What follows at once from what others did: the target stands elsewhere, or has a place again."""

from __future__ import annotations

from dataclasses import replace

from oya_vcs.core.events import QueueResumed, RepoRegistered, TargetMoved
from oya_vcs.core.fold import apply
from oya_vcs.core.following import following
from oya_vcs.core.ids import CommitId, OperationId, RepoId
from oya_vcs.core.operations import (
    Head,
    Movement,
    MovementKind,
    OperationSeen,
    OperationsPassed,
    Passing,
    Subject,
)
from oya_vcs.core.world import World

REPO = RepoId("repo-1")
ONE, TWO, THREE = (CommitId(digit * 40) for digit in "123")


def moved(before: CommitId | None, after: CommitId | None, name: str = "main") -> Movement:
    """A bookmark that was moved."""
    return Movement(
        kind=MovementKind.BOOKMARK_MOVED,
        subject=Subject.BOOKMARK,
        name=name,
        before=() if before is None else (before,),
        after=() if after is None else (after,),
    )


def seen(*movements: Movement) -> OperationSeen:
    """An operation that moved something."""
    return OperationSeen(
        repo=REPO,
        operation=OperationId("a"),
        by="me@here",
        description="",
        ended_ms=1,
        movements=movements,
        heads=(Head(OperationId("a"), "mark"),),
    )


def world_at(tip: CommitId | None) -> World:
    """A repository whose queue knows where its target is."""
    world = World()
    apply(world, RepoRegistered(repo=REPO, path="/r", target="main"), 1)
    world.repos[REPO].queue.tip = tip
    return world


def follows(world: World, *movements: Movement) -> list[object]:
    """What follows from them, beside the fact itself."""
    event = seen(*movements)
    first, *others = following(world, REPO, [event])
    assert first is event
    return list(others)


def test_a_target_that_was_moved_from_where_it_was_known_is_moved() -> None:
    """To where it is after all of it."""
    assert follows(world_at(ONE), moved(ONE, TWO)) == [TargetMoved(repo=REPO, commit=TWO)]
    both = (moved(ONE, TWO), moved(TWO, THREE))
    assert follows(world_at(ONE), *both) == [TargetMoved(repo=REPO, commit=THREE)]
    assert follows(world_at(ONE), moved(ONE, TWO), moved(TWO, ONE)) == []


def test_what_we_landed_ourselves_is_no_move_of_somebody_elses() -> None:
    """Somebody's jj takes a landing over from git: seen late, it begins where the target was."""
    assert follows(world_at(TWO), moved(ONE, TWO)) == []
    assert follows(world_at(THREE), moved(ONE, TWO)) == []
    assert follows(world_at(None), moved(ONE, TWO)) == []


def test_other_bookmarks_and_a_target_without_one_place_move_nothing() -> None:
    """The queue finds a deleted or conflicted target when it needs it."""
    assert follows(world_at(ONE), moved(ONE, TWO, "other")) == []
    assert follows(world_at(ONE), moved(ONE, None)) == []
    torn = replace(moved(ONE, TWO), after=(TWO, THREE), conflicted=True)
    assert follows(world_at(ONE), torn) == []
    assert follows(world_at(ONE), replace(torn, kind=MovementKind.CONFLICT_APPEARED)) == []


def test_a_queue_that_the_world_had_paused_looks_again() -> None:
    """Whatever somebody did, but where that leaves its target without one place; a pause of a
    person's stays, and what only we did is no reason."""
    world = world_at(None)
    world.repos[REPO].queue.paused = "The bookmark `main` is conflicted."
    assert follows(world, moved(None, TWO)) == [QueueResumed(repo=REPO)]
    assert follows(world) == [QueueResumed(repo=REPO)]
    assert follows(world, moved(ONE, None)) == []
    ours = OperationsPassed(repo=REPO, why=Passing.OURS)
    assert following(world, REPO, [ours]) == [ours]
    world.repos[REPO].queue.paused = ""
    world.repos[REPO].queue.gates.pause = "Paused by me."
    assert follows(world, moved(None, TWO)) == []


def test_what_the_record_knows_already_is_not_offered_again() -> None:
    """Nor what is about a repository that is not registered, nor nothing."""
    world = world_at(ONE)
    event = seen(moved(ONE, TWO))
    apply(world, event, 1)
    assert following(world, REPO, [event]) == []
    assert following(World(), REPO, [event]) == []
    assert following(world, REPO, []) == []

"""What the record keeps of the operations of jj: each once, in order, and told in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oya_vcs.core.event import Event
from oya_vcs.core.events import RepoRegistered, Ticked
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import CommitId, OperationId, RepoId
from oya_vcs.core.news import is_news
from oya_vcs.core.operations import (
    SHOWN_MAX,
    Head,
    Movement,
    MovementKind,
    OperationSeen,
    OperationsPassed,
    Passing,
    Subject,
    names,
    sentences,
)
from oya_vcs.core.world import World

REPO = RepoId("repo-1")
ONE, TWO = CommitId("1" * 40), CommitId("2" * 40)
MOVED = Movement(
    kind=MovementKind.BOOKMARK_MOVED,
    subject=Subject.BOOKMARK,
    name="main",
    before=(ONE,),
    after=(TWO,),
)


def head(name: str) -> Head:
    """An operation that is known."""
    return Head(OperationId(name), f"mark of {name}")


def seen(name: str, after: str, *movements: Movement) -> OperationSeen:
    """An operation on top of another one."""
    return OperationSeen(
        repo=REPO,
        operation=OperationId(name),
        by="me@here",
        description="describe commit 12",
        ended_ms=1,
        movements=movements,
        since=(head(after),) if after else (),
        heads=(head(name),),
    )


def world_with(*events: Event) -> World:
    """What these events add up to."""
    world = World()
    for event in (RepoRegistered(repo=REPO, path="/r", target="main"), *events):
        apply(world, event, 1)
    return world


def test_an_operation_is_taken_only_where_the_record_stands_at_what_it_stands_on() -> None:
    """Offered twice, late, or of a repository that nobody registered, it is no news."""
    world = world_with()
    first = OperationsPassed(repo=REPO, why=Passing.FIRST, heads=(head("a"),))
    assert is_news(world, first)
    apply(world, first, 1)
    assert not is_news(world, first)
    assert not is_news(world, seen("c", "b"))
    assert is_news(world, seen("b", "a"))
    apply(world, seen("b", "a"), 1)
    assert not is_news(world, seen("b", "a"))
    assert is_news(world, seen("c", "b"))
    assert not is_news(World(), first)


def test_the_state_knows_the_bookmarks_that_are_conflicted_until_they_are_not() -> None:
    """Moved in two ways, a bookmark is conflicted; set again, or deleted, it is not."""
    torn = replace(MOVED, after=(ONE, TWO), conflicted=True)
    world = world_with(seen("a", "", torn))
    assert world.repos[REPO].conflicts == {"main": (ONE, TWO)}
    apply(world, seen("b", "a", replace(MOVED, name="other")), 1)
    assert world.repos[REPO].conflicts == {"main": (ONE, TWO)}
    apply(world, seen("c", "b", replace(MOVED, before=(ONE, TWO), after=())), 1)
    assert world.repos[REPO].conflicts == {}
    assert world.repos[REPO].seen == (head("c"),)


def test_an_operation_is_for_its_own_hook_and_for_those_of_what_it_moved() -> None:
    """Each name once; a first look, and other events, are for none."""
    event = seen("a", "", MOVED, replace(MOVED, name="other"))
    assert names(event) == ("post-op", "bookmark-moved")
    passed = OperationsPassed(repo=REPO, why=Passing.MANY, movements=(MOVED,))
    assert names(passed) == ("bookmark-moved",)
    assert names(replace(passed, why=Passing.FIRST)) == ()
    assert names(replace(passed, why=Passing.FORGOTTEN)) == ()
    assert names(Ticked()) == ()


@pytest.mark.parametrize("kind", MovementKind)
@pytest.mark.parametrize("subject", Subject)
@pytest.mark.parametrize("before", [(), (ONE,)])
@pytest.mark.parametrize("after", [(), (TWO,), (ONE, TWO)])
def test_every_movement_is_a_sentence(
    kind: MovementKind,
    subject: Subject,
    before: tuple[CommitId, ...],
    after: tuple[CommitId, ...],
) -> None:
    """It names what was moved, begins with a capital and ends with a full stop."""
    one = Movement(kind=kind, subject=subject, name="abcdef", before=before, after=after)
    told = list(sentences(seen("a", "", one)))
    assert told[0] == "me@here did: describe commit 12."
    assert told[1].startswith(f"The {subject} abcdef ")
    assert told[1].endswith(".")
    assert "{" not in told[1]


def test_of_many_movements_a_few_are_told_and_the_others_counted() -> None:
    """By kind, and those that are not even listed."""
    many = [replace(MOVED, name=f"b{number}") for number in range(SHOWN_MAX + 2)]
    event = replace(seen("a", "", *many), beyond=7)
    told = list(sentences(event))
    assert len(told) == 1 + SHOWN_MAX + 2
    assert told[-2:] == [
        "And 2 more of the kind bookmark-moved.",
        "And 7 more that are not listed.",
    ]


@pytest.mark.parametrize("why", Passing)
def test_what_is_not_told_one_by_one_is_said_so(why: Passing) -> None:
    """With a sentence for each reason."""
    (told,) = sentences(OperationsPassed(repo=REPO, why=why))
    assert told.endswith(".")

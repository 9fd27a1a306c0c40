"""Hooks that observe: what they are told, and that nobody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.core.happenings import NAMES, Happening, happening
from oya_vcs.core.ids import BeadId, CommitId, OperationId, RepoId
from oya_vcs.core.operations import Movement, MovementKind, OperationSeen, Subject
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Recorded
from oya_vcs.runtime import observing
from oya_vcs.runtime.observing import Observing
from oya_vcs.runtime.roster import Eyes, Roster, Served
from tests.daemons import REPO, Daemon, spec


async def told_by(daemon: Daemon, *beads: str) -> list[Happening]:
    """What hooks are told of a life in which these beads are worked on."""
    world = await daemon.run_to_rest([spec(name) for name in beads])
    rows = daemon.journal.read()
    return [one for row in rows if (one := happening(world, row.event)) is not None]


async def test_hooks_hear_of_what_is_queued_lands_and_fails() -> None:
    """Each with its bead, its commit, and the reason."""
    bad = "bad.txt must not be there"
    daemon = Daemon(
        new_outside({"a": "1"}),
        attempts_max=1,
        check=lambda files: bad if "bad.txt" in files else "",
    )
    told = await told_by(daemon, "good", "bad")
    heard = [(one.hook, one.bead) for one in told]
    assert heard.count(("post_land", BeadId("good"))) == 1
    assert heard.count(("post_enqueue", BeadId("good"))) == 1
    assert [one.commit for one in told if one.hook == "post_land"] == daemon.outside.tips[1:]
    failed = next(one for one in told if one.hook == "post_fail")
    assert (failed.bead, failed.about["reason"], failed.about["final"]) == (
        "bad",
        "check_failed",
        True,
    )
    assert bad in str(failed.about["detail"])
    assert {one.hook for one in told} <= set(NAMES)


def test_hooks_hear_of_an_operation_and_of_what_it_moved() -> None:
    """By the names that the operation is for."""
    moved = Movement(
        kind=MovementKind.BOOKMARK_MOVED,
        subject=Subject.BOOKMARK,
        name="main",
        after=(CommitId("b" * 40),),
    )
    seen = OperationSeen(
        repo=REPO,
        operation=OperationId("c" * 128),
        by="uma@desk",
        description="point bookmark main",
        ended_ms=1,
        movements=(moved,),
    )
    told = happening(World(), seen)
    assert told is not None
    assert (told.hook, told.repo, told.bead) == ("post_op", REPO, None)
    assert told.about["names"] == ["post-op", "bookmark-moved"]


class Hooks:
    """Hooks that take their time, and may go wrong."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.said: list[str] = []
        self.go = asyncio.Event()
        self.moved = asyncio.Event()
        self.wrong = ""

    async def observe(self, told: Happening, seq: int) -> str:
        await self.go.wait()
        self.told.append(seq)
        self.moved.set()
        if self.wrong == "world":
            raise WorldFailed("The disk is full.")
        return self.wrong

    async def until_told(self, count: int) -> None:
        """Return when so many have been told."""
        async with asyncio.timeout(60):
            while len(self.told) < count:
                self.moved.clear()
                await self.moved.wait()

    @asynccontextmanager
    async def observing(self, *hooks: str) -> AsyncIterator[Observing]:
        """Told of a repository that has these hooks."""
        policy = Policy(repo=REPO, slots=1, attempts_max=1, backoff_ms=1)
        served = Served(
            root=None,  # type: ignore[arg-type]
            target="main",
            policy=policy,
            performers=(),
            eyes=Eyes(runs=None, folders=None, listed=None),  # type: ignore[arg-type]
            lease_ms=0,
            observe=self.observe,
            observed=frozenset(hooks),
        )
        found = Observing(Roster(served), self.said.append)
        found.watch(World)
        running = asyncio.create_task(found.run(lambda: None))
        try:
            yield found
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def operations(count: int, repo: RepoId = REPO) -> list[Recorded]:
    """So many operations, on record."""
    return [
        Recorded(
            seq,
            0,
            OperationSeen(
                repo=repo,
                operation=OperationId(f"{seq}"),
                by="u@h",
                description="",
                ended_ms=0,
            ),
        )
        for seq in range(1, count + 1)
    ]


async def test_nobody_waits_for_a_hook() -> None:
    """What is published returns at once, however long the hook takes; all are told, in order."""
    hooks = Hooks()
    async with hooks.observing("post_op") as there:
        there.publish(operations(3))
        assert hooks.told == []
        hooks.go.set()
        await hooks.until_told(3)
    assert hooks.told == [1, 2, 3]


async def test_only_hooks_that_there_are_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another hook, another repository, before the first life: nothing. Of too many the newest
    are told, and how many were not."""
    monkeypatch.setattr(observing, "LINE_MAX", 2)
    hooks = Hooks()
    hooks.go.set()
    async with hooks.observing("post_land") as there:
        there.publish(operations(1))
    async with hooks.observing("post_op") as there:
        there.publish(operations(1, RepoId("other")))
        there.publish(operations(5))
        await hooks.until_told(2)
    assert hooks.told == [4, 5]
    assert hooks.said == ["3 happenings were not told to hooks, which are too slow."]
    Observing(Roster(), hooks.said.append).publish(operations(1))


@pytest.mark.parametrize("wrong", ["It said no.", "world"])
async def test_a_hook_that_goes_wrong_is_said_and_the_next_is_told(wrong: str) -> None:
    """It stops nothing."""
    hooks = Hooks()
    hooks.go.set()
    hooks.wrong = wrong
    async with hooks.observing("post_op") as there:
        there.publish(operations(2))
        await hooks.until_told(2)
    assert "post_op did not end well" in hooks.said[0]

"""What others do in a repository, followed on real jj: exactly what the operation log says."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.jj import JjOperations, JjRepository, operations
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.adapters.watch import stirred
from oya_vcs.core.events import Event, RepoRegistered, TargetMoved
from oya_vcs.core.ids import CommitId, OperationId, RepoId
from oya_vcs.core.op_log import Operation
from oya_vcs.core.operations import Movement, OperationSeen, OperationsPassed, Passing
from oya_vcs.core.policies import Policies
from oya_vcs.journal.replay import digest, replay
from oya_vcs.runtime import watching
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.engine import Engine
from oya_vcs.runtime.watching import Watched, Watching
from tests.integration.conftest import UserRepo
from tests.op_oracle import Oracle, Told
from tests.processes import until


def told(movements: Sequence[Movement]) -> set[Told]:
    """Movements as the oracle says them."""
    return {(str(one.kind), str(one.subject), one.name, one.before, one.after) for one in movements}


@dataclass
class Follower:
    """A daemon's follower of one repository, over lives of the daemon."""

    user: UserRepo
    repository: JjRepository
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    said: list[str] = field(default_factory=list)
    lands_here: bool = True

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Watching]:
        """One life of the daemon: the record is read, and nothing else is remembered."""
        rows = list(self.journal.read())
        engine = Engine(
            world=replay(rows),
            journal=self.journal,
            clock=ManualClock(),
            policy=Policies(),
            seq=len(rows),
        )
        door = Door()
        with door.held(Life(engine=engine, resumed=0)):
            if self.repository.id not in engine.world.repos:
                await engine.offer(
                    RepoRegistered(repo=self.repository.id, path=str(self.user.root), target="main")
                )
            yield Watching(
                door=door, places=lambda: [self.place], stirred=stirred, say=self.said.append
            )
        rows = list(self.journal.read())
        assert digest(replay(rows)) == digest(engine.world)

    @property
    def place(self) -> Watched:
        """The repository as it is followed."""
        return Watched(
            repo=self.repository.id,
            operations=JjOperations(self.repository),
            lands_here=self.lands_here,
        )

    async def look(self) -> None:
        """A life that looks once."""
        async with self.life() as watching:
            await watching.look(self.place)

    def events(self) -> list[Event]:
        """Everything on record of jj."""
        found = [row.event for row in self.journal.read()]
        return [one for one in found if isinstance(one, OperationSeen | OperationsPassed)]

    def seen(self) -> list[OperationSeen]:
        """The operations that are on record."""
        return [one for one in self.events() if isinstance(one, OperationSeen)]

    def has_seen(self, count: int) -> bool:
        """Whether exactly so many operations are on record."""
        return len(self.seen()) == count

    def passed(self) -> list[OperationsPassed]:
        """What is on record of those that are not told one by one."""
        return [one for one in self.events() if isinstance(one, OperationsPassed)]


@pytest.fixture(params=["plain"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """The log is the same in a colocated repository."""
    return str(request.param)


@pytest.fixture
def follower(user_repo: UserRepo, repository: JjRepository) -> Follower:
    """Somebody who has not looked yet."""
    return Follower(user_repo, repository)


def expected(follower: Follower, after: int) -> list[tuple[str, set[Told]]]:
    """What the log says of operations beyond the first ones: of those that others made, and of
    ours that join what others did where that moved something."""
    oracle = Oracle(follower.user.peek)
    ours = f"oya-vcs@{follower.repository.workspace_prefix}"
    found = []
    for one in oracle.operations()[after:]:
        moved = oracle.moved(one)
        made_by = f"{one['username']}@{one['hostname']}"
        if made_by != ours or (len(one["parents"]) > 1 and moved):
            found.append((one["id"], moved))
    return found


def heads_of(follower: Follower) -> list[str]:
    """The heads of the log, from their folder."""
    return sorted(one.name for one in JjOperations(follower.repository).folder.iterdir())


async def test_the_first_look_tells_nothing_of_what_was_before(follower: Follower) -> None:
    """But where it begins; and a second look, at a log that has not moved, writes nothing. A lock
    of jj's own beside the heads is none of them."""
    await follower.look()
    (JjOperations(follower.repository).folder / "lock").touch()
    await follower.look()
    (JjOperations(follower.repository).folder / "lock").unlink()
    (event,) = follower.events()
    assert isinstance(event, OperationsPassed)
    assert event.why is Passing.FIRST
    assert [head.operation for head in event.heads] == heads_of(follower)
    assert event.movements == ()


STORY = [
    ("new", "-m", "a"),
    ("bookmark", "create", "feature", "-r", "@"),
    ("describe", "-m", "another word"),
    ("bookmark", "set", "main", "-r", "@"),
    ("undo",),
    ("redo",),
    ("op", "restore", "@----"),
    ("new", "-m", "c"),
    ("abandon", "@"),
    ("bookmark", "delete", "feature"),
    ("new", "main", "-m", "b"),
]


async def test_each_operation_is_told_once_in_order_and_as_the_log_has_it(
    follower: Follower,
) -> None:
    """Whether it was looked at after each, or after all of them."""
    await follower.look()
    before = len(Oracle(follower.user.peek).operations())
    for at, args in enumerate(STORY):
        follower.user.jj(*args)
        if at % 3 == 0:
            await follower.look()
    await follower.look()
    wanted = expected(follower, before)
    assert len(wanted) >= len(STORY)
    assert {kind for _, moved in wanted for kind, *_ in moved} >= {
        "bookmark-moved",
        "change-abandoned",
        "change-added",
        "change-rewritten",
    }
    assert [(one.operation, told(one.movements)) for one in follower.seen()] == wanted
    assert all(one.by.endswith(f"@{os.uname().nodename}") for one in follower.seen())
    assert len(follower.passed()) == 1


async def test_nothing_is_written_and_no_lock_is_taken(follower: Follower) -> None:
    """Neither an operation nor a snapshot of somebody's files, with one head of the log or two; a
    repository that is locked meanwhile is read all the same."""
    await follower.look()
    user, (head,) = follower.user, heads_of(follower)
    for word in ("one", "two"):
        user.peek("--at-op", head, "describe", "-m", word)
    dirty = (user.root / "dirty.txt").read_bytes()
    heads = heads_of(follower)
    assert len(heads) == 2
    store = follower.repository.store / "op_store" / "operations"
    files = sorted(store.iterdir())
    async with follower.repository.lock():
        await asyncio.wait_for(follower.look(), 60)
    assert heads_of(follower) == heads
    assert sorted(store.iterdir()) == files
    assert (user.root / "dirty.txt").read_bytes() == dirty
    assert {one.operation for one in follower.seen()} == set(heads)
    assert "dirty.txt" not in user.peek("file", "list", "--at-op", heads[0])


async def test_what_is_done_side_by_side_is_told_of_each_and_then_of_what_joins_them(
    follower: Follower,
) -> None:
    """A bookmark that both moved is conflicted, a change that both rewrote is divergent: that is
    told of the operation that joins them, whoever made it, and nothing is told twice."""
    user = follower.user
    await follower.look()
    before = len(Oracle(user.peek).operations())
    (head,) = heads_of(follower)
    user.peek("--at-op", head, "describe", "-r", "main", "--ignore-immutable", "-m", "one")
    user.peek("--at-op", head, "describe", "-r", "main", "--ignore-immutable", "-m", "two")
    await follower.look()
    assert len(follower.seen()) == 2
    await follower.repository.jj("log", "-r", "@")  # ours, and it joins the heads
    await follower.look()
    wanted = expected(follower, before)
    assert [(one.operation, told(one.movements)) for one in follower.seen()][-1] == wanted[-1]
    assert {one.operation: told(one.movements) for one in follower.seen()} == dict(wanted)
    assert len(follower.seen()) == len(wanted)
    joined = follower.seen()[-1]
    kinds = [(str(one.kind), str(one.subject)) for one in joined.movements]
    assert ("conflict-appeared", "bookmark") in kinds
    assert ("divergence-appeared", "change") in kinds
    assert joined.by.startswith("oya-vcs@")
    async with follower.life() as watching:
        world = (await watching.door.holder()).engine.world
        assert list(world.repos[follower.repository.id].conflicts) == ["main"]


async def test_our_own_operations_are_not_told(follower: Follower) -> None:
    """They are passed over, and the record learns now and then how far all is known."""
    await follower.look()
    before = len(Oracle(follower.user.peek).operations())
    for word in ("a", "b", "c"):
        await follower.repository.jj("new", "root()", "-m", word)
    await follower.look()
    assert len(follower.events()) == 1
    follower.user.jj("new", "-m", "theirs")
    await follower.repository.jj("new", "root()")
    await follower.look()
    assert [one.operation for one in follower.seen()] == [
        name for name, _ in expected(follower, before)
    ]


async def test_the_record_learns_how_far_all_is_known_where_only_we_worked(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a start has no long way back."""
    monkeypatch.setattr(watching, "OURS_MAX", 3)
    await follower.look()
    for word in "abcd":
        await follower.repository.jj("new", "root()", "-m", word)
    await follower.look()
    assert [one.why for one in follower.passed()] == [Passing.FIRST, Passing.OURS]


async def test_down_time_is_caught_up_with_from_what_the_record_knows(follower: Follower) -> None:
    """Any number of operations later, by another life of the daemon, and further back than it reads
    the log at first."""
    await follower.look()
    before = len(Oracle(follower.user.peek).operations())
    for number in range(12):
        follower.user.peek("describe", "-m", f"word {number}")
    await follower.look()
    assert [one.operation for one in follower.seen()] == [
        one["id"] for one in Oracle(follower.user.peek).operations()[before:]
    ]


async def test_after_older_operations_were_abandoned_nothing_is_told_twice(
    follower: Follower,
) -> None:
    """jj gives every operation another id then: they are known again, and what is new is told."""
    user = follower.user
    for word in "ab":
        user.peek("describe", "-m", word)
    await follower.look()
    user.peek("op", "abandon", "..@-")
    await follower.look()
    assert follower.seen() == []
    before = len(Oracle(user.peek).operations())
    user.peek("describe", "-m", "c")
    user.peek("op", "abandon", "..@--")
    user.peek("util", "gc", "--expire=now")
    await follower.look()
    user.peek("describe", "-m", "d")
    await follower.look()
    assert [told(one.movements) for one in follower.seen()] == [
        moved for _, moved in expected(follower, before)[-2:]
    ]
    assert [one.why for one in follower.passed()] == [Passing.FIRST]


async def test_where_what_was_known_was_abandoned_the_difference_is_told(
    follower: Follower,
) -> None:
    """All of it at once, and that it is so."""
    user = follower.user
    (start,) = heads_of(follower)
    user.peek("bookmark", "create", "lost", "-r", "main")
    user.peek("describe", "-m", "lost")
    await follower.look()
    (known,) = heads_of(follower)
    user.peek("op", "restore", start)
    user.peek("bookmark", "create", "found", "-r", "main")
    oracle = Oracle(user.peek)
    oracle.shown(known)
    user.peek("op", "abandon", f"{start}..@--")
    await follower.look()
    assert follower.seen() == []
    _, event = follower.passed()
    assert event.why is Passing.ABANDONED
    assert told(event.movements) == oracle.between(known, heads_of(follower)[0])
    assert {one.name for one in event.movements} >= {"lost", "found"}


async def test_where_jj_has_forgotten_what_was_known_that_is_said(follower: Follower) -> None:
    """Nothing is guessed; what comes after is told again."""
    user = follower.user
    (start,) = heads_of(follower)
    user.peek("describe", "-m", "lost")
    await follower.look()
    user.peek("op", "restore", start)
    user.peek("op", "abandon", f"{start}..@-")
    user.peek("util", "gc", "--expire=now")
    await follower.look()
    _, event = follower.passed()
    assert (event.why, event.movements) == (Passing.FORGOTTEN, ())
    user.peek("describe", "-m", "after")
    await follower.look()
    assert len(follower.seen()) == 1


async def test_too_many_operations_are_told_as_one_difference(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what they changed together."""
    monkeypatch.setattr(watching, "EACH_MAX", 3)
    await follower.look()
    (start,) = heads_of(follower)
    for name in "abcd":
        follower.user.peek("bookmark", "create", name, "-r", "main")
    await follower.look()
    assert follower.seen() == []
    event = follower.passed()[-1]
    assert event.why is Passing.MANY
    assert told(event.movements) == Oracle(follower.user.peek).between(start, heads_of(follower)[0])


async def test_any_number_of_rewritten_changes_is_one_event_with_an_end(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much to be read is counted, and the event says how much it does not list."""
    user = follower.user
    for word in "abcdef":
        user.peek("new", "-m", word)
    await follower.look()
    monkeypatch.setattr(operations, "COMMITS_MAX", 5)
    user.peek("describe", "-r", 'subject("a")', "-m", "first")
    await follower.look()
    (event,) = follower.seen()
    assert len(event.movements) + event.beyond >= 6
    ((_, moved),) = expected(follower, len(Oracle(user.peek).operations()) - 1)
    assert len(event.movements) < len(moved) == 6
    assert event.beyond >= len(moved) - len(event.movements)


async def test_of_divergent_changes_every_commit_is_asked_for(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few at a time; one that is rewritten beside the other, or abandoned, stays visible."""
    monkeypatch.setattr(operations, "ASKED_MAX", 1)
    user = follower.user
    user.peek("new", "-m", "top")
    (head,) = heads_of(follower)
    for word in ("one", "two"):
        user.peek("--at-op", head, "describe", "-r", "@-", "-m", word)
    user.peek("log", "-r", "@")
    await follower.look()
    before = len(Oracle(user.peek).operations())
    user.peek("describe", "-r", 'subject("one")', "-m", "one again")
    user.peek("abandon", 'subject("two")')
    await follower.look()
    assert [told(one.movements) for one in follower.seen()] == [
        moved for _, moved in expected(follower, before)
    ]


async def test_workspaces_with_any_name_are_told_and_a_repository_with_one_is_read(
    follower: Follower, tmp_path: Path
) -> None:
    """Of a single workspace jj tells no name beside its commit."""
    user = follower.user
    await follower.look()
    user.jj("workspace", "add", "--name", 'we "ird\té', str(tmp_path / "second"))
    user.jj("workspace", "forget", 'we "ird\té', follower.repository.workspace_prefix)
    before = len(Oracle(user.peek).operations())
    user.peek("new", "-m", "alone")
    await follower.look()
    assert before > 0
    moved = [(str(each.kind), each.name) for one in follower.seen() for each in one.movements]
    assert ("workspace-added", 'we "ird\té') in moved
    assert ("workspace-forgotten", 'we "ird\té') in moved


def mixed(user: UserRepo, dice: random.Random, follower: Follower) -> None:
    """One thing that somebody does."""
    changes = user.peek("log", "--no-graph", "-r", "all() ~ root()", "-T", 'commit_id ++ "\\n"')
    one, other = (dice.choice(changes.split() or ["root()"]) for _ in range(2))
    (user.root / "shared.txt").write_text(f"{dice.random()}\n")
    (head, *_) = heads_of(follower)
    name = dice.choice(["main", "x", "y"])
    acts: list[tuple[str, ...]] = [
        ("new", one, "-m", "n"),
        ("commit", "-m", "c"),
        ("describe", "-r", one, "-m", f"{dice.random()}"),
        ("rebase", "-r", one, "-d", other),
        ("rebase", "-s", one, "-d", other),
        ("squash", "--from", one, "--into", other, "-u"),
        ("abandon", one),
        ("duplicate", one),
        ("bookmark", "set", name, "-r", one, "--allow-backwards"),
        ("bookmark", "delete", name),
        ("undo",),
        ("op", "restore", dice.choice(["@-", "@--", "@---"])),
        ("op", "revert", "@-"),
        ("workspace", "add", str(user.home / f"w{dice.random()}")),
        ("workspace", "forget", "default"),
        ("new", one, other),
        ("--ignore-working-copy", "--at-op", head, "describe", one, "-m", f"{dice.random()}"),
        ("--ignore-working-copy", "--at-op", head, "bookmark", "set", name, "-B", "-r", one),
    ]
    with suppress(AssertionError):  # jj refuses what makes no sense
        user.jj("--config", 'revset-aliases."immutable_heads()"="none()"', *dice.choice(acts))


@pytest.mark.parametrize(
    "seed",
    [
        1,
        pytest.param(2, marks=pytest.mark.chaos),
        pytest.param(3, marks=pytest.mark.chaos),
        pytest.param(4, marks=pytest.mark.chaos),
    ],
)
async def test_whatever_somebody_does_is_told_as_the_log_has_it(
    follower: Follower, seed: int
) -> None:
    """Any sequence of commands, also at older heads, looked at now and then: every operation is on
    record once, after those it stands on, with the movements that its lists at `--at-op` show."""
    dice = random.Random(seed)
    await follower.look()
    before = len(Oracle(follower.user.peek).operations())
    for _ in range(25):
        mixed(follower.user, dice, follower)
        if dice.random() < 0.3:
            await follower.look()
    await follower.look()
    seen = follower.seen()
    wanted = dict(expected(follower, before))
    assert {one.operation: told(one.movements) for one in seen} == wanted
    assert len(seen) == len(wanted)
    parents = {one["id"]: one["parents"] for one in Oracle(follower.user.peek).operations()}
    order = [str(one.operation) for one in seen]
    for at, one in enumerate(order):
        assert not set(parents[one]) & set(order[at:])
    assert [one.why for one in follower.passed()] == [Passing.FIRST]
    assert follower.said == []


@asynccontextmanager
async def running(watching: Watching) -> AsyncIterator[None]:
    """The follower at work, until it is stopped."""
    task = asyncio.create_task(watching.run(lambda: None))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


class Hung(JjOperations):
    """A log that cannot be read to its end, while it is to be so."""

    def __init__(self, repository: JjRepository) -> None:
        super().__init__(repository)
        self.inner = JjOperations(repository)
        self.hangs = False
        self.asked = asyncio.Event()
        self.freed = asyncio.Event()
        self.watched = self.inner.folder

    @property
    def folder(self) -> Path:
        """Where something is to be heard of."""
        return self.watched

    async def heads(self) -> frozenset[OperationId]:
        """As jj has them, wherever something is to be heard of."""
        return await self.inner.heads()

    async def log(self, heads: Collection[OperationId], most: int) -> Sequence[Operation]:
        """As jj has it, or when it is freed."""
        if self.hangs:
            self.asked.set()
            await self.freed.wait()
        return await super().log(heads, most)


async def test_it_follows_by_itself_in_each_of_its_lives(follower: Follower) -> None:
    """Woken by the folder, it tells each operation; stopped in the middle of a look and started
    again, it goes on."""
    log = Hung(follower.repository)
    place = replace(follower.place, operations=log)
    async with follower.life() as watching:
        watching.places = lambda: [place]
        for life in (1, 2):
            async with running(watching):
                await until(follower.events)
                follower.user.peek("describe", "-m", f"life {life}")
                await until(partial(follower.has_seen, 2 * life - 1))
                log.hangs = True
                follower.user.peek("describe", "-m", "stopped in the middle")
                await log.asked.wait()
                log.hangs = False
                log.asked.clear()
        await watching.look(place)
    assert len(follower.seen()) == 4
    assert follower.said == []


async def test_a_repository_that_does_not_answer_holds_up_no_other(
    follower: Follower, tmp_path: Path
) -> None:
    """What is done there meanwhile is told when it does, also where nothing was heard of it;
    nothing is told twice."""
    log = Hung(follower.repository)
    log.hangs, log.watched = True, tmp_path
    place = follower.place
    slow = replace(place, repo=RepoId("slow"), operations=log)
    async with follower.life() as watching:
        await watching.door.offer(RepoRegistered(repo=slow.repo, path="/slow", target="main"))
        watching.places = lambda: [slow, place]
        async with running(watching):
            await log.asked.wait()
            await until(follower.events)
            for word in "ab":
                follower.user.peek("describe", "-m", word)
            await until(partial(follower.has_seen, 2))
            log.hangs = False
            log.freed.set()
            await until(partial(follower.has_seen, 4))
            follower.user.peek("describe", "-m", "c")
            await until(partial(follower.has_seen, 6))
    counted = Counter((one.repo, one.operation) for one in follower.seen())
    assert set(counted.values()) == {1}


async def test_a_mistake_of_ours_is_no_error_of_the_world(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the follower, which is started again by whoever watches over it."""

    async def heads() -> frozenset[OperationId]:
        raise KeyError("a mistake")

    async def at_once(_folders: object, _every_ms: int) -> AsyncGenerator[frozenset[Path], None]:
        await asyncio.sleep(0)
        yield frozenset()

    place = follower.place
    monkeypatch.setattr(place.operations, "heads", heads)
    async with follower.life() as watching:
        watching.places, watching.stirred = lambda: [place], at_once
        with pytest.raises(KeyError, match="a mistake"):
            await asyncio.wait_for(watching.run(lambda: None), 60)


async def test_what_cannot_be_read_is_said_once_and_tried_again(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that jj refuses costs its own news and nothing else."""
    await follower.look()
    follower.user.peek("describe", "-m", "unseen")
    async with follower.life() as watching:
        with monkeypatch.context() as patch:
            programs = replace(follower.repository._programs, jj=Path("/nowhere/jj"))
            patch.setattr(follower.repository, "_programs", programs)
            for _ in range(2):
                await watching.look(follower.place)
        assert follower.seen() == []
        await watching.look(follower.place)
    assert len(follower.seen()) == 1
    (said,) = follower.said
    assert said.startswith(f"What others do in {follower.repository.id} is not seen now: ")


async def test_a_target_that_its_user_moves_is_known_at_once_where_that_is_landed_on(
    follower: Follower,
) -> None:
    """In the very step that records the operation; where a remote has the target, it is not."""
    user = follower.user
    for lands_here in (True, False):
        follower.lands_here = lands_here
        follower.journal = MemoryJournal()
        here = TargetMoved(repo=follower.repository.id, commit=CommitId(user.commit("main")))
        async with follower.life() as watching:
            await watching.look(follower.place)
            await watching.door.offer(here)
            user.peek("new", "main", "-m", f"by hand {lands_here}", "--no-edit")
            user.peek("bookmark", "set", "main", "-r", f'subject("by hand {lands_here}")')
            await watching.look(follower.place)
        moved = [row.event for row in follower.journal.read()]
        there = replace(here, commit=CommitId(user.commit("main")))
        told = [one for one in moved if isinstance(one, TargetMoved)]
        assert told == ([here, there] if lands_here else [here])

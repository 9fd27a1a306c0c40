"""The one door for what must happen once under a key (REQUIREMENTS A2, A3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from oya_vcs.adapters.memory import new_outside
from oya_vcs.adapters.memory_journal import MemoryJournal
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId
from oya_vcs.core.pulls import PULL_EFFECTS
from oya_vcs.errors import Bug, InputInvalid, WorldFailed
from oya_vcs.ports import Recorded
from oya_vcs.runtime.executor import SHOWN_MAX, Executor
from tests.daemons import Daemon, spec

EFFECT = f.OpenChange(
    repo=RepoId("r"),
    bead=BeadId("a"),
    attempt=1,
    change=ChangeId("a.1"),
    head=CommitId("c" * 40),
    title="A",
)
KEY = f.effect_key(EFFECT)
OUTCOME = e.ChangeOpened(
    key=KEY, bead=EFFECT.bead, attempt=1, change=EFFECT.change, head=EFFECT.head
)
INTENT = e.Requested(key=KEY, effect=EFFECT)


@dataclass
class Deed:
    """A work that waits until it may end, and counts its runs."""

    journal: MemoryJournal
    outcome: e.Event = OUTCOME
    error: Exception | None = None
    begun: list[bool] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, *, begun: bool) -> e.Event:
        self.begun.append(begun)
        self.started.set()
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        await self.journal.append(0, [self.outcome])
        return self.outcome


class Counted:
    """The journal's lookup, with the keys that were looked up."""

    def __init__(self, journal: MemoryJournal) -> None:
        self.journal = journal
        self.keys: list[str] = []

    async def __call__(self, key: str) -> Recorded | None:
        self.keys.append(key)
        return await self.journal.find(key)


def ready(journal: MemoryJournal) -> Deed:
    """A work that ends at once."""
    deed = Deed(journal)
    deed.may_end.set()
    return deed


def journal_of(*events: e.Event) -> MemoryJournal:
    """A journal that holds these."""
    return MemoryJournal(Recorded(seq, 0, event) for seq, event in enumerate(events, 1))


async def test_a_key_runs_once_and_gives_its_outcome_ever_after() -> None:
    """The second call runs nothing and asks nothing of the record."""
    find = Counted(journal_of(INTENT))
    executor, deed = Executor(find), ready(find.journal)
    assert await executor.execute(KEY, EFFECT, deed) == OUTCOME
    asked = len(find.keys)
    assert await executor.execute(KEY, EFFECT, deed) == OUTCOME
    assert len(deed.begun) == 1
    assert len(find.keys) == asked


async def test_an_outcome_on_record_is_returned_without_running() -> None:
    """A new life knows what an earlier one has done."""
    journal = journal_of(INTENT, OUTCOME)
    deed = ready(journal)
    assert await Executor(journal.find).execute(KEY, EFFECT, deed) == OUTCOME
    assert deed.begun == []


async def test_an_intent_without_an_outcome_is_begun() -> None:
    """After a crash the work is told to look for traces before it does anything; a key that nobody
    knows is not begun."""
    for journal, begun in ((journal_of(INTENT), True), (journal_of(), False)):
        deed = ready(journal)
        await Executor(journal.find).execute(KEY, EFFECT, deed)
        assert deed.begun == [begun]


async def test_who_knows_that_a_key_is_open_saves_the_look_up() -> None:
    """`begin` with `begun` given asks the record nothing: the outbox knows from the events."""
    find = Counted(journal_of(INTENT))
    deed = ready(find.journal)
    assert await Executor(find).begin(KEY, EFFECT, deed, begun=False) == OUTCOME
    assert deed.begun == [False]
    assert find.keys == []


async def test_duplicates_in_flight_join_the_one_that_runs() -> None:
    """Ten callers, one execution, one outcome for all."""
    journal = journal_of(INTENT)
    executor, deed = Executor(journal.find), Deed(journal)
    callers = [asyncio.ensure_future(executor.execute(KEY, EFFECT, deed)) for _ in range(10)]
    await deed.started.wait()
    late = executor.begin(KEY, EFFECT, deed, begun=True)
    deed.may_end.set()
    assert await asyncio.gather(*callers, late) == [OUTCOME] * 11
    assert len(deed.begun) == 1


async def test_who_begins_and_who_joins_are_told_of_the_end_when_the_key_is_free() -> None:
    """Also where it never began: what is under the key then may be begun anew at once."""
    journal = journal_of(INTENT)
    executor, deed = Executor(journal.find), Deed(journal)
    fresh: list[asyncio.Task[e.Event]] = []

    def ended(_task: asyncio.Task[e.Event]) -> None:
        fresh.append(executor.begin(KEY, EFFECT, ready(journal), begun=True))

    task = executor.begin(KEY, EFFECT, deed, begun=True, ended=ended)
    assert executor.begin(KEY, EFFECT, deed, begun=True, ended=ended) is task
    task.cancel()
    await asyncio.wait([task])
    assert deed.begun == []
    first, second = fresh
    assert first is second is not task
    assert await first == OUTCOME


async def test_duplicates_in_flight_share_the_error_and_the_next_call_runs_again() -> None:
    """Everybody hears of a failure; it is no outcome, so it is not remembered."""
    journal = journal_of(INTENT)
    executor = Executor(journal.find)
    deed = Deed(journal, error=WorldFailed("No."))
    callers = [asyncio.ensure_future(executor.execute(KEY, EFFECT, deed)) for _ in range(3)]
    deed.may_end.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["No."] * 3
    again = ready(journal)
    assert await executor.execute(KEY, EFFECT, again) == OUTCOME
    assert (len(deed.begun), again.begun) == (1, [True])


async def test_a_caller_that_gives_up_does_not_stop_the_work() -> None:
    """Cancelled before the end: the work goes on, and the others get its outcome."""
    journal = journal_of(INTENT)
    executor, deed = Executor(journal.find), Deed(journal)
    first = asyncio.ensure_future(executor.execute(KEY, EFFECT, deed))
    second = asyncio.ensure_future(executor.execute(KEY, EFFECT, deed))
    await deed.started.wait()
    first.cancel()
    deed.may_end.set()
    assert await second == OUTCOME
    assert first.cancelled()


OTHER = replace(EFFECT, title="B")


@pytest.mark.parametrize("when", ["in flight", "remembered", "on record", "intended"])
async def test_the_same_key_with_another_input_is_refused(when: str) -> None:
    """Wherever the first use is known from, the error names both inputs and nothing runs."""
    journal = journal_of(INTENT, *([OUTCOME] if when == "on record" else []))
    executor, first, second = Executor(journal.find), Deed(journal), ready(journal)
    running = None
    if when == "in flight":
        running = executor.begin(KEY, EFFECT, first)
        await first.started.wait()
    elif when == "remembered":
        first.may_end.set()
        await executor.execute(KEY, EFFECT, first)
    with pytest.raises(
        InputInvalid, match=r"first OpenChange\(title='A'\), now .*title='B'"
    ) as is_:
        await executor.execute(KEY, OTHER, second)
    assert KEY in is_.value.message
    assert second.begun == []
    first.may_end.set()
    if running is not None:
        assert await running == OUTCOME


async def test_a_long_input_is_cut_in_the_error() -> None:
    """An error stays readable."""
    journal = journal_of(e.Received(delivery="d", content="x" * 5_000))
    with pytest.raises(InputInvalid) as caught:
        await Executor(journal.find).execute("delivery:d", "y", ready(journal))
    assert len(caught.value.message) < 2 * SHOWN_MAX


async def test_a_key_of_something_else_is_a_bug() -> None:
    """Only an intent has an outcome; a bead's own key is none."""
    journal = journal_of(OUTCOME)
    with pytest.raises(Bug, match="is not an intent"):
        await Executor(journal.find).execute(f"{KEY}:settled", EFFECT, ready(journal))


async def test_the_memory_is_bounded_and_the_record_is_asked_for_what_it_forgot() -> None:
    """With room for two, the least recently used of three is looked up again, and does not run."""
    effects = [replace(EFFECT, attempt=number) for number in range(3)]
    keys = [f.effect_key(one) for one in effects]
    find = Counted(
        journal_of(
            *(e.Requested(key=key, effect=one) for key, one in zip(keys, effects, strict=True))
        )
    )
    executor = Executor(find, remembered_max=2)

    async def use(number: int) -> Deed:
        outcome = replace(OUTCOME, key=Key(keys[number]))
        deed = Deed(find.journal, outcome)
        deed.may_end.set()
        find.keys.clear()
        assert await executor.execute(keys[number], effects[number], deed) == outcome
        return deed

    for number in (0, 1, 0, 2):
        await use(number)
    assert (await use(0)).begun == []
    assert find.keys == []
    assert (await use(1)).begun == []
    assert find.keys == [keys[1], f"{keys[1]}:settled"]


async def test_what_the_outbox_did_is_known_by_its_key() -> None:
    """Effects and requests share one door: in a later life, every effect of a whole run has its
    outcome under its key, and nothing runs."""
    daemon = Daemon(new_outside({"a": "1"}), setup=True, verify=True)
    await daemon.run_to_rest([spec("one"), spec("two", "one")])
    events = [row.event for row in daemon.journal.read()]
    settled = {event.key: event for event in events if isinstance(event, e.Outcome)}
    executor, never = Executor(daemon.journal.find), Deed(daemon.journal)
    requested = [event for event in events if isinstance(event, e.Requested)]
    kinds = len(f.EFFECTS) - len(PULL_EFFECTS) - 1  # and letting go of what never landed
    assert len(requested) == 2 * kinds
    for one in requested:
        assert await executor.execute(one.key, one.effect, never) == settled[one.key]
    assert never.begun == []

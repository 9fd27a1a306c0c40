"""The step: a fact goes in, a pure function decides, the journal remembers both in one fsync, and
then the world may hear.

Knows no adapter: it has a journal and those who listen. Steps are pipelined: while one is being
fsynced the next is computed, and what follows from a step happens only after its fsync, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NoReturn

from oya_vcs.core.decide import advance, react
from oya_vcs.core.events import Event, Received, Ticked
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import RepoId
from oya_vcs.core.news import is_news
from oya_vcs.core.policies import Policies, concerned, repo_of
from oya_vcs.core.policy import Policy
from oya_vcs.core.standing import touched
from oya_vcs.core.world import World
from oya_vcs.errors import Bug, OyaError, Stopped
from oya_vcs.ports import Clock, Feed, Journal, Recorded
from oya_vcs.runtime.executor import Executor

UNACKNOWLEDGED_MAX = 1_024
"""Steps that may wait for the disk at once; who offers another waits before it is computed. Two
transactions of the journal (`BATCH_ROWS`, 512) at one row a step: one that is being synced and one
that gathers behind it. More would not make it faster, only memory further ahead of the disk."""

BROKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake of ours looks like in the middle of a step: the state may be half changed."""


_NOWHERE = RepoId("")
"""No repository's name: what is about none is judged by no policy's numbers."""


class Engine:
    """One writer of one journal. All calls on one event loop."""

    def __init__(
        self,
        *,
        world: World,
        journal: Journal,
        clock: Clock,
        policy: Policy | Policies,
        seq: int = 0,
        executor: Executor | None = None,
    ) -> None:
        """`policy` is that of the one repository that is worked on, or those of several, which may
        change while the engine runs. `seq` is the number of the last event in `world`, the
        journal's last one; `executor` one that outlives this engine, where what it runs is to go
        on."""
        self.world = world
        self._seq = seq
        self._ahead = 0
        """Steps that changed the state and are not with the journal: 0 or 1, unless one broke
        off."""
        self.policies = Policies(policy) if isinstance(policy, Policy) else policy
        self.executor = executor or Executor(journal.find)
        """What happens once under a key, in this life and over all lives."""
        self._journal = journal
        self._clock = clock
        self._feeds: list[Feed] = []
        self._in_flight = 0
        self._failure: OyaError | None = None
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._queued = 0
        """Steps in front of the door, where those wait that there is no room for."""
        self._door = asyncio.Lock()

    def listen(self, feed: Feed) -> None:
        """Let `feed` hear of every event from now on, after its fsync and in order."""
        self._feeds.append(feed)

    def ignore(self, feed: Feed) -> None:
        """Let `feed` hear no more."""
        self._feeds.remove(feed)

    async def offer(self, *facts: Event, delivery: str = "", content: str = "") -> None:
        """Take facts as one step; returns when they and all that was decided are on disk.

        `delivery` is the sender's id of what brought them, with the sender's name before it
        (`github:UUID`). It is taken once: one that was taken before, in whatever life, adds no row;
        one that is being taken is waited for. `content` is a digest of a request, where the same id
        with another one is to be refused as InputInvalid.

        Waits, in the order of calls, while UNACKNOWLEDGED_MAX steps wait for the disk. A fact about
        an effect that is not open (late, repeated, of an older attempt) changes nothing. Raises
        WorldFailed when the journal cannot write, and Bug when an invariant broke; the engine then
        takes no more, for memory may be ahead of the record: the next start reads the record.
        """
        if not delivery:
            await self._step(facts)
            return
        receipt = Received(delivery=delivery, content=content)
        await self.executor.execute(receipt.unique, content, partial(self._take, receipt, facts))

    async def ask(self, judge: Callable[[World], Sequence[Event]]) -> None:
        """As `offer`, of the facts that `judge` makes of the state: at the very moment of the step,
        so that they are about the state they meet. What it raises is raised, and nothing else
        happens."""
        await self._step((), judge)

    async def _take(self, receipt: Received, facts: Sequence[Event], *, begun: bool) -> Event:
        """The receipt and its facts are one transaction: begun without an end there is none."""
        await self._step((receipt, *facts))
        return receipt

    async def _step(
        self, facts: Sequence[Event], judge: Callable[[World], Sequence[Event]] | None = None
    ) -> None:
        if self._queued or self._in_flight >= UNACKNOWLEDGED_MAX:
            await self._turn()
        if self._failure is not None:
            raise self._failure
        if judge is not None:
            facts = judge(self.world)
        at_ms = self._clock.now_ms()
        self._in_flight += 1
        try:
            events = self._decide(facts, at_ms)
            if events:
                appended = self._journal.append(at_ms, events, touched(self.world, events))
                self._seq += len(events)
                self._ahead -= 1
                last = self._seq
                self._publish(await appended, last)
        except OyaError as error:
            self.end(error)
            raise
        except BROKEN as error:
            step = ", ".join(type(fact).__name__ for fact in facts)
            bug = Bug(f"The step of {step} broke: {error!r}.")
            self.end(bug)
            raise bug from error
        finally:
            self._in_flight -= 1
            self._changed.set()

    async def _turn(self) -> None:
        """Return when there is room for a step, to one after the other, in the order of calls."""
        self._queued += 1
        try:
            async with self._door:
                while self._in_flight >= UNACKNOWLEDGED_MAX:
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            self._queued -= 1

    def _decide(self, facts: Sequence[Event], at_ms: int) -> list[Event]:
        self._ahead += 1
        events: list[Event] = []
        ticks = 0
        for fact in facts:
            if not is_news(self.world, fact):
                continue
            if isinstance(fact, Ticked):
                ticks += 1
            else:
                apply(self.world, fact, at_ms)
            events.append(fact)
            policy = self.policies.of(repo_of(self.world, fact) or _NOWHERE)
            self._decided(react(self.world, fact, at_ms, policy), at_ms, events)
        self._advance(at_ms, events, ticked=ticks > 0)
        if len(events) == ticks:
            events = []
        self._ahead -= not events
        return events

    def _advance(self, at_ms: int, events: list[Event], *, ticked: bool) -> None:
        """Start what can be started wherever the events of the step, or what is started, have
        changed something; time changes something everywhere."""
        due = concerned(self.world, events)
        if ticked:
            for policy in self.policies:
                due.setdefault(policy.repo, [])
        while due:
            repo, about = next(iter(due.items()))
            del due[repo]
            seen = len(events)
            decisions = advance(self.world, at_ms, self.policies.of(repo), about)
            self._decided(decisions, at_ms, events)
            if len(events) == seen:
                continue
            for other, more in concerned(self.world, events[seen:]).items():
                if other != repo:
                    due.setdefault(other, []).extend(more)

    def _decided(self, decisions: Iterator[Event], at_ms: int, events: list[Event]) -> None:
        """Apply each decision before policy is asked for the next."""
        for decision in decisions:
            apply(self.world, decision, at_ms)
            events.append(decision)

    def _publish(self, rows: Sequence[Recorded], last: int) -> None:
        if rows[-1].seq != last:
            message = f"Event {last} of the state in memory is the journal's {rows[-1].seq}."
            raise Bug(message)
        for feed in self._feeds:
            feed.publish(rows)

    async def capture(self, encode: Callable[[World], bytes]) -> tuple[int, bytes] | None:
        """The state as `encode` writes it now, and the number of the last event in it; returns when
        that event is on disk. None in the middle of a step: ask again.

        Steps are pipelined, so that the state is ahead of the disk. But it is exactly the events
        that were appended so far, whenever no step is between deciding and appending; and an empty
        append behind them, made in the same breath, returns when they are on disk. A step that
        broke off leaves a state that no events made, which is never captured. Raises what made the
        engine fail; one that was stopped may still be captured.
        """
        if self._failure is not None and not isinstance(self._failure, Stopped):
            raise self._failure
        if self._ahead:
            return None
        seq, image = self._seq, encode(self.world)
        await self._journal.append(self._clock.now_ms(), ())
        return seq, image

    @property
    def seq(self) -> int:
        """The number of the last event in the state; it may not be on disk yet."""
        return self._seq

    async def flush(self) -> None:
        """Return when every step so far is on disk, and was told to all who listen. Raises what the
        journal refuses with, and what made the engine fail."""
        if self._failure is not None:
            raise self._failure
        await self._journal.append(self._clock.now_ms(), ())

    def end(self, why: OyaError) -> None:
        """Take no more from now on: who waits, and who comes, is told why. The first reason
        counts."""
        self._failure = self._failure or why
        self._over.set()
        self._changed.set()

    @property
    def in_flight(self) -> int:
        """Steps that are decided and not yet told to those who listen."""
        return self._in_flight

    @property
    def failure(self) -> OyaError | None:
        """Why nothing is taken any more; None while it is."""
        return self._failure

    async def ended(self) -> NoReturn:
        """Wait until nothing is taken any more, and raise why."""
        await self._over.wait()
        raise self._failure or Bug("The engine ended without a reason.")

    async def settled(self, here: RepoId | None = None) -> None:
        """Return when nothing more can happen in a repository (None: the one that is worked on)
        without a new fact from outside.

        Raises what made the engine fail.
        """
        here = here or next(iter(self.policies)).repo
        while not self._quiet(here):
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _quiet(self, here: RepoId) -> bool:
        if self._failure is not None:
            return True
        world = self.world
        repo = world.repos.get(here)
        return (
            self._in_flight == 0
            and (repo is None or len(repo.ready) == 0 or bool(repo.queue.paused))
            and not any(effect.repo == here for effect in world.open.values())
            and not any(world.bead(bead).repo == here for _, bead in world.timers)
        )

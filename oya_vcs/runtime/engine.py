"""The step: a fact goes in, a pure function decides, the journal remembers both in one fsync, and
then the world may hear.

Knows no adapter: it has a journal and those who listen. Steps are pipelined: while one is being
fsynced the next is computed, and what follows from a step happens only after its fsync, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from oya_vcs.core.events import Event, Outcome, Ticked, WorkerSpawned
from oya_vcs.core.machine import advance, react
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World, apply
from oya_vcs.errors import Bug, OyaError
from oya_vcs.ports import Clock, Feed, Journal

BROKEN = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a mistake of ours looks like in the middle of a step: the state may be half changed."""


class Engine:
    """One writer of one journal. All calls on one event loop."""

    def __init__(self, *, world: World, journal: Journal, clock: Clock, policy: Policy) -> None:
        self.world = world
        self.policy = policy
        self._journal = journal
        self._clock = clock
        self._feeds: list[Feed] = []
        self._in_flight = 0
        self._failure: OyaError | None = None
        self._changed = asyncio.Event()

    def listen(self, feed: Feed) -> None:
        """Let `feed` hear of every event from now on, after its fsync and in order."""
        self._feeds.append(feed)

    async def offer(self, *facts: Event) -> None:
        """Take facts as one step; returns when they and all that was decided are on disk.

        A fact about an effect that is not open (late, repeated, of an older attempt) changes
        nothing. Raises WorldFailed when the journal cannot write, and Bug when an invariant broke;
        the engine then takes no more, for memory may be ahead of the record: the next start reads
        the record.
        """
        if self._failure is not None:
            raise self._failure
        at_ms = self._clock.now_ms()
        try:
            events = self._decide(facts, at_ms)
            if events:
                await self._record(at_ms, events)
        except OyaError as error:
            self._failure = error
            raise
        except BROKEN as error:
            step = ", ".join(type(fact).__name__ for fact in facts)
            self._failure = Bug(f"The step of {step} broke: {error!r}.")
            raise self._failure from error
        finally:
            self._changed.set()

    def _decide(self, facts: Sequence[Event], at_ms: int) -> list[Event]:
        events: list[Event] = []
        for fact in facts:
            if not self._concerns(fact):
                continue
            if not isinstance(fact, Ticked):
                apply(self.world, fact, at_ms)
            events.append(fact)
            self._take(react(self.world, fact, at_ms, self.policy), at_ms, events)
        self._take(advance(self.world, at_ms, self.policy), at_ms, events)
        return [] if all(isinstance(event, Ticked) for event in events) else events

    def _take(self, decisions: Iterator[Event], at_ms: int, events: list[Event]) -> None:
        """Apply each decision before policy is asked for the next."""
        for decision in decisions:
            apply(self.world, decision, at_ms)
            events.append(decision)

    def _concerns(self, fact: Event) -> bool:
        """Whether the effect that a fact reports on is still open: the fence against zombies."""
        match fact:
            case Outcome(key=run) | WorkerSpawned(run=run):
                return run in self.world.open
            case _:
                return True

    async def _record(self, at_ms: int, events: Sequence[Event]) -> None:
        self._in_flight += 1
        try:
            rows = await self._journal.append(at_ms, events)
        finally:
            self._in_flight -= 1
        for feed in self._feeds:
            feed.publish(rows)

    async def settled(self) -> None:
        """Return when nothing more can happen in the policy's repository without a new fact from
        outside.

        Raises what made the engine fail.
        """
        while not self._quiet():
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _quiet(self) -> bool:
        if self._failure is not None:
            return True
        world, here = self.world, self.policy.repo
        repo = world.repos.get(here)
        return (
            self._in_flight == 0
            and (repo is None or len(repo.ready) == 0 or bool(repo.queue.paused))
            and not any(effect.repo == here for effect in world.open.values())
            and not any(world.bead(bead).repo == here for _, bead in world.timers)
        )


async def tick(engine: Engine, clock: Clock, every_ms: int = 100) -> None:
    """Tell the engine that time passes, whenever something is due. Runs until it is cancelled."""
    while True:
        timers = engine.world.timers
        if timers and timers[0][0] <= clock.now_ms():
            await engine.offer(Ticked())
        await clock.sleep(every_ms)

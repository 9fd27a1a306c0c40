"""Carries out what was decided, exactly once: intent on disk, effect, outcome on disk.

Each effect runs under its key through the `Executor`, the one door for what must happen once.
An effect that was open when the daemon started is probed in the outside world before it is done
again. One that is to be stopped is cancelled; what became of it is then asked of its performer, and
only that settles it. Knows performers only by their port; which one carries out what is the
composition root's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import assert_never

from oya_vcs.core.effects import Effect
from oya_vcs.core.events import EffectFailed, Event, Reason, Requested, StopRequested
from oya_vcs.core.ids import Key, RepoId
from oya_vcs.errors import Bug, JournalStopped, OyaError, WorldFailed
from oya_vcs.ports import Clock, Performer, Probe, Recorded
from oya_vcs.runtime.executor import Executor

log = logging.getLogger(__name__)

TRIES_MAX = 4
"""How often a retryable refusal of the world is met before the effect counts as failed: once and 3
retries (D5)."""
RETRY_MS = 200
"""The first wait between two tries, doubled each time."""
UNKNOWN_MS = 250
"""How long to wait before a probe that could not tell is asked again."""
UNWELL_MS = 3_000
"""How long to wait before an effect is tried again on a disk that is not well."""

Offer = Callable[[Event], Coroutine[None, None, None]]
Gate = Callable[[str, Effect], Awaitable[None]]
"""Called at each boundary of each effect: `before`, `after` (done, not yet on disk) and `recorded`.
For crash tests."""


Ask = Callable[[], Awaitable[bool]]


async def no_gate(_boundary: str, _effect: Effect) -> None:
    """The gate that is always open."""


def as_it_is(outcome: Event) -> Event:
    """The cleaning of outcomes that hold nothing to hide."""
    return outcome


async def always_well() -> bool:
    """The disk that never fails."""
    return True


class Outbox:
    """A `Feed` that carries out every `Requested` it hears of, each in a task of its own."""

    def __init__(
        self,
        *,
        performers: Iterable[Performer],
        executor: Executor,
        offer: Offer,
        clock: Clock,
        repo: RepoId,
        gate: Gate = no_gate,
        is_well: Ask = always_well,
        clean: Callable[[Event], Event] = as_it_is,
    ) -> None:
        """`is_well` tells whether the disk is: a failure is not held against an effect while it is
        not; the effect is probed and tried until it is. `clean` takes secrets out of what an
        outcome says, before it is recorded."""
        self._performers = {kind: one for one in performers for kind in one.kinds}
        self._executor = executor
        self._offer = offer
        self._clock = clock
        self._repo = repo
        self._gate = gate
        self._is_well = is_well
        self._clean = clean
        self._tasks: dict[Key, asyncio.Task[Event]] = {}
        self._doing: set[Key] = set()
        """Under way and without an outcome: cancelling the task ends the effect, loses no fact."""
        self._stops: dict[Key, Reason] = {}
        self._cancelled: set[Key] = set()
        """Whose task we cancelled, to end the effect and not the task."""

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Start what was requested, stop what is to be stopped. What belongs to another repository
        stays open for its own daemon run."""
        for row in rows:
            event = row.event
            if isinstance(event, Requested):
                if event.effect.repo == self._repo:
                    self._start(event.key, event.effect, begun=False)
            elif isinstance(event, StopRequested):
                self._stop(event.key, event.reason)

    def recover(
        self, open_effects: Mapping[Key, Effect], stops: Mapping[Key, Reason] | None = None
    ) -> None:
        """Take up what a dead daemon left open: each is probed first. Those in `stops` were to be
        ended, and are not done again."""
        for key, effect in open_effects.items():
            if effect.repo == self._repo:
                if stops is not None and key in stops:
                    self._stops[key] = stops[key]
                self._start(key, effect, begun=True)

    async def drain(self) -> None:
        """Return when everything that was started has been carried out and recorded."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop what is under way and wait until it is gone. What was not recorded stays open.
        Idempotent."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: Key, effect: Effect, *, begun: bool) -> None:
        if type(effect) not in self._performers:
            message = f"No performer carries out {type(effect).__name__}."
            raise Bug(message)
        work = partial(self._carry_out, key, effect)
        task = self._executor.begin(key, effect, work, begun=begun)
        self._tasks[key] = task
        task.add_done_callback(partial(self._ended, key))

    def _stop(self, key: Key, reason: Reason) -> None:
        task = self._tasks.get(key)
        if task is None or key in self._stops:
            return
        self._stops[key] = reason
        if key in self._doing:
            self._cancelled.add(key)
            task.cancel()

    def _ended(self, key: Key, task: asyncio.Task[Event]) -> None:
        self._tasks.pop(key, None)
        self._stops.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OyaError):
            # The engine has failed, and tells whoever waits for it; the effect stays open.
            log.debug("the outcome of %s could not be recorded", task.get_name(), exc_info=error)
        elif error is not None:
            log.error("%s met a bug outside its performer", task.get_name(), exc_info=error)

    async def _carry_out(self, key: Key, effect: Effect, *, begun: bool) -> Event:
        self._doing.add(key)
        try:
            outcome = await self._outcome(key, effect, begun=begun)
        except asyncio.CancelledError:
            if not self._was_stopped(key):
                raise
            outcome = await self._outcome(key, effect, begun=True)
        finally:
            self._doing.discard(key)
            self._was_stopped(key)  # where it ended by itself, whatever we said
        outcome = self._clean(outcome)
        await self._gate("after", effect)
        await self._offer(outcome)
        await self._gate("recorded", effect)
        return outcome

    def _was_stopped(self, key: Key) -> bool:
        """Whether a cancellation of this task was ours alone: it ends the effect, not the task."""
        task = asyncio.current_task()
        if key not in self._cancelled or task is None:
            return False
        self._cancelled.discard(key)
        return task.uncancel() == 0

    async def _report(self, event: Event) -> None:
        """Offer a fact of an effect under way. Once begun this is not cancelled: others must hear
        of what is on disk."""
        await asyncio.shield(self._offer(event))

    async def _look(self, key: Key, effect: Effect, *, begun: bool) -> Event | Probe:
        """What is known of an effect before it is done. One that is to be stopped is not done."""
        performer = self._performers[type(effect)]
        if key in self._stops:
            return await performer.stopped(key, effect, self._stops[key]) or Probe.UNKNOWN
        return await performer.probe(key, effect) if begun else Probe.ABSENT

    async def _outcome(self, key: Key, effect: Effect, *, begun: bool) -> Event:
        performer = self._performers[type(effect)]
        tried = 0
        while True:
            try:
                match found := await self._look(key, effect, begun=begun):
                    case Event():
                        return found
                    case Probe.UNKNOWN:
                        await self._clock.sleep(UNKNOWN_MS)
                    case Probe.ABSENT:
                        begun = True
                        await self._gate("before", effect)
                        return await performer.do(key, effect, self._report)
                    case _:
                        assert_never(found)
            except JournalStopped:
                raise  # a report could not be recorded: the effect stays open for the next life
            except WorldFailed as error:
                tried += 1
                if not error.retryable or tried >= TRIES_MAX:
                    if await self._is_well():
                        return _failed(key, effect, error.message)
                    await self._clock.sleep(UNWELL_MS)
                    tried = 1
                await self._clock.sleep(RETRY_MS * 2 ** (tried - 1))
            except Exception as error:
                if isinstance(error, OSError) and not await self._is_well():
                    await self._clock.sleep(UNWELL_MS)
                    continue
                # Our own fault must not stop the other effects: it is logged, and settles this one.
                log.exception("effect %s (%s) met a bug", key, type(effect).__name__)
                return _failed(key, effect, f"oya-vcs met a bug of its own: {error!r}")


def _failed(key: Key, effect: Effect, message: str) -> EffectFailed:
    return EffectFailed(
        key=key,
        bead=effect.bead,
        kind=type(effect).__name__,
        workspace=getattr(effect, "workspace", None),
        message=message,
    )

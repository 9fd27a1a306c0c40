"""Carries out what was decided, exactly once: intent on disk, effect, outcome on disk.

Each effect runs under its key through the `Executor`, the one door for what must happen once.
An effect that was open when the daemon started is probed in the outside world before it is done
again. It outlives the engine: what is under way when the engine dies goes on, and its outcome is
offered to the next one (`runtime/door.py`). One that is to be stopped is cancelled; what became of
it is then asked of its performer, and only that settles it. Knows performers only by their port;
which one carries out what is the composition root's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, assert_never

from oya_vcs.core.effects import STOPPABLE, Effect
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

DRAIN_MS = 20_000
"""How long, at the end, what is being carried out may take to come to its own end."""
KILL_MS = 4_000
"""How long the rest may take to stop after that. With what the checkpoint takes, both are the 25 s
of B6."""

Offer = Callable[[Event], Coroutine[Any, Any, None]]
Gate = Callable[[str, Effect], Awaitable[None]]
"""Called at each boundary of each effect: `before`, `after` (done, not yet on disk) and `recorded`.
For crash tests."""


Ask = Callable[[], Awaitable[bool]]
Performers = Callable[[Effect], Performer | None]
"""Who carries out an effect; None where nobody does so now, and it stays open."""


def of_one(repo: RepoId, performers: Iterable[Performer]) -> Performers:
    """The performers of one repository; what belongs to another is nobody's."""
    known = {kind: one for one in performers for kind in one.kinds}

    def who(effect: Effect) -> Performer | None:
        if effect.repo == repo and type(effect) not in known:
            raise Bug(f"No performer carries out {type(effect).__name__}.")
        return known[type(effect)] if effect.repo == repo else None

    return who


class Phase(Enum):
    """How far an effect under way has come."""

    NEW = "new"
    """Its task has not begun."""
    WAITING = "waiting"
    """For another try: nothing is lost where it ends here."""
    DOING = "doing"
    RECORDING = "recording"
    """It is done, and on its way to the record: only that may end it."""


@dataclass(slots=True, eq=False)
class Carried:
    """An effect under way, by whom, and how far it is. `stop` is why it is to be ended, `cancelled`
    says that its task was cancelled for that, to end the effect and not the task; `replaced`, that
    its task was, to be taken up by another."""

    effect: Effect
    performer: Performer
    phase: Phase = Phase.NEW
    stop: Reason | None = None
    cancelled: bool = False
    replaced: bool = False
    task: asyncio.Task[Event] | None = None


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
        performers: Performers,
        executor: Executor,
        offer: Offer,
        clock: Clock,
        gate: Gate = no_gate,
        is_well: Ask = always_well,
        clean: Callable[[Event], Event] = as_it_is,
    ) -> None:
        """`is_well` tells whether the disk is: a failure is not held against an effect while it is
        not; the effect is probed and tried until it is. `clean` takes secrets out of what an
        outcome says, before it is recorded."""
        self._performers = performers
        self._executor = executor
        self._offer = offer
        self._clock = clock
        self._gate = gate
        self._is_well = is_well
        self._clean = clean
        self._carried: dict[Key, Carried] = {}
        self._closing = False

    def publish(self, rows: Sequence[Recorded]) -> None:
        """Start what was requested, stop what is to be stopped. What nobody carries
        out now stays open."""
        for row in rows:
            event = row.event
            if isinstance(event, Requested):
                self._start(event.key, event.effect, begun=False)
            elif isinstance(event, StopRequested):
                self._stop(event.key, event.reason)

    def recover(
        self, open_effects: Mapping[Key, Effect], stops: Mapping[Key, Reason] | None = None
    ) -> None:
        """Take up what nobody carries out: each is probed first. Those in `stops` are to be ended,
        and are not done again."""
        for key, effect in open_effects.items():
            reason = None if stops is None else stops.get(key)
            self._start(key, effect, begun=True, stop=reason)
            if reason is not None:
                self._stop(key, reason)

    @property
    def under_way(self) -> Mapping[Key, Carried]:
        """What is being carried out now."""
        return self._carried

    def replace(self, key: Key) -> bool:
        """Cancel what is under way and take it up anew, which begins with a probe. False where
        nothing is to be cancelled: it has ended, is being recorded, or is being stopped already."""
        carried = self._carried.get(key)
        if carried is None or carried.task is None or carried.phase is Phase.RECORDING:
            return False
        if carried.replaced or carried.stop is not None:
            return False
        carried.replaced = True
        carried.task.cancel()
        return True

    async def drain(self) -> None:
        """Return when everything that was started has been carried out and recorded."""
        while self._carried:
            await asyncio.gather(*self._tasks(), return_exceptions=True)

    async def close(
        self, kill: Callable[[], Awaitable[None]] | None = None, *, drain_ms: int = DRAIN_MS
    ) -> None:
        """Start nothing more, stop the programs that run, let everything else come to its end
        within `drain_ms`, then stop it too, with `kill` for what does not listen; return when all
        of it is gone, and KILL_MS later in any case. What was not recorded stays open. Idempotent.
        """
        self._closing = True
        for carried in self._carried.values():
            idle = carried.phase in {Phase.NEW, Phase.WAITING}
            if carried.task is not None and (idle or isinstance(carried.effect, STOPPABLE)):
                carried.task.cancel()
        await self._gone_within(drain_ms)
        for task in self._tasks():
            task.cancel()
        killing = asyncio.ensure_future(kill()) if self._carried and kill is not None else None
        await self._gone_within(KILL_MS)
        if killing is not None and not killing.cancel():
            killing.result()

    async def _gone_within(self, limit_ms: int) -> None:
        limit = asyncio.ensure_future(self._clock.sleep(limit_ms))
        while self._carried and not limit.done():
            tasks = [*self._tasks(), limit]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        limit.cancel()

    def _tasks(self) -> list[asyncio.Task[Event]]:
        return [one.task for one in self._carried.values() if one.task is not None]

    def _start(self, key: Key, effect: Effect, *, begun: bool, stop: Reason | None = None) -> None:
        performer = self._performers(effect)
        if performer is None or self._closing or key in self._carried:
            return
        carried = self._carried[key] = Carried(effect, performer, stop=stop)
        work = partial(self._carry_out, key, carried)
        name = f"{type(effect).__name__} {effect.bead}"
        ended = partial(self._ended, key, carried)
        carried.task = self._executor.begin(key, effect, work, begun=begun, name=name, ended=ended)

    def _stop(self, key: Key, reason: Reason) -> None:
        carried = self._carried.get(key)
        if carried is None or carried.task is None or carried.stop is not None:
            return
        carried.stop = reason
        if carried.phase in {Phase.WAITING, Phase.DOING}:
            carried.cancelled = True
            carried.task.cancel()

    def _ended(self, key: Key, carried: Carried, task: asyncio.Task[Event]) -> None:
        del self._carried[key]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OyaError):
            # The engine has failed, and tells whoever waits for it; the effect stays open.
            log.debug("the outcome of %s could not be recorded", task.get_name(), exc_info=error)
        elif error is not None:
            log.error("%s met a bug outside its performer", task.get_name(), exc_info=error)
        if task.cancelled() and carried.replaced:
            self._start(key, carried.effect, begun=True, stop=carried.stop)

    async def _carry_out(self, key: Key, carried: Carried, *, begun: bool) -> Event:
        try:
            outcome = await self._outcome(key, carried, begun=begun)
        except asyncio.CancelledError:
            if not _was_stopped(carried):
                raise
            outcome = await self._outcome(key, carried, begun=True)
        finally:
            carried.phase = Phase.RECORDING
            _was_stopped(carried)  # where it ended by itself, whatever we said
        outcome = self._clean(outcome)
        await self._gate("after", carried.effect)
        await self._offer(outcome)
        await self._gate("recorded", carried.effect)
        return outcome

    async def _report(self, event: Event) -> None:
        """Offer a fact of an effect under way. Once begun this is not cancelled: others must hear
        of what is on disk."""
        await asyncio.shield(self._offer(event))

    async def _look(self, key: Key, carried: Carried, *, begun: bool) -> Event | Probe:
        """What is known of an effect before it is done. One that is to be stopped is not done."""
        effect, performer = carried.effect, carried.performer
        if carried.stop is not None:
            return await performer.stopped(key, effect, carried.stop) or Probe.UNKNOWN
        return await performer.probe(key, effect) if begun else Probe.ABSENT

    async def _outcome(self, key: Key, carried: Carried, *, begun: bool) -> Event:
        effect, performer = carried.effect, carried.performer
        tried = 0
        while True:
            carried.phase = Phase.DOING
            try:
                match found := await self._look(key, carried, begun=begun):
                    case Event():
                        return found
                    case Probe.UNKNOWN:
                        carried.phase = Phase.WAITING
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
                carried.phase = Phase.WAITING
                tried += 1
                if not error.retryable or tried >= TRIES_MAX:
                    if await self._is_well():
                        return _failed(key, effect, error.message)
                    await self._clock.sleep(UNWELL_MS)
                    tried = 1
                await self._clock.sleep(RETRY_MS * 2 ** (tried - 1))
            except Exception as error:
                carried.phase = Phase.WAITING
                if isinstance(error, OSError) and not await self._is_well():
                    await self._clock.sleep(UNWELL_MS)
                    continue
                # Our own fault must not stop the other effects: it is logged, and settles this one.
                log.exception("effect %s (%s) met a bug", key, type(effect).__name__)
                return _failed(key, effect, f"oya-vcs met a bug of its own: {error!r}")


def _was_stopped(carried: Carried) -> bool:
    """Whether a cancellation of this task was to end the effect alone, and not the task."""
    task = asyncio.current_task()
    if not carried.cancelled or task is None:
        return False
    carried.cancelled = False
    return task.uncancel() == 0


def _failed(key: Key, effect: Effect, message: str) -> EffectFailed:
    return EffectFailed(
        key=key,
        bead=effect.bead,
        kind=type(effect).__name__,
        workspace=getattr(effect, "workspace", None),
        message=message,
    )

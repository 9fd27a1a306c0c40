"""What a supervisor decides when a child has failed: whom it stops, how long it waits, when it
gives up. Pure: times are handed in, and nothing here is running.

Numbers and names are those of REQUIREMENTS B2 and of Erlang's supervisors, with one difference:
restarts are counted for each child that failed, not for all children of a supervisor together
(docs/adr/0009-supervision.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from oya_vcs.core.slots import backoff_ms
from oya_vcs.errors import (
    ConfigurationInvalid,
    InputInvalid,
    JournalCorrupt,
    JournalStopped,
    Locked,
    NotFound,
    Stopped,
)


class Strategy(StrEnum):
    """Who is started again with a child that failed."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody else."""
    ONE_FOR_ALL = "one_for_all"
    """All children of the supervisor."""
    REST_FOR_ONE = "rest_for_one"
    """Those that were started after it, for they may stand on it."""


class Fault(StrEnum):
    """What kind of failure a child died of."""

    CRASH = "crash"
    """Something broke: a fresh start may help, a few times."""
    OUTAGE = "outage"
    """The disk refuses the journal: it is waited for, however long, and counts against nobody."""
    MOVED = "moved"
    """What it stood on was started again: so is it, and that counts against nobody either."""
    HOPELESS = "hopeless"
    """No fresh start helps: a person has to do something."""


_HOPELESS = (ConfigurationInvalid, InputInvalid, JournalCorrupt, Locked, NotFound)


def fault_of(error: BaseException) -> Fault:
    """The kind of failure that an error stands for."""
    if isinstance(error, JournalStopped):
        return Fault.OUTAGE
    if isinstance(error, Stopped):
        return Fault.MOVED
    return Fault.HOPELESS if isinstance(error, _HOPELESS) else Fault.CRASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a child may be started again: `restarts_max` times in `within_ms`, the first after
    `wait_ms`, then after twice as long each time, never longer than `wait_ms_max`.

    `waits_out` says that an outage ends here; elsewhere it is the parent's to deal with.
    """

    restarts_max: int = 3
    within_ms: int = 60_000
    wait_ms: int = 100
    wait_ms_max: int = 3_200
    waits_out: bool = False


Restarts = tuple[int, ...]
"""The times of a child's recent restarts, oldest first."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the child again after `wait_ms`; `restarts` is what to remember of it."""

    wait_ms: int
    restarts: Restarts


def judge(restarts: Restarts, at_ms: int, fault: Fault, limits: Limits) -> Restart | None:
    """What follows from a failure at `at_ms`: another start, or None, which is to give up.

    A restart that lies in the future (the machine's clock was set back) is forgotten.
    """
    recent = tuple(one for one in restarts if 0 <= at_ms - one < limits.within_ms)
    if fault is Fault.MOVED or (fault is Fault.OUTAGE and limits.waits_out):
        return Restart(limits.wait_ms, recent)
    if fault is not Fault.CRASH or len(recent) >= limits.restarts_max:
        return None
    wait_ms = backoff_ms(limits.wait_ms, len(recent), limits.wait_ms_max)
    return Restart(wait_ms, (*recent, at_ms))


def affected(strategy: Strategy, children: Sequence[str], failed: str) -> tuple[str, ...]:
    """The children to stop (last first) and start again (first first) when one has failed, itself
    among them. `children` stand in the order in which they are started."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return (failed,)
        case Strategy.ONE_FOR_ALL:
            return tuple(children)
        case Strategy.REST_FOR_ONE:
            return tuple(children[children.index(failed) :])


class Status(StrEnum):
    """What a node of the tree is doing."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """It failed, or one that it stands on did; it will be started again."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    """Given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One place of the supervision tree, as it was when somebody asked. `since_ms` (Unix time) is
    when `status` began; `restarts` counts all of them; `error` is the last one, or empty;
    `strategy` is None for what supervises nobody."""

    name: str
    status: Status
    since_ms: int
    restarts: int = 0
    error: str = ""
    strategy: Strategy | None = None
    children: tuple[Node, ...] = ()

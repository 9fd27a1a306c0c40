"""Which operations of jj's log are not known yet, in the order in which they were made.

The log is a graph: who works at the same time as somebody else makes a second head, which the next
command of jj joins with the first. `jj op abandon` takes operations out of it, and gives every one
behind them another id. Pure; must not know how the log is read.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from oya_vcs.core.ids import OperationId
from oya_vcs.core.operations import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as jj's log has it. `mark` is the same whatever id `jj op abandon` gave it;
    `ours` says that this home made it. `ended_ms` is Unix time."""

    id: OperationId
    parents: tuple[OperationId, ...]
    mark: str
    by: str
    description: str
    ended_ms: int
    ours: bool = False

    @property
    def head(self) -> Head:
        """What is known once it is."""
        return Head(self.id, self.mark)


class Unclear(Enum):
    """Why the operations that are not known cannot be named."""

    MORE = "more"
    """The log has to be read further back."""
    LOST = "lost"
    """What was known is not in the log any more."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next operation, and what is known once it is."""

    operation: Operation
    known: tuple[Head, ...]


Log = Mapping[OperationId, Operation]


def unseen(
    log: Log, known: Sequence[Head], heads: Collection[OperationId]
) -> tuple[Step, ...] | Unclear:
    """The operations up to `heads` that are not `known`, each after those it stands on and, of
    those that were made side by side, the one that ended first.

    `log` is the newest part of the log, read from `heads` back; it may go back further than what is
    known.
    """
    marks = {one.mark: one.id for one in log.values()}
    here = {
        one.operation if one.operation in log else marks.get(one.mark, one.operation)
        for one in known
    }
    if not here <= log.keys():
        return Unclear.MORE if _behind(log, heads)[1] else Unclear.LOST
    seen, _ = _behind(log, here)
    fresh, cut = _behind(log, heads, but=seen)
    if cut:
        return Unclear.MORE
    frontier = {one: log[one].head for one in here}
    steps = []
    for one in _in_order(log, fresh):
        for parent in one.parents:
            frontier.pop(parent, None)
        frontier[one.id] = one.head
        steps.append(Step(one, tuple(sorted(frontier.values(), key=lambda head: head.operation))))
    return tuple(steps)


def tips(log: Log, heads: Collection[OperationId]) -> tuple[Head, ...]:
    """The heads that no other one stands on: for moments, and after a crash of jj, the folder of
    heads names the one before, too. In the order of their ids."""
    below = {parent for head in heads for parent in log[head].parents}
    return tuple(log[head].head for head in sorted(heads) if head not in below)


def _behind(
    log: Log, starts: Collection[OperationId], but: Collection[OperationId] = ()
) -> tuple[set[OperationId], bool]:
    """These operations and all behind them, as far as the log goes and not further than `but`; and
    whether it goes on where it was cut."""
    found: set[OperationId] = set()
    left, cut = list(starts), False
    while left:
        one = left.pop()
        if one in found or one in but:
            continue
        if one not in log:
            cut = True
            continue
        found.add(one)
        left += log[one].parents
    return found, cut


def _in_order(log: Log, fresh: Collection[OperationId]) -> list[Operation]:
    waiting = {one: sum(parent in fresh for parent in log[one].parents) for one in fresh}
    above: dict[OperationId, list[OperationId]] = {}
    for one in fresh:
        for parent in log[one].parents:
            above.setdefault(parent, []).append(one)
    ready = [(log[one].ended_ms, one) for one, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, one = heapq.heappop(ready)
        order.append(log[one])
        for child in above.get(one, ()):
            waiting[child] -= 1
            if waiting[child] == 0:
                heapq.heappush(ready, (log[child].ended_ms, child))
    return order

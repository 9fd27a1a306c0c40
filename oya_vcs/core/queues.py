"""Queues of ready beads: which one is dispatched next.

`ReadyBeads` is what the journal's events add up to: the ready beads in the order in which they
became ready, whatever the strategy. `BeadQueue` is one strategy's order of them, which is derived:
it is filled from `ReadyBeads` at a start, and again when the configuration names another strategy.

A queue holds each bead at most once and knows its order, nothing more: not whether a bead is ready
(`graph.py`), not whether there is a slot or a token for it (`schedule.py`), and no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol

from oya_vcs.core.heap import Heap, Weight
from oya_vcs.core.ids import BeadId


class Strategy(StrEnum):
    """Which ready bead is next (REQUIREMENTS C3)."""

    FIFO = "fifo"
    LIFO = "lifo"
    PRIORITY = "priority"
    ROUND_ROBIN = "round_robin"


class Waiting(NamedTuple):
    """What an order needs to know of a ready bead: `since_ms` (Unix time) is when it became
    ready."""

    bead: BeadId
    tenant: str
    priority: int
    since_ms: int


class BeadQueue:
    """The ready beads in the order of a strategy. An empty queue answers None, a bead that is in
    already is no change, and nothing raises.

    - fifo: the bead that waits longest. lifo: the one that came last.
    - priority: the smallest priority, less one for each `age_ms` of waiting; of equal ones the one
      that waits longest. As all age alike, that order never changes while beads wait, and a bead of
      priority p lets none of priority q pass that became ready more than (p - q) * `age_ms` after
      it: so long it may be overtaken, and no longer.
    - round_robin: the tenant whose last turn is longest ago; of its beads the one that waits
      longest. Tenants that all have beads waiting differ by one turn at most.

    Beads wait in a lane for each tenant, so that a tenant can be shut out without a look at its
    beads. Every operation costs O(log n), over many calls.
    """

    __slots__ = (
        "_arrivals",
        "_lanes",
        "_last_turn",
        "_rank",
        "_shut",
        "_takes_turns",
        "_tenant_of",
        "_tenants",
        "_turns",
    )

    def __init__(self, strategy: Strategy, age_ms: int = 1) -> None:
        """Start empty. `age_ms` counts for `priority` alone."""
        self._rank = _rank(strategy, age_ms)
        self._takes_turns = strategy is Strategy.ROUND_ROBIN
        self._arrivals = self._turns = 0
        self._tenant_of: dict[BeadId, str] = {}
        self._lanes: dict[str, Heap[BeadId]] = {}
        # The tenants that have beads and are not shut out, by whose turn it is.
        self._tenants: Heap[str] = Heap()
        self._shut: set[str] = set()
        self._last_turn: dict[str, int] = {}

    def enqueue(self, one: Waiting, arrival: int | None = None) -> bool:
        """Put the bead in; False, and no change at all, where it was in already.

        It comes last of all, or as number `arrival`, for whoever counts arrivals over several
        queues.
        """
        if one.bead in self._tenant_of:
            return False
        arrival = self._arrivals = self._arrivals + 1 if arrival is None else arrival
        self._tenant_of[one.bead] = one.tenant
        lane = self._lanes.get(one.tenant)
        if lane is None:
            lane = self._lanes[one.tenant] = Heap()
        lane.put(one.bead, self._rank(one, arrival))
        self._place(one.tenant)
        return True

    def peek(self) -> BeadId | None:
        """The bead whose turn it is, left where it is; None when empty, or all tenants are shut
        out."""
        tenant = self._tenants.first()
        return None if tenant is None else self._lanes[tenant].first()

    def dequeue(self) -> BeadId | None:
        """Take out the bead whose turn it is, which is its tenant's turn; None as `peek`."""
        bead = self.peek()
        if bead is not None:
            tenant = self._tenant_of[bead]
            self.remove(bead)
            self.took_turn(tenant, self._turns + 1)
        return bead

    def remove(self, bead: BeadId) -> bool:
        """Take the bead out, wherever it stands; False where it was not in."""
        tenant = self._tenant_of.pop(bead, None)
        if tenant is None:
            return False
        lane = self._lanes[tenant]
        lane.drop(bead)
        if not lane:
            del self._lanes[tenant]
        self._place(tenant)
        return True

    def took_turn(self, tenant: str, number: int) -> None:
        """A bead of the tenant was taken, as number so many of all beads of all tenants."""
        self._turns = max(self._turns, number)
        if self._takes_turns:
            self._last_turn[tenant] = number
            self._place(tenant)

    def shut_out(self, tenant: str) -> None:
        """Pass over the tenant's beads, which stay in, until `let_in`."""
        self._shut.add(tenant)
        self._place(tenant)

    def let_in(self, tenant: str) -> None:
        """Let the tenant's beads have turns again."""
        self._shut.discard(tenant)
        self._place(tenant)

    def tenants(self) -> int:
        """How many tenants have beads in."""
        return len(self._lanes)

    def __contains__(self, bead: object) -> bool:
        """Whether the bead is in."""
        return bead in self._tenant_of

    def __len__(self) -> int:
        """How many beads are in."""
        return len(self._tenant_of)

    def _place(self, tenant: str) -> None:
        """Give the tenant the place that its first bead, or its last turn, gives it."""
        lane = self._lanes.get(tenant)
        first = None if lane is None else lane.first()
        if lane is None or first is None or tenant in self._shut:
            self._tenants.drop(tenant)
            return
        weight = lane.weight(first)
        if self._takes_turns:
            weight = (self._last_turn.get(tenant, 0), *weight)
        if weight != self._tenants.weight(tenant):
            self._tenants.put(tenant, weight)


def _rank(strategy: Strategy, age_ms: int) -> Callable[[Waiting, int], Weight]:
    """The key of a bead among those of its tenant, and, where tenants take no turns, among all."""
    if strategy is Strategy.PRIORITY:
        return lambda one, arrival: (one.priority * age_ms + one.since_ms, arrival)
    if strategy is Strategy.LIFO:
        return lambda _one, arrival: (-arrival,)
    return lambda _one, arrival: (arrival,)


class Listener(Protocol):
    """Is told of every change of `ReadyBeads`, after it."""

    def entered(self, bead: BeadId) -> None:
        """The bead became ready."""
        ...

    def left(self, bead: BeadId) -> None:
        """The bead is not ready any more."""
        ...


class ReadyBeads:
    """The ready beads of a repository, in the order in which they became so. `listener` keeps them
    in the order of a strategy; it is derived, and part of no snapshot.

    Every operation is O(1). The order is kept by an OrderedDict, not a dict: a dict finds its first
    key by walking over the holes that earlier removals at its front left, which makes emptying a
    long queue quadratic.
    """

    __slots__ = ("_beads", "listener")

    def __init__(self, beads: Iterable[BeadId] = ()) -> None:
        """Start with these beads, in this order; later duplicates of a bead are dropped."""
        self._beads: OrderedDict[BeadId, None] = OrderedDict.fromkeys(beads)
        self.listener: Listener | None = None

    def enqueue(self, bead: BeadId) -> bool:
        """Put the bead at the end; False, and it keeps its place, where it was in already."""
        if bead in self._beads:
            return False
        self._beads[bead] = None
        if self.listener is not None:
            self.listener.entered(bead)
        return True

    def remove(self, bead: BeadId) -> bool:
        """Take the bead out, wherever it stands; False where it was not in."""
        if bead not in self._beads:
            return False
        del self._beads[bead]
        if self.listener is not None:
            self.listener.left(bead)
        return True

    def __contains__(self, bead: object) -> bool:
        """Whether the bead is in."""
        return bead in self._beads

    def __len__(self) -> int:
        """How many beads are in."""
        return len(self._beads)

    def __iter__(self) -> Iterator[BeadId]:
        """The beads, the one that waits longest first."""
        return iter(self._beads)

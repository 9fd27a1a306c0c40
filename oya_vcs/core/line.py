"""The ready beads of one repository in the order of its rules, kept in step with the world.

A cache: everything in it follows from the world, the rules and the time, so that a line made now
gives the same answers as one that was there all along. It is told of each bead that becomes ready
or ceases to be (`ReadyBeads.listener`), and is part of no snapshot.

- Beads wait in a `BeadQueue`; those of a tenant without a token are passed over until it has one.
- A bead that insists on its slot (sticky "hard", from its second attempt on) waits beside that
  queue, for nothing but the slot.
- A bead that would like its slot (sticky "soft") is found by its slot, too. While others are ready
  it lets them have what slots come free, at most `PATIENCE` attempts for each slot there is: in so
  many its own is free again, but for rare luck, however long attempts take. It stands in a queue of
  its own meanwhile, and then in its old place; by lifo, where newer ones would be before it for
  ever, before all.

Knows nothing of which slots are free, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from oya_vcs.core.beads import Bead
from oya_vcs.core.heap import Heap
from oya_vcs.core.ids import BeadId
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.queues import BeadQueue, Strategy, Waiting
from oya_vcs.core.tokens import dry_until
from oya_vcs.core.world import Repo, World

PATIENCE = 8
"""How many attempts a slot others may begin after a bead became ready, before it takes any slot.
Half would do where slots come free in any order (its own is among so many with a probability of
1 - e^-4, 98 %); but by priority more urgent ones, which it never lets wait, count as well (of the
retries in the tests 91 % get their slot, and 78 % with half of it)."""
_FIRST = 1 << 60
"""More than anything arrives in a repository."""

Wanted = dict[int, dict[BeadId, None]]
"""Of each slot the ready beads that want it, in the order in which they became ready."""


class Line:
    """The line of one repository under one set of rules and with so many slots."""

    def __init__(self, world: World, repo: Repo, rules: Rules, total: int) -> None:
        """Fill it with every ready bead, each once."""
        self.rules = rules
        self.total = total
        self.queue = BeadQueue(rules.strategy, rules.age_ms)
        self.patient = BeadQueue(rules.strategy, rules.age_ms)
        """Beads that let those of `queue` go first."""
        self._patience: Heap[BeadId] = Heap()
        """Of each of them how many claims end that, and its number of arrival."""
        self._arrivals = 0
        self._repo = repo
        self._insisting: Heap[BeadId] = Heap()
        """Beads that wait for their slot alone, by when their attempt fails."""
        self._insisted: Wanted = {}
        self._liked: Wanted = {}
        self._slot_of: dict[BeadId, int] = {}
        self._dry: Heap[str] = Heap()
        """Tenants that are passed over, by when they have a token."""
        self._asked_ms = 0
        self._beads = world.beads
        self._tenants = repo.tenants
        for name, tenant in repo.tenants.items():
            self._took_turn(name, tenant.turn)
        for bead in repo.ready:
            self.entered(bead)

    def entered(self, bead_id: BeadId) -> None:
        """The bead became ready."""
        bead = self._beads[bead_id]
        spec, slot = bead.spec, wanted_slot(bead, self.total)
        self._arrivals += 1
        if slot is not None:
            wanted = self._insisted if spec.sticky == "hard" else self._liked
            wanted.setdefault(slot, {})[bead_id] = None
            self._slot_of[bead_id] = slot
            if wanted is self._insisted:
                self._insisting.put(bead_id, (bead.since_ms + self.rules.sticky_ms,))
                return
            until = bead.since_claim + PATIENCE * self.total
            self.patient.enqueue(_waiting(bead), self._arrivals)
            self._patience.put(bead_id, (until, self._arrivals))
            return
        self.queue.enqueue(_waiting(bead), self._arrivals)

    def left(self, bead_id: BeadId) -> None:
        """The bead is not ready any more; where it was claimed, its tenant had a turn."""
        slot = self._slot_of.pop(bead_id, None)
        if slot is not None:
            wanted = self._insisted if self._insisting.drop(bead_id) else self._liked
            del wanted[slot][bead_id]
            if not wanted[slot]:
                del wanted[slot]
        self.queue.remove(bead_id)
        if self._patience.drop(bead_id):
            self.patient.remove(bead_id)
        name = self._beads[bead_id].spec.tenant
        tenant = self._tenants.get(name)
        if tenant is not None:
            self._took_turn(name, tenant.turn)

    def first(self, now_ms: int) -> BeadId | None:
        """The bead whose turn it is, of those whose tenant has a token at `now_ms`; a patient one
        where there is no other."""
        put_back = now_ms < self._asked_ms
        self._asked_ms = now_ms
        while (name := self._dry.first()) and (put_back or self._dry.weight(name)[0] <= now_ms):
            self._dry.drop(name)
            self.queue.let_in(name)
            self.patient.let_in(name)
        self._end_patience()
        for queue in (self.queue, self.patient):
            while (bead := queue.peek()) is not None:
                name = self._beads[bead].spec.tenant
                until_ms = dry_until(self._tenants.get(name), self.rules, now_ms)
                if until_ms is None:
                    return bead
                self.queue.shut_out(name)
                self.patient.shut_out(name)
                self._dry.put(name, (until_ms,))
        return None

    def _end_patience(self) -> None:
        while (bead := self._patience.first()) is not None:
            until, arrival = self._patience.weight(bead)
            if self._repo.claims < until:
                return
            self._patience.drop(bead)
            self.patient.remove(bead)
            if self.rules.strategy is Strategy.LIFO:
                arrival = _FIRST - arrival
            self.queue.enqueue(_waiting(self._beads[bead]), arrival)

    def _took_turn(self, tenant: str, number: int) -> None:
        self.queue.took_turn(tenant, number)
        self.patient.took_turn(tenant, number)

    def __contains__(self, bead: BeadId) -> bool:
        """Whether the bead may have any slot."""
        return bead in self.queue or bead in self.patient

    def __len__(self) -> int:
        """How many beads may have any slot."""
        return len(self.queue) + len(self.patient)

    def has_token(self, bead: BeadId, now_ms: int) -> bool:
        """Whether the bead's tenant has a token."""
        tenant = self._tenants.get(self._beads[bead].spec.tenant)
        return dry_until(tenant, self.rules, now_ms) is None

    def wanted(self) -> Iterator[tuple[int, BeadId, bool]]:
        """Each slot that ready beads want, with the one that wants it longest, and whether that
        bead insists on it; those that insist first. Costs the slots that are wanted."""
        for insists, wanted in ((True, self._insisted), (False, self._liked)):
            for slot, beads in wanted.items():
                yield slot, next(iter(beads)), insists

    def overdue(self, now_ms: int) -> BeadId | None:
        """A bead that has waited for its slot for as long as it may."""
        bead = self._insisting.first()
        return bead if bead is not None and self._insisting.weight(bead)[0] <= now_ms else None


def _waiting(bead: Bead) -> Waiting:
    return Waiting(bead.id, bead.spec.tenant, bead.spec.priority, bead.since_ms)


def line_of(world: World, repo: Repo, policy: Policy) -> Line:
    """The repository's line; made anew where there is none, or one under other rules."""
    line = repo.ready.listener
    if not isinstance(line, Line) or (line.rules, line.total) != (policy.rules, policy.slots):
        line = repo.ready.listener = Line(world, repo, policy.rules, policy.slots)
    return line


def wanted_slot(bead: Bead, total: int) -> int | None:
    """The slot that the bead asks to have again: that of its newest attempt, where its author asked
    for that, and where there still is such a slot among `total`."""
    if not bead.spec.sticky or bead.slot is None or bead.slot >= total:
        return None
    return bead.slot

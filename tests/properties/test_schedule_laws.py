"""Laws of dispatch, over random histories under random rules (REQUIREMENTS F4, C3, C4, D1, B5)."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oya_vcs.core import events as e
from oya_vcs.core.beads import State
from oya_vcs.core.fold import apply
from oya_vcs.core.ids import BeadId
from oya_vcs.core.line import Line, line_of
from oya_vcs.core.policy import Policy, Rules
from oya_vcs.core.queues import BeadQueue, Strategy, Waiting
from oya_vcs.core.schedule import choose, overdue
from oya_vcs.core.slots import free_slot, pool_of
from oya_vcs.core.tokens import TOKEN
from oya_vcs.core.world import Repo, World
from oya_vcs.journal import snapshot
from oya_vcs.journal.replay import digest, replay
from tests.histories import History

RULES = st.builds(
    Rules,
    strategy=st.sampled_from(Strategy),
    age_ms=st.integers(1, 100_000),
    tokens_max=st.integers(0, 3),
    tokens_per_s=st.integers(1, 5),
    sticky_ms=st.integers(0, 5_000),
)


def history(rules: Rules, seed: int, slots: int) -> History:
    """A random history under the rules."""
    return History(Random(seed).randrange, rules=rules, slots=slots, repos=1, trouble=30)


@settings(deadline=None, max_examples=60)
@given(rules=RULES, seed=st.integers(0, 2**32), slots=st.integers(1, 4))
def test_at_every_step_the_books_are_right(rules: Rules, seed: int, slots: int) -> None:
    """The pool adds up, no slot has two beads, what is in line is what is ready, each bead once,
    and nothing that could start waits: the line that was kept all along and one that is made now
    choose alike."""
    told = history(rules, seed, slots)
    policy = told.policies[0]
    for _ in range(150):
        told.step()
        repo = told.world.repos[policy.repo]
        _accounts(repo, slots, told.at_ms)
        _lines_up(told.world, repo, policy)
        assert choose(told.world, policy, told.at_ms) is None
        _nobody_waits_for_nothing(told.world, repo, policy, told.at_ms)
        again = snapshot.decode(snapshot.encode(told.world))
        for ahead in (0, 1_000, 10_000):
            now_ms = told.at_ms + ahead
            assert choose(told.world, policy, now_ms) == choose(again, policy, now_ms)
            assert overdue(told.world, policy, now_ms) == overdue(again, policy, now_ms)
    assert digest(replay(told.rows)) == digest(told.world)


def _accounts(repo: Repo, slots: int, now_ms: int) -> None:
    pool = pool_of(repo, slots, now_ms)
    assert pool.total == slots == pool.idle + pool.claimed + pool.unhealthy
    assert min(pool.idle, pool.claimed, pool.unhealthy) >= 0
    assert len(set(repo.slots.values())) == len(repo.slots)
    assert not repo.slots.keys() & repo.idle.keys()


def _nobody_waits_for_nothing(world: World, repo: Repo, policy: Policy, now_ms: int) -> None:
    """Where a slot is free, no bead waits that may have any and whose tenant has a token."""
    if repo.queue.paused or free_slot(repo, policy.slots, now_ms) is None:
        return
    line = line_of(world, repo, policy)
    assert not any(bead in line and line.has_token(bead, now_ms) for bead in repo.ready)


def _lines_up(world: World, repo: Repo, policy: Policy) -> None:
    ready = {bead.id for bead in world.beads.values() if bead.state is State.READY}
    assert set(repo.ready) == ready
    assert all(world.graph.is_ready(bead) for bead in ready)
    line = line_of(world, repo, policy)
    assert isinstance(repo.ready.listener, Line)
    insisting = set(line._insisting)
    assert len(line) + len(insisting) == len(ready)
    assert all((bead in line) is not (bead in insisting) for bead in ready)
    assert not set(line.queue._tenant_of) & set(line.patient._tenant_of)
    wanting = [
        bead for slots in (line._insisted, line._liked) for s in slots.values() for bead in s
    ]
    assert len(wanting) == len(set(wanting)) == len(line._slot_of)
    assert insisting <= set(wanting) <= ready


@settings(deadline=None, max_examples=40)
@given(rules=RULES, seed=st.integers(0, 2**32))
def test_claims_keep_to_slots_tokens_and_readiness(rules: Rules, seed: int) -> None:
    """Read from the record alone: only ready beads are claimed, into slots that are free, and no
    tenant begins more than its bucket and its rate allow in any span of time."""
    told = history(rules, seed, 3)
    for _ in range(200):
        told.step()
    world = World()
    begun: dict[str, list[int]] = defaultdict(list)
    for row in told.rows:
        event = row.event
        if isinstance(event, e.AttemptClaimed):
            bead, repo = world.bead(event.bead), world.repos[told.policies[0].repo]
            assert bead.state is State.READY
            assert world.graph.is_ready(bead.id)
            assert event.slot in range(3)
            assert event.slot not in repo.slots
            if bead.spec.sticky == "hard" and bead.slot is not None:
                assert event.slot == bead.slot
            begun[bead.spec.tenant].append(row.at_ms)
        apply(world, event, row.at_ms)
    if rules.tokens_max:
        for times in begun.values():
            for first in range(len(times)):
                for last in range(first, len(times)):
                    spent = (last - first + 1) * TOKEN
                    passed_ms = times[last] - times[first]
                    assert spent <= rules.tokens_max * TOKEN + passed_ms * rules.tokens_per_s


@settings(deadline=None)
@given(
    backlog=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_turns_are_spread_evenly(backlog: list[int], seed: int) -> None:
    """REQUIREMENTS C3: while several tenants have beads waiting, none is more than one turn ahead
    of another, whatever their numbers and whatever comes in between."""
    queue = BeadQueue(Strategy.ROUND_ROBIN)
    random = Random(seed)
    tenant_of: dict[BeadId, str] = {}

    def arrive(tenant: int) -> None:
        bead = BeadId(f"b{len(tenant_of)}")
        tenant_of[bead] = f"t{tenant}"
        queue.enqueue(Waiting(bead, f"t{tenant}", 2, 0))

    for tenant, count in enumerate(backlog):
        for _ in range(count):
            arrive(tenant)
    served: Counter[str] = Counter(dict.fromkeys((f"t{n}" for n in range(len(backlog))), 0))
    for _ in range(min(backlog) * len(backlog)):
        if random.random() < 0.5:
            arrive(random.randrange(len(backlog)))
        bead = queue.dequeue()
        assert bead is not None
        served[tenant_of[bead]] += 1
        assert max(served.values()) - min(served.values()) <= 1


def test_the_spread_of_a_long_run_is_below_five_percent() -> None:
    """Eight tenants, one of which submits a hundred times as much: after 1,000 attempts each has
    had the same share, to within 5 %."""
    queue = BeadQueue(Strategy.ROUND_ROBIN)
    for tenant in range(8):
        for number in range(20_000 if tenant == 0 else 200):
            queue.enqueue(Waiting(BeadId(f"{tenant}:{number}"), f"t{tenant}", 2, 0))
    served: Counter[str] = Counter()
    for _ in range(1_000):
        bead = queue.dequeue()
        assert bead is not None
        served[bead.partition(":")[0]] += 1
    mean = 1_000 / 8
    assert (max(served.values()) - min(served.values())) / mean < 0.05


@settings(deadline=None)
@given(
    priority=st.integers(0, 20),
    age_ms=st.integers(1, 1_000),
    rivals=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5_000)), max_size=40),
)
def test_age_bounds_the_wait(priority: int, age_ms: int, rivals: list[tuple[int, int]]) -> None:
    """A bead is passed by exactly those that are more urgent by more steps than it is older: what
    becomes ready more than `priority` x `age_ms` after it never passes it."""
    queue = BeadQueue(Strategy.PRIORITY, age_ms)
    old = BeadId("old")
    queue.enqueue(Waiting(old, "default", priority, 0))
    for number, (urgency, since_ms) in enumerate(sorted(rivals, key=lambda rival: rival[1])):
        queue.enqueue(Waiting(BeadId(f"r{number}"), f"t{number % 3}", urgency, since_ms))
    passed = 0
    while queue.dequeue() != old:
        passed += 1
    ahead = [rival for rival in rivals if (priority - rival[0]) * age_ms > rival[1]]
    assert passed == len(ahead)
    assert all(since_ms < priority * age_ms for _, since_ms in ahead)


@pytest.mark.parametrize("strategy", Strategy)
def test_every_queue_takes_any_beads_in_any_order(strategy: Strategy) -> None:
    """Against a plain list that is searched: the same bead is next after any mix of arrivals,
    removals and turns."""
    random = Random(7)
    queue, plain = BeadQueue(strategy, 100), list[Waiting]()
    turns: dict[str, int] = {}

    def key(place: int) -> tuple[int, ...]:
        one = plain[place]
        return {
            Strategy.FIFO: (place,),
            Strategy.LIFO: (-place,),
            Strategy.PRIORITY: (one.priority * 100 + one.since_ms, place),
            Strategy.ROUND_ROBIN: (turns.get(one.tenant, 0), place),
        }[strategy]

    for step in range(2_000):
        if random.random() < 0.5:
            one = Waiting(BeadId(f"b{step}"), f"t{step % 4}", random.randrange(5), step)
            queue.enqueue(one)
            plain.append(one)
        elif plain and random.random() < 0.3:
            gone = plain.pop(random.randrange(len(plain)))
            assert queue.remove(gone.bead)
        else:
            place = min(range(len(plain)), key=key, default=None)
            assert queue.dequeue() == (None if place is None else plain[place].bead)
            if place is not None:
                turns[plain.pop(place).tenant] = step + 1
        assert len(queue) == len(plain)

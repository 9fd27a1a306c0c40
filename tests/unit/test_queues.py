"""The four orders in which ready beads are taken, and the heap that they stand on."""

from __future__ import annotations

import pytest

from oya_vcs.core.heap import SLACK, Heap
from oya_vcs.core.ids import BeadId
from oya_vcs.core.queues import BeadQueue, ReadyBeads, Strategy, Waiting

A, B, C, D = (BeadId(name) for name in "abcd")
MINUTE = 60_000


def waiting(name: str, tenant: str = "default", priority: int = 2, since_ms: int = 0) -> Waiting:
    """A ready bead."""
    return Waiting(BeadId(name), tenant, priority, since_ms)


def filled(strategy: Strategy, *beads: Waiting, age_ms: int = MINUTE) -> BeadQueue:
    """A queue that the beads came to in this order."""
    queue = BeadQueue(strategy, age_ms)
    for one in beads:
        assert queue.enqueue(one)
    return queue


def emptied(queue: BeadQueue) -> str:
    """Every bead in the order in which it is taken; what `peek` shows is what is taken next."""
    taken = []
    while (bead := queue.peek()) is not None:
        assert bead in queue
        assert queue.dequeue() == bead
        assert bead not in queue
        taken.append(bead)
    assert queue.dequeue() is None
    return " ".join(taken)


@pytest.mark.parametrize("strategy", Strategy)
def test_what_every_strategy_promises(strategy: Strategy) -> None:
    """A duplicate is no change, an empty queue answers None, removal is told from absence, and
    every bead comes out once."""
    queue = filled(strategy, waiting("a"), waiting("b", "x", 0), waiting("c"), waiting("d", "y"))
    first = queue.peek()
    assert not queue.enqueue(waiting("a", "other", 0))
    assert (queue.peek(), len(queue), queue.tenants()) == (first, 4, 3)
    assert queue.remove(C)
    assert not queue.remove(C)
    assert sorted(emptied(queue).split()) == [A, B, D]
    assert (len(queue), queue.tenants()) == (0, 0)
    assert queue.enqueue(waiting("a"))
    assert queue.dequeue() == A


def test_first_in_first_out() -> None:
    """By arrival, whoever they are; what was taken and comes again comes last."""
    queue = filled(Strategy.FIFO, waiting("b", "x", 9), waiting("a", "y", 0), waiting("c", "x"))
    assert queue.dequeue() == B
    assert queue.enqueue(waiting("b"))
    assert emptied(queue) == "a c b"


def test_last_in_first_out() -> None:
    """The newest, whoever it is."""
    queue = filled(Strategy.LIFO, waiting("b", "x", 0), waiting("a", "y", 9), waiting("c", "x"))
    assert emptied(queue) == "c a b"


def test_by_priority_zero_is_the_most_urgent() -> None:
    """The smaller number first; of equal ones who waits longest; of equal ones who came first."""
    queue = filled(
        Strategy.PRIORITY,
        waiting("low", priority=4),
        waiting("two", "x", since_ms=9),
        waiting("one", "y", since_ms=9),
        waiting("old", since_ms=8),
        waiting("urgent", "z", priority=0, since_ms=50),
    )
    assert emptied(queue) == "urgent old two one low"


def test_age_makes_urgent() -> None:
    """A bead of priority 4 is overtaken for 4 times `age_ms` by one of priority 0, and no longer:
    whatever comes later waits for it, however much of it there is."""
    late = [waiting(f"u{n}", priority=0, since_ms=4 * MINUTE + n) for n in range(1, 50)]
    just = waiting("just", priority=0, since_ms=4 * MINUTE - 1)
    queue = filled(Strategy.PRIORITY, waiting("low", priority=4), *late, just)
    assert emptied(queue).split()[:3] == ["just", "low", "u1"]


def test_tenants_take_turns() -> None:
    """One bead each, however many a tenant has; within a tenant first come, first served."""
    many = [waiting(f"m{n}", "many") for n in range(1, 5)]
    queue = filled(Strategy.ROUND_ROBIN, *many, waiting("a", "x"), waiting("b", "y"))
    assert emptied(queue) == "m1 a b m2 m3 m4"


def test_a_tenant_keeps_its_place_among_the_turns() -> None:
    """Who had the last turn waits for all others; who comes for the first time comes before it."""
    queue = filled(Strategy.ROUND_ROBIN, waiting("a", "x"), waiting("b", "y"))
    assert queue.dequeue() == A
    queue.enqueue(waiting("c", "x"))
    queue.enqueue(waiting("d", "new"))
    assert emptied(queue) == "b d c"


def test_turns_that_were_taken_before_count() -> None:
    """A queue that is made anew is told of the last turns, and goes on where the old one was."""
    queue = BeadQueue(Strategy.ROUND_ROBIN)
    for tenant, turn in (("y", 7), ("x", 8), ("z", 6)):
        queue.took_turn(tenant, turn)
    for tenant in "xyz":
        queue.enqueue(waiting(f"{tenant}1", tenant))
        queue.enqueue(waiting(f"{tenant}2", tenant))
    assert emptied(queue) == "z1 y1 x1 z2 y2 x2"


@pytest.mark.parametrize("strategy", Strategy)
def test_a_tenant_can_be_passed_over(strategy: Strategy) -> None:
    """Shut out, its beads stay where they are and nobody waits for them; let in, they come."""
    queue = filled(strategy, waiting("a", "x"), waiting("b", "y"), waiting("c", "x"))
    queue.shut_out("x")
    queue.enqueue(waiting("d", "x"))
    assert emptied(queue) == "b"
    assert len(queue) == 3
    assert queue.remove(C)
    queue.let_in("x")
    assert sorted(emptied(queue).split()) == [A, D]


@pytest.mark.parametrize("strategy", Strategy)
def test_what_came_and_went_leaves_nothing(strategy: Strategy) -> None:
    """However often beads come and are taken out again, the queue holds what is in it: no cost of
    a step grows with the history behind it."""
    queue = filled(strategy, waiting("stays"))
    for number in range(500):
        queue.enqueue(waiting(f"b{number}", f"t{number % 3}", number % 5))
        queue.remove(BeadId(f"b{number}"))
    assert len(queue._tenants._heap) <= 2 + SLACK
    assert [len(lane) for lane in queue._lanes.values()] == [1]
    assert all(len(lane._heap) <= 2 + SLACK for lane in queue._lanes.values())
    assert emptied(queue) == "stays"


def test_a_heap_gives_things_by_key() -> None:
    """A new key replaces the old one; what is dropped is not found; equal keys go by name."""
    heap: Heap[str] = Heap()
    assert heap.first() is None
    for thing, key in (("b", 2), ("a", 2), ("c", 3), ("d", 1), ("c", 0), ("d", 4)):
        heap.put(thing, (key,))
    assert list(heap) == ["c", "a", "b", "d"]
    assert (heap.first(), len(heap), heap.weight("d"), heap.weight("x")) == ("c", 4, (4,), ())
    assert heap.drop("c")
    assert not heap.drop("c")
    assert heap.first() == "a"
    assert "c" not in heap


class Heard:
    """Hears what becomes of ready beads."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def entered(self, bead: BeadId) -> None:
        self.said.append(f"+{bead}")

    def left(self, bead: BeadId) -> None:
        self.said.append(f"-{bead}")


def test_ready_beads_keep_their_arrival_and_tell_of_changes() -> None:
    """In order of arrival, each once; a listener hears of every change and of no other."""
    ready, heard = ReadyBeads([A, B, A]), Heard()
    assert list(ready) == [A, B]
    ready.listener = heard
    assert ready.enqueue(C)
    assert not ready.enqueue(A)
    assert ready.remove(A)
    assert not ready.remove(A)
    assert ready.enqueue(A)
    assert (list(ready), len(ready), A in ready, D in ready) == ([B, C, A], 3, True, False)
    assert heard.said == ["+c", "-a", "+a"]

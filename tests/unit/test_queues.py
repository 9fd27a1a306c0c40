"""The FIFO queue of ready beads."""

from __future__ import annotations

from oya_vcs.core.ids import BeadId
from oya_vcs.core.queues import BeadQueue, FifoQueue

A, B, C = BeadId("a"), BeadId("b"), BeadId("c")


def test_beads_leave_in_the_order_they_came() -> None:
    """First in, first out; an empty queue answers None."""
    queue: BeadQueue = FifoQueue()
    for bead in (B, A, C):
        assert queue.enqueue(bead)
    assert list(queue) == [B, A, C]
    assert [queue.dequeue() for _ in range(4)] == [B, A, C, None]


def test_duplicate_is_no_change() -> None:
    """A bead that waits already keeps its place and is counted once."""
    queue = FifoQueue([A, B])
    assert not queue.enqueue(A)
    assert list(queue) == [A, B]
    assert len(queue) == 2


def test_peek_leaves_the_bead() -> None:
    """What `peek` shows is what `dequeue` then takes."""
    queue = FifoQueue([A, B])
    assert queue.peek() == A
    assert len(queue) == 2
    assert queue.dequeue() == A
    assert FifoQueue().peek() is None


def test_a_bead_can_be_taken_out_of_the_middle() -> None:
    """Removal leaves the order of the others; a bead that is not in is not removed."""
    queue = FifoQueue([A, B, C])
    assert queue.remove(B)
    assert not queue.remove(B)
    assert B not in queue
    assert list(queue) == [A, C]


def test_a_bead_that_comes_again_goes_to_the_end() -> None:
    """Leaving gives up the place."""
    queue = FifoQueue([A, B])
    taken = queue.dequeue()
    assert taken == A
    assert queue.enqueue(A)
    assert list(queue) == [B, A]


def test_refilling_keeps_the_first_of_duplicates() -> None:
    """A queue made from a journal with a bead twice holds it once."""
    assert list(FifoQueue([A, B, A])) == [A, B]

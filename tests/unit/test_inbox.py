"""The queue between the event loop and the journal's writer: nothing is lost, nothing sleeps on."""

from __future__ import annotations

import threading
import time

from oya_vcs.journal.inbox import Inbox


def test_all_come_in_order_and_then_the_end() -> None:
    """However sender and receiver meet: no item is lost, none is slept upon, and the end comes
    behind the last one."""
    inbox: Inbox[int] = Inbox()
    got: list[int] = []

    def receive() -> None:
        while (item := inbox.get()) is not None:
            got.append(item)

    receiver = threading.Thread(target=receive)
    receiver.start()
    for number in range(20_000):
        inbox.put(number)
        if number % 100 == 0:
            time.sleep(0)  # lets the receiver empty it and fall asleep, at ever other places
    inbox.end()
    receiver.join(30)
    assert not receiver.is_alive()
    assert got == list(range(20_000))
    inbox.close()


def test_it_waits_no_longer_than_told() -> None:
    """Nothing came: None, and it has not ended; what comes later is still handed over."""
    inbox: Inbox[str] = Inbox()
    assert inbox.get(0.01) is None
    assert not inbox.ended
    inbox.put("a")
    inbox.put("b")
    assert not inbox.is_empty
    assert [inbox.get(0.01), inbox.get(0.01)] == ["a", "b"]
    inbox.end()
    assert inbox.get() is None
    assert inbox.ended
    inbox.close()

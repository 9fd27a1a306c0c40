"""Many look-ups for the price of one."""

from __future__ import annotations

import asyncio
import threading

import pytest

from oya_vcs.errors import NotFound
from oya_vcs.journal.asking import ASKED_MAX, Asking


class Shelf:
    """What is looked at: it notes from which thread and how often, and can be held shut."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def find(self, key: str) -> str:
        """The key in capitals; `missing` is not there."""
        self.entered.set()
        self.open.wait(30)
        self.threads.append(threading.get_ident())
        self.asked.append(key)
        if key == "missing":
            raise NotFound("It is not there.")
        return key.upper()


async def test_each_gets_its_own_answer_off_the_loop() -> None:
    """However many ask at once; an error is for who asked."""
    shelf = Shelf()
    asking = Asking(shelf.find)
    keys = [f"k{n}" for n in range(2 * ASKED_MAX + 1)]
    keys[7] = "missing"
    found = await asyncio.gather(*map(asking.ask, keys), return_exceptions=True)
    assert isinstance(found.pop(7), NotFound)
    del keys[7]
    assert found == [key.upper() for key in keys]
    assert threading.get_ident() not in shelf.threads


@pytest.mark.callback_blocks
async def test_who_asks_meanwhile_is_answered_by_the_next_look() -> None:
    """All of them by one; who does not wait any more spoils nothing."""
    shelf = Shelf()
    asking = Asking(shelf.find)
    shelf.open.clear()
    first = asyncio.create_task(asking.ask("first"))
    await asyncio.to_thread(shelf.entered.wait, 30)
    others = [asyncio.create_task(asking.ask(f"k{n}")) for n in range(3)]
    await asyncio.sleep(0)
    others[1].cancel()
    shelf.open.set()
    assert await first == "FIRST"
    assert await others[0] == "K0"
    assert await others[2] == "K2"
    assert others[1].cancelled()
    assert await asking.ask("again") == "AGAIN"

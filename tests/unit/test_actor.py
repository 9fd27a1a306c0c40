"""Mailboxes: order, room, answers, a graceful end, and what becomes of the message in hand."""

from __future__ import annotations

import asyncio

import pytest

from oya_vcs.errors import Stopped
from oya_vcs.runtime.actor import Actor
from tests.clocks import settle


def nothing() -> None:
    """Nobody waits for it to be ready."""


class Scribe:
    """Writes down what it is sent; dies of `poison`, `times` times; waits while `busy` is clear."""

    def __init__(self, poison: str = "", times: int = 0) -> None:
        self.written: list[str] = []
        self.seen: list[str] = []
        self.poison = poison
        self.times = times
        self.busy = asyncio.Event()
        self.busy.set()
        self.inside = 0

    async def receive(self, message: str) -> str:
        """Handle one."""
        assert self.inside == 0, "two at once"
        self.inside += 1
        try:
            self.seen.append(message)
            await self.busy.wait()
            if message == self.poison and self.times:
                self.times -= 1
                raise ValueError(message)
            self.written.append(message)
            return message.upper()
        finally:
            self.inside -= 1


async def test_messages_are_handled_one_at_a_time_in_order() -> None:
    """Told or asked, from many senders: FIFO, and each answer is its question's."""
    scribe = Scribe()
    actor = Actor("scribe", scribe.receive)
    running = asyncio.create_task(actor.run(nothing))
    await actor.tell("a")
    answers = await asyncio.gather(*(actor.ask(one) for one in "bcdef"))
    assert answers == list("BCDEF")
    assert scribe.written == list("abcdef")
    await actor.stop()
    await running


async def test_who_sends_to_a_full_mailbox_waits_for_room() -> None:
    """Bounded: the sender waits, in order, and nothing is lost."""
    scribe = Scribe()
    scribe.busy.clear()
    actor = Actor("scribe", scribe.receive, mailbox_max=2)
    running = asyncio.create_task(actor.run(nothing))
    telling = [asyncio.create_task(actor.tell(one)) for one in "abcde"]
    await settle()
    assert [one.done() for one in telling] == [True, True, False, False, False]
    assert len(actor) == 2
    scribe.busy.set()
    await asyncio.gather(*telling)
    await actor.stop()
    await running
    assert scribe.written == list("abcde")


async def test_a_told_message_that_killed_its_actor_comes_first_in_its_next_life() -> None:
    """B3: nobody waits for it, so it is delivered again, before those that were behind it."""
    scribe = Scribe("b", times=2)
    actor = Actor("scribe", scribe.receive)
    for one in "abc":
        await actor.tell(one)
    for _ in range(2):
        with pytest.raises(ValueError, match="b"):
            await actor.run(nothing)
    running = asyncio.create_task(actor.run(nothing))
    await actor.stop()
    await running
    assert scribe.seen == list("abbbc")
    assert scribe.written == list("abc")


async def test_who_asked_gets_the_error_that_killed_the_actor() -> None:
    """B3: its sender gets the error, the message is not put again, and the others wait for the
    next life."""
    scribe = Scribe("b", times=1)
    actor = Actor("scribe", scribe.receive)
    asking = [asyncio.create_task(actor.ask(one)) for one in "abc"]
    await settle()
    with pytest.raises(ValueError, match="b"):
        await actor.run(nothing)
    running = asyncio.create_task(actor.run(nothing))
    assert await asyncio.gather(*asking, return_exceptions=True) == [
        "A",
        asking[1].exception(),
        "C",
    ]
    assert isinstance(asking[1].exception(), ValueError)
    assert scribe.seen == list("abc")
    await actor.stop()
    await running


async def test_a_message_in_hand_at_a_cancellation_is_not_lost() -> None:
    """Killed in the middle: what was told is handled in the next life, who asked is told so."""
    scribe = Scribe()
    scribe.busy.clear()
    actor = Actor("scribe", scribe.receive)
    running = asyncio.create_task(actor.run(nothing))
    await actor.tell("told")
    asked = asyncio.create_task(actor.ask("asked"))
    await settle()
    running.cancel()
    await asyncio.wait({running})
    running = asyncio.create_task(actor.run(nothing))
    await settle()
    scribe.busy.set()
    assert await asked == "ASKED"
    scribe.busy.clear()
    asked = asyncio.create_task(actor.ask("again"))
    await settle()
    running.cancel()
    with pytest.raises(Stopped, match="while it worked on this"):
        await asked
    assert scribe.seen == ["told", "told", "asked", "again"]


async def test_a_graceful_stop_handles_what_waits_and_takes_no_more() -> None:
    """Every message that was taken is handled; who comes later, or waited for room, gets an error;
    the next life takes messages again."""
    scribe = Scribe()
    scribe.busy.clear()
    actor = Actor("scribe", scribe.receive, mailbox_max=3)
    running = asyncio.create_task(actor.run(nothing))
    for one in "abc":
        await actor.tell(one)
    late = asyncio.create_task(actor.tell("d"))
    await settle()
    stopping = [asyncio.create_task(actor.stop()) for _ in range(2)]
    await settle()
    scribe.busy.set()
    await asyncio.gather(*stopping, running)
    assert scribe.written == list("abc")
    with pytest.raises(Stopped, match="scribe was stopped"):
        await late
    with pytest.raises(Stopped, match="scribe was stopped"):
        await actor.ask("e")
    running = asyncio.create_task(actor.run(nothing))
    await settle()
    assert await actor.ask("f") == "F"
    await actor.stop()
    await running


async def test_who_asked_an_actor_that_never_comes_back_is_told() -> None:
    """Nobody waits in vain; an answer that nobody waits for any more is not worked out."""
    scribe = Scribe()
    actor = Actor("scribe", scribe.receive)
    gone = asyncio.create_task(actor.ask("gone"))
    asked = asyncio.create_task(actor.ask("asked"))
    await settle()
    gone.cancel()
    await asyncio.wait({gone})
    running = asyncio.create_task(actor.run(nothing))
    assert await asked == "ASKED"
    assert scribe.seen == ["asked"]
    running.cancel()
    await asyncio.wait({running})
    left = asyncio.create_task(actor.ask("left"))
    await actor.tell("told")
    await settle()
    actor.abandon()
    with pytest.raises(Stopped):
        await left
    assert len(actor) == 0

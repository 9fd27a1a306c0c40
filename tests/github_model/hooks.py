"""Webhooks: signed deliveries to one address, once each and never again by themselves.

A test says what becomes of them: lost, doubled, late, out of order. Knows no event's meaning.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from tests.github_model.clock import Clock
from tests.github_model.descriptions import event_faults, of_event

LIMIT_S = 10
"""How long GitHub waits for an answer."""


@dataclass
class Delivery:
    """One delivery, as the App's list of deliveries knows it."""

    id: int
    guid: str
    event: str
    action: str
    payload: dict[str, Any]
    installation: int
    repository: int | None
    at_ms: int
    redelivery: bool = False
    status: str = "pending"
    status_code: int = 0
    sent: int = 0

    @property
    def body(self) -> bytes:
        """The bytes that are signed and sent."""
        return json.dumps(self.payload, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Way:
    """What becomes of a delivery: how many copies, how late, behind how many others."""

    copies: int = 1
    delay_ms: int = 0
    behind: int = 0


STRAIGHT = Way()
LOST = Way(copies=0)
TWICE = Way(copies=2)


def doubled_and_shuffled(seed: int) -> Callable[[Delivery], Way]:
    """Every delivery twice, and up to five places late."""
    dice = Random(seed)
    return lambda delivery: Way(copies=2, behind=dice.randrange(6))


@dataclass
class Hooks:
    """The App's webhook: where it goes, with which secret, and what became of each delivery.

    `url` None: the App has none. What happens is checked all the same, and nothing is on record.
    """

    clock: Clock
    url: str | None = None
    secret: str = "hush"
    way: Callable[[Delivery], Way] = lambda delivery: STRAIGHT
    log: list[Delivery] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _waiting: asyncio.Queue[Delivery | None] = field(default_factory=asyncio.Queue)
    _behind: list[tuple[int, Delivery]] = field(default_factory=list)
    _late: set[asyncio.Task[None]] = field(default_factory=set)
    _worker: asyncio.Task[None] | None = None
    _open: int = 0
    _none_open: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 7_000_000

    def __post_init__(self) -> None:
        self._none_open.set()

    def emit(
        self,
        event: str,
        action: str,
        known: dict[str, Any],
        installation: int,
        repository: int | None,
    ) -> None:
        """Send an event: `known` is completed and checked against its schema."""
        if action:
            known = {"action": action} | known
        payload = of_event(event, action, known)
        self.violations += event_faults(event, action, payload)
        if self.url is None:
            return
        self._next += 1
        delivery = Delivery(
            self._next,
            str(uuid.UUID(int=self._next, version=4)),
            event,
            action,
            payload,
            installation,
            repository,
            self.clock.now_ms(),
        )
        self.log.append(delivery)
        self._dispatch(delivery, self.way(delivery))

    def redeliver(self, number: int) -> None:
        """Send a delivery again, on request. Raises KeyError where there is none."""
        held = next((one for one in self.log if one.id == number), None)
        if held is None:
            raise KeyError(number)
        self._next += 1
        again = Delivery(
            self._next,
            held.guid,
            held.event,
            held.action,
            held.payload,
            held.installation,
            held.repository,
            self.clock.now_ms(),
            redelivery=True,
        )
        self.log.append(again)
        self._dispatch(again, STRAIGHT)

    def _dispatch(self, delivery: Delivery, way: Way) -> None:
        if not way.copies:
            delivery.status, delivery.status_code = "failed to connect to host", 502
            return
        for _ in range(way.copies):
            if not way.delay_ms:
                self._undelivered(1)
            if way.delay_ms:
                task = asyncio.create_task(self._later(delivery, way.delay_ms))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            elif way.behind:
                self._behind.append((way.behind, delivery))
                self._waiting.put_nowait(None)  # wakes the worker, which looks behind
            else:
                self._waiting.put_nowait(delivery)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    async def _later(self, delivery: Delivery, delay_ms: int) -> None:
        await self.clock.sleep(delay_ms)
        self._undelivered(1)
        self._waiting.put_nowait(delivery)

    def _undelivered(self, more: int) -> None:
        self._open += more
        if self._open:
            self._none_open.clear()
        else:
            self._none_open.set()

    async def _work(self) -> None:
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                if self._behind and self._waiting.empty():
                    await asyncio.sleep(0.02)  # for those that it was put behind
                    if self._waiting.empty():
                        self._bring_forward(1 << 30)
                delivery = await self._waiting.get()
                if delivery is not None:
                    await self._send(session, delivery)
                    self._bring_forward(1)
                    self._undelivered(-1)

    def _bring_forward(self, places: int) -> None:
        held, self._behind = self._behind, []
        for left, delivery in held:
            if left <= places:
                self._waiting.put_nowait(delivery)
            else:
                self._behind.append((left - places, delivery))

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        assert self.url is not None
        body = delivery.body
        headers = signed(body, self.secret) | {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/model",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Hook-ID": "1",
            "X-GitHub-Hook-Installation-Target-Type": "integration",
        }
        delivery.sent += 1
        try:
            async with session.post(self.url, data=body, headers=headers) as answer:
                delivery.status_code = answer.status
                delivery.status = "OK" if answer.ok else f"Invalid HTTP Response: {answer.status}"
        except (aiohttp.ClientError, TimeoutError):
            delivery.status, delivery.status_code = "failed to connect to host", 502

    async def settled(self) -> None:
        """Wait until everything that is not late by the clock has been delivered."""
        for _ in range(3):  # for those whose time has just come to be counted
            await asyncio.sleep(0)
        await self._none_open.wait()

    async def close(self) -> None:
        """Stop delivering."""
        for task in [*self._late, *([self._worker] if self._worker else [])]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._worker = None


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The signatures of a body."""
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256="
        + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }

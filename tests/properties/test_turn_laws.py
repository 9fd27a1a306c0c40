"""Whose turn it is to change something on GitHub, whatever comes and in whatever order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oya_vcs.adapters.clock import ManualClock
from oya_vcs.adapters.github import Wire
from oya_vcs.adapters.github.limits import WRITE_MS, WRITES_MAX
from oya_vcs.adapters.github.turns import OLDEST_EVERY, Turn, Turns, Urgency, turn_of

API = "https://github.test/repos/acme/widget"

COMING = st.tuples(st.sampled_from(Urgency), st.sampled_from("abcdef"))
STEPS = st.lists(st.none() | COMING, max_size=120)
"""What comes, and None where somebody may go."""


def played(steps: list[tuple[Urgency, str] | None], see: Callable[[list[Turn], Turn], None]) -> int:
    """Have all come and go; `see` is shown who waited, in the order of their coming, and who went.
    Returns how many went."""
    turns, waiting, gone = Turns(), list[Turn](), 0
    for step in [*steps, *[None] * len(steps)]:
        if step is not None:
            turn = Turn(*step)
            turns.join(turn)
            waiting.append(turn)
        elif (first := turns.first()) is not None:
            see(waiting, first)
            turns.go(first)
            waiting.remove(first)
            gone += 1
    assert not waiting
    assert turns.first() is None
    return gone


@given(STEPS)
def test_one_subject_keeps_its_order(steps: list[tuple[Urgency, str] | None]) -> None:
    """Nobody goes before another one about the same that came earlier; everybody goes once."""

    def see(waiting: list[Turn], first: Turn) -> None:
        assert next(one for one in waiting if one.subject == first.subject) is first

    assert played(steps, see) == sum(step is not None for step in steps)


@given(STEPS)
def test_the_most_urgent_subject_goes_first(steps: list[tuple[Urgency, str] | None]) -> None:
    """But for one turn in OLDEST_EVERY, which is that of whoever waits longest."""
    went: list[Turn] = []

    def see(waiting: list[Turn], first: Turn) -> None:
        went.append(first)
        if len(went) % OLDEST_EVERY == 0:
            assert first is waiting[0]
            return
        best = min(one.urgency for one in waiting)
        about = [one for one in waiting if one.subject == first.subject]
        assert min(one.urgency for one in about) == best

    played(steps, see)


@given(STEPS, st.integers(0, 119))
def test_nobody_waits_for_ever(steps: list[tuple[Urgency, str] | None], which: int) -> None:
    """Whoever has n before them goes within n + 1 times OLDEST_EVERY turns, whatever comes
    later."""
    bound: dict[int, int] = {}

    def see(waiting: list[Turn], first: Turn) -> None:
        for place, one in enumerate(waiting):
            bound.setdefault(id(one), (place + 1) * OLDEST_EVERY)
        for one in waiting:
            bound[id(one)] -= 1
            assert bound[id(one)] >= 0 or one is first

    played([*steps[:which], *steps], see)


def test_a_landing_passes_all_comments() -> None:
    """Fifty comments wait: of what comes then, the landing is done at once, the label after it."""
    turns = Turns()
    for number in range(50):
        turns.join(turn_of("POST", f"{API}/issues/{number}/comments"))
    label = turn_of("POST", f"{API}/issues/60/labels")
    landing = turn_of("POST", "https://github.test/graphql")
    for turn in (label, landing):
        turns.join(turn)
    assert turns.first() is landing
    turns.go(landing)
    assert turns.first() is label


@pytest.mark.parametrize(
    ("method", "path", "urgency", "subject"),
    [
        ("POST", "/api/graphql", Urgency.LANDING, "/api/graphql"),
        ("PATCH", f"{API}/git/refs/heads/main", Urgency.LANDING, f"{API}/git/refs/heads/main"),
        ("POST", "/app/installations/1/access_tokens", Urgency.LANDING, None),
        ("POST", f"{API}/check-runs", Urgency.SHOWING, None),
        ("PATCH", f"{API}/check-runs/7", Urgency.SHOWING, None),
        ("POST", f"{API}/pulls", Urgency.SHOWING, None),
        ("PATCH", f"{API}/pulls/7", Urgency.SHOWING, None),
        ("POST", f"{API}/issues/7/labels", Urgency.SHOWING, f"{API}/issues/7"),
        ("DELETE", f"{API}/issues/7/labels/oya%3Aqueue", Urgency.SHOWING, f"{API}/issues/7"),
        ("POST", f"{API}/issues/7/comments", Urgency.SAYING, f"{API}/issues/7"),
        ("PATCH", f"{API}/issues/comments/9", Urgency.SAYING, None),
        ("DELETE", f"{API}/git/refs/heads/oya/queue/x", Urgency.SAYING, None),
        ("POST", "/app/hook/deliveries/1/attempts", Urgency.SAYING, None),
    ],
)
def test_each_request_has_its_place(
    method: str, path: str, urgency: Urgency, subject: str | None
) -> None:
    """By what it changes."""
    turn = turn_of(method, path)
    assert (turn.urgency, turn.subject) == (urgency, subject or path)


async def test_the_pace_holds_and_the_order_is_that_of_urgency() -> None:
    """On the wire: after the burst one a second, whatever they are; of those that wait, the landing
    is sent first, then labels, then comments; one that is given up holds nobody up."""
    clock, sent, times, all_wait = ManualClock(), list[str](), list[int](), asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        await all_wait.wait()
        sent.append(request.url.path)
        times.append(clock.now_ms())
        return httpx.Response(200, json={}, headers={"content-type": "application/json"})

    comments = [f"/repos/a/b/issues/{number}/comments" for number in range(WRITES_MAX + 5)]
    label, landing = "/repos/a/b/issues/99/labels", "/repos/a/b/git/refs/heads/main"
    async with Wire("https://github.test", clock, transport=httpx.MockTransport(answer)) as wire:
        asking = [
            asyncio.create_task(wire.ask("PATCH" if path == landing else "POST", path, body={}))
            for path in [*comments, label, landing]
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        asking[3].cancel()
        await asyncio.wait([asking[3]])
        all_wait.set()
        await asyncio.gather(*asking, return_exceptions=True)
    assert asking[3].cancelled()
    del comments[3]
    assert sent == [comments[0], landing, label, *comments[1:]]
    assert times[WRITES_MAX - 1] == times[0]
    assert all(after - before >= WRITE_MS for before, after in pairwise(times[WRITES_MAX - 1 :]))

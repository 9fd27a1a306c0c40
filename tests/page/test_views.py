"""The page in a real browser: what is drawn, what is asked, what is measured. `make test-page`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.runtime.daemon import granted
from tests.browser import MISSING, Tab, browser, program
from tests.daemons import spec
from tests.pages import Served, served

pytestmark = [
    pytest.mark.page,
    pytest.mark.callback_blocks,
    pytest.mark.skipif(program() is None, reason=MISSING),
]
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e'\"&"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Served]:
    """A served page."""
    async with served(tmp_path / "home") as found:
        yield found


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    """A browser, in which nothing may go wrong."""
    async with browser(tmp_path / "profile") as found:
        yield found
        assert found.errors == []


def grid(layers: int, height: int) -> list[BeadSpec]:
    """Layers of beads, each needing two of the layer before."""
    beads = []
    for layer in range(layers):
        for row in range(height):
            needs = {f"n{layer - 1}-{row}", f"n{layer - 1}-{(row + 1) % height}"} if layer else ()
            beads.append(spec(f"n{layer}-{row}", *sorted(needs)))
    return beads


async def test_fifty_beads_are_drawn_within_a_second(page: Served, tab: Tab) -> None:
    """From the beginning of the navigation to the placed graph, and each bead is there."""
    await page.submit(*grid(10, 5))
    await tab.goes(page.web.address)
    drawn_ms = await tab.run("performance.getEntriesByName('oya-graph-shown')[0].startTime")
    assert await tab.run("oya.view.graph.canvas.spots.size") == 50
    assert drawn_ms < 1_000


async def test_what_happens_is_seen(page: Served, tab: Tab) -> None:
    """A bead that is cancelled elsewhere is so here; a new one appears."""
    await page.submit(spec("worked-on"))
    await page.submit(spec("a"))
    await tab.goes(page.web.address)
    await granted(page.door, Wish(verb=Verb.CANCEL, beads=(BeadId("a"),)))
    await tab.until("oya.store.beads.get('a').state === 'cancelled'")
    await page.submit(spec("b", "a"))
    await tab.until("oya.view.graph.canvas.spots.has('b')")
    assert await tab.run("oya.store.seq") == page.engine.seq


async def test_a_link_lets_act_and_each_action_asks_first(page: Served, tab: Tab) -> None:
    """Without it every action is off. With it each is done with its note, and the code is gone from
    the address."""
    await page.submit(spec("worked-on"))
    await page.submit(spec("a"))
    await tab.goes(f"{page.web.address}/#graph/a")
    await tab.until("document.querySelector('[data-key=ask-cancel]')")
    assert await tab.run("document.querySelector('[data-key=ask-cancel]').disabled")
    await tab.command("Page.navigate", url="about:blank")
    await tab.goes(page.page.link(page.web.address))
    await tab.until("!location.hash.includes('code') && document.getElementById('mode').hidden")
    await tab.run("location.hash = '#graph/a'")
    for verb, state in (
        ("pause", "paused"),
        ("resume", "ready"),
        ("cancel", "cancelled"),
        ("retry", "ready"),
    ):
        await tab.clicks(f"[data-key=ask-{verb}]")
        await tab.until("document.querySelector('dialog textarea')")
        await tab.run("document.querySelector('dialog textarea').value = 'because'")
        await tab.clicks("dialog button[value=yes]")
        await tab.until(f"oya.store.beads.get('a').state === '{state}'")
    story = (await page.get("/api/beads/a/events"))["events"]
    assert sum("why because" in one["text"] for one in story) == 4


async def test_every_view_shows_itself(page: Served, tab: Tab) -> None:
    """Queue, workers and health have what the API has; the past is shown and left again."""
    await page.submit(*grid(3, 3))
    await tab.goes(page.web.address)
    for view, text in (("queue", "in the queue"), ("workers", "slots"), ("health", "All is well")):
        await tab.run(f"location.hash = '#{view}'")
        await tab.until(f"document.getElementById('view-{view}').textContent.includes('{text}')")
    await tab.run(
        "location.hash = '#graph'; const s = document.querySelector('.time input');"
        " s.value = 1; s.dispatchEvent(new Event('input'))"
    )
    await tab.until("oya.view.graph.past && oya.view.graph.shown.beads.size === 0")
    await tab.clicks(".now")
    await tab.until("oya.view.graph.shown.beads.size === 9")


async def test_hostile_words_are_only_words(page: Served, tab: Tab) -> None:
    """In the graph, the panel, the list and the timeline: no element, no script, no error of the
    page's policy comes of them."""
    bad = BeadSpec(id=BeadId("bad"), title=HOSTILE, description=HOSTILE, labels=(HOSTILE,))
    await page.submit(bad)
    await page.post("/api/beads/bad/pause", {"why": HOSTILE})
    await tab.goes(f"{page.web.address}/#graph/bad")
    await tab.until("document.querySelector('#panel h2')")
    assert await tab.run("document.querySelector('#panel h2').textContent") == HOSTILE
    for name in ("Details", "Diff", "Log", "Timeline"):
        await tab.clicks(f"[data-key=tab-{name}]")
        await tab.until(f"document.querySelector('[data-key=tab-{name}][aria-selected=true]')")
    await tab.clicks("#view-graph .bar button[aria-pressed]")
    assert (
        await tab.run("document.querySelectorAll('main img, #panel img, main script').length") == 0
    )
    tab.errors[:] = [one for one in tab.errors if "404" not in one]  # it has no log and no diff


async def test_it_comes_back_after_a_restart(tmp_path: Path, tab: Tab) -> None:
    """The daemon goes and comes back at its address: the page says so both times, and has what
    happened meanwhile."""
    async with served(tmp_path / "home") as page:
        await page.submit(spec("a"))
        at = page.web.address
        await tab.goes(at)
    await tab.until("document.getElementById('link').textContent === 'reconnecting'")
    async with served(tmp_path / "home", at.removeprefix("http://")) as page:
        await page.submit(spec("b"))
        await tab.until("document.getElementById('link').textContent === 'live'")
        await tab.until("oya.store.beads.has('b')")
        assert await tab.run("oya.store.seq") == page.engine.seq
    tab.errors.clear()  # refused connections, meanwhile


async def test_it_is_of_use_at_360_pixels_and_by_keyboard(page: Served, tab: Tab) -> None:
    """Nothing is wider than the screen; arrows go along dependencies and are said; Enter opens."""
    await page.submit(*grid(3, 2))
    await tab.looks(360, 720)
    await tab.goes(page.web.address)
    assert await tab.run("document.documentElement.scrollWidth") <= 360
    press = (
        "document.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
    )
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        await tab.run(press % key)
    assert "needs 2" in await tab.run("document.getElementById('graph-say').textContent")
    await tab.until("document.querySelector('#panel h2')")
    assert await tab.run("document.documentElement.scrollWidth") <= 360


async def test_a_thousand_beads_move_and_five_thousand_open(page: Served, tab: Tab) -> None:
    """1,000 (unfolded) are panned at 30 frames a second or more; 5,000 open, in stacks."""
    await page.submit(*grid(40, 25))
    await tab.goes(page.web.address)
    script = """new Promise((done) => { let frames = 0; const canvas = oya.view.graph.canvas,
      began = performance.now(), before = canvas.frames;
      const step = () => { canvas.pan(frames % 2 ? 9 : -7, 3); frames += 1;
        if (frames < 60) requestAnimationFrame(step);
        else done((canvas.frames - before) / (performance.now() - began) * 1000); }; step(); })"""
    rate = await tab.run(script)
    sys.stdout.write(f"1,000 beads: {rate:.0f} frames/s\n")
    assert rate >= 30
    await page.submit(*(spec(f"m{number}") for number in range(4_000)))
    await tab.goes(f"{page.web.address}/?again")
    assert await tab.run("oya.store.beads.size") == 5_000
    assert await tab.run("oya.view.graph.canvas.spots.size") < 1_500


async def test_events_reach_the_screen_soon(page: Served, tab: Tab) -> None:
    """At 20 events a second, and in bursts of 500: all of them, and how long each took."""
    await page.submit(*grid(20, 25))
    await tab.goes(page.web.address)
    every = [BeadId(f"n{layer}-{row}") for layer in range(20) for row in range(25)]
    for burst, rounds, pause_s in ((1, 60, 0.05), (500, 4, 1.0)):
        await tab.run("oya.waits.length = 0")
        for turn in range(rounds):
            began = time.monotonic()
            verb = Verb.PAUSE if turn % 2 == 0 else Verb.RESUME
            beads = [BeadId("n5-1")] if burst == 1 else every
            wishes = [Wish(verb=verb, beads=(bead,)) for bead in beads]
            await asyncio.gather(*(granted(page.door, wish) for wish in wishes))
            while time.monotonic() - began < pause_s:
                await tab.run("1")
        await tab.until(f"oya.store.seq === {page.engine.seq}")
        waits: list[float] = sorted(json.loads(await tab.run("JSON.stringify(oya.waits)")))
        assert waits
        told = (
            f"p50 {waits[len(waits) // 2]:.0f} ms, p99 {waits[int(len(waits) * 0.99) - 1]:.0f} ms"
        )
        sys.stdout.write(f"bursts of {burst}: {len(waits)} events to the screen, {told}\n")

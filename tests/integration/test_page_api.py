"""The API over real HTTP, on a real journal."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from oya_vcs.core.ids import BeadId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.wishes import Verb, Wish
from oya_vcs.runtime.daemon import granted
from tests.daemons import spec
from tests.pages import Served, seqs, served

HOSTILE = "</script><script>alert(1)</script>\u202e'\"\\ {{7*7}} \x1b[31m"


MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(")


def named(bead: str, title: str) -> BeadSpec:
    """A bead with a title."""
    return BeadSpec(id=BeadId(bead), title=title)


async def test_every_question_has_an_answer(tmp_path: Path) -> None:
    """Beads, one bead, its story, graph, queue, workers, events, workflows, health, figures: each
    is JSON (or Prometheus' text) and says what is on record."""
    async with served(tmp_path / "home") as page:
        await page.submit(spec("a", labels=("x",)), spec("b", "a"), spec("c", "b"))
        listed = await page.get("/api/beads")
        assert [one["id"] for one in listed["beads"]] == ["a", "b", "c"]
        pending = await page.get("/api/beads?state=pending&limit=1")
        assert ([one["id"] for one in pending["beads"]], pending["next"]) == (["b"], "b")
        bead = await page.get("/api/beads/b")
        assert [one["id"] for one in bead["needs"]] == ["a"]
        assert [one["id"] for one in bead["dependents"]] == ["c"]
        assert "cancel" in bead["can"]
        story = await page.get("/api/beads/b/events")
        assert [one["type"] for one in story["events"]] == ["BeadAdded"]
        graph = await page.get("/api/graph")
        assert [(one["id"], one["needs"]) for one in graph["beads"]] == [
            ("a", []),
            ("b", ["a"]),
            ("c", ["b"]),
        ]
        assert (await page.get("/api/queue"))["queues"][0]["target"] == "main"
        pool = (await page.get("/api/workers"))["pools"][0]
        assert pool["total"] == pool["idle"] + pool["claimed"] + pool["unhealthy"] == 1
        events = await page.get("/api/events?limit=2")
        assert (seqs(events["events"]), events["next"]) == ([1, 2], 2)
        workflow = (await page.get("/api/workflows"))[0]
        assert (workflow["beads"], workflow["unfinished"]) == (3, 3)
        health = await page.get("/api/health")
        assert (health["status"], health["machine"]["kind"]) == ("ok", "up")
        text = (await page.client.get("/metrics")).text
        assert 'oya_beads{state="pending"} 2' in text
        assert re.search(r"^oya_journal_events_total \d+$", text, re.MULTILINE)


async def test_a_graph_comes_in_pages_that_add_up(tmp_path: Path) -> None:
    """Each bead once, in the order they came."""
    async with served(tmp_path / "home") as page:
        await page.submit(*(spec(f"n{number:02}") for number in range(23)))
        found: list[str] = []
        offset: int | None = 0
        while offset is not None:
            part = await page.get(f"/api/graph?limit=10&offset={offset}")
            found += [one["id"] for one in part["beads"]]
            offset = part["next"]
        assert found == [f"n{number:02}" for number in range(23)]


async def test_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    """The tag of an answer stays while nothing happens, and is another one after."""
    async with served(tmp_path / "home") as page:
        tag = (await page.client.get("/api/graph")).headers["etag"]
        again = await page.client.get("/api/graph", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        await page.submit(spec("a"))
        changed = await page.client.get("/api/graph", headers={"If-None-Match": tag})
        assert changed.status_code == 200


async def test_the_past_is_as_it_was(tmp_path: Path) -> None:
    """The graph as of each event, in any order of asking; the last one is the graph of now."""
    async with served(tmp_path / "home") as page:
        for name in "abc":
            await page.submit(spec(name))
        last = page.engine.seq
        whole = (await page.get("/api/graph"))["beads"]
        seen = {}
        for seq in [last, 1, last - 1, 3, last + 50]:
            then = await page.get(f"/api/graph?at={seq}")
            seen[seq] = [one["id"] for one in then["beads"]]
            assert then["seq"] == min(seq, last)
        assert (seen[1], seen[last]) == ([], ["a", "b", "c"])
        assert (await page.get(f"/api/graph?at={last}"))["beads"] == whole
        assert set(seen[3]) < {"a", "b", "c"}


REFUSED = [
    ("GET", "/api/beads/nobody", None, 404),
    ("GET", "/api/beads/nobody/events", None, 404),
    ("GET", "/api/beads/nobody/log", None, 404),
    ("GET", "/api/beads/..%2f..%2ftoken/log", None, 404),
    ("GET", "/api/beads?state=happy", None, 422),
    ("GET", "/api/graph?limit=0", None, 400),
    ("GET", "/page/nothing.js", None, 404),
    ("GET", "/page/..%2f..%2fapp.py", None, 404),
    ("GET", "/nowhere", None, 404),
    ("POST", "/api/beads/nobody/cancel", {}, 404),
    ("POST", "/api/beads/a/explode", {}, 404),
    ("POST", "/api/beads/a/retry", {}, 409),
    ("GET", "/api/beads/a/diff", None, 404),
    ("POST", "/api/beads/a/cancel", {"nonsense": 1}, 400),
    ("POST", "/api/queue/explode", {}, 404),
    ("POST", "/api/queue/pause", {"repo": "elsewhere"}, 404),
    ("POST", "/api/workflows", {"repo": "/r", "beads": [{"id": "x", "deps": ["x"]}]}, 422),
    ("POST", "/api/workflows", {"repo": "/r", "beads": []}, 400),
    ("POST", "/api/session", {"code": "guess"}, 401),
]


async def test_refusals_are_problems_that_say_why(tmp_path: Path) -> None:
    """Each with its status, a title and a detail, as RFC 9457 has it."""
    async with served(tmp_path / "home") as page:
        await page.submit(spec("a"))
        for method, path, body, status in REFUSED:
            answer = await page.client.request(method, path, json=body, headers=page.token)
            assert answer.status_code == status, (path, answer.text)
            assert answer.headers["content-type"].startswith("application/problem+json"), path
            said = answer.json()
            assert said["status"] == status
            assert said["title"]
            assert said["detail"]


async def test_changes_take_the_token_and_are_on_record(tmp_path: Path) -> None:
    """Without it, or with another, nothing happens; with it the wish is in the journal, with its
    words; a link's code gives a pass, once."""
    async with served(tmp_path / "home") as page:
        await page.submit(spec("worked-on"))
        await page.submit(spec("a"))
        before = page.engine.seq
        for wrong in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic eDp5"}):
            answer = await page.client.post("/api/beads/a/cancel", json={}, headers=wrong)
            assert (answer.status_code, page.engine.seq) == (401, before)
        told = (await page.post("/api/beads/a/cancel", {"why": "not now", "who": "Ann"})).json()
        assert (told["state"], told["changed"], told["refused"]) == ("cancelled", True, False)
        story = await page.get("/api/beads/a/events")
        assert "who Ann, why not now" in [one["text"] for one in story["events"]]
        code = page.page.link(page.web.address).partition("#code=")[2]
        entered = await page.client.post("/api/session", json={"code": code})
        bearer = {"Authorization": f"Bearer {entered.json()['token']}"}
        again = await page.post("/api/beads/a/retry", {}, **bearer)
        assert again.json()["state"] in {"ready", "pending"}
        twice = await page.client.post("/api/session", json={"code": code})
        assert twice.status_code == 401
        assert stat.S_IMODE(page.home.token.stat().st_mode) == 0o600


async def test_beads_and_gates_come_in_over_http(tmp_path: Path) -> None:
    """Beads as in a beads file, and what is said to the queue."""
    async with served(tmp_path / "home") as page:
        beads = [{"id": "a", "title": "A"}, {"id": "b", "title": "B", "deps": ["a"]}]
        taken = await page.post("/api/workflows", {"repo": "/r", "beads": beads})
        assert (taken.status_code, taken.json()["count"]) == (201, 2)
        paused = await page.post("/api/queue/pause", {"why": "lunch"})
        assert "paused" in paused.json()["said"]
        assert (await page.get("/api/queue"))["queues"][0]["paused"] == "lunch"
        assert (await page.post("/api/queue/resume", {})).status_code == 200
        frozen = await page.post("/api/queue/freeze", {"for_ms": 60_000})
        assert frozen.status_code == 200
        assert (await page.get("/api/queue"))["queues"][0]["frozen_until_ms"] > 0


async def test_other_sites_and_other_names_are_refused(tmp_path: Path) -> None:
    """A Host that is not this machine (a name that was rebound) and an Origin that is not ours,
    whatever is asked, also with the token and for a WebSocket."""
    async with served(tmp_path / "home") as page:
        port = page.web.address.rpartition(":")[2]
        for path in ("/", "/api/health", "/api/beads", "/metrics"):
            for host, origin, status in (
                (f"evil.example:{port}", None, 421),
                (f"127.0.0.1.evil.example:{port}", None, 421),
                ("", None, 421),
                (f"127.0.0.1:{port}", "http://evil.example", 403),
                (f"127.0.0.1:{port}", "null", 403),
                (f"127.0.0.1:{port}", "http://127.0.0.1:1", 403),
                (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}", 200),
                (f"localhost:{port}", f"http://localhost:{port}", 200),
            ):
                headers = {"Host": host, **({"Origin": origin} if origin else {}), **page.token}
                assert (await page.client.get(path, headers=headers)).status_code == status
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Origin": "http://evil.example",
        }
        answer = await page.client.get("/api/ws", headers=upgrade)
        assert answer.status_code == 403


async def test_through_a_proxy_reading_takes_a_pass(tmp_path: Path) -> None:
    """By the name that `[web] url` gives us the page is served, and what it shows is not, unless
    there is a token; no other name is ours."""
    async with served(tmp_path / "home") as page:
        ours = {"Host": "oya.example.org", "Origin": "https://oya.example.org"}
        assert (await page.client.get("/", headers=ours)).status_code == 200
        assert (await page.client.get("/api/beads", headers=ours)).status_code == 401
        assert (await page.client.get("/api/beads", headers=ours | page.token)).status_code == 200
        theirs = {"Host": "oya.example.com", **page.token}
        assert (await page.client.get("/", headers=theirs)).status_code == 421


async def test_hostile_words_stay_words(tmp_path: Path) -> None:
    """In JSON they are text, the page has no inline script, its policy allows none, and nothing may
    embed it."""
    async with served(tmp_path / "home") as page:
        await page.submit(named("a", HOSTILE))
        assert (await page.get("/api/beads/a"))["bead"]["title"] == HOSTILE
        graph = await page.client.get("/api/graph")
        assert graph.headers["content-type"] == "application/json"
        assert graph.headers["x-content-type-options"] == "nosniff"
        front = await page.client.get("/")
        policy = front.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", front.text)
        assert HOSTILE not in front.text


async def test_no_file_of_the_page_makes_markup_of_text(tmp_path: Path) -> None:
    """Every file that the page names is served, and none of the scripts turns text into markup or
    code."""
    async with served(tmp_path / "home") as page:
        todo, seen = ["/"], set[str]()
        while todo:
            path = todo.pop()
            answer = await page.client.get(path)
            assert answer.status_code == 200, path
            seen.add(path)
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", answer.text
            )
            found = set(re.findall(r"/page/[\w.-]+", answer.text))
            todo += sorted(found - seen - set(todo))
        assert {"/page/app.js", "/page/layout.js", "/page/style.css"} <= seen


async def test_the_description_names_every_way(tmp_path: Path) -> None:
    """OpenAPI, with the answers' shapes and the refusals."""
    async with served(tmp_path / "home") as page:
        schema: dict[str, Any] = await page.get("/schema")
    assert schema["openapi"].startswith("3.")
    assert {
        "/api/health",
        "/api/workflows",
        "/api/beads",
        "/api/beads/{bead}",
        "/api/beads/{bead}/{verb}",
        "/api/beads/{bead}/events",
        "/api/beads/{bead}/log",
        "/api/graph",
        "/api/queue",
        "/api/workers",
        "/api/events",
    } <= set(schema["paths"])
    told = json.dumps(schema["paths"]["/api/graph"]["get"]["responses"])
    assert "Graph" in told
    assert "problem+json" in told


async def _cancelled(page: Served, name: str) -> None:
    await granted(page.door, Wish(verb=Verb.CANCEL, beads=(BeadId(name),)))


async def test_a_client_hears_every_event_in_order(tmp_path: Path) -> None:
    """From the event that it names, over what is kept and what is only in the journal, and with the
    beads as they are then."""
    async with served(tmp_path / "home") as page:
        await page.submit(*(spec(f"n{number}") for number in range(40)))
        async with page.listening(after=0) as ear, page.listening() as late:
            assert (await late.message())["is"] == "hello"
            for number in range(40):
                await _cancelled(page, f"n{number}")
            last = page.engine.seq
            await ear.until(last)
            await late.until(last)
        assert seqs(ear.events) == list(range(1, last + 1))
        assert seqs(late.events) == list(range(last - len(late.events) + 1, last + 1))
        now = (await page.get("/api/graph"))["beads"]
        assert ear.beads == {one["id"]: one for one in now}
        assert ear.frames < last, "what happens at once is gathered"


async def test_nothing_is_missed_over_a_restart(tmp_path: Path) -> None:
    """A client that comes back with its last event hears all that happened meanwhile, once."""
    heard: list[int] = []
    async with served(tmp_path / "home") as page:
        async with page.listening(after=0) as ear:
            await page.submit(spec("a"))
            await ear.until(page.engine.seq)
            heard += seqs(ear.events)
        await page.submit(spec("b"))
    async with served(tmp_path / "home") as page:
        await page.submit(spec("c"))
        async with page.listening(after=heard[-1]) as ear:
            await page.submit(spec("d"))
            await ear.until(page.engine.seq)
            heard += seqs(ear.events)
        assert heard == list(range(1, page.engine.seq + 1))


async def test_a_client_of_another_record_is_told_to_begin_anew(tmp_path: Path) -> None:
    """It knows of events that this journal never had."""
    async with served(tmp_path / "home") as page, page.listening(after=10_000) as ear:
        assert (await ear.message())["reset"] is True


async def test_where_others_can_reach_us_reading_takes_a_token(tmp_path: Path) -> None:
    """The page's own files are for everybody; what the daemon knows is not, nor is a WebSocket."""
    async with served(tmp_path / "home", "0.0.0.0:0") as page:
        port = page.web.address.rpartition(":")[2]
        at = f"http://127.0.0.1:{port}"
        assert (await page.client.get(f"{at}/")).status_code == 200
        for path in ("/api/beads", "/metrics", "/api/health"):
            assert (await page.client.get(f"{at}{path}")).status_code == 401
            assert (await page.client.get(f"{at}{path}", headers=page.token)).status_code == 200


@pytest.mark.parametrize("name", ["index.html", "app.js", "style.css"])
def test_the_page_is_part_of_the_package(name: str) -> None:
    """It lies beside the code, where the wheel takes it from."""
    import oya_vcs_bot  # noqa: PLC0415 - only where it is asked

    assert (Path(oya_vcs_bot.__file__).parent / "page" / name).is_file()

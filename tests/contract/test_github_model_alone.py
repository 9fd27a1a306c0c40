"""The model of GitHub checks what it says, and can be started by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from oya_vcs.adapters.toolbox import Tools
from tests.github_model.descriptions import answer_faults, event_faults, of_event, request_faults

ROOT = Path(__file__).parent.parent.parent
REF = "GET /repos/{owner}/{repo}/git/ref/{ref}"
GOOD = {
    "ref": "refs/heads/main",
    "node_id": "R",
    "url": "https://github.test/",
    "object": {"type": "commit", "sha": "a" * 40, "url": "https://github.test/"},
}


def test_a_wrong_answer_is_found() -> None:
    """A field that is missing or of another type, an unknown status, an error that says nothing."""
    assert answer_faults(REF, 200, GOOD) == []
    assert answer_faults(REF, 200, GOOD | {"ref": 1})
    assert answer_faults(REF, 200, {key: GOOD[key] for key in ("ref", "url", "object")})
    assert answer_faults(REF, 202, GOOD)
    assert answer_faults(REF, 404, {"error": "Not Found"})
    assert answer_faults(REF, 404, {"message": "Not Found"}) == []


def test_a_wrong_request_is_found() -> None:
    """A body's field of another type, one too few, one too many; a parameter out of its values."""
    comment = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
    assert request_faults(comment, {}, {"body": "Hello"}) == []
    for body in ({"body": 1}, {}, {"body": "Hello", "text": "Hello"}, None):
        assert request_faults(comment, {}, body), body
    pulls = "GET /repos/{owner}/{repo}/pulls"
    assert request_faults(pulls, {"state": "all", "per_page": "100"}, None) == []
    for query in ({"state": "any"}, {"per_page": "many"}, {"number": "1"}):
        assert request_faults(pulls, query, None), query


def test_a_wrong_webhook_is_found() -> None:
    """The least payload of an event is right; one with a field of another type is not."""
    least = of_event("pull_request", "opened", {"number": 1})
    assert event_faults("pull_request", "opened", least) == []
    assert event_faults("pull_request", "opened", least | {"number": "1"})
    assert event_faults("pull_request", "opened", {"number": 1})


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_interrupted(
    tmp_path: Path, tools: Tools, ending: signal.Signals
) -> None:
    """It says where it listens and how to be somebody there; a signal ends it."""
    path = f"{tools.git.parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.github_model",
        str(tmp_path),
        cwd=ROOT,
        env={"PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    card = {}
    try:
        while b"mallory" not in (line := await process.stdout.readline()):
            assert line, "it ended before it had said everything"
            name, _, value = line.decode().strip().partition(" = ")
            card[name] = value
        async with httpx.AsyncClient(timeout=60) as http:
            token = {"Authorization": f"token {card['token of alice']}"}
            answer = await http.get(f"{card['api_url']}/repos/{card['repo']}", headers=token)
        assert answer.json()["full_name"] == "acme/widget"
        assert Path(card["private_key_file"]).stat().st_mode & 0o077 == 0
    finally:
        process.send_signal(ending)
        await process.wait()
    assert process.returncode in {0, -ending}

"""The real opencode, with a model that follows a script: what it writes lands on the target.

Runs where opencode is: named by OYA_OPENCODE, or on PATH (`make agents` brings it).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import Any

import pytest

from tests.conftest import NewProject
from tests.projects import Project
from tests.provider import KEY, Heard, Provider, Said, chat_chunk, events, served

OPENCODE = os.environ.get("OYA_OPENCODE") or shutil.which("opencode")
pytestmark = [
    pytest.mark.skipif(not OPENCODE, reason="opencode is not here: run `make agents`"),
    pytest.mark.timeout(300),
]
USAGE = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}


def says(*deltas: dict[str, Any], why: str) -> Said:
    """A turn of the model."""
    chunks = []
    for delta in (*deltas, {}):
        chunk = {**chat_chunk(), "id": "c1"}
        chunk["choices"] = [{"index": 0, "delta": delta, "finish_reason": None if delta else why}]
        chunks.append(chunk)
    return events(*chunks, {"id": "c1", "choices": [], "usage": USAGE})


def calls(tool: str, **arguments: str) -> Said:
    """The model uses a tool."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return says({"role": "assistant", "tool_calls": [call]}, why="tool_calls")


def folder_of(heard: Heard) -> str:
    """The workspace, as the prompt names it."""
    said = str(heard.body["messages"])
    return said.split("The folder ")[1].split(" is a copy", maxsplit=1)[0]


def script(heard: Heard) -> Said:
    """First a shell command, which is not allowed; a file elsewhere, and a file here; then the
    end."""
    tools = {one["function"]["name"] for one in heard.body.get("tools", [])}
    if not tools:
        return says({"content": "A title"}, why="stop")
    assert "bash" not in tools
    answers = [one for one in heard.body["messages"] if one["role"] == "tool"]
    if not answers:
        return calls("write", filePath="/tmp/oya-not-here.txt", content="x")
    if len(answers) == 1:
        return calls("write", filePath=f"{folder_of(heard)}/by-opencode.txt", content="Hello.\n")
    return says({"content": "I am done."}, why="stop")


def configured(project: Project, url: str, *more: str) -> dict[str, str]:
    """The user's configuration: opencode, behind the gateway."""
    folder = project.folder / "config" / "oya-vcs"
    folder.mkdir(parents=True)
    lines = (
        *("[gateway]", 'keys = ["local=env:LOCAL_KEY"]', f'urls = ["local={url}/v1"]'),
        *("[worker]", 'home = "private"', "lease_ms = 120000", *more),
    )
    (folder / "config.toml").write_text("\n".join(lines) + "\n")
    return {"XDG_CONFIG_HOME": str(folder.parent), "LOCAL_KEY": KEY}


async def test_what_opencode_writes_lands(new_project: NewProject) -> None:
    """Through the gateway, without the key; it writes in its workspace only, runs no shell, takes
    no configuration from the repository, and leaves nothing behind."""
    project = new_project()
    (project.root / "opencode.json").write_text('{"permission": {"bash": "allow"}, "model": "x/y"}')
    project.commit_all("a configuration that must not count")
    beads = project.beads({"id": "b1", "title": "Greet", "description": "Write by-opencode.txt."})
    provider = Provider(script)
    async with served(provider) as url:
        served_by = f'command = ["{OPENCODE}", "serve"]'
        more = ('kind = "opencode"', served_by, "[opencode]", 'model = "local/small"')
        env = configured(project, url, *more)
        argv = ("run", str(beads), "--repo", str(project.root), "--json")
        ran = await asyncio.to_thread(project.oya, *argv, env=env, timeout_s=250)
    assert ran.code == 0, ran.out + ran.err
    assert project.git("show", "refs/heads/main:by-opencode.txt") == "Hello."
    assert {one.headers["authorization"] for one in provider.heard} == {f"Bearer {KEY}"}
    log = "".join(one.read_text() for one in (project.home / "logs").rglob("*.log"))
    assert "tool: write (error)" in log
    assert "tool: write (completed)" in log
    rows = json.loads(project.oya("journal", "tail", "-n", "1000", "--json").out)["data"]
    counted = [row["data"]["usage"] for row in rows if row["type"] == "UsageCounted"]
    assert counted[-1]["tokens_in"] == 50 * len(provider.heard)
    project.assert_healthy()
    project.assert_no_leaks()


BY_ACP = {
    "autoupdate": False,
    "enabled_providers": ["local"],
    "model": "local/small",
    "provider": {
        "local": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "{env:LOCAL_BASE_URL}", "apiKey": "{env:LOCAL_API_KEY}"},
            "models": {"small": {"name": "small"}},
        }
    },
}


async def test_what_opencode_writes_through_acp_lands(new_project: NewProject) -> None:
    """The same agent in the other tongue, by a token of its own that stands in no configuration."""
    project = new_project()
    beads = project.beads({"id": "b1", "title": "Greet", "description": "Write by-opencode.txt."})

    def script(heard: Heard) -> Said:
        answers = [one for one in heard.body["messages"] if one["role"] == "tool"]
        if not heard.body.get("tools"):
            return says({"content": "A title"}, why="stop")
        if not answers:
            return calls(
                "write", filePath=f"{folder_of(heard)}/by-opencode.txt", content="Hello.\n"
            )
        return says({"content": "I am done."}, why="stop")

    provider = Provider(script)
    async with served(provider) as url:
        command = f'command = ["{OPENCODE}", "acp"]'
        env = configured(project, url, 'kind = "acp"', command, 'env = ["OPENCODE_CONFIG_CONTENT"]')
        env["OPENCODE_CONFIG_CONTENT"] = json.dumps(BY_ACP)
        argv = ("run", str(beads), "--repo", str(project.root), "--json")
        ran = await asyncio.to_thread(project.oya, *argv, env=env, timeout_s=250)
    assert ran.code == 0, ran.out + ran.err
    assert project.git("show", "refs/heads/main:by-opencode.txt") == "Hello."
    assert {one.headers["authorization"] for one in provider.heard} == {f"Bearer {KEY}"}
    project.assert_healthy()
    project.assert_no_leaks()

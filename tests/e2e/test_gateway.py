"""Workers that ask a model through the gateway of a real daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.conftest import NewProject
from tests.integration.test_sandbox import REAL
from tests.projects import AGENTS, Project
from tests.provider import KEY, Provider, served, whole

ANSWER = {
    "choices": [{"message": {"content": "Good day."}}],
    "usage": {"prompt_tokens": 70, "completion_tokens": 30},
}


def configured(project: Project, url: str) -> dict[str, str]:
    """The user's configuration with a gateway to `url`, and what names it."""
    folder = project.folder / "config" / "oya-vcs"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'[gateway]\nkeys = ["openai=env:OPENAI_API_KEY"]\nurls = ["openai={url}/v1"]\n'
        'prices = ["small=1/10"]\n'
    )
    return {"XDG_CONFIG_HOME": str(folder.parent), "OPENAI_API_KEY": KEY}


def holding(folder: Path, text: str) -> list[str]:
    """The files below a folder that hold a text."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


async def test_a_worker_asks_a_model_without_its_key(new_project: NewProject) -> None:
    """Its answer lands; what it used is on record; the key is in no variable of the worker's, no
    workspace, log or journal, and its token in no log."""
    project = new_project()
    provider = Provider(lambda _heard: whole(ANSWER))
    async with served(provider) as url:
        env = configured(project, url)
        beads = project.beads({"id": "b1", "title": "Greet"})
        ran = await asyncio.to_thread(project.run, beads, "asks_model", env=env)
    assert ran.code == 0, ran.err
    assert project.git("show", "refs/heads/main:said.txt") == "Good day."
    seen = project.git("show", "refs/heads/main:environment.txt")
    [token] = [line for line in seen.splitlines() if line.startswith("OPENAI_API_KEY=")]
    assert KEY not in seen
    assert [heard.headers["authorization"] for heard in provider.heard] == [f"Bearer {KEY}"]
    assert holding(project.home, KEY) == []
    assert holding(project.home / "logs", token.removeprefix("OPENAI_API_KEY=")) == []
    rows = json.loads(project.oya("journal", "tail", "-n", "1000", "--json").out)["data"]
    usage = [row["data"]["usage"] for row in rows if row["type"] == "UsageCounted"]
    counted = {"tokens_in": 70, "tokens_out": 30, "cost_micros": 370, "metered": True}
    assert [{**one, **counted} for one in usage] == usage != []
    project.assert_healthy()
    project.assert_no_leaks()


async def test_a_spent_budget_is_said_to_the_worker(new_project: NewProject) -> None:
    """A bead's tokens are those that the gateway counted: the request after them is a 402 that says
    so, and the provider hears nothing of it."""
    project = new_project()
    provider = Provider(lambda _heard: whole(ANSWER))
    async with served(provider) as url:
        env = configured(project, url) | {"OYA_BUDGET__BEAD_TOKENS_MAX": "200", "ASKS": "3"}
        env["OYA_WORKER__ENV"] = "ASKS"
        beads = project.beads({"id": "b1", "title": "Greet"})
        ran = await asyncio.to_thread(project.run, beads, "asks_model", env=env)
    assert ran.code == 0, ran.out + ran.err
    said = project.git("show", "refs/heads/main:said.txt")
    assert said == "402: Its tokens are spent: 200 of 200 (budget.bead_tokens_max)."
    assert len(provider.heard) == 2


@REAL
async def test_a_worker_without_network_has_the_gateway(new_project: NewProject) -> None:
    """In a sandbox whose only way out is the gateway, a worker asks its model, and reaches nothing
    else on this machine."""
    project = new_project()
    provider = Provider(lambda _heard: whole(ANSWER))
    async with served(provider) as url:
        env = configured(project, url) | {"ELSEWHERE": url}
        with (project.folder / "config" / "oya-vcs" / "config.toml").open("a") as file:
            file.write(
                '[worker]\nsandbox = "bwrap"\nnetwork = "gateway"\nenv = ["ELSEWHERE"]\n'
                f'reads = ["{AGENTS}", "{sys.prefix}", "{sys.base_prefix}"]\n'
            )
        beads = project.beads({"id": "b1", "title": "Greet"})
        ran = await asyncio.to_thread(project.run, beads, "asks_model", env=env)
    assert ran.code == 0, ran.out + ran.err
    assert project.git("show", "refs/heads/main:said.txt") == "Good day."
    assert project.git("show", "refs/heads/main:elsewhere.txt") == "unreachable"
    assert len(provider.heard) == 1
    project.assert_no_leaks()


async def test_the_only_way_has_to_be_there(new_project: NewProject) -> None:
    """Without keys there is no gateway, and a sandbox with that network is refused."""
    project = new_project()
    beads = project.beads({"id": "b1", "title": "Greet"})
    env = {"OYA_WORKER__NETWORK": "gateway", "OYA_WORKER__SANDBOX": "bwrap"}
    refused = await asyncio.to_thread(project.run, beads, "honest", env=env)
    assert refused.code == 2


async def test_a_key_cannot_be_had_on_another_way(new_project: NewProject) -> None:
    """A repository that asks for the key in its workers' environment is refused, as is one that
    says where keys are sent."""
    project = new_project()
    env = configured(project, "http://127.0.0.1:9")
    beads = project.beads({"id": "b1", "title": "Greet"})
    passed = {**env, "OYA_WORKER__ENV": "OPENAI_API_KEY"}
    refused = await asyncio.to_thread(project.run, beads, "honest", env=passed)
    assert refused.code == 2
    assert "gateway.keys keeps it from them" in refused.out
    project.root.joinpath("oya.toml").write_text(
        '[checks]\ntest = "true"\n[gateway]\nurls = ["openai=https://evil.example/v1"]\n'
    )
    project.commit_all("send keys elsewhere")
    refused = await asyncio.to_thread(project.run, beads, "honest", env=env)
    assert refused.code == 2
    assert "[gateway] counts in your own configuration only" in refused.out
    missing = await asyncio.to_thread(
        project.run, beads, "honest", env={**env, "OYA_GATEWAY__KEYS": "openai=env:NO_KEY"}
    )
    assert missing.code == 2


async def test_a_bead_that_spent_its_tokens_reaches_no_model_any_more(
    new_project: NewProject,
) -> None:
    """The answer that spends the last of them comes whole; every later request is refused, before
    anybody has stopped the worker, and the bead fails for that reason."""
    project = new_project()
    provider = Provider(lambda _heard: whole(ANSWER))
    worker = project.folder / "greedy.sh"
    worker.write_text(
        "#!/bin/sh\nfor n in 1 2 3 4 5 6; do "
        f'"{sys.executable}" "{AGENTS / "asks_model.py"}"; rm -f said.txt environment.txt; done\n'
    )
    worker.chmod(0o755)
    async with served(provider) as url:
        env = {**configured(project, url), "OYA_BUDGET__BEAD_TOKENS_MAX": "100"}
        beads = project.beads({"id": "b1", "title": "Greet"})
        argv = ("run", str(beads), "--repo", str(project.root), "--worker", str(worker), "--json")
        ran = await asyncio.to_thread(project.oya, *argv, env=env)
    [bead] = json.loads(ran.out)["data"]["beads"]
    assert (bead["state"], bead["reason"]) == ("failed", "budget_spent")
    assert len(provider.heard) == 1
    project.assert_no_leaks()

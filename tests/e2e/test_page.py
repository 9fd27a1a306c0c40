"""The page of a real daemon, and a client that outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from pathlib import Path

import httpx

from tests.conftest import NewProject
from tests.pages import LIMIT_S, connected, seqs
from tests.projects import Project, agent


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Town:
    """A project whose daemon serves its page at one port."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.at = f"127.0.0.1:{free_port()}"
        self.env = {
            "OYA_WEB__LISTEN": self.at,
            "OYA_WORKER__COMMAND": json.dumps(agent("honest").split()),
        }

    async def oya(self, *args: str) -> dict[str, object]:
        """The data of a command that must succeed."""
        ran = await asyncio.to_thread(self.project.oya, *args, "--json", env=self.env)
        assert ran.code == 0, (args, ran.out, ran.err)
        return ran.data


async def landed(client: httpx.AsyncClient, count: int) -> int:
    """Return, with the last event, when so many beads have landed."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            page = (await client.get("/api/beads?state=landed")).json()
            if len(page["beads"]) == count:
                return int(page["seq"])
            await asyncio.sleep(0.05)


async def test_the_page_of_a_daemon_that_is_killed_and_comes_back(
    new_project: NewProject, tmp_path: Path
) -> None:
    """`up` prints a link whose code lets one browser act; beads land under the eyes of a client; it
    misses no event over a SIGKILL; what was recorded is what was told."""
    project = new_project(check="true")
    town = Town(project)
    await town.oya("init", str(project.root))
    up = await town.oya("up")
    link = str(up["page"])
    assert re.fullmatch(rf"http://{re.escape(town.at)}/#code=[\w-]+", link)
    heard: list[int] = []
    async with httpx.AsyncClient(base_url=f"http://{town.at}", timeout=LIMIT_S) as client:
        code = {"code": link.partition("=")[2]}
        bearer = (await client.post("/api/session", json=code)).json()["token"]
        client.headers["Authorization"] = f"Bearer {bearer}"
        async with connected(f"http://{town.at}", after=0) as ear:
            work = {"repo": str(project.root), "beads": [{"id": "a", "title": "A"}]}
            assert (await client.post("/api/workflows", json=work)).status_code == 201
            await ear.until(await landed(client, 1))
            heard += seqs(ear.events)
        diff = (await client.get("/api/beads/a/diff")).json()
        assert diff["text"].startswith("diff --git ")
        os.kill(int(str(up["pid"])), signal.SIGKILL)
        work["beads"] = [{"id": "b", "title": "B"}]
        file = project.beads({"id": "b", "title": "B"})
        await town.oya("bead", "import", str(file), "--repo", str(project.root))
        await town.oya("up")
        async with connected(f"http://{town.at}", after=heard[-1]) as ear:
            told = await client.post("/api/beads/b/cancel", json={})
            assert told.status_code in {200, 409}, "the pass outlives the daemon"
            assert (await client.post("/api/queue/pause", json={"why": "enough"})).is_success
            last = int((await client.get("/api/beads")).json()["seq"])
            await ear.until(last)
            heard += seqs(ear.events)
    assert heard == list(range(1, heard[-1] + 1))
    assert str((await town.oya("ui", "--link"))["link"]).startswith(f"http://{town.at}/#code=")
    await town.oya("down")
    ran = project.oya("ui", "--link")
    assert ran.code == 6

"""A client of the model of GitHub made of nothing but httpx and git."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from aiohttp import web

from tests.github_model.conversation import Hub
from tests.github_model.shapes import node_id

REPO = "/repos/acme/widget"
UPDATE = "mutation($input: UpdateRefsInput!){updateRefs(input:$input){clientMutationId}}"


def app_token(hub: Hub, **claims: Any) -> str:
    """A JWT of the App."""
    now = hub.github.clock.now_ms() // 1000
    said = {"iat": now - 30, "exp": now + 540, "iss": str(hub.app.id)} | claims
    return jwt.encode(said, hub.private_key, "RS256")


@dataclass
class Client:
    """Somebody's requests."""

    http: httpx.AsyncClient
    hub: Hub
    token: str

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with the token."""
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **more)

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a GET below the repository."""
        answer = await self.ask("GET", f"{REPO}{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        """A change below the repository."""
        return await self.ask(method, f"{REPO}{path}", json=body)

    async def update_refs(self, *updates: dict[str, Any]) -> dict[str, Any]:
        """GraphQL's updateRefs: the whole answer."""
        chosen = {"repositoryId": node_id("R", self.hub.repo.id), "refUpdates": list(updates)}
        body = {"query": UPDATE, "variables": {"input": chosen}}
        answer = await self.ask("POST", "/graphql", json=body)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said


@asynccontextmanager
async def client_of(hub: Hub, token: str = "") -> AsyncIterator[Client]:
    """The App's installation as a client, or somebody with another token."""
    async with httpx.AsyncClient(base_url=hub.url) as http:
        if not token:
            made = await http.post(
                f"/app/installations/{hub.installation.id}/access_tokens",
                headers={"Authorization": f"Bearer {app_token(hub)}"},
            )
            token = made.json()["token"]
        yield Client(http, hub, token)


@dataclass
class Received:
    """A delivery as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> str:
        """The kind of event, with its action."""
        action = json.loads(self.body).get("action", "")
        return f"{self.headers['X-GitHub-Event']}.{action}".rstrip(".")


@asynccontextmanager
async def listening(hub: Hub, status: int = 202) -> AsyncIterator[list[Received]]:
    """An address for the model's webhooks, and what has come to it."""
    came: list[Received] = []

    async def take(request: web.Request) -> web.Response:
        came.append(Received(dict(request.headers), await request.read()))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield came
    finally:
        hub.hooks.url = None
        await runner.cleanup()


async def git(git_path: str, folder: Path, *args: str) -> tuple[int, str]:
    """Run git as a user; its exit code and all that it says."""
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Uma"), ("EMAIL", "uma@github.test"))
    }
    process = await asyncio.create_subprocess_exec(
        git_path,
        *args,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            **who,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()

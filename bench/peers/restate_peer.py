"""The workflow on Restate: its server from npm, a handler of three durable steps, and a client over
HTTP.

`--npm DIR` is where @restatedev/restate-server and @restatedev/restate-sdk are installed. The
handler is the one for Node (restate_handler.mjs); with `--python` it is the one here, served by
hypercorn over HTTP/2.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import httpx
import pace
import restate

SERVICE = "steps"
work = restate.Service(SERVICE)


@work.handler()
async def run(ctx: restate.Context, number: int) -> str:
    """Three steps, each result in Restate's log before the next one begins."""
    last = ""
    for one in range(3):
        last = await ctx.run_typed(f"step {one}", step, number=one)
    return last


async def step(number: int) -> str:
    """Nothing, with a result."""
    return f"result {number}"


app = restate.app([work])


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def register(admin: int, service: int) -> None:
    """Tell the server where the handler is, as soon as both answer."""
    body = json.dumps({"uri": f"http://127.0.0.1:{service}", "force": True}).encode()
    deadline = time.monotonic() + 60
    while True:
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{admin}/deployments",
                data=body,
                headers={"content-type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=10):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


async def measure(ingress: int, alone: int, flight: int) -> tuple[float, float]:
    """Both paces."""
    url = f"http://127.0.0.1:{ingress}/{SERVICE}/run"
    limits = httpx.Limits(max_connections=pace.CLIENTS)
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:

        async def one(number: int) -> str:
            answer = await client.post(url, json=number)
            answer.raise_for_status()
            return answer.text

        deadline = time.monotonic() + 60
        while True:
            try:
                await pace.by_tasks(one, 5, 1)
                break
            except httpx.HTTPError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
        return (
            await pace.by_tasks(one, alone, 1, first=1000),
            await pace.by_tasks(one, flight, pace.CLIENTS, first=10_000_000),
        )


def main() -> None:
    """Start server and handler, measure, stop them."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--npm", required=True, type=Path)
    parser.add_argument("--python", action="store_true")
    mine, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    given = pace.flags(alone=200, flight=1_000)
    ingress, admin, node, service = (free_port() for _ in range(4))
    environment = {
        **os.environ,
        "RESTATE_BASE_DIR": str(Path(given.dir).resolve()),
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_LOG_FILTER": "error",
        "DO_NOT_TRACK": "1",
    }
    here = Path(__file__).resolve().parent
    program = str(mine.npm.resolve() / "node_modules/.bin/restate-server")
    server = subprocess.Popen([program, "--no-logo"], env=environment, stdout=sys.stderr)
    if mine.python:
        bind = f"127.0.0.1:{service}"
        argv = [sys.executable, "-m", "hypercorn", "restate_peer:app", "--bind", bind]
        handler = subprocess.Popen(argv, cwd=here, stdout=sys.stderr)
    else:
        argv = ["node", str(here / "restate_handler.mjs"), str(service)]
        quiet = {**os.environ, "RESTATE_LOGGING": "ERROR", "NODE_ENV": "production"}
        handler = subprocess.Popen(argv, cwd=mine.npm, env=quiet, stdout=sys.stderr)
    try:
        register(admin, service)
        alone, flight = asyncio.run(measure(ingress, given.alone, given.flight))
    finally:
        for one in (handler, server):
            one.terminate()
            one.wait()
    released = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
    sdk = mine.npm / "node_modules/@restatedev/restate-sdk/package.json"
    served = f"restate-sdk {version('restate-sdk')} under hypercorn"
    if not mine.python:
        served = f"@restatedev/restate-sdk {json.loads(sdk.read_text())['version']} under Node"
    pace.report(
        "Restate",
        released.stdout.split()[-1],
        f"one node, its log synced at every commit (the default); {served}; 64 HTTP clients",
        alone,
        flight,
    )


if __name__ == "__main__":
    main()

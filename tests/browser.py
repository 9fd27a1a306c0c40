"""A browser for tests: a headless Chromium that is driven over its own protocol (CDP)."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

LIMIT_S = 30.0
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "no Chromium on PATH: `apt-get install chromium`, or your system's way"


def program() -> str | None:
    """The browser, where there is one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Tab:
    """One page. `errors` are exceptions of its scripts, refusals of its policy, failed loads."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._number = 0
        self.errors: list[str] = []

    async def command(self, method: str, **params: object) -> dict[str, Any]:
        """What the browser answers."""
        self._number += 1
        mine = {"id": self._number, "method": method, "params": params}
        await self._wire.send(json.dumps(mine))
        async with asyncio.timeout(LIMIT_S):
            while True:
                said = json.loads(await self._wire.recv())
                if said.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                    self.errors.append(json.dumps(said["params"]))
                if said.get("id") == self._number:
                    assert "error" not in said, said
                    return dict(said["result"])

    async def run(self, script: str) -> Any:
        """The value of a script, or of its promise."""
        told = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> None:
        """Return when it is so."""
        async with asyncio.timeout(LIMIT_S):
            while not await self.run(f"Boolean({script})"):  # noqa: ASYNC110 - it has no event here
                await asyncio.sleep(0.02)

    async def goes(self, url: str) -> None:
        """To a page, until its graph is drawn."""
        await self.command("Page.navigate", url=url)
        await self.until("performance.getEntriesByName('oya-graph-shown').length > 0")

    async def clicks(self, selector: str) -> None:
        """On the first of these that is there."""
        at = json.dumps(selector)
        await self.until(f"document.querySelector({at}) && !document.querySelector({at}).disabled")
        await self.run(f"document.querySelector({at}).click()")

    async def looks(self, width: int, height: int, *, dark: bool = True) -> None:
        """Another size, another taste."""
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """What is seen now, as a PNG."""
        told = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """A browser with one tab; its profile is in the folder."""
    found = program()
    assert found is not None, MISSING
    process = await asyncio.create_subprocess_exec(
        found,
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *(f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            while b"DevTools listening on" not in (line := await process.stderr.readline()):
                assert line, "the browser ended"
        at = line.split()[-1].decode().removeprefix("ws://").partition("/")[0]
        async with httpx.AsyncClient() as client:
            tabs = (await client.get(f"http://{at}/json")).json()
        where = next(one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page")
        async with connect(where, max_size=None) as wire:
            tab = Tab(wire)
            for domain in ("Runtime", "Log", "Page"):
                await tab.command(f"{domain}.enable")
            await tab.looks(1280, 800)
            yield tab
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()

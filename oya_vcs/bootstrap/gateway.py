"""The gateway of a daemon: its keys, its address, and the child that serves it.

Imported only where keys are configured: the web server and the HTTP client take their time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.gateway import bridge
from oya_vcs.adapters.gateway.passes import Allow, Passes, anything
from oya_vcs.adapters.gateway.relay import Gateway, client
from oya_vcs.adapters.gateway.routes import providers_of
from oya_vcs.adapters.reaper.quiet import Hidden
from oya_vcs.adapters.sandbox import Bridge
from oya_vcs.config import GatewayConfig, Home
from oya_vcs.config.places import socket_address
from oya_vcs.config.secrets import secret_values
from oya_vcs.core.effects import RunWorker
from oya_vcs.core.usage import Usage
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs_bot.serving import listening, serve

LOOPBACK = "127.0.0.1"
BRIDGE = Path(bridge.__file__)
PYTHON = Path(sys.executable).resolve()
KEY = "KEY"


class Entrance:
    """Where workers come in. The addresses are taken once and held for as long as the daemon runs,
    whatever becomes of the child that serves them: workers know no others, and whoever comes
    between two children waits in the kernel's line."""

    def __init__(
        self,
        settings: GatewayConfig,
        home: Home,
        environ: Mapping[str, str],
        hidden: Hidden,
        say: Callable[[str], None],
    ) -> None:
        self._place = home.gateway
        self._door: socket.socket | None = None
        self._settings = settings
        self._say = say
        self._providers = providers_of(settings, environ, Path(environ.get("HOME", "/")))
        for provider in self._providers.values():
            hidden.add(secret_values({KEY: provider.key}, {KEY}))
        self.passes = Passes(tuple(self._providers.values()))
        self.allow: Allow = anything
        """Whoever knows the budgets puts the question here; a new life of the daemon anew."""
        self._sock = listening(f"{LOOPBACK}:0")
        self._port = self._sock.getsockname()[1]

    def close(self) -> None:
        """Let go of the addresses."""
        self._sock.close()
        if self._door is not None:
            self._door.close()

    @property
    def bridge(self) -> Bridge:
        """The way in out of a sandbox without network, at the same address."""
        return Bridge(
            program=(str(PYTHON), "-I", "-S", str(BRIDGE)),
            reads=(BRIDGE, PYTHON, Path(os.__file__).parent),
            socket=self._place,
            port=self._port,
        )

    @property
    def child(self) -> Child:
        """What serves it."""
        return Child(name="gateway", run=self._serve)

    def _may_use(self, work: RunWorker, used: Usage) -> str:
        return self.allow(work, used)

    async def _serve(self, ready: Ready) -> None:
        async with client() as http:
            gateway = Gateway(
                self._providers,
                self.passes,
                http,
                SystemClock(),
                prices=self._settings.table,
                requests_per_min=self._settings.requests_per_min,
                allow=self._may_use,
                say=self._say,
            )
            if self._door is None:
                self._door = await asyncio.to_thread(_listening_at, self._place)

            def up() -> None:
                self.passes.open(f"http://{LOOPBACK}:{self._port}")
                ready()

            # Copies: a server closes what it served at its end.
            beside = asyncio.ensure_future(serve(gateway, self._door.dup(), lambda: None))
            try:
                await serve(gateway, self._sock.dup(), up)
            finally:
                beside.cancel()
                await asyncio.wait({beside})


def _listening_at(path: Path) -> socket.socket:
    """A socket of the file system, for us alone; in place of what a dead daemon left there."""
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(0)
    with socket_address(path) as place:
        opened.bind(place)
    path.chmod(0o600)
    opened.listen()
    return opened

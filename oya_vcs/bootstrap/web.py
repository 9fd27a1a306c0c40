"""The one web server of a daemon, whatever it works on: a child at its edges.

It is up from the start and serves at one address: GitHub's webhooks, through the desks that
repositories open in its reception, and the routes that are hung into it. An address that is taken
costs what is served there and nothing else; it is tried again. The web framework takes half a
second to import, so that this is done beside the work, and not at all where nothing is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.core.event import Event
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Clock
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.supervisor import Ready
from oya_vcs_bot.reception import Reception

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

AGAIN_MS = 5_000
"""Between two tries to have an address that is taken."""

Routes = Callable[[Door], "Sequence[ControllerRouterHandler]"]
"""What is served besides webhooks. Called in a thread: it may import what it needs."""


def only_health(_door: Door) -> Sequence[ControllerRouterHandler]:
    """Whether anybody is there."""
    from oya_vcs_bot.app import health  # noqa: PLC0415 - slow to import: see above

    return [health]


class WebServer:
    """Serves at `listen` ("host:port", port 0 a free one; empty: nothing is served). `say` hears a
    sentence where that is not possible."""

    def __init__(
        self,
        listen: str,
        *,
        say: Callable[[str], None],
        routes: Routes = only_health,
        clock: Clock | None = None,
    ) -> None:
        self.listen = listen
        self.reception = Reception()
        self.address = ""
        """Where it is served now, as "http://host:port"; empty where nothing is."""
        self.error = ""
        """Why nothing is served now: a sentence, with the mend."""
        self.tried = asyncio.Event()
        """The address was taken, or could not be."""
        self._say = say
        self._routes = routes
        self._clock = clock or SystemClock()

    async def run(self, door: Door, ready: Ready) -> None:
        """A child: serves until cancelled. Ready at once, but where webhooks are awaited: those
        that come before are lost until they are found by polling."""
        if not (self.listen and self.reception.awaits):
            ready()
        if not self.listen:
            self.tried.set()
            await asyncio.Event().wait()
        serve_at = await asyncio.to_thread(_built, self.reception, door, self._routes)
        while True:
            try:
                await serve_at(self.listen, partial(self._up, ready))
            except ConfigurationInvalid as error:
                self._down(f"{error.message} {error.hint}")
            finally:
                self.address = ""
            ready()
            await self._clock.sleep(AGAIN_MS)

    def _up(self, ready: Ready, address: str) -> None:
        self.address, self.error = address, ""
        self.tried.set()
        ready()

    def _down(self, why: str) -> None:
        if why != self.error:
            self._say(f"{why} It is tried again; what webhooks tell is found by polling meanwhile.")
        self.error = why
        self.tried.set()

    async def standing(self, _fields: Mapping[str, object] | None = None) -> object:
        """What is served, and where: an answer to commands."""
        return {
            "listen": self.listen,
            "address": self.address,
            "error": self.error,
            "dropped": self.reception.dropped,
        }


ServeAt = Callable[[str, Callable[[str], None]], Awaitable[None]]


def _built(reception: Reception, door: Door, routes: Routes) -> ServeAt:
    """The application, ready to be served at an address; who is told where it is."""
    from oya_vcs_bot.app import make_app  # noqa: PLC0415 - slow to import: see above
    from oya_vcs_bot.serving import listening, serve  # noqa: PLC0415 - the same

    async def offer(facts: Sequence[Event], delivery: str) -> None:
        await door.offer(*facts, delivery=delivery)

    app = make_app(reception, offer, routes(door), described=True)

    async def serve_at(listen: str, up: Callable[[str], None]) -> None:
        sock = listening(listen)
        host, port = listen.rpartition(":")[0], sock.getsockname()[1]
        await serve(app, sock, partial(up, f"http://{host}:{port}"))

    return serve_at

"""The page and the API of a daemon: what is hung into its web server, who may change something, and
who tells browsers what happens.

The web framework is imported in the server's thread; until then nobody listens, and nothing is
told.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import JjRepository
from oya_vcs.bootstrap.house import DaemonHouse
from oya_vcs.config import Home, WebConfig
from oya_vcs.core.ids import RepoId
from oya_vcs.core.supervision import Node
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Recorded
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.supervisor import Ready
from oya_vcs_bot.api.sessions import Sessions

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

    from oya_vcs_bot.api.live import Live


class Page:
    """Of one daemon, served as `web` says, and made on its loop: a feed of its engines, a child
    (`run`), and routes. `repositories` are those that are worked on; `hide` keeps a secret out of
    every log."""

    def __init__(
        self,
        home: Home,
        *,
        kind: str,
        web: WebConfig,
        repositories: Mapping[RepoId, JjRepository],
        hide: Callable[[Sequence[str]], None],
    ) -> None:
        self._home = home
        self._kind = kind
        self._web = web
        self._repositories = repositories
        self._hide = hide
        self._sessions: Sessions | None = None
        self._live: Live | None = None
        self._made = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.drawn: Callable[[], Node | None] = lambda: None
        """The supervision tree, once there is one."""

    def publish(self, rows: Sequence[Recorded]) -> None:
        """What is on disk is told to whoever listens."""
        if self._live is not None:
            self._live.publish(rows)

    async def run(self, ready: Ready) -> None:
        """A child: tells until cancelled."""
        ready()
        while self._live is None:
            await self._made.wait()
        await self._live.run()

    def routes(self, door: Door) -> Sequence[ControllerRouterHandler]:
        """What is served. Blocks: it imports the framework, and reads the token."""
        from oya_vcs_bot.api.live import Live  # noqa: PLC0415 - slow to import: see above
        from oya_vcs_bot.api.routes import routes  # noqa: PLC0415 - the same

        token = token_of(self._home)
        self._hide([token])
        house = DaemonHouse(
            home=self._home,
            door=door,
            kind=self._kind,
            repositories=self._repositories,
            drawn=self._tree,
        )
        self._sessions = self._sessions or Sessions(token, SystemClock().now_ms)
        self._live = self._live or Live(house)
        self._loop.call_soon_threadsafe(self._made.set)
        web = self._web
        return [routes(house, self._live, self._sessions, listen=web.listen, url=web.url)]

    def _tree(self) -> Node | None:
        return self.drawn()

    def link(self, address: str) -> str:
        """A link that lets one browser in, once; without a code while nothing is served."""
        if not address or self._sessions is None:
            return address and f"{address}/"
        return f"{address}/#code={self._sessions.invite()}"


def token_of(home: Home) -> str:
    """The home's token, made where there is none: a file for its user alone. Raises WorldFailed
    where it cannot be read or written."""
    try:
        try:
            made = os.open(home.token, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(made, "w", encoding="ascii") as file:
                file.write(f"{secrets.token_urlsafe(32)}\n")
        token = home.token.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise WorldFailed(
            f"The token {home.token} cannot be read or made: {error.strerror}.",
            hint="Without it nothing can be changed over HTTP.",
        ) from error
    if not token:
        message = f"The token {home.token} is empty."
        raise WorldFailed(message, hint="Remove the file: another one is made.")
    return token

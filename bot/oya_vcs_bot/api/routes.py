"""Everything that is served besides webhooks, behind one guard."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, websocket
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.params import Parameter

from oya_vcs.errors import OyaError
from oya_vcs_bot.api import acting, files, reading
from oya_vcs_bot.api.answers import problem
from oya_vcs_bot.api.asking import House
from oya_vcs_bot.api.guard import Guard
from oya_vcs_bot.api.health import TheLive, health
from oya_vcs_bot.api.live import Live, Socket
from oya_vcs_bot.api.metrics import metrics
from oya_vcs_bot.api.sessions import Sessions


@websocket("/api/ws")
async def ws(
    socket: Socket,
    live: TheLive,
    after: Annotated[
        int | None, Parameter(ge=0, description="The last event that is known.")
    ] = None,
) -> None:
    """Every event after one, as it happens."""
    await live.serve(socket, after)


def routes(house: House, live: Live, sessions: Sessions, *, listen: str, url: str) -> Router:
    """The page, the API and the figures, for a daemon that is served at `listen`, and to others at
    `url`."""

    def of_house() -> House:
        return house

    def of_live() -> Live:
        return live

    def of_sessions() -> Sessions:
        return sessions

    return Router(
        path="/",
        route_handlers=[
            *reading.HANDLERS,
            *acting.HANDLERS,
            health,
            metrics,
            ws,
            files.page,
            files.file,
            files.icon,
        ],
        middleware=[DefineMiddleware(Guard, listen=listen, url=url, sessions=sessions)],
        dependencies={
            "house": Provide(of_house, sync_to_thread=False),
            "live": Provide(of_live, sync_to_thread=False),
            "sessions": Provide(of_sessions, sync_to_thread=False),
        },
        exception_handlers={OyaError: problem},
    )

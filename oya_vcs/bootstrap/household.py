"""The daemon of a whole home: every registered repository in one process, until somebody asks for
the end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from oya_vcs.adapters.reaper.quiet import Hidden
from oya_vcs.bootstrap.keeper import Keeper
from oya_vcs.bootstrap.running import Frame, page_of, parts_of, planted, taken
from oya_vcs.bootstrap.serving import Workshop
from oya_vcs.bootstrap.trackers import Trackers
from oya_vcs.bootstrap.web import WebServer
from oya_vcs.config import Config, Home, environment, load, user_config
from oya_vcs.config.secrets import secret_values
from oya_vcs.core.ids import RepoId
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import InputInvalid
from oya_vcs.ports import Answer
from oya_vcs.runtime.daemon import added, submitted
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.roster import Roster
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs.runtime.tree import Tree

log = logging.getLogger(__name__)

LODGERS_STOP_MS = 10_000
"""For pollers, which may be in the middle of a request."""


class House:
    """A running daemon of a home, from the outside: what it works on, and when it is to end."""

    def __init__(self, tree: Tree, keeper: Keeper, web: WebServer, stop: asyncio.Event) -> None:
        self._tree = tree
        self._keeper = keeper
        self._web = web
        self._stop = stop

    async def settled_in(self) -> list[dict[str, object]]:
        """Every repository, once each was looked at and something is served, or cannot be. Raises
        what the daemon fell of."""
        await self._tree.unless_fallen(self._keeper.looked.wait())
        await self._tree.unless_fallen(self._web.tried.wait())
        return self._keeper.rows(await self._tree.door.holder())

    async def asked_to_stop(self) -> None:
        """Return when somebody asks for the end. Raises what the daemon fell of."""
        await self._tree.unless_fallen(self._stop.wait())


@asynccontextmanager
async def open_home(
    home: Home, *, config_file: Path | None, say: Callable[[str], None] = log.warning
) -> AsyncIterator[House]:
    """Take the home and work on every repository that is registered in it, until the block ends.

    Ends and fails as `open_daemon` does. Raises ConfigurationInvalid where the user's own
    configuration is wrong.
    """
    environ = environment()
    user = await asyncio.to_thread(_users, config_file, environ)
    shop = Workshop(home, Hidden(secret_values(environ, user.worker.env)))
    roster = Roster()
    page = page_of(shop, "up", user.web)
    web = WebServer(user.web.listen, say=say, routes=page.routes)
    held = AsyncExitStack()
    keeper = Keeper(shop, roster, config_file, web, held, say)
    stop = asyncio.Event()
    answers: dict[str, Answer] = {}
    gateway: list[Child] = []

    def more(door: Door) -> list[Child]:
        answers.update(_answers(door, keeper, stop))

        async def repositories(ready: Ready) -> None:
            await keeper.run(door, ready)

        trackers = Trackers(keeper.plans, say)
        return [
            *gateway,
            keeper.lodgers.as_child(stop_ms=LODGERS_STOP_MS),
            Child(name="repositories", run=repositories),
            Child(name="trackers", run=partial(trackers.run, door)),
        ]

    frame = Frame(
        shop=shop,
        roster=roster,
        logs=user.logs,
        say=say,
        kind="up",
        web=web,
        page=page,
        more=more,
        answers=answers,
    )
    with taken(shop), shop.entered(user.gateway, environ, say) as children:
        gateway += children
        async with held, planted(frame, parts_of(frame)) as tree:
            yield House(tree, keeper, web, stop)


def _users(config_file: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of the user, whatever repositories say."""
    return load(config_file or user_config(), None, "", environ, {})


def _answers(door: Door, keeper: Keeper, stop: asyncio.Event) -> dict[str, Answer]:
    async def end(_fields: Mapping[str, object]) -> object:
        stop.set()
        return {"pid": os.getpid()}

    async def repos(_fields: Mapping[str, object]) -> object:
        return keeper.rows(await door.holder())

    async def add(fields: Mapping[str, object]) -> object:
        path = fields.get("path")
        if not isinstance(path, str):
            raise InputInvalid('"path" of a request to register a repository is a text.')
        return await keeper.register(door, Path(path))

    async def take(fields: Mapping[str, object]) -> object:
        repo, specs = beads_of(fields)
        taken = await submitted(door, repo, specs)
        return {"count": taken.count, "notes": taken.notes}

    async def take_one(fields: Mapping[str, object]) -> object:
        repo, (spec,) = beads_of({**fields, "beads": [fields.get("bead")]})
        bead = await added(door, repo, spec, named=fields.get("named") is True)
        return {"bead": bead.id, "state": str(bead.state)}

    return {
        "stop": end,
        "repos": repos,
        "repo.add": add,
        "bead.import": take,
        "github": keeper.on_github,
        "bead.add": take_one,
    }


def beads_of(fields: Mapping[str, object]) -> tuple[RepoId, list[BeadSpec]]:
    """What a request to take beads in says. Raises InputInvalid where it says something else."""
    try:
        return RepoId(str(fields["repo"])), msgspec.convert(fields["beads"], list[BeadSpec])
    except (KeyError, msgspec.ValidationError) as error:
        message = f"A request to import beads is not of its form: {error}."
        raise InputInvalid(message, '"repo" is a name, "beads" are beads.') from error

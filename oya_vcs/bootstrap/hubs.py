"""GitHub, for each repository of a daemon that is there: it comes and goes with the repository.

Who is let in there has a place in the tree, where it is polled, and a desk for its webhooks. A
GitHub that does not answer is asked on, beside the work, and holds up nobody; one that refuses us
is a sentence. Must not know which repositories there are, nor when one is planned anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from oya_vcs.adapters.github import GithubFailed, Why, Wire
from oya_vcs.bootstrap.github import Hub, open_desk, open_hub, open_wire
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.bootstrap.serving import Workshop
from oya_vcs.config import GithubConfig
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import ConfigurationInvalid, OyaError, WorldFailed
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.lodgers import Lodgers
from oya_vcs.runtime.roster import Served
from oya_vcs.runtime.supervisor import Child
from oya_vcs_bot.reception import Desk, Reception

log = logging.getLogger(__name__)

ENTRY_S = 5.0
"""How long others wait until GitHub has let a repository in; it is asked on beside them."""
KNOCK_S = 5.0
"""The same, for whether it would still let us in."""
SHUT_OUT = frozenset({Why.UNAUTHORISED, Why.MISSING})
"""What no further asking with the same credentials mends."""


@dataclass(slots=True)
class _Entry:
    """A repository that asks to be let in."""

    plan: Plan
    task: asyncio.Task[tuple[Served, Hub]]


@dataclass(slots=True)
class _Place:
    """A repository that was let in. `failed` is the poll that was looked into, `fallen` what ended
    its part of the tree."""

    name: str
    settings: GithubConfig
    hub: Hub
    desk: Desk | None
    failed: GithubFailed | None = None
    fallen: BaseException | None = None


@dataclass(slots=True, eq=False)
class Hubs:
    """GitHub for a daemon. `held` ends after the daemon's work, and with it the connections: what
    is under way for a repository that has gone may still ask there."""

    shop: Workshop
    lodgers: Lodgers
    reception: Reception
    held: AsyncExitStack
    say: Callable[[str], None]
    _places: dict[RepoId, _Place] = field(default_factory=dict)
    _entries: dict[RepoId, _Entry] = field(default_factory=dict)
    _wires: dict[tuple[str, int, str], Wire] = field(default_factory=dict)

    async def serve(self, plan: Plan, door: Door) -> Served:
        """Everything that working on the plan's repository takes, once GitHub has let it in.

        Raises WorldFailed where it has not yet, or will not; Locked where another home works
        there, and ConfigurationInvalid where what we have to get in with is nothing.
        """
        entry = self._entries.get(plan.repo)
        if entry is not None and entry.plan.config != plan.config:
            await self.give_up(plan.repo)
            entry = None
        if entry is None:
            name = f"enter {place_of(plan.config.github)}"
            entry = _Entry(plan, self.lodgers.adopt(self._enter(plan), name=name))
            self._entries[plan.repo] = entry
            await asyncio.wait({entry.task}, timeout=ENTRY_S)
        if not entry.task.done():
            message = f"{place_of(plan.config.github)} has not answered yet."
            raise WorldFailed(message, hint="It is asked on; nothing has to be done here.")
        del self._entries[plan.repo]
        if entry.task.cancelled():
            raise WorldFailed("Nobody was asked: the daemon was starting again.", retryable=True)
        if (error := entry.task.exception()) is not None:
            raise _as_ours(error)
        served, hub = entry.task.result()
        await self._move_in(plan, hub, door)
        return served

    def is_entering(self, repo: RepoId) -> bool:
        """Whether a repository has asked to be let in and has no answer yet."""
        return repo in self._entries

    async def give_up(self, repo: RepoId) -> None:
        """Ask no longer to be let in; who is in stays so. Idempotent."""
        entry = self._entries.pop(repo, None)
        if entry is not None:
            entry.task.cancel()
            await asyncio.wait({entry.task})

    async def leave(self, repo: RepoId) -> None:
        """Ask nothing more for a repository that is in, and take no more webhooks. Idempotent."""
        place = self._places.pop(repo, None)
        if place is not None:
            self.reception.close(repo, place.desk)
            await self.lodgers.leave(place.name)

    async def trouble(self, repo: RepoId) -> OyaError | None:
        """Why a repository that was let in cannot be worked on any more; None where it can, or is
        none of these. GitHub is asked only where a poll was refused since the last time."""
        place = self._places.get(repo)
        if place is None:
            return None
        if place.fallen is not None:
            return _as_ours(place.fallen)
        failed = None if place.hub.poller is None else place.hub.poller.failed
        if failed is None or failed is place.failed or failed.why not in SHUT_OUT:
            return None
        place.failed = failed
        try:
            async with asyncio.timeout(KNOCK_S):
                await place.hub.knock()
        except GithubFailed as error:
            return error if error.why in SHUT_OUT else None
        except TimeoutError:
            return None
        return None

    def rows(self) -> list[dict[str, object]]:
        """Every repository that was let in: what is heard of it, and how."""
        return [
            {"repo": repo, **place.hub.standing(webhooks=place.desk is not None)}
            for repo, place in self._places.items()
        ]

    async def _enter(self, plan: Plan) -> tuple[Served, Hub]:
        self._require_alone(plan)
        self.shop.hidden.add(plan.secrets)
        place = self._places.get(plan.repo)
        repository = await self.shop.repository(plan)
        if place is not None and place.settings == plan.config.github:
            hub = place.hub
        else:
            hub = await open_hub(plan, repository, self._wire(plan.config.github))
        await hub.knock()
        return await self.shop.serve(plan, hub), hub

    def _wire(self, settings: GithubConfig) -> Wire:
        """The way to GitHub with what the settings get in by."""
        way = (settings.api_url, settings.app_id, settings.token_env)
        if way not in self._wires:
            self._wires[way] = open_wire(settings, self.held)
        return self._wires[way]

    def _require_alone(self, plan: Plan) -> None:
        """Two clones of one repository would do everything twice."""
        name = place_of(plan.config.github)
        for repo, place in self._places.items():
            if repo != plan.repo and place_of(place.settings).lower() == name.lower():
                message = f"{name} is worked on from another clone of this home, {repo}."
                raise ConfigurationInvalid(message, "Keep one clone of it here.")

    async def _move_in(self, plan: Plan, hub: Hub, door: Door) -> None:
        place = self._places.get(plan.repo)
        if place is not None and place.hub is hub and place.fallen is None:
            return
        await self.leave(plan.repo)
        settings = plan.config.github
        desk = open_desk(plan, hub.read, hub.hear, self.reception, self.say)
        new = _Place(f"github {place_of(settings)}", settings, hub, desk)
        self._places[plan.repo] = new
        poller = Child(name="poller", run=partial(hub.poll, door))
        self.lodgers.take(new.name, [poller], partial(_fell, new))


def place_of(settings: GithubConfig) -> str:
    """A repository there as people know it: "owner/name", with the server where that is not
    GitHub's own."""
    host = urlsplit(settings.api_url).netloc.rpartition("@")[2]
    return settings.repo if host == "api.github.com" else f"{settings.repo} at {host}"


def _fell(place: _Place, error: BaseException) -> None:
    place.fallen = error


def _as_ours(error: BaseException) -> OyaError:
    """A mistake of ours there is one repository's matter, too."""
    if isinstance(error, OyaError):
        return error
    log.error("GitHub cannot be worked with", exc_info=error)
    return WorldFailed(f"What works with GitHub failed: {error!r}.", hint="Please report it.")

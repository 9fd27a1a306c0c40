"""Keeps what the daemon of a home works on in step with the repositories on record and their
configurations.

A repository that cannot be worked on (gone, unreadable, no checks) stands aside with a sentence and
is tried again; it never stops another. Where a configuration that worked becomes wrong, the last
good one is kept and the error is told. Must not know who asks, nor how the daemon runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import find_root, repo_id
from oya_vcs.adapters.reaper.redaction import redact
from oya_vcs.bootstrap.github_settings import is_on_github
from oya_vcs.bootstrap.plan import Plan, find_plan
from oya_vcs.bootstrap.serving import Workshop
from oya_vcs.bootstrap.web import WebServer
from oya_vcs.config import Home, environment, target_of, user_config
from oya_vcs.core.events import RepoRegistered, Ticked
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import ConfigurationInvalid, NotFound, OyaError
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.lodgers import Lodgers
from oya_vcs.runtime.roster import Roster, Served, greet
from oya_vcs.runtime.supervisor import Ready

if TYPE_CHECKING:
    from oya_vcs.bootstrap.hubs import Hubs

LOOK_S = 2.0
"""Between two looks at what may have changed."""
PLAN_S = 5.0
"""Between two readings of one repository's configuration, however often it changes, and between two
tries with one that stands aside: each starts a few programs, and what we land ourselves looks like
a change."""
PAUSE_S_MAX = 60.0
"""The same with one that GitHub does not let in, while nothing changes here: doubled each time, up
to this. Who asks again and again with a wrong token is turned away altogether."""

Mark = tuple[str, bool, tuple[int, int] | None]
"""jj's newest operation, whether the repository is there, and the user's configuration: one of
them changes whenever the configuration may have."""


@dataclass(slots=True)
class Known:
    """What is known of a repository: the plan it is worked on by, when it was last planned
    (monotonic seconds), what it looked like then, and why the newest configuration does not
    count. `pause_s` is how long GitHub is left alone with it then."""

    plan: Plan | None = None
    at_s: float = float("-inf")
    mark: Mark | None = None
    error: str = ""
    pause_s: float = 0.0


@dataclass(slots=True, eq=False)
class Keeper:
    """Keeps the roster in step with the repositories on record. `web` is the daemon's server, where
    webhooks come in; `held` ends after the daemon's work; `say` hears sentences."""

    shop: Workshop
    roster: Roster
    config_file: Path | None
    web: WebServer
    held: AsyncExitStack
    say: Callable[[str], None]
    lodgers: Lodgers = field(init=False)
    """Those repositories that are on GitHub, as parts of the tree."""
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    """Every repository was looked at once."""
    _known: dict[RepoId, Known] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hubs: Hubs | None = None

    def __post_init__(self) -> None:
        self.lodgers = Lodgers("github", clock=SystemClock(), say=self.say)

    async def run(self, door: Door, ready: Ready) -> None:
        """A child: looks now and again and again, until cancelled."""
        ready()
        while True:
            await self.look(door)
            self.looked.set()
            await asyncio.sleep(LOOK_S)

    async def look(self, door: Door) -> None:
        """Look once at every repository that is registered."""
        async with self._turn:
            life = await door.holder()
            repos = [(one.id, Path(one.path)) for one in life.engine.world.repos.values()]
            await asyncio.gather(*(self._look_at(door, *one) for one in repos))

    async def _look_at(self, door: Door, repo: RepoId, root: Path) -> None:
        known = self._known.setdefault(repo, Known())
        if self._hubs is not None and (trouble := await self._hubs.trouble(repo)) is not None:
            known.at_s = asyncio.get_running_loop().time()
            await self._refuse(repo, known, trouble, keep=False)
        mark = await self._mark(repo, root)
        pause_s = max(PLAN_S, known.pause_s if mark == known.mark else 0)
        waited = asyncio.get_running_loop().time() - known.at_s >= pause_s
        same = mark == known.mark and not known.error
        moved = known.mark is None or mark[1] != known.mark[1]
        if (same and known.plan is not None) or not (waited or moved):
            return
        known.at_s, known.mark = asyncio.get_running_loop().time(), mark
        try:
            plan = await find_plan(self.shop.home, root, config_file=self.config_file, flags={})
            await self._take(door, repo, known, plan)
        except NotFound as error:
            await self._refuse(repo, known, error, keep=False)
        except OyaError as error:
            await self._refuse(repo, known, error, keep=known.plan is not None)
        except OSError as error:
            unread = ConfigurationInvalid(f"{root} cannot be read: {error.strerror or error}.")
            await self._refuse(repo, known, unread, keep=False)

    async def _take(self, door: Door, repo: RepoId, known: Known, plan: Plan) -> None:
        if plan.repo != repo:
            message = f"The repository {repo} is now at another place, {plan.root}."
            raise NotFound(message, f"Register it there: `oya-vcs init {plan.root}`.")
        if known.plan is not None and known.plan.works_as(plan):
            known.error = ""
            if self._hubs is not None:
                await self._hubs.give_up(repo)
            return
        served = await self._served(door, repo, known, plan)
        if served is None:
            return
        known.error, known.pause_s = "", 0.0
        if known.plan is not None:
            self.say(f"{plan.root}: the configuration has changed, and counts from now on.")
        self._mind_the_address(known.plan, plan)
        known.plan = plan
        self.roster.serve(served)
        await door.through(lambda life: greet(life.engine, served))
        await door.offer(Ticked())

    async def _served(self, door: Door, repo: RepoId, known: Known, plan: Plan) -> Served | None:
        """What working by the plan takes; None where GitHub does not let it in, which was said."""
        if not is_on_github(plan.config):
            served = await self.shop.serve(plan)
            if self._hubs is not None:
                await self._hubs.give_up(repo)
                await self._hubs.leave(repo)
            return served
        if self._hubs is None:
            made = await asyncio.to_thread(self._made)
            self._hubs = self._hubs or made  # another repository may have had them made meanwhile
        try:
            return await self._hubs.serve(plan, door)
        except OyaError as error:
            waits = self._hubs.is_entering(repo)
            again_s = min(max(PLAN_S, 2 * known.pause_s), PAUSE_S_MAX)
            known.pause_s = 0.0 if waits else again_s
            # by no configuration of another place either: what landed there would not be here
            keep = known.plan is not None and _there(known.plan) == _there(plan)
            await self._refuse(repo, known, error, keep=keep, waits=waits)
            return None

    def _made(self) -> Hubs:
        """In a thread: what speaks to GitHub is slow to import, and most homes need none."""
        from oya_vcs.bootstrap.hubs import Hubs  # noqa: PLC0415 - see above

        return Hubs(self.shop, self.lodgers, self.web.reception, self.held, self.say)

    def _mind_the_address(self, before: Plan | None, plan: Plan) -> None:
        """Say where a repository wants another web server than this daemon has."""
        listen = plan.config.web.listen
        if listen != self.web.listen and (before is None or before.config.web.listen != listen):
            self.say(
                f"{plan.root}: web.listen is {listen!r} there, and counts for `oya-vcs run` alone."
                f" This daemon has one web server for all, at {self.web.listen!r}, as its user's"
                " configuration said when it began."
            )

    async def _refuse(
        self, repo: RepoId, known: Known, error: OyaError, *, keep: bool, waits: bool = False
    ) -> None:
        """Say once why a repository stands aside, or (`keep`) why it is worked on as before; one
        that `waits` for GitHub's answer goes on waiting."""
        said = " ".join(filter(None, (error.message, error.hint)))
        why = redact(said, self.shop.hidden.literals)
        if why != known.error:
            self.say(why)
        known.error = why
        if not keep:
            known.plan = None
            self.roster.set_aside(repo, why)
            if self._hubs is not None:
                await self._hubs.leave(repo)
        if not waits and self._hubs is not None:
            await self._hubs.give_up(repo)

    async def _mark(self, repo: RepoId, root: Path) -> Mark:
        """No program is started for it."""
        repository = self.shop.repositories.get(repo)
        operation = "" if repository is None else await repository.operation()
        return operation, *(await asyncio.to_thread(_outside, root, self.config_file))

    async def on_github(self, _fields: Mapping[str, object]) -> object:
        """What is heard of each repository there, and how: an answer to commands."""
        return [] if self._hubs is None else self._hubs.rows()

    def plans(self) -> dict[RepoId, Plan]:
        """The plans that are worked by now."""
        return {repo: one.plan for repo, one in self._known.items() if one.plan is not None}

    def rows(self, life: Life) -> list[dict[str, object]]:
        """Every registered repository: whether it is worked on, and what is wrong with it."""
        return [
            {
                "repo": one.id,
                "path": one.path,
                "target": one.target,
                "serving": self.roster.of(one.id) is not None,
                "error": known.error if (known := self._known.get(one.id)) else "",
            }
            for one in life.engine.world.repos.values()
        ]

    async def register(self, door: Door, path: Path) -> dict[str, object]:
        """Put a repository on record, look at it at once, and return its row. Raises NotFound and
        ConfigurationInvalid."""
        fact = await asyncio.to_thread(registration, self.shop.home, path, self.config_file)
        life = await door.holder()
        if fact.repo not in life.engine.world.repos:
            await door.offer(fact)
        self._known.setdefault(fact.repo, Known()).mark = None
        await self.look(door)
        return next(one for one in self.rows(await door.holder()) if one["repo"] == fact.repo)


def registration(home: Home, path: Path, config_file: Path | None) -> RepoRegistered:
    """The fact that the repository at `path` is one of this home's. Raises NotFound where there is
    none, and ConfigurationInvalid where the home is in it."""
    root = find_root(path)
    if home.root.resolve().is_relative_to(root):
        raise ConfigurationInvalid(
            f"The home {home.root} lies in {root}, the repository itself: jj would commit the"
            " journal with the files there.",
            "Name a folder outside the repository with --home or OYA_HOME, or leave both out.",
        )
    target = target_of(root, config_file or user_config(), environment(), {})
    return RepoRegistered(repo=repo_id(root), path=str(root), target=target)


def _there(plan: Plan) -> tuple[str, str, str]:
    """Where changes of a plan land."""
    config = plan.config
    return config.repo.forge, config.github.api_url, config.github.repo.lower()


def _outside(root: Path, config_file: Path | None) -> tuple[bool, tuple[int, int] | None]:
    """Whether the repository is there, and the time and size of the user's configuration."""
    there, stamp = False, None
    with suppress(OSError):
        there = (root / ".jj").is_dir()
    with suppress(OSError):
        file = config_file or user_config()
        found = None if file is None else file.stat()
        stamp = None if found is None else (found.st_mtime_ns, found.st_size)
    return there, stamp

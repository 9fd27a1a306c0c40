"""Keeps what the daemon of a home works on in step with the repositories on record and their
configurations.

A repository that cannot be worked on (gone, unreadable, no checks) stands aside with a sentence and
is tried again; it never stops another. Where a configuration that worked becomes wrong, the last
good one is kept and the error is told. Must not know who asks, nor how the daemon runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.jj import find_root, repo_id
from oya_vcs.bootstrap.github_settings import is_on_github
from oya_vcs.bootstrap.plan import Plan, find_plan
from oya_vcs.bootstrap.serving import Workshop
from oya_vcs.config import Home, environment, target_of, user_config
from oya_vcs.core.events import RepoRegistered, Ticked
from oya_vcs.core.ids import RepoId
from oya_vcs.errors import ConfigurationInvalid, NotFound, OyaError
from oya_vcs.runtime.door import Door, Life
from oya_vcs.runtime.roster import Roster, greet
from oya_vcs.runtime.supervisor import Ready

LOOK_S = 2.0
"""Between two looks at what may have changed."""
PLAN_S = 5.0
"""Between two readings of one repository's configuration, however often it changes, and between two
tries with one that stands aside: each starts a few programs, and what we land ourselves looks like
a change."""

Mark = tuple[str, bool, tuple[int, int] | None]
"""jj's newest operation, whether the repository is there, and the user's configuration: one of
them changes whenever the configuration may have."""


@dataclass(slots=True)
class Known:
    """What is known of a repository: the plan it is worked on by, when it was last planned
    (monotonic seconds), what it looked like then, and why the newest configuration does not
    count."""

    plan: Plan | None = None
    at_s: float = float("-inf")
    mark: Mark | None = None
    error: str = ""


@dataclass(slots=True, eq=False)
class Keeper:
    """Keeps the roster in step with the repositories on record. `say` hears sentences."""

    shop: Workshop
    roster: Roster
    config_file: Path | None
    say: Callable[[str], None]
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    """Every repository was looked at once."""
    _known: dict[RepoId, Known] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

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
        waited = asyncio.get_running_loop().time() - known.at_s >= PLAN_S
        mark = await self._mark(repo, root)
        same = mark == known.mark and not known.error
        moved = known.mark is None or mark[1] != known.mark[1]
        if (same and known.plan is not None) or not (waited or moved):
            return
        known.at_s, known.mark = asyncio.get_running_loop().time(), mark
        try:
            plan = await find_plan(self.shop.home, root, config_file=self.config(), flags={})
            await self._take(door, repo, known, plan)
        except NotFound as error:
            self._refuse(repo, known, error, keep=False)
        except OyaError as error:
            self._refuse(repo, known, error, keep=known.plan is not None)
        except OSError as error:
            unread = ConfigurationInvalid(f"{root} cannot be read: {error.strerror or error}.")
            self._refuse(repo, known, unread, keep=False)

    async def _take(self, door: Door, repo: RepoId, known: Known, plan: Plan) -> None:
        if plan.repo != repo:
            message = f"The repository {repo} is now at another place, {plan.root}."
            raise NotFound(message, f"Register it there: `oya-vcs init {plan.root}`.")
        if is_on_github(plan.config):
            message = f"The changes of {plan.root} are pull requests on GitHub."
            hint = "`oya-vcs run` works on it; a daemon for the whole home does not yet."
            # by no earlier configuration either: what landed here would not be there
            self._refuse(repo, known, ConfigurationInvalid(message, hint), keep=False)
            return
        known.error = ""
        if known.plan is not None and known.plan.config == plan.config:
            return
        served = await self.shop.serve(plan)
        if known.plan is not None:
            self.say(f"{plan.root}: the configuration has changed, and counts from now on.")
        known.plan = plan
        self.roster.serve(served)
        await door.through(lambda life: greet(life.engine, served))
        await door.offer(Ticked())

    def _refuse(self, repo: RepoId, known: Known, error: OyaError, *, keep: bool) -> None:
        """Say once why a repository stands aside, or (`keep`) why it is worked on as before."""
        why = " ".join(filter(None, (error.message, error.hint)))
        if why != known.error:
            self.say(why)
        known.error = why
        if not keep:
            known.plan = None
            self.roster.set_aside(repo, why)

    def config(self) -> Path | None:
        """The configuration of the user: the file that was named, or the usual one, if it is
        there."""
        return self.config_file or user_config()

    async def _mark(self, repo: RepoId, root: Path) -> Mark:
        """No program is started for it."""
        repository = self.shop.repositories.get(repo)
        operation = "" if repository is None else await repository.operation()
        return operation, *(await asyncio.to_thread(_outside, root, self.config_file))

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

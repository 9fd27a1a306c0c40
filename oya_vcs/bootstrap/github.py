"""The GitHub forge of a plan: who we are there, and what is asked, said and found.

Looks at the configuration without asking anybody; the first request goes out when the daemon runs.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.github import (
    App,
    Bell,
    CandidateChecks,
    Credentials,
    Github,
    GithubForge,
    GithubRemote,
    Heads,
    Looked,
    Notices,
    Opening,
    Person,
    Poller,
    Trials,
    UserToken,
    Wire,
    claim,
    clock_of,
    look,
    ourselves,
    require_open,
)
from oya_vcs.adapters.jj import JjRepository, open_remote
from oya_vcs.adapters.local.judge import judge
from oya_vcs.bootstrap.github_settings import remote_name, require_github, require_same, web_place
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.config import Config, GithubConfig, templates_folder
from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint, Topic
from oya_vcs.core.ids import ChangeId, CommitId
from oya_vcs.core.merge.lifecycle import OVER
from oya_vcs.core.pulls import TryPull
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.ports import Performer, Remote
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.supervisor import Ready
from oya_vcs_bot.reception import Desk, Reception, Understand
from oya_vcs_bot.replies import Render, replies
from oya_vcs_bot.translate import News, Translator


@dataclass(slots=True, kw_only=True)
class Hub:
    """GitHub, as a running daemon has it."""

    api: Github
    app: App | None
    settings: GithubConfig
    translator: Translator
    bell: Bell
    home_tag: str
    poller: Poller | None = None
    bot: Person = field(default_factory=Person)
    """Who an App's comments are by, once that was asked for. The account of a token is a person's,
    who may speak to us, too."""

    def read(self, kind: str, payload: Mapping[str, object]) -> News:
        """What a payload of this kind of event tells, with what is known of who we are."""
        us = (self.bot.id, 0 if self.app is None else self.app.installed)
        if us != (self.translator.user_id, self.translator.installation):
            self.translator = replace(self.translator, user_id=us[0], installation=us[1])
        return self.translator.read(kind, payload)

    def understand(self, kind: str, payload: Mapping[str, object]) -> Sequence[Event]:
        """The facts of that."""
        return self.read(kind, payload).facts

    def hear(self, hint: Hint) -> None:
        """Look sooner where a webhook says that something may have changed."""
        if hint.topic is Topic.CHECKS and hint.commit is not None:
            self.bell.ring(hint.commit)
        elif self.poller is not None:
            self.poller.poke()

    async def knock(self) -> None:
        """Have GitHub say that the repository can be worked on. Raises GithubFailed."""
        await require_open(self.api)

    def standing(self, *, webhooks: bool) -> dict[str, object]:
        """What people are told of it: when GitHub was last asked for all that is new (Unix time, 0
        for never), what went wrong since, and how many requests are left this hour."""
        poller = self.poller
        failed = None if poller is None else poller.failed
        return {
            "name": self.settings.repo,
            "api_url": self.settings.api_url,
            "webhooks": webhooks,
            "poll_ms": self.settings.poll_ms,
            "polled_ms": 0 if poller is None else poller.looked_ms,
            "error": "" if failed is None else failed.message,
            "requests_left": self.api.wire.pace.remaining,
        }

    async def poll(self, door: Door, ready: Ready) -> None:
        """A child: finds what webhooks did not tell."""
        ready()
        life = await door.holder()

        async def live() -> Collection[ChangeId]:
            return needed((await door.holder()).engine.world)

        self.poller = Poller(
            self.api,
            understand=self.understand,
            offer=lambda facts: door.offer(*facts),
            live=live,
            home_tag=self.home_tag,
            clock=SystemClock(),
            poll_ms=self.settings.poll_ms,
            since_ms=life.engine.world.now_ms,
            app=self.app,
        )
        await self.poller.run()


def translator_of(plan: Plan) -> Translator:
    """What GitHub's words mean in the plan's repository."""
    github = plan.config.github
    return Translator(repo=plan.repo, name=github.repo, prefix=github.prefix, app_id=github.app_id)


def render_of(plan: Plan) -> Render:
    """The words of what is said on pull requests."""
    return replies(templates_folder() / "replies", plan.config.github.prefix)


def open_desk(
    plan: Plan,
    understand: Understand,
    wake: Callable[[Hint], None],
    reception: Reception,
    say: Callable[[str], None],
) -> Desk | None:
    """Take GitHub's webhooks for the plan's repository; none without a secret to know them by,
    which is said: polling finds what they tell, only later."""
    github = plan.config.github
    secret = plan.environ.get(github.webhook_secret_env, "")
    if not secret:
        say(
            f"No webhook is taken for {github.repo}:"
            f" {github.webhook_secret_env or 'github.webhook_secret_env'} is not set."
            f" GitHub is asked every {github.poll_ms / 1_000:g} s instead."
        )
        return None
    words = secret.encode("utf-8", "surrogateescape")
    desk = Desk(name=github.repo, secret=words, understand=understand, wake=wake)
    reception.open(plan.repo, desk)
    return desk


def needed(world: World) -> set[ChangeId]:
    """The changes whose candidates may still be looked at: those in the queue, and trials."""
    tried = {
        ChangeId(f"try-{one.number}") for one in world.open.values() if isinstance(one, TryPull)
    }
    return tried | {change.id for change in world.changes.values() if change.stage not in OVER}


def way_in(
    settings: GithubConfig, environ: Mapping[str, str], wire: Wire
) -> tuple[Credentials, App | None]:
    """What the configuration names to get in with. Raises ConfigurationInvalid."""
    if settings.token_env:
        token = environ.get(settings.token_env, "").strip()
        if not token:
            raise ConfigurationInvalid(
                f"github.token_env names {settings.token_env}, which is not set.",
                "Set it to a token in the environment of oya-vcs, or name an App.",
            )
        return UserToken(token), None
    file = Path(settings.private_key_file).expanduser()
    try:
        key = file.read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise ConfigurationInvalid(
            f"github.private_key_file {file} cannot be read: {error}.",
            "Name the key that the App's page on GitHub lets you download.",
        ) from error
    app = App(wire, SystemClock(), app_id=settings.app_id, key=key, repo=settings.repo)
    return app, app


async def github_remote(
    config: Config, repository: JjRepository, environ: Mapping[str, str], api: Github
) -> Remote:
    """That remote, with git let in by the same token as the API. Raises ConfigurationInvalid where
    there is none, or it is another repository."""
    name = remote_name(config)

    async def entry() -> Mapping[str, str]:
        words = base64.b64encode(f"x-access-token:{await api.token()}".encode()).decode()
        return {f"http.{place}.extraHeader": f"Authorization: Basic {words}"}

    remote = await open_remote(repository, name, environ)
    require_same(config, remote.url, remote.push_url)
    place = web_place(remote.push_url)
    return await open_remote(repository, name, environ, entry) if place else remote


def open_wire(settings: GithubConfig, held: AsyncExitStack) -> Wire:
    """The way to the configuration's GitHub; `held` lets go of the connections. Those who get in
    with the same token share it: they have one limit."""
    wire = Wire(settings.api_url, SystemClock())
    held.push_async_callback(wire.close)
    return wire


async def open_hub(plan: Plan, repository: JjRepository, wire: Wire) -> Hub:
    """GitHub for the plan's repository. Raises ConfigurationInvalid."""
    clock, settings = SystemClock(), plan.config.github
    credentials, app = await asyncio.to_thread(way_in, settings, plan.environ, wire)
    return Hub(
        api=Github(wire, credentials, settings.repo, clock),
        app=app,
        settings=settings,
        translator=translator_of(plan),
        bell=Bell(clock),
        home_tag=repository.home_tag,
    )


async def forge_at(
    plan: Plan,
    repository: JjRepository,
    hub: Hub,
    local_with: Callable[[Remote], Performer],
) -> GithubForge:
    """The forge on GitHub; `local_with` makes the one here that lands at a remote. Raises Locked
    where another home works there."""
    clock, api, target = SystemClock(), hub.api, plan.config.repo.target
    git = await github_remote(plan.config, repository, plan.environ, api)
    await claim(git, repository, clock)
    remote = GithubRemote(api, git, clock)

    async def named_at(candidate: CommitId) -> Iterable[str]:
        return (await judge(repository, candidate, plan.checks_at)).commands

    local = local_with(remote)
    opening = Opening(api, git, repository, target)
    checks = CandidateChecks(
        api,
        git,
        home_tag=repository.home_tag,
        target=target,
        named_at=named_at,
        own_app=plan.config.github.app_id,
        look_ms=plan.config.github.poll_ms,
        clock=clock,
        bell=hub.bell,
    )
    return GithubForge(
        api=api,
        remote=git,
        local=local,
        opening=opening,
        checks=checks,
        heads=Heads(api, git, repository, clock),
        notices=Notices(
            api,
            await asyncio.to_thread(render_of, plan),
            who=_once(partial(_ourselves, hub)),
            own_app=plan.config.github.app_id if hub.app else 0,
            home_tag=repository.home_tag,
            page=plan.config.web.url,
        ),
        trials=Trials(
            api=api,
            local=local,
            opening=opening,
            checks=checks,
            home_tag=repository.home_tag,
        ),
        understand=hub.understand,
        home_tag=repository.home_tag,
        clock=clock,
    )


async def diagnose(plan: Plan) -> Sequence[Looked]:
    """What we must be allowed to do on GitHub, and whether we are. Raises ConfigurationInvalid, and
    GithubFailed where nothing can be told."""
    require_github(plan.config)
    settings, clock = plan.config.github, SystemClock()
    async with Wire(settings.api_url, clock) as wire:
        credentials, app = await asyncio.to_thread(way_in, settings, plan.environ, wire)
        api = Github(wire, credentials, settings.repo, clock)
        seen = await look(api, app, plan.config.repo.target, len(plan.config.checks))
        return [*seen, await clock_of(api, clock.now_ms())]


async def _ourselves(hub: Hub) -> Person:
    if hub.app is None:
        return await ourselves(hub.api, "")
    hub.bot = await ourselves(hub.api, (await hub.app.about())["slug"])
    return hub.bot


def _once(ask: Callable[[], Awaitable[Person]]) -> Callable[[], Awaitable[Person]]:
    """Ask until there is an answer, and never again."""
    known: list[Person] = []

    async def answer() -> Person:
        if not known:
            known.append(await ask())
        return known[0]

    return answer

"""The web server of a plan: what the bot's application is made of, and the child that serves it.

Imported only where there is something to serve: the web framework takes half a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from oya_vcs.bootstrap.plan import Plan
from oya_vcs.config import templates_folder
from oya_vcs.core.event import Event
from oya_vcs.core.hints import Hint
from oya_vcs.errors import ConfigurationInvalid
from oya_vcs.runtime.door import Door
from oya_vcs.runtime.supervisor import Child, Ready
from oya_vcs_bot.app import Desk, Understand, make_app
from oya_vcs_bot.replies import Render, replies
from oya_vcs_bot.serving import listening, serve
from oya_vcs_bot.translate import Translator


def translator_of(plan: Plan) -> Translator:
    """What GitHub's words mean in the plan's repository."""
    github = plan.config.github
    return Translator(repo=plan.repo, name=github.repo, prefix=github.prefix, app_id=github.app_id)


def render_of(plan: Plan) -> Render:
    """The words of what is said on pull requests."""
    return replies(templates_folder() / "replies", plan.config.github.prefix)


def web_of(
    plan: Plan,
    door: Door,
    say: Callable[[str], None],
    understand: Understand,
    wake: Callable[[Hint], None],
) -> list[Child]:
    """The child that takes GitHub's webhooks; none without a secret to know them by, which is said:
    polling finds what they tell, only later."""
    github = plan.config.github
    secret = plan.environ.get(github.webhook_secret_env, "")
    if not secret:
        say(
            f"No webhook is taken: {github.webhook_secret_env or 'github.webhook_secret_env'} is"
            f" not set. GitHub is asked every {github.poll_ms / 1_000:g} s instead."
        )
        return []

    async def offer(facts: Sequence[Event], delivery: str) -> None:
        await door.offer(*facts, delivery=delivery)

    desk = Desk(
        secret=secret.encode("utf-8", "surrogateescape"),
        understand=understand,
        offer=offer,
        wake=wake,
    )

    async def run(ready: Ready) -> None:
        try:
            sock = listening(plan.config.web.listen)
        except ConfigurationInvalid as error:
            say(f"{error.message} {error.hint} No webhook is taken meanwhile.")
            ready()
            await asyncio.Event().wait()
        else:
            await serve(make_app(desk), sock, ready)

    return [Child(name="web", run=run)]

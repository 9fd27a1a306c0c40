"""Finds by itself what lost webhooks would have told: pull requests, comments, reviews.

Asks only for what is newer than what it has seen, conditionally; what it finds goes in at the same
door as what webhooks tell, and means the same however often it comes. Also has lost webhooks sent
again, and removes branches of ours that nobody needs. Must not know what follows from anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from oya_vcs.adapters.github.auth import App
from oya_vcs.adapters.github.branches import listed, queue_folder, remove
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.forge import Understand
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.core.events import Event
from oya_vcs.core.ids import ChangeId
from oya_vcs.ports import Clock

log = logging.getLogger(__name__)

OVERLAP_MS = 120_000
"""How far each look goes back behind the newest that was seen: lists of GitHub's lag behind."""
START_MS = 3 * 24 * 3_600_000
"""How far the first look goes back behind the last event on record: webhooks may be three days
late (GitHub keeps deliveries as long)."""
POKED_MS = 1_000
"""At least so long, or the usual pause where that is shorter, is between two looks."""
SHUT_MS_MAX = 300_000
"""At most so long is between two looks at a GitHub that refuses us; from the usual pause on, each
is twice the one before. A webhook that says that we are let in ends it."""
SWEEP_EVERY = 10
"""Looks between two at the branches of ours."""
AGAIN_MAX = 20
"""Lost deliveries that one look has sent again."""
TOLD_MAX = 1_000
"""Deliveries and branches that are remembered, to ask once only."""

Offer = Callable[[Sequence[Event]], Awaitable[None]]
Live = Callable[[], Awaitable[Collection[ChangeId]]]
"""The changes whose candidates are needed now."""


async def require_open(api: Github) -> None:
    """Raise GithubFailed where nothing of the repository can be worked on. One that was renamed
    answers under its old name, too, but all that is told of it has the new one."""
    shown = await api.get(api.here(""))
    name = str(shown.get("full_name") or "")
    if name.lower() != api.repo.lower():
        hint = "Write that into [github] repo, and into the address of the git remote."
        raise GithubFailed(Why.MISSING, f"{api.repo} is called {name} on GitHub now.", hint=hint)
    if shown.get("archived"):
        said = f"{api.repo} is archived on GitHub: nothing can be said or landed there."
        raise GithubFailed(Why.UNAUTHORISED, said, hint="Its owner can take that back.")


class Poller:
    """Looks every `poll_ms`, and sooner when it is poked. `since_ms` (Unix time) is the time of the
    last event on record, 0 for none. `app` is None where we are no App."""

    def __init__(
        self,
        api: Github,
        *,
        understand: Understand,
        offer: Offer,
        live: Live,
        home_tag: str,
        clock: Clock,
        poll_ms: int,
        since_ms: int,
        app: App | None,
    ) -> None:
        self._api = api
        self._understand = understand
        self._offer = offer
        self._live = live
        self._home_tag = home_tag
        self._clock = clock
        self._poll_ms = poll_ms
        last_ms = min(since_ms or clock.now_ms(), clock.now_ms())
        self._pulls_ms = self._comments_ms = last_ms - START_MS
        self._app = app
        self._looks = 0
        self._resent: dict[int, None] = {}
        self._idle: set[str] = set()
        self._poked = asyncio.Event()
        self.looked_ms = 0
        """When the last look was had to its end (Unix time), 0 for never."""
        self.failed: GithubFailed | None = None
        """What the newest look failed of; None where it did not."""
        self._shut = ""
        """What refuses us, and has been said."""
        self._refusals = 0

    def poke(self) -> None:
        """Look soon."""
        self._poked.set()

    async def run(self) -> None:
        """Look, wait, look. A GitHub that does not answer is asked again; one that refuses us, ever
        less often, until it lets us in: what waited for that goes on then."""
        while True:
            self._poked.clear()
            try:
                await self.look()
                self.looked_ms, self.failed = self._clock.now_ms(), None
            except GithubFailed as error:
                self.failed = error
                self._refused(error)
            else:
                await self._let_in()
            await self._pause()

    def _refused(self, error: GithubFailed) -> None:
        """Say what refuses us once, however often it does."""
        if error.retryable:
            log.warning("%s Polling goes on.", error.message)
            return
        if error.message != self._shut:
            log.warning("%s %s Pull requests wait until it lets us in.", error.message, error.hint)
        self._shut, self._refusals = error.message, self._refusals + 1

    async def _let_in(self) -> None:
        """The first look that comes to its end after refusals tells what a webhook would have."""
        if self._shut:
            self._shut, self._refusals = "", 0
            log.warning("GitHub lets us in again at %s.", self._api.repo)
            here = {"repositories": [{"full_name": self._api.repo}]}
            await self._tell("installation", {"action": "created", **here})

    async def look(self) -> int:
        """Look once; returns how many facts were handed in. Raises GithubFailed."""
        await require_open(self._api)
        found = await self._pulls() + await self._comments()
        if self._app is not None:
            await self._redeliver(self._app)
        if self._looks % SWEEP_EVERY == 0:
            await self._sweep()
        self._looks += 1
        return found

    async def _pause(self) -> None:
        """Until the next look: a poke ends it early, but no two looks follow each other at once,
        however many webhooks come."""
        most_ms = max(self._poll_ms, min(self._poll_ms * 2**self._refusals, SHUT_MS_MAX))
        least_ms = min(self._poll_ms, POKED_MS)
        await self._clock.sleep(least_ms)
        late = asyncio.ensure_future(self._clock.sleep(most_ms - least_ms))
        poked = asyncio.ensure_future(self._poked.wait())
        try:
            await asyncio.wait([late, poked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
            poked.cancel()

    async def _tell(self, kind: str, payload: dict[str, object]) -> int:
        facts = self._understand(kind, payload)
        if facts:
            await self._offer(facts)
        return len(facts)

    async def _pulls(self) -> int:
        """Pull requests that changed since the last look, newest first, whatever their state; at
        the first look also every open one. With each, the reviews that it got."""
        since_ms, newest_ms, found = self._pulls_ms, self._pulls_ms + OVERLAP_MS, 0
        told = set[int]()
        path, order = self._api.here("/pulls"), {"sort": "updated", "direction": "desc"}
        async for pull in self._api.each(path, state="all", **order):
            changed_ms = _ms(pull["updated_at"])
            if changed_ms < since_ms:
                break
            newest_ms = max(newest_ms, changed_ms)
            told.add(pull["number"])
            found += await self._pull(pull)
            found += await self._reviews(pull)
        if not self._looks:
            async for pull in self._api.each(path, state="open", **order):
                if pull["number"] not in told:
                    found += await self._pull(pull)
        self._pulls_ms = newest_ms - OVERLAP_MS
        return found

    async def _pull(self, pull: Any) -> int:
        return await self._tell("pull_request", {"pull_request": pull})

    async def _reviews(self, pull: Any) -> int:
        """The reviews of an open pull request; one that cannot be read stops no other."""
        if pull["state"] != "open":
            return 0
        found = 0
        with suppress(GithubFailed):
            async for review in self._api.each(self._api.here(f"/pulls/{pull['number']}/reviews")):
                submitted = {"action": "submitted", "review": review}
                found += await self._tell("pull_request_review", submitted)
        return found

    async def _comments(self) -> int:
        """Comments since the last look, below pull requests and on their lines."""
        since = datetime.fromtimestamp(self._comments_ms / 1_000, UTC)
        newest_ms, found = self._comments_ms + OVERLAP_MS, 0
        for kind, path in _COMMENTS.items():
            query = {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "sort": "updated"}
            rows = self._api.each(self._api.here(path), direction="asc", **query)
            async for comment in rows:
                newest_ms = max(newest_ms, _ms(comment["updated_at"]))
                found += await self._tell(kind, {"action": "created", "comment": comment})
        self._comments_ms = newest_ms - OVERLAP_MS
        return found

    async def _redeliver(self, app: App) -> None:
        """Have deliveries that failed sent again, each once: those about this repository, or this
        installation as a whole. A webhook that nobody configured has none."""
        for one in await app.failed_deliveries():
            if one.id in self._resent:
                continue
            if len(self._resent) >= TOLD_MAX:
                del self._resent[next(iter(self._resent))]
            self._resent[one.id] = None
            here = one.repository in {0, await self._number()}
            if here and one.installation in {0, app.installed}:
                await app.redeliver(one.id)

    async def _number(self) -> int:
        """That of the repository: its name may change."""
        return int((await self._api.get(self._api.here("")))["id"])

    async def _sweep(self) -> None:
        """Remove branches of candidates that no change needs. One goes when two looks have found it
        so: between them, whoever had just made it is done."""
        live = await self._live()
        keep = tuple(queue_folder(self._home_tag, change) for change in live)
        there = await listed(self._api, queue_folder(self._home_tag))
        idle = {branch for branch in there if not branch.startswith(keep)}
        for branch in sorted(idle & self._idle):
            await remove(self._api, branch)
        self._idle = idle - self._idle


_COMMENTS = {
    "issue_comment": "/issues/comments",
    "pull_request_review_comment": "/pulls/comments",
}


def _ms(text: object) -> int:
    """Unix milliseconds of a time as GitHub writes it, 0 where it is none."""
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1_000)
    except ValueError:
        return 0

"""The checks of a candidate: pushed to a branch of ours, run by whatever runs checks there.

What is asked for is exactly that commit, until every required check has a result or one has failed.
What webhooks say is a reason to look, and no result. Must not know how a candidate is made or
landed, nor what follows from a result.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote

from oya_vcs.adapters.github.branches import put, queue_branch
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.adapters.github.verdict import (
    Required,
    Seen,
    Verdict,
    of_protection,
    of_rules,
    of_run,
    of_status,
    others,
    weigh,
)
from oya_vcs.core.effects import RunChecks
from oya_vcs.core.events import ChecksFinished, ChecksStarted, Reason
from oya_vcs.core.ids import CommitId, Key
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Clock, Probe, Remote, Report

LOOK_MS_MAX = 15_000
"""Between two looks without a word from a webhook. A look that finds nothing new costs nothing of
the rate limit."""
NONE_REQUIRED = (
    "No checks are required, so nothing can land. Require at least one for the target branch on "
    "GitHub (protection or ruleset), or name one under [checks] in the oya.toml on it."
)

NamedAt = Callable[[CommitId], Awaitable[Iterable[str]]]
"""The checks that oya.toml names where a candidate is built on. Raises WorldFailed."""


class Bell:
    """Wakes whoever waits for news of a commit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[CommitId, list[asyncio.Future[None]]] = defaultdict(list)

    def ring(self, commit: CommitId) -> None:
        """There may be something new about a commit."""
        for waiter in self._waiting.pop(commit, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, commit: CommitId, most_ms: int) -> None:
        """Return when there may be something new, and after `most_ms` in any case."""
        rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[commit].append(rung)
        late = asyncio.ensure_future(self._clock.sleep(most_ms))
        try:
            await asyncio.wait([rung, late], return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
            waiters = self._waiting.get(commit, [])
            if rung in waiters:
                waiters.remove(rung)
            if not waiters:
                self._waiting.pop(commit, None)


class CandidateChecks:
    """Checks on GitHub. `target` is the branch whose rules count, `named_at` what oya.toml names,
    for repositories without such rules; `own_app` is our own App (0: none)."""

    def __init__(
        self,
        api: Github,
        remote: Remote,
        *,
        home_tag: str,
        target: str,
        named_at: NamedAt,
        own_app: int,
        look_ms: int,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._api = api
        self._remote = remote
        self._home_tag = home_tag
        self._target = target
        self._named_at = named_at
        self._own_app = own_app
        self._look_ms = min(look_ms, LOOK_MS_MAX)
        self._clock = clock
        self._bell = bell

    async def publish(self, effect_change: RunChecks) -> None:
        """Have the candidate on its branch. Raises WorldFailed."""
        branch = queue_branch(self._home_tag, effect_change.change, effect_change.candidate)
        await put(self._remote, branch, effect_change.candidate)

    async def run(self, key: Key, effect: RunChecks, report: Report) -> ChecksFinished:
        """Wait for a result, however long that takes: whoever is too late is judged elsewhere.

        Reports `ChecksStarted` when somebody has begun. A GitHub that does not answer is waited
        for. Raises WorldFailed where it refuses.
        """
        published = begun = False
        while True:
            try:
                if not published:
                    await self.publish(effect)
                    published = True
                verdict = await self._weigh(effect.candidate)
            except WorldFailed as error:
                if not error.retryable:
                    raise
            else:
                if (event := _decided(key, effect, verdict)) is not None:
                    return event
                if verdict is not None and verdict.begun and not begun:
                    begun = True
                    await report(
                        ChecksStarted(
                            bead=effect.bead, change=effect.change, candidate=effect.candidate
                        )
                    )
            await self._bell.wait(effect.candidate, self._look_ms)

    async def find(self, key: Key, effect: RunChecks) -> ChecksFinished | Probe:
        """The result, where there is one; ABSENT where it is to be waited for (again)."""
        try:
            verdict = await self._weigh(effect.candidate)
        except WorldFailed as error:
            if error.retryable:
                return Probe.UNKNOWN
            raise
        return _decided(key, effect, verdict) or Probe.ABSENT

    async def stopped(self, key: Key, effect: RunChecks, reason: Reason) -> ChecksFinished:
        """The result of checks that nobody waits for any more: their own where they have one, else
        `reason`. A GitHub that does not answer keeps nobody from stopping."""
        try:
            found = await self.find(key, effect)
        except WorldFailed:
            found = Probe.UNKNOWN
        if isinstance(found, ChecksFinished):
            return found
        return _finished(key, effect, reason, "", "The checks were stopped before their end.")

    async def _weigh(self, commit: CommitId) -> Verdict | None:
        """The verdict on a commit; None where nothing is required."""
        required = others(await self._required(commit), self._own_app)
        if not required:
            return None
        return weigh(required, await self._seen(commit), self._own_app)

    async def _required(self, commit: CommitId) -> list[Required]:
        """What the target's rules require; where they require nothing, what oya.toml names."""
        branch = quote(self._target, safe="")
        shown = await self._api.find(self._api.here(f"/branches/{branch}")) or {}
        required = of_protection(shown)
        path = self._api.here(f"/rules/branches/{branch}")
        required += of_rules([rule async for rule in self._api.each(path)])
        if others(required, self._own_app):
            return required
        return [Required(name) for name in await self._named_at(commit)]

    async def _seen(self, commit: CommitId) -> list[Seen]:
        """What there is about a commit: nothing of one that GitHub does not have, or not yet."""
        try:
            return await self._read(commit)
        except GithubFailed as error:
            if error.why is Why.MISSING or error.status == 422:
                return []
            raise

    async def _read(self, commit: CommitId) -> list[Seen]:
        runs = self._api.here(f"/commits/{commit}/check-runs")
        statuses = self._api.here(f"/commits/{commit}/statuses")
        seen = [of_run(one) async for one in self._api.each(runs, "check_runs", filter="all")]
        return seen + [of_status(one) async for one in self._api.each(statuses)]


def _decided(key: Key, effect: RunChecks, verdict: Verdict | None) -> ChecksFinished | None:
    if verdict is None:
        return _finished(key, effect, Reason.NO_CHECKS, "", NONE_REQUIRED)
    if verdict.failed is not None:
        failed = verdict.failed
        late = failed.result == "timed_out"
        reason = Reason.CHECK_TIMEOUT if late else Reason.CHECK_FAILED
        detail = f"The check `{failed.name}` failed on GitHub.\n{failed.detail}".rstrip()
        return _finished(key, effect, reason, failed.name, detail)
    return None if verdict.waiting else _finished(key, effect, None, "", "")


def _finished(
    key: Key, effect: RunChecks, reason: Reason | None, check: str, detail: str
) -> ChecksFinished:
    return ChecksFinished(
        key=key,
        bead=effect.bead,
        change=effect.change,
        candidate=effect.candidate,
        reason=reason,
        check=check,
        detail=detail,
    )

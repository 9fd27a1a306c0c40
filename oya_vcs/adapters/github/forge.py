"""The GitHub forge: which effect is carried out by what.

Candidates are built in the local clone, and a landing is read back there, by the forge that it is
given for that; GitHub holds the pull requests, runs the checks and has the target that counts. What
GitHub does not answer to is asked again, with a look at what became of it first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oya_vcs.adapters.github.branches import listed, put, queue_branch, queue_folder, remove
from oya_vcs.adapters.github.checks import CandidateChecks
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.heads import Heads
from oya_vcs.adapters.github.notices import Notices
from oya_vcs.adapters.github.opening import Opening
from oya_vcs.adapters.github.outcomes import GithubFailed
from oya_vcs.adapters.github.people import by_name, by_number, level_of, who_labelled
from oya_vcs.adapters.github.trying import Trials
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import ChangeId, Key
from oya_vcs.core.pulls import AskPermission, Reply, TellStatus, TryPull
from oya_vcs.errors import Bug, WorldFailed
from oya_vcs.ports import Clock, Performer, Probe, Remote, Report

log = logging.getLogger(__name__)

AGAIN_MS = 1_000
AGAIN_MS_MAX = 60_000
"""Between two tries at what GitHub did not answer to: doubled each time, up to this."""

Understand = Callable[[str, dict[str, object]], Sequence[e.Event]]
"""What a payload of this kind of event, or what looks like one, tells. Raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubForge:
    """A `ports.Performer` for changes that are pull requests.

    `local` builds candidates and reads landings back, over `remote`, which moves the target.
    """

    api: Github
    remote: Remote
    local: Performer
    opening: Opening
    checks: CandidateChecks
    heads: Heads
    notices: Notices
    trials: Trials
    understand: Understand
    home_tag: str
    clock: Clock

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        """What the local forge does, and what is said on pull requests."""
        return (*self.local.kinds, AskPermission, Reply, TellStatus, TryPull)

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Carry the effect out. Where GitHub does not answer this waits, and looks before it does
        anything again; raises WorldFailed where it refuses."""
        match effect:
            case f.RunChecks():
                return await self.checks.run(key, effect, report)
            case TryPull():
                return await self.trials.run(key, effect, report)
            case f.BuildCandidate():
                return await self._build(key, effect, report)
            case f.Land():
                return await self._land(key, effect, report)
            case f.DropCandidates():
                event = await self.local.do(key, effect, report)
                await self.heads.forget([effect.bead])
                await self._tidy(effect.change)
                return event
            case _:
                return await self._patiently(key, effect, report)

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        """Find what the effect left: a pull request, a comment, a result, a landing."""
        match effect:
            case f.RunChecks():
                return await self.checks.find(key, effect)
            case f.Land():
                found = await self.local.probe(key, effect)
                if isinstance(found, e.Landed):
                    await self._landed(effect)
                return found
            case f.BuildCandidate() | f.DropCandidates():
                return await self.local.probe(key, effect)
            case _:
                try:
                    return await self._found(key, effect) or Probe.ABSENT
                except WorldFailed as error:
                    if error.retryable:
                        return Probe.UNKNOWN
                    raise

    async def stopped(self, key: Key, effect: f.Effect, reason: e.Reason) -> e.Event | None:
        """What checks came to that were to be stopped."""
        match effect:
            case f.RunChecks():
                return await self.checks.stopped(key, effect, reason)
            case TryPull():
                return await self.trials.stopped(key, effect, reason)
            case _:
                raise _foreign(effect)

    async def _patiently(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Do it; after no answer, look, and do it again where it was not done."""
        pause_ms, begun = AGAIN_MS, False
        while True:
            try:
                if begun and (event := await self._found(key, effect)) is not None:
                    return event
                begun = True
                return await self._once(key, effect, report)
            except WorldFailed as error:
                if not error.retryable:
                    raise
                log.warning("%s; it is tried again", error.message)
            await self.clock.sleep(pause_ms)
            pause_ms = min(2 * pause_ms, AGAIN_MS_MAX)

    async def _once(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        match effect:
            case f.OpenChange():
                return await self.opening.open(key, effect)
            case Reply():
                return await self.notices.reply(key, effect)
            case TellStatus():
                return await self.notices.tell(key, effect)
            case AskPermission():
                return await self._permission(key, effect, report)
            case _:
                raise _foreign(effect)

    async def _found(self, key: Key, effect: f.Effect) -> e.Event | None:
        """What is there of an effect; None where there is nothing, or repeating it is harmless."""
        match effect:
            case f.OpenChange():
                return await self.opening.find(key, effect)
            case Reply():
                return await self.notices.find_reply(key, effect)
            case _:
                return None

    async def _build(self, key: Key, effect: f.BuildCandidate, report: Report) -> e.Event:
        if effect.pull:
            await self.opening.bring(effect.pull, effect.head)
        event = await self.local.do(key, effect, report)
        if isinstance(event, e.CandidateBuilt):
            await self.heads.remember(effect, event)
        return event

    async def _land(self, key: Key, effect: f.Land, report: Report) -> e.Event:
        """Land, with the commits there, and heads moved first where GitHub is to show as merged
        what was not merged."""
        branch = queue_branch(self.home_tag, effect.change, effect.commit)
        await put(self.remote, branch, effect.commit)
        await self.heads.move(effect)
        event = await self.local.do(key, effect, report)
        if isinstance(event, e.Landed):
            await self._landed(effect)
        return event

    async def _landed(self, effect: f.Land) -> None:
        await self.heads.close(effect)
        await self._tidy(effect.change)

    async def _tidy(self, change: ChangeId) -> None:
        """Remove the branches of a change's candidates. What GitHub does not remove now, the poller
        does later: nothing waits for it."""
        try:
            for branch in await listed(self.api, queue_folder(self.home_tag, change)):
                await remove(self.api, branch)
        except GithubFailed as error:
            log.warning("%s; the branches of %s are left for later", error.message, change)

    async def _permission(
        self, key: Key, effect: AskPermission, report: Report
    ) -> e.PermissionKnown:
        """What somebody may do; before the answer the pull request is told as it is now."""
        pull: Any = await self.api.find(self.api.here(f"/pulls/{effect.number}"))
        if pull is not None:
            for fact in self.understand("pull_request", {"pull_request": pull}):
                await report(fact)
        if effect.user_id:
            person = await by_number(self.api, effect.user_id)
        else:
            person = await who_labelled(
                self.api, effect.number, effect.label, removed=effect.removed
            )
        return e.PermissionKnown(
            key=key,
            bead=effect.bead,
            repo=effect.repo,
            number=effect.number,
            asked=effect.asked,
            user=person.login,
            user_id=person.id,
            level=await level_of(self.api, person),
            named=tuple([await by_name(self.api, login) for login in effect.names]),
        )


def _foreign(effect: f.Effect) -> Bug:
    return Bug(f"{type(effect).__name__} was given to the GitHub forge, which does not do it.")

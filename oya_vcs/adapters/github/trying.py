"""Trials: what would land, built and tested, and let go of again. Nothing lands.

Must not know who asked for it, nor where the result is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from oya_vcs.adapters.github.branches import queue_branch, remove
from oya_vcs.adapters.github.checks import CandidateChecks
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.opening import Opening
from oya_vcs.adapters.github.outcomes import GithubFailed
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import ChangeId, CommitId, Key
from oya_vcs.core.pulls import PullTried, TryPull
from oya_vcs.ports import Performer, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Carries trials out, with the performers that land changes."""

    api: Github
    local: Performer
    opening: Opening
    checks: CandidateChecks
    home_tag: str

    async def run(self, key: Key, effect: TryPull, report: Report) -> PullTried:
        """Build, test, let go. Cancelled or killed in between, it is done again from the start: the
        same candidate, and the results that are known of it. Raises WorldFailed."""
        await self.opening.bring(effect.number, effect.head)
        build = _build_of(effect)
        built = await self.local.do(effect_key(build), build, report)
        match built:
            case e.CandidateBuilt():
                check = _checks_of(effect, built.commit)
                ended = await self.checks.run(effect_key(check), check, _unheard)
                tried = _tried(key, effect, built.commit, ended)
            case e.CandidateConflicted():
                files = "\n".join(built.files)
                words = f"It does not merge into the target as it is now. In conflict:\n{files}"
                tried = _ended(key, effect, None, e.Reason.CONFLICT, words)
            case e.CandidateRedundant():
                words = "The target holds it already."
                tried = _ended(key, effect, None, e.Reason.ALREADY_LANDED, words)
            case e.TargetBlocked():
                tried = _ended(key, effect, None, built.reason, built.detail)
            case _:
                words = "The candidate could not be built."
                tried = _ended(key, effect, None, e.Reason.INFRASTRUCTURE, words)
        await self._let_go(effect, tried.candidate, report)
        return tried

    async def stopped(self, key: Key, effect: TryPull, reason: e.Reason) -> PullTried:
        """The result of a trial that was to be stopped: its own, where its checks had one."""
        build = _build_of(effect)
        built = await self.local.probe(effect_key(build), build)
        if not isinstance(built, e.CandidateBuilt):
            return _ended(key, effect, None, reason, "The trial was stopped before its end.")
        check = _checks_of(effect, built.commit)
        ended = await self.checks.stopped(effect_key(check), check, reason)
        await self._let_go(effect, built.commit, _unheard)
        return _tried(key, effect, built.commit, ended)

    async def _let_go(self, effect: TryPull, candidate: CommitId | None, report: Report) -> None:
        change = _change_of(effect)
        drop = f.DropCandidates(
            repo=effect.repo, bead=effect.bead, change=change, round=effect.round
        )
        await self.local.do(effect_key(drop), drop, report)
        if candidate is not None:
            try:
                await remove(self.api, queue_branch(self.home_tag, change, candidate))
            except GithubFailed:
                return  # the poller removes it later


def _change_of(effect: TryPull) -> ChangeId:
    """A change of its own, which no queue knows."""
    return ChangeId(f"try-{effect.number}")


def _build_of(effect: TryPull) -> f.BuildCandidate:
    return f.BuildCandidate(
        repo=effect.repo,
        bead=effect.bead,
        change=_change_of(effect),
        head=effect.head,
        round=effect.round,
        message=effect.message,
        made_at_ms=effect.made_at_ms,
        method=effect.method,
    )


def _checks_of(effect: TryPull, candidate: CommitId) -> f.RunChecks:
    return f.RunChecks(
        repo=effect.repo,
        bead=effect.bead,
        change=_change_of(effect),
        round=effect.round,
        candidate=candidate,
    )


def _tried(key: Key, effect: TryPull, candidate: CommitId, ended: e.ChecksFinished) -> PullTried:
    return _ended(key, effect, candidate, ended.reason, ended.detail, ended.check)


def _ended(
    key: Key,
    effect: TryPull,
    candidate: CommitId | None,
    reason: e.Reason | None,
    detail: str,
    check: str = "",
) -> PullTried:
    return PullTried(
        key=key,
        bead=effect.bead,
        repo=effect.repo,
        number=effect.number,
        round=effect.round,
        candidate=candidate,
        reason=reason,
        check=check,
        detail=detail,
    )


async def _unheard(_event: e.Event) -> None:
    """No queue waits for a trial's checks to begin."""

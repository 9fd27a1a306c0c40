"""The pull requests of a forge in memory: people with rights, comments, one status each.

For tests and simulation, like `memory.py`. It knows who may do what, keeps what is said, and can be
probed after a crash. It counts what was said, so that a test can tell twice from once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from oya_vcs.core import events as e
from oya_vcs.core.effects import Effect
from oya_vcs.core.ids import CommitId, Key
from oya_vcs.core.pulls import (
    PULL_EFFECTS,
    Account,
    AskPermission,
    Level,
    PullSeen,
    Reply,
    TellStatus,
    TryPull,
)
from oya_vcs.ports import Probe, Report

Trial = Callable[[CommitId], str]
"""Tests a head on top of the target and returns what is wrong with it, or nothing."""


@dataclass(slots=True)
class MemoryPulls:
    """What survives a crash of the daemon. `people` have an id and a level by their name; `pulls`
    are the pull requests as they are; `labelled` is who set or removed a label last."""

    people: dict[str, tuple[int, Level]] = field(default_factory=dict)
    pulls: dict[int, PullSeen] = field(default_factory=dict)
    labelled: dict[tuple[int, str], str] = field(default_factory=dict)
    replies: dict[Key, Reply] = field(default_factory=dict)
    statuses: dict[int, list[TellStatus]] = field(default_factory=dict)
    asked: list[AskPermission] = field(default_factory=list)
    outcomes: dict[Key, e.Event] = field(default_factory=dict)


class PullsPerformer:
    """A `ports.Performer` for the effects on pull requests, over a `MemoryPulls`."""

    kinds: tuple[type[Effect], ...] = PULL_EFFECTS

    def __init__(self, forge: MemoryPulls, trial: Trial) -> None:
        self.forge = forge
        self._trial = trial

    async def do(self, key: Key, effect: Effect, report: Report) -> e.Event:
        """Carry the effect out."""
        match effect:
            case AskPermission():
                event = await self._ask(key, effect, report)
            case Reply():
                self.forge.replies[key] = effect
                event = e.Replied(key=key, bead=effect.bead, repo=effect.repo, number=effect.number)
            case TellStatus():
                self.forge.statuses.setdefault(effect.number, []).append(effect)
                event = e.StatusTold(
                    key=key,
                    bead=effect.bead,
                    repo=effect.repo,
                    number=effect.number,
                    round=effect.round,
                )
            case TryPull():
                said = self._trial(effect.head)
                reason = e.Reason.CHECK_FAILED if said else None
                event = _tried(key, effect, reason, said)
            case _:
                message = f"{type(effect).__name__} is not about a pull request."
                raise TypeError(message)
        self.forge.outcomes[key] = event
        return event

    async def probe(self, key: Key, effect: Effect) -> e.Event | Probe:
        """The outcome that the forge holds; who may do what is always asked anew."""
        return self.forge.outcomes.get(key, Probe.ABSENT)

    async def stopped(self, key: Key, effect: Effect, reason: e.Reason) -> e.Event | None:
        """How a trial ended, or that it was stopped."""
        found = self.forge.outcomes.get(key)
        if found is None and isinstance(effect, TryPull):
            return _tried(key, effect, reason, "Stopped.")
        return found

    async def _ask(self, key: Key, effect: AskPermission, report: Report) -> e.Event:
        self.forge.asked.append(effect)
        if effect.number in self.forge.pulls:
            await report(self.forge.pulls[effect.number])
        name = effect.user
        if not effect.user_id:
            name = self.forge.labelled.get((effect.number, effect.label), "")
        user_id, level = self.forge.people.get(name, (effect.user_id, Level.NONE))
        return e.PermissionKnown(
            key=key,
            bead=effect.bead,
            repo=effect.repo,
            number=effect.number,
            asked=effect.asked,
            user=name,
            user_id=user_id,
            level=level,
            named=tuple(
                Account(one, self.forge.people.get(one.lower(), (0, level))[0])
                for one in effect.names
            ),
        )


def _tried(key: Key, effect: TryPull, reason: e.Reason | None, said: str) -> e.Event:
    return e.PullTried(
        key=key,
        bead=effect.bead,
        repo=effect.repo,
        number=effect.number,
        round=effect.round,
        candidate=None if reason else effect.head,
        reason=reason,
        check="test" if reason is e.Reason.CHECK_FAILED else "",
        detail=said,
    )

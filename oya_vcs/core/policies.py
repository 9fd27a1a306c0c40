"""What each repository of a home is worked by: one `Policy` each, and which repositories a step
concerns.

Pure. Does not know where a policy comes from, nor who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from oya_vcs.core import events as e
from oya_vcs.core.beads import TRANSITIONS, State
from oya_vcs.core.ids import RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.world import World

_LANDS = frozenset(kind for kind, (_, after) in TRANSITIONS.items() if after is State.LANDED)
"""Events after which beads may be ready that waited for this one, in whatever repository."""


class Policies:
    """The policies of several repositories. One that is set aside keeps its numbers, so that what
    is under way there is judged as it would have been, and starts nothing new; one that was never
    worked on starts nothing either."""

    def __init__(self, *policies: Policy) -> None:
        self._of = {one.repo: one for one in policies}
        self._active = [one for one in policies if not one.idle]

    def __iter__(self) -> Iterator[Policy]:
        """Those by which something new may be started."""
        return iter(self._active)

    def of(self, repo: RepoId) -> Policy:
        """What the repository is worked by now."""
        return self._of.get(repo) or Policy(
            repo=repo, slots=1, attempts_max=3, backoff_ms=1_000, idle=True
        )

    def take(self, policy: Policy) -> None:
        """Work on its repository by this one from now on."""
        self._of[policy.repo] = policy
        self._active = [one for one in self._of.values() if not one.idle]

    def set_aside(self, repo: RepoId) -> None:
        """Start nothing new in the repository."""
        self.take(replace(self.of(repo), idle=True))


def repo_of(world: World, event: e.Event) -> RepoId | None:
    """The repository that an event is about; None where it is about none, or about all."""
    if isinstance(event, e.Requested):
        return event.effect.repo
    bead = world.beads.get(getattr(event, "bead", None))  # type: ignore[arg-type]
    return getattr(event, "repo", None) if bead is None else bead.repo


def concerned(world: World, events: Iterable[e.Event]) -> dict[RepoId, list[e.Event]]:
    """The repositories in which something may follow from these events, in the order in which they
    come up, each with the events that are about it. Costs the events, and the out-degree of beads
    that landed."""
    found: dict[RepoId, list[e.Event]] = {}
    for event in events:
        repo = repo_of(world, event)
        if repo is not None:
            found.setdefault(repo, []).append(event)
        if type(event) in _LANDS:
            for dependent in world.graph.dependents(event.bead):  # type: ignore[attr-defined]
                found.setdefault(world.beads[dependent].repo, [])
    return found

"""The repositories that the daemon works on now, and those that stand aside with the reason.

Outlives engines: whoever needs to know who is worked on, by whom and how, asks the roster. Knows
performers and eyes by their ports only; who finds repositories and puts them here is not known
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.core import events as e
from oya_vcs.core.effects import Effect
from oya_vcs.core.happenings import Happening
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, WorkspaceName
from oya_vcs.core.policies import Policies
from oya_vcs.core.policy import Policy
from oya_vcs.errors import Bug
from oya_vcs.ports import Operations, Performer, Sight, Site
from oya_vcs.runtime.engine import Engine

Names = frozenset[WorkspaceName]
Observe = Callable[[Happening, int], Awaitable[str]]
"""Tells a hook what happened with which event; returns what went wrong, or nothing. Bounded in
time. Raises WorldFailed."""
Look = Callable[[str, Key, BeadId, ChangeId, CommitId], Awaitable[e.ChecksFinished | None]]
"""What a gate of the repository says of a commit; None where it has nothing against it. Asked again
under the same key it runs nothing twice; cancelled, its processes are gone before this raises.
Raises WorldFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What looks at the outside of one repository. `runs` is asked every second and must be cheap;
    so is `folders`, the workspaces on disk; `listed`, those that jj knows, now and then. Each may
    raise WorldFailed."""

    runs: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Sight]]]
    folders: Callable[[], Awaitable[Names]]
    listed: Callable[[], Awaitable[Names]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A repository that is worked on, and all that this takes. `site` is where its workspaces
    stand, `operations` its log of what was done in it; None for a world in memory, which nobody
    sweeps or watches. `lands_here` says that its own bookmark is the target, not one at a
    remote."""

    root: Path
    target: str
    policy: Policy
    performers: Sequence[Performer]
    eyes: Eyes
    lease_ms: int
    site: Site | None = None
    operations: Operations | None = None
    lands_here: bool = False
    by_pulls: bool = False
    """Its changes are pull requests at a forge, and nothing else."""
    look: Look | None = None
    observe: Observe | None = None
    observed: frozenset[str] = frozenset()
    """The hooks that observe and have anything to run."""

    @property
    def repo(self) -> RepoId:
        """Its name in this home."""
        return self.policy.repo


class Roster:
    """Who is worked on. All calls on one event loop."""

    def __init__(self, *served: Served) -> None:
        self.policies = Policies()
        """What the engine decides by."""
        self._served: dict[RepoId, Served] = {}
        self._performers: dict[tuple[RepoId, type[Effect]], Performer] = {}
        self.aside: dict[RepoId, str] = {}
        """Why each of the others is not worked on: a sentence, with the mend."""
        for one in served:
            self.serve(one)

    def __iter__(self) -> Iterator[Served]:
        return iter(tuple(self._served.values()))

    def of(self, repo: RepoId) -> Served | None:
        """What is known of a repository that is worked on; None of one that is not."""
        return self._served.get(repo)

    def serve(self, one: Served) -> None:
        """Work on this repository from now on, in the place of what was known of it before: what is
        under way goes on as it was begun."""
        self.aside.pop(one.repo, None)
        self._served[one.repo] = one
        for performer in one.performers:
            self._performers |= {(one.repo, kind): performer for kind in performer.kinds}
        self.policies.take(one.policy)

    def set_aside(self, repo: RepoId, why: str) -> None:
        """Begin nothing more in this repository. What is under way there goes on; what is open and
        not under way stays so."""
        self.aside[repo] = why
        self._served.pop(repo, None)
        self.policies.set_aside(repo)

    def performer_of(self, effect: Effect) -> Performer | None:
        """Who carries out an effect; None where nobody does so now. Raises Bug for a kind that its
        repository has nobody for."""
        if effect.repo not in self._served:
            return None
        found = self._performers.get((effect.repo, type(effect)))
        if found is None:
            raise Bug(f"No performer carries out {type(effect).__name__}.")
        return found


async def greet(engine: Engine, one: Served) -> None:
    """Put on record that a repository is worked on and by what, and let a queue of it that was
    paused look again. Returns when that is on disk."""
    known, policy = engine.world.repos.get(one.repo), one.policy
    now = (one.target, policy.slots, policy.rules)
    if known is None or (known.target, known.total, known.rules) != now:
        event = e.RepoRegistered(
            repo=one.repo,
            path=str(one.root),
            target=one.target,
            slots=policy.slots,
            rules=policy.rules,
        )
        await engine.offer(event)
    if known is not None and (known.queue.paused or known.queue.held):
        await engine.offer(e.QueueResumed(repo=one.repo))

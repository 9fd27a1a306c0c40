"""From a plan to a repository that is worked on: its performers, on what all repositories of one
daemon share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import JjOperations, JjRepository, open_repository
from oya_vcs.adapters.local.checkout import Checkouts
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.adapters.reaper.quiet import Hidden
from oya_vcs.bootstrap.edges import farewell_of, forge_of, setup_of, spaces_of, workers_of
from oya_vcs.bootstrap.gates import checkouts_of, gates_of, observe
from oya_vcs.bootstrap.github_settings import remote_name
from oya_vcs.bootstrap.insisting import insist
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.config import GatewayConfig, Home
from oya_vcs.core.happenings import NAMES
from oya_vcs.core.ids import RepoId
from oya_vcs.runtime.roster import Eyes, Served
from oya_vcs.runtime.supervisor import Child

if TYPE_CHECKING:
    from oya_vcs.bootstrap.gateway import Entrance
    from oya_vcs.bootstrap.github import Hub


@dataclass(slots=True)
class Workshop:
    """What the repositories of one daemon share: its home, who runs its programs, what is to be
    hidden, and where workers reach their models (None: as they like). A repository that is planned
    anew keeps its lock, and its place in the line for it."""

    home: Home
    hidden: Hidden = field(default_factory=Hidden)
    entrance: Entrance | None = None
    runner: ReaperRunner = field(init=False)
    repositories: dict[RepoId, JjRepository] = field(default_factory=dict)
    apart: dict[tuple[RepoId, str], Checkouts] = field(default_factory=dict)
    """Where the hooks of each run, by their kind."""

    def __post_init__(self) -> None:
        self.runner = ReaperRunner(self.home.runs, SystemClock(), self.hidden.values)

    @contextmanager
    def entered(
        self, settings: GatewayConfig, environ: Mapping[str, str], say: Callable[[str], None]
    ) -> Iterator[list[Child]]:
        """Where keys are configured, workers get in to the gateway while the block runs: the child
        that serves it. Raises ConfigurationInvalid where a key is not where it is said to be."""
        if not settings.keys:
            yield []
            return
        from oya_vcs.bootstrap.gateway import Entrance  # noqa: PLC0415 - heavy, seldom needed

        self.entrance = Entrance(settings, self.home, environ, self.hidden, say)
        try:
            yield [self.entrance.child]
        finally:
            self.entrance.close()

    async def repository(self, plan: Plan) -> JjRepository:
        """The plan's repository; our own workspace of it is made where there is none. Raises
        WorldFailed where jj cannot."""
        repository = self.repositories.get(plan.repo)
        if repository is None:
            there, programs = self.home.workspaces, plan.programs
            repository = await insist(
                partial(open_repository, plan.root, workspaces=there, programs=programs)
            )
        await insist(repository.prepare)
        self.repositories[plan.repo] = repository
        return repository

    async def serve(self, plan: Plan, hub: Hub | None = None) -> Served:
        """Everything that working on the plan's repository takes; `hub` is GitHub, where its
        changes are pull requests there. Raises WorldFailed where jj cannot."""
        self.hidden.add(plan.secrets)
        repository = await self.repository(plan)
        spaces = spaces_of(plan, repository)
        apart, beside = (self._apart(plan, repository, kind) for kind in ("gates", "observed"))
        gates = gates_of(plan, repository, self.runner, apart)
        return Served(
            root=plan.root,
            target=plan.config.repo.target,
            policy=plan.policy,
            performers=(
                farewell_of(plan, self.runner, spaces),
                setup_of(plan, self.runner),
                workers_of(plan, self.runner, self.entrance),
                await forge_of(plan, repository, self.runner, hub, gates),
            ),
            eyes=Eyes(runs=self.runner.sights, folders=spaces.folders, listed=spaces.listed),
            lease_ms=plan.config.worker.lease_ms,
            site=spaces,
            operations=JjOperations(repository),
            lands_here=not remote_name(plan.config),
            by_pulls=hub is not None,
            look=gates.look,
            observe=partial(observe, plan, repository, self.runner, beside),
            observed=plan.hooked.gated.intersection(NAMES),
        )

    def _apart(self, plan: Plan, repository: JjRepository, kind: str) -> Checkouts:
        """The same for every plan: two of them must not have one folder for different commits."""
        made = self.apart.get((plan.repo, kind)) or checkouts_of(plan, repository, kind)
        self.apart[plan.repo, kind] = made
        return made

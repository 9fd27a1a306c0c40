"""The gates of a repository, as its plan wants them: what looks at commits before they are pushed,
or enter the queue."""

from __future__ import annotations

from functools import partial

from oya_vcs.adapters.jj import JjRepository, tip
from oya_vcs.adapters.local import Gates
from oya_vcs.adapters.local.checkout import Checkouts
from oya_vcs.adapters.local.checks import Checks
from oya_vcs.adapters.local.gates import FILES
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.bootstrap.plan import Plan


def checkouts_of(plan: Plan, repository: JjRepository) -> Checkouts:
    """Where they look: apart from the checks of candidates, so that no push waits for those."""
    return Checkouts(repository, plan.home.checkouts / f"{repository.id}-gates", 1)


def gates_of(
    plan: Plan, repository: JjRepository, runner: ReaperRunner, checkouts: Checkouts
) -> Gates:
    """All of them, in these checkouts, which outlive the plan."""
    gate_at = plan.gate_at or (lambda _gate: plan.checks_at)
    return Gates(
        repo=plan.repo,
        checks={
            gate: Checks(
                repository,
                runner,
                checks_at=gate_at(gate),
                checkouts=checkouts,
                parallel=1,
                logs=plan.home.logs,
                check_ms_max=plan.config.hooks.wall_ms_max,
                environ=plan.environ,
                files=FILES[gate],
            )
            for gate in plan.gated
        },
        tip=partial(tip, repository, plan.config.repo.target),
    )

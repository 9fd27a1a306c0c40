"""The hooks of a repository, as its plan wants them: gates, which look at commits before they are
pushed or enter the queue, and those that observe. Each kind in checkouts of its own, so that none
waits for checks, nor a push for what nobody waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from oya_vcs.adapters.jj import OP_USER, JjRepository, tip
from oya_vcs.adapters.local import Gates
from oya_vcs.adapters.local.checkout import Checkouts
from oya_vcs.adapters.local.checks import Checks
from oya_vcs.adapters.local.gates import GATES, files_of
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.bootstrap.plan import Plan
from oya_vcs.core.happenings import Happening
from oya_vcs.core.ids import BeadId, ChangeId, execution_key


def checkouts_of(plan: Plan, repository: JjRepository, kind: str) -> Checkouts:
    """Where hooks of a kind run; outlives the plan."""
    return Checkouts(repository, plan.home.checkouts / f"{repository.id}-{kind}", 1)


def gates_of(
    plan: Plan, repository: JjRepository, runner: ReaperRunner, checkouts: Checkouts
) -> Gates:
    """All gates that have anything to run."""
    made = partial(_checks, plan, repository, runner, checkouts)
    return Gates(
        repo=plan.repo,
        checks={hook: made(hook) for hook in plan.hooked.gated.intersection(GATES)},
        tip=partial(tip, repository, plan.config.repo.target),
    )


def _checks(
    plan: Plan,
    repository: JjRepository,
    runner: ReaperRunner,
    checkouts: Checkouts,
    hook: str,
    more: Mapping[str, str] | None = None,
) -> Checks:
    gate_at = plan.gate_at or (lambda _hook: plan.checks_at)
    return Checks(
        repository,
        runner,
        checks_at=gate_at(hook),
        checkouts=checkouts,
        parallel=1,
        logs=plan.home.logs,
        check_ms_max=plan.config.hooks.wall_ms_max,
        environ=plan.environ,
        files=files_of(hook),
        more=more,
    )


async def observe(
    plan: Plan,
    repository: JjRepository,
    runner: ReaperRunner,
    checkouts: Checkouts,
    told: Happening,
    seq: int,
) -> str:
    """Tell a hook what happened with event `seq`; what went wrong, or nothing. It runs in a clean
    checkout of the commit that it is about, else of the target; an operation of jj that it makes
    counts as ours, so that it is not told of itself. Raises WorldFailed."""
    about = {
        "hook": told.hook,
        "seq": seq,
        "repo": str(plan.root),
        "bead": told.bead,
        "change": told.change,
        "commit": told.commit,
        **told.about,
    }
    more = {
        "OYA_EVENT": json.dumps(about, ensure_ascii=False),
        "OYA_REPO": str(plan.root),
        "JJ_OP_USERNAME": OP_USER,
        "JJ_OP_HOSTNAME": repository.workspace_prefix,
    }
    gates = Gates(
        repo=plan.repo,
        checks={told.hook: _checks(plan, repository, runner, checkouts, told.hook, more)},
        tip=partial(tip, repository, plan.config.repo.target),
    )
    bead = told.bead or BeadId(told.hook)
    key = execution_key(bead, {"hook": told.hook, "seq": seq})
    commit = told.commit or await gates.tip()
    said = await gates.look(told.hook, key, bead, told.change or ChangeId(told.hook), commit)
    return "" if said is None else said.detail

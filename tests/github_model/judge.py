"""Whether a ref may move: protection and rulesets, for pushes and API calls alike."""

from __future__ import annotations

from tests.github_model.bare import Move
from tests.github_model.github import GitHub
from tests.github_model.records import PASSING, Actor, Repo, Rule

HEADS = "refs/heads/"


def missing_checks(github: GitHub, repo: Repo, branch: str, sha: str) -> list[str]:
    """The required checks of a branch that have not passed at a commit."""
    wanted = {name for rule in github.rules(repo, branch) for name in rule.checks}
    return sorted(name for name in wanted if not passed(repo, sha, name))


def passed(repo: Repo, sha: str, name: str) -> bool:
    """Whether the newest check run, or status, of that name has passed at a commit."""
    runs = [run for run in repo.runs.values() if (run.sha, run.name) == (sha, name)]
    if runs:
        newest = max(runs, key=lambda run: run.id)
        return newest.status == "completed" and newest.conclusion in PASSING
    statuses = [one for one in repo.statuses if (one.sha, one.context) == (sha, name)]
    return bool(statuses) and statuses[-1].state == "success"


def binding(github: GitHub, repo: Repo, actor: Actor, ref: str) -> list[Rule]:
    """The rules of a ref that bind the actor."""
    if not ref.startswith(HEADS):
        return []
    rules = github.rules(repo, ref.removeprefix(HEADS))
    return [rule for rule in rules if actor.account.login not in rule.bypass]


def refusal(github: GitHub, repo: Repo, actor: Actor, move: Move) -> str | None:
    """Why a ref may not move so, as far as that is known without its new objects."""
    if move.ref.startswith("refs/pull/"):
        return "deny updating a hidden ref"
    for rule in binding(github, repo, actor, move.ref):
        if move.new is None:
            if not rule.allow_delete:
                return "Cannot delete this protected branch"
            continue
        if move.old is None:
            continue
        if rule.pull_request:
            return "Changes must be made through a pull request."
        missing = [name for name in rule.checks if not passed(repo, move.new, name)]
        if len(missing) == 1:
            return f'Required status check "{missing[0]}" is expected.'
        if missing:
            return f"{len(missing)} of {len(rule.checks)} required status checks are expected."
    return None


def no_force(github: GitHub, repo: Repo, actor: Actor, ref: str) -> bool:
    """Whether the ref moves forward only."""
    return any(not rule.allow_force for rule in binding(github, repo, actor, ref))


def linear(github: GitHub, repo: Repo, actor: Actor, ref: str) -> bool:
    """Whether the ref takes no merge commit."""
    return any(rule.linear for rule in binding(github, repo, actor, ref))


async def refused(github: GitHub, repo: Repo, actor: Actor, move: Move, *, force: bool) -> str:
    """Why a ref may not move so; "" where it may. The objects must be there."""
    known = refusal(github, repo, actor, move)
    if known is not None:
        return known
    if move.new is None or move.old is None:
        return ""
    merges = await repo.bare.commits("--merges", f"{move.old}..{move.new}", limit=1)
    if merges and linear(github, repo, actor, move.ref):
        return "This branch must not contain merge commits."
    if await repo.bare.is_ancestor(move.old, move.new):
        return ""
    if not force:
        return "Update is not a fast forward"
    if no_force(github, repo, actor, move.ref):
        return "Cannot force-push to this branch"
    return ""

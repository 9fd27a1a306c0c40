"""What GitHub tells of workflows and of its own merge queue, beside the checks that they have.

Decides nothing: no check passes by it.
"""

from __future__ import annotations

from tests.github_model.clock import iso
from tests.github_model.github import GitHub
from tests.github_model.records import App, Pull, Repo
from tests.github_model.shapes import Json, signature

NAME = "CI"


async def tell_run(
    github: GitHub, repo: Repo, app: App, sha: str, branch: str, conclusion: str | None
) -> None:
    """A run of the workflow at a commit: requested, or (with a conclusion) completed."""
    now, commit = iso(github.clock.now_ms()), await repo.bare.commit(sha)
    shown = github.shapes.repo(repo)
    known: Json = {
        "workflow": {"name": NAME, "path": ".github/workflows/ci.yml", "state": "active"},
        "workflow_run": {
            "id": github.new_id(),
            "name": NAME,
            "head_sha": sha,
            "head_branch": branch,
            "event": "push",
            "status": "requested" if conclusion is None else "completed",
            "conclusion": conclusion,
            "created_at": now,
            "updated_at": now,
            "run_started_at": now,
            "run_number": 1,
            "run_attempt": 1,
            "pull_requests": [],
            "repository": shown,
            "head_repository": shown,
            "head_commit": {
                "id": sha,
                "tree_id": commit.tree,
                "message": commit.message,
                "timestamp": now,
                "author": signature(commit.author),
                "committer": signature(commit.committer),
            },
            "actor": github.shapes.account(app.bot),
            "triggering_actor": github.shapes.account(app.bot),
        },
    }
    action = "requested" if conclusion is None else "completed"
    github.tell("workflow_run", action, repo, app.bot, known)


async def tell_group(github: GitHub, repo: Repo, pull: Pull) -> None:
    """GitHub's own merge queue asks for checks of a pull request."""
    commit = await repo.bare.commit(pull.head_sha)
    author, committer = (
        {"name": one.name, "email": one.email} for one in (commit.author, commit.committer)
    )
    known: Json = {
        "merge_group": {
            "head_sha": pull.head_sha,
            "head_ref": f"refs/heads/gh-readonly-queue/{pull.base_ref}/pr-{pull.number}",
            "base_sha": pull.base_sha,
            "base_ref": f"refs/heads/{pull.base_ref}",
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.tree,
                "message": commit.message,
                "timestamp": iso(github.clock.now_ms()),
                "author": author,
                "committer": committer,
            },
        }
    }
    github.tell("merge_group", "checks_requested", repo, pull.author, known)

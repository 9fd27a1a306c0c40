"""Check runs, suites and statuses: what happens to them, and who is told."""

from __future__ import annotations

from typing import Any

from tests.github_model.bare import Commit
from tests.github_model.check_shapes import run_json, suite_json, suite_state
from tests.github_model.clock import iso
from tests.github_model.github import GitHub
from tests.github_model.records import Account, App, CheckRun, Repo, Status, Suite
from tests.github_model.shapes import Json, signature


async def suite_of(github: GitHub, repo: Repo, app: App, sha: str) -> Suite:
    """The check suite of an App at a commit, made where there is none."""
    held = next((one for one in repo.suites.values() if (one.app, one.sha) == (app, sha)), None)
    if held is not None:
        return held
    heads = await repo.bare.refs("refs/heads/")
    branch = next((name for name, at in sorted(heads.items()) if at == sha), None)
    short = None if branch is None else branch.removeprefix("refs/heads/")
    made = Suite(github.new_id(), app, sha, short, github.clock.now_ms())
    repo.suites[made.id] = made
    await _tell_suite(github, repo, made, "requested", app.bot)
    return made


async def create_run(
    github: GitHub, repo: Repo, app: App, sha: str, name: str, said: dict[str, Any]
) -> CheckRun:
    """A new check run at a commit; `said` as the API's body."""
    suite = await suite_of(github, repo, app, sha)
    now = github.clock.now_ms()
    run = CheckRun(github.new_id(), suite.id, app, name, sha, "queued", None, now)
    repo.runs[run.id] = run
    _take(github, run, said)
    _tell_run(github, repo, run, "created")
    if run.status == "completed":
        await _completed(github, repo, run)
    return run


async def update_run(github: GitHub, repo: Repo, run: CheckRun, said: dict[str, Any]) -> None:
    """Change a check run; `said` as the API's body. A conclusion completes it."""
    was = run.status
    _take(github, run, said)
    if run.status == "completed" and was != "completed":
        await _completed(github, repo, run)


def _take(github: GitHub, run: CheckRun, said: dict[str, Any]) -> None:
    run.name = said.get("name", run.name)
    run.external_id = said.get("external_id", run.external_id)
    run.details_url = said.get("details_url", run.details_url)
    output = said.get("output", {})
    run.output |= {key: output[key] for key in ("title", "summary", "text") if key in output}
    run.status = said.get("status", run.status)
    if said.get("conclusion") is not None:
        run.status, run.conclusion = "completed", said["conclusion"]
        run.completed_ms = github.clock.now_ms()
    elif run.status != "completed":
        run.conclusion = run.completed_ms = None


async def _completed(github: GitHub, repo: Repo, run: CheckRun) -> None:
    _tell_run(github, repo, run, "completed")
    suite = repo.suites[run.suite]
    if suite_state(repo, suite)[0] == "completed":
        await _tell_suite(github, repo, suite, "completed", run.app.bot)


def _tell_run(github: GitHub, repo: Repo, run: CheckRun, action: str) -> None:
    suite = repo.suites[run.suite]
    shown = run_json(github.shapes, run, repo)
    status, conclusion = suite_state(repo, suite)
    shown["check_suite"] = {
        "id": suite.id,
        "head_branch": suite.branch,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "before": None,
        "after": suite.sha,
        "pull_requests": [],
        "app": shown["app"],
        "created_at": iso(suite.created_ms),
        "updated_at": iso(suite.created_ms),
    }
    github.tell("check_run", action, repo, run.app.bot, {"check_run": shown})


async def _tell_suite(
    github: GitHub, repo: Repo, suite: Suite, action: str, actor: Account
) -> None:
    head = head_commit(await repo.bare.commit(suite.sha))
    shown = suite_json(github.shapes, suite, repo, head)
    github.tell("check_suite", action, repo, actor, {"check_suite": shown})


def head_commit(commit: Commit) -> Json:
    """A suite's head commit."""
    author, committer = signature(commit.author), signature(commit.committer)
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": commit.committer.date,
        "author": {"name": author["name"], "email": author["email"]},
        "committer": {"name": committer["name"], "email": committer["email"]},
    }


async def set_status(
    github: GitHub, repo: Repo, creator: Account, sha: str, said: dict[str, Any]
) -> Status:
    """A new commit status; `said` as the API's body."""
    made = Status(
        github.new_id(),
        sha,
        said.get("context") or "default",
        said["state"],
        said.get("description"),
        said.get("target_url"),
        creator,
        github.clock.now_ms(),
    )
    repo.statuses.append(made)
    commit = github.shapes.commit(await repo.bare.commit(sha), repo)
    known: Json = {
        "id": made.id,
        "sha": sha,
        "name": repo.full_name,
        "context": made.context,
        "state": made.state,
        "description": made.description,
        "target_url": made.target_url,
        "commit": commit,
        "branches": [],
        "created_at": iso(made.at_ms),
        "updated_at": iso(made.at_ms),
    }
    github.tell("status", "", repo, creator, known)
    return made

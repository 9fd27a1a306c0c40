"""REST: check runs, suites and statuses."""

from __future__ import annotations

from tests.github_model.calls import REPO, ROUTES, Answer, Call, Refusal
from tests.github_model.check_shapes import combined_json, run_json, status_json, suite_json
from tests.github_model.checks import create_run, head_commit, set_status, update_run
from tests.github_model.github import NoSuch
from tests.github_model.records import CheckRun, Repo, Status

AT = f"{REPO}/commits/{{ref}}"
RUN = f"{REPO}/check-runs/{{check_run_id}}"


async def _sha(call: Call, repo: Repo, name: str) -> str:
    """The commit that the path names. Raises Refusal."""
    sha = await repo.bare.resolve(call.params[name])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {call.params[name]}")
    return sha


def _run(call: Call, repo: Repo) -> CheckRun:
    held = repo.runs.get(call.number("check_run_id"))
    if held is None:
        raise NoSuch
    return held


@ROUTES.on(f"POST {REPO}/check-runs")
async def create(call: Call) -> Answer:
    """A new check run: Apps only."""
    repo = call.repo("checks:write")
    app = call.own_app()
    sha = await repo.bare.resolve(call.said["head_sha"])
    if sha is None or sha != call.said["head_sha"]:
        raise Refusal(422, f"No commit found for SHA: {call.said['head_sha']}")
    run = await create_run(call.github, repo, app, sha, call.said["name"], call.said)
    return Answer(201, run_json(call.github.shapes, run, repo))


@ROUTES.on(f"GET {RUN}")
async def get(call: Call) -> Answer:
    """One check run."""
    repo = call.repo("checks:read")
    return Answer(body=run_json(call.github.shapes, _run(call, repo), repo))


@ROUTES.on(f"PATCH {RUN}")
async def update(call: Call) -> Answer:
    """Change a check run: only the App that made it."""
    repo = call.repo("checks:write")
    run = _run(call, repo)
    if run.app is not call.own_app():
        raise Refusal(403, "Invalid app_id")
    await update_run(call.github, repo, run, call.said)
    return Answer(body=run_json(call.github.shapes, run, repo))


@ROUTES.on(f"GET {AT}/check-runs")
async def list_runs(call: Call) -> Answer:
    """The check runs of a commit, newest first; the newest of each name unless asked for all."""
    repo = call.repo("checks:read")
    sha = await _sha(call, repo, "ref")
    found = [run for run in repo.runs.values() if run.sha == sha]
    if call.query.get("filter", "latest") == "latest":
        newest = {(run.app.id, run.name): run for run in found}
        found = list(newest.values())
    for key, value in (("check_name", "name"), ("status", "status")):
        if key in call.query:
            found = [run for run in found if getattr(run, value) == call.query[key]]
    if "app_id" in call.query:
        found = [run for run in found if str(run.app.id) == call.query["app_id"]]
    found.sort(key=lambda run: -run.id)
    page = [run_json(call.github.shapes, run, repo) for run in call.page(found)]
    return Answer(body={"total_count": len(found), "check_runs": page})


@ROUTES.on(f"GET {AT}/check-suites")
async def list_suites(call: Call) -> Answer:
    """The check suites of a commit."""
    repo = call.repo("checks:read")
    sha = await _sha(call, repo, "ref")
    found = [suite for suite in repo.suites.values() if suite.sha == sha]
    head = head_commit(await repo.bare.commit(sha))
    page = [suite_json(call.github.shapes, suite, repo, head) for suite in call.page(found)]
    return Answer(body={"total_count": len(found), "check_suites": page})


def _statuses(repo: Repo, sha: str) -> list[Status]:
    return [status for status in reversed(repo.statuses) if status.sha == sha]


@ROUTES.on(f"GET {AT}/status")
async def combined(call: Call) -> Answer:
    """The newest status of each context, and what they come to."""
    repo = call.repo("statuses:read")
    sha = await _sha(call, repo, "ref")
    newest: dict[str, Status] = {}
    for status in _statuses(repo, sha):
        newest.setdefault(status.context, status)
    page = call.page(list(newest.values()))
    body = combined_json(call.github.shapes, sha, page, repo)
    return Answer(body=body | {"total_count": len(newest)})


@ROUTES.on(f"GET {AT}/statuses")
async def list_statuses(call: Call) -> Answer:
    """Every status of a commit, newest first."""
    repo = call.repo("statuses:read")
    page = call.page(_statuses(repo, await _sha(call, repo, "ref")))
    return Answer(body=[status_json(call.github.shapes, status, repo) for status in page])


@ROUTES.on(f"POST {REPO}/statuses/{{sha}}")
async def create_status(call: Call) -> Answer:
    """A new status of a commit."""
    repo = call.repo("statuses:write")
    sha = await _sha(call, repo, "sha")
    made = await set_status(call.github, repo, call.account, sha, call.said)
    return Answer(201, status_json(call.github.shapes, made, repo))

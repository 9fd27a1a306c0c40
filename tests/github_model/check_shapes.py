"""Check runs, suites, statuses, protection and rules as GitHub's JSON. Decides nothing."""

from __future__ import annotations

from tests.github_model.clock import iso
from tests.github_model.descriptions import of_component
from tests.github_model.records import App, CheckRun, Repo, Rule, Status, Suite
from tests.github_model.shapes import Json, Shapes, node_id


def app_json(shapes: Shapes, app: App) -> Json:
    """An App."""
    known = {
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("A", app.id),
        "client_id": f"Iv1.{app.id:016x}",
        "owner": shapes.account(app.owner),
        "name": app.slug,
        "description": None,
        "external_url": shapes.web,
        "html_url": f"{shapes.web}/apps/{app.slug}",
        "created_at": iso(app.created_ms),
        "updated_at": iso(app.created_ms),
        "permissions": dict(app.permissions),
        "events": list(app.events),
    }
    return of_component("integration", known)


def run_json(shapes: Shapes, run: CheckRun, repo: Repo) -> Json:
    """A check run."""
    own = f"{shapes.api}/repos/{repo.full_name}/check-runs/{run.id}"
    page = f"{shapes.web}/{repo.full_name}/runs/{run.id}"
    said = {"title": None, "summary": None, "text": None} | run.output
    known = {
        "id": run.id,
        "node_id": node_id("CR", run.id),
        "name": run.name,
        "head_sha": run.sha,
        "external_id": run.external_id,
        "url": own,
        "html_url": page,
        "details_url": run.details_url or page,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": iso(run.started_ms),
        "completed_at": None if run.completed_ms is None else iso(run.completed_ms),
        "output": said | {"annotations_count": 0, "annotations_url": f"{own}/annotations"},
        "check_suite": {"id": run.suite},
        "app": app_json(shapes, run.app),
        "pull_requests": [],
    }
    return of_component("check-run", known)


def suite_state(repo: Repo, suite: Suite) -> tuple[str, str | None]:
    """The status and conclusion of a suite: what its runs come to."""
    runs = [run for run in repo.runs.values() if run.suite == suite.id]
    if not runs or any(run.status != "completed" for run in runs):
        waiting = all(run.status == "queued" for run in runs)
        return ("queued" if waiting else "in_progress"), None
    bad = [
        run.conclusion for run in runs if run.conclusion not in {"success", "neutral", "skipped"}
    ]
    return "completed", bad[0] if bad else "success"


def suite_json(shapes: Shapes, suite: Suite, repo: Repo, commit: Json) -> Json:
    """A check suite; `commit` is its head commit."""
    status, conclusion = suite_state(repo, suite)
    own = f"{shapes.api}/repos/{repo.full_name}/check-suites/{suite.id}"
    known = {
        "id": suite.id,
        "node_id": node_id("CS", suite.id),
        "head_branch": suite.branch,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "url": own,
        "before": None,
        "after": suite.sha,
        "pull_requests": [],
        "app": app_json(shapes, suite.app),
        "repository": shapes.repo(repo),
        "created_at": iso(suite.created_ms),
        "updated_at": iso(suite.created_ms),
        "head_commit": commit,
        "latest_check_runs_count": sum(run.suite == suite.id for run in repo.runs.values()),
        "check_runs_url": f"{own}/check-runs",
    }
    return of_component("check-suite", known)


def status_json(shapes: Shapes, status: Status, repo: Repo) -> Json:
    """A commit status."""
    known = {
        "id": status.id,
        "node_id": node_id("SC", status.id),
        "url": f"{shapes.api}/repos/{repo.full_name}/statuses/{status.sha}",
        "avatar_url": None,
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": iso(status.at_ms),
        "updated_at": iso(status.at_ms),
        "creator": shapes.account(status.creator),
    }
    return of_component("status", known)


def combined_json(shapes: Shapes, sha: str, newest: list[Status], repo: Repo) -> Json:
    """All statuses of a commit in one; `newest` is the last of each context."""
    states = {status.state for status in newest}
    bad = states & {"error", "failure"}
    state = "failure" if bad else "success" if states == {"success"} else "pending"
    known = {
        "state": state,
        "sha": sha,
        "total_count": len(newest),
        "statuses": [status_json(shapes, status, repo) for status in newest],
        "repository": shapes.repo(repo),
        "commit_url": f"{shapes.api}/repos/{repo.full_name}/commits/{sha}",
        "url": f"{shapes.api}/repos/{repo.full_name}/commits/{sha}/status",
    }
    return of_component("combined-commit-status", known)


def protection_json(shapes: Shapes, rule: Rule, repo: Repo, branch: str) -> Json:
    """Classic protection of a branch."""
    own = f"{shapes.api}/repos/{repo.full_name}/branches/{branch}/protection"
    known: Json = {
        "url": own,
        "enforce_admins": {"url": f"{own}/enforce_admins", "enabled": True},
        "required_linear_history": {"enabled": rule.linear},
        "allow_force_pushes": {"enabled": rule.allow_force},
        "allow_deletions": {"enabled": rule.allow_delete},
    }
    if rule.checks:
        known["required_status_checks"] = {
            "url": f"{own}/required_status_checks",
            "contexts_url": f"{own}/required_status_checks/contexts",
            "strict": rule.strict,
            "contexts": list(rule.checks),
            "checks": [{"context": name, "app_id": None} for name in rule.checks],
        }
    if rule.pull_request:
        known["required_pull_request_reviews"] = {
            "url": f"{own}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "required_approving_review_count": 0,
        }
    return of_component("branch-protection", known)


def rules_json(rule: Rule, repo: Repo) -> list[Json]:
    """What a ruleset asks of a branch, one entry a rule."""
    found: list[Json] = []
    asked: Json
    if rule.checks:
        asked = {
            "strict_required_status_checks_policy": rule.strict,
            "required_status_checks": [{"context": name} for name in rule.checks],
        }
        found.append({"type": "required_status_checks", "parameters": asked})
    if rule.pull_request:
        asked = {
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": False,
            "require_last_push_approval": False,
            "required_approving_review_count": 0,
            "required_review_thread_resolution": False,
        }
        found.append({"type": "pull_request", "parameters": asked})
    if rule.linear:
        found.append({"type": "required_linear_history"})
    if not rule.allow_force:
        found.append({"type": "non_fast_forward"})
    if not rule.allow_delete:
        found.append({"type": "deletion"})
    source = {
        "ruleset_source_type": "Repository",
        "ruleset_source": repo.full_name,
        "ruleset_id": rule.ruleset,
    }
    return [entry | source for entry in found]

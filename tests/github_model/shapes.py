"""Records as GitHub's JSON: people, repositories, pull requests and what hangs on them.

What the model keeps no state for is filled in by descriptions.py with the least that the
description takes. Decides nothing.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from tests.github_model.bare import Commit, Signature
from tests.github_model.clock import iso
from tests.github_model.descriptions import of_component
from tests.github_model.records import (
    Account,
    Comment,
    Installation,
    IssueEvent,
    Label,
    Pull,
    Remark,
    Repo,
    Review,
    Role,
)

Json = dict[str, Any]


def node_id(kind: str, number: int) -> str:
    """A global id, opaque to clients."""
    return f"{kind}_{base64.urlsafe_b64encode(str(number).encode()).decode().rstrip('=')}"


class Shapes:
    """JSON for clients that reach the API at `api` and the pages and git at `web`."""

    def __init__(self, api: str, web: str) -> None:
        self.api = api
        self.web = web

    def account(self, account: Account) -> Json:
        """A user, an organisation or a bot."""
        login = quote(account.login)
        page = f"apps/{login.removesuffix('%5Bbot%5D')}" if account.kind == "Bot" else login
        known = {
            "login": account.login,
            "id": account.id,
            "node_id": node_id("U", account.id),
            "type": account.kind,
            "url": f"{self.api}/users/{login}",
            "html_url": f"{self.web}/{page}",
            "gravatar_id": "",
            "site_admin": False,
        }
        return of_component("simple-user", known)

    def public_account(self, account: Account) -> Json:
        """The same as its own page shows it."""
        known = self.account(account) | {"created_at": iso(0), "updated_at": iso(0)}
        return of_component("public-user", known)

    def repo(self, repo: Repo, *, role: Role | None = None) -> Json:
        """A repository, with what the asker may do where `role` is given."""
        known: Json = {
            "id": repo.id,
            "node_id": node_id("R", repo.id),
            "name": repo.name,
            "full_name": repo.full_name,
            "owner": self.account(repo.owner),
            "archived": repo.archived,
            "private": repo.private,
            "visibility": "private" if repo.private else "public",
            "fork": repo.parent is not None,
            "default_branch": repo.default_branch,
            "url": f"{self.api}/repos/{repo.full_name}",
            "html_url": f"{self.web}/{repo.full_name}",
            "clone_url": f"{self.web}/{repo.full_name}.git",
            "git_url": f"{self.web}/{repo.full_name}.git",
            "created_at": iso(repo.created_ms),
            "updated_at": iso(repo.created_ms),
            "pushed_at": iso(repo.created_ms),
            "has_issues": True,
            "has_downloads": False,
            "allow_forking": True,
            "topics": [],
            "open_issues_count": sum(pull.state == "open" for pull in repo.pulls.values()),
        }
        if role is not None:
            allowed = {"admin": 5, "maintain": 4, "push": 3, "triage": 2, "pull": 1}
            level = ("none", "read", "triage", "write", "maintain", "admin").index(role)
            known["permissions"] = {name: level >= least for name, least in allowed.items()}
        return of_component("full-repository", known)

    def label(self, label: Label, repo: Repo) -> Json:
        """A label."""
        return of_component(
            "label",
            {
                "id": label.id,
                "node_id": node_id("LA", label.id),
                "url": f"{self.api}/repos/{repo.full_name}/labels/{label.name}",
                "name": label.name,
                "color": label.color,
                "default": False,
                "description": "",
            },
        )

    def _side(self, repo: Repo | None, owner: Account, ref: str, sha: str) -> Json:
        whole = None if repo is None or repo.deleted else self.repo(repo)
        return {
            "label": f"{owner.login}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.account(owner),
            "repo": whole,
        }

    def pull_simple(self, pull: Pull, repo: Repo) -> Json:
        """A pull request as lists and webhooks show it."""
        api = f"{self.api}/repos/{repo.full_name}"
        own, issue = f"{api}/pulls/{pull.number}", f"{api}/issues/{pull.number}"
        html = f"{self.web}/{repo.full_name}/pull/{pull.number}"
        known = {
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "number": pull.number,
            "url": own,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": issue,
            "commits_url": f"{own}/commits",
            "review_comments_url": f"{own}/comments",
            "review_comment_url": f"{api}/pulls/comments{{/number}}",
            "comments_url": f"{issue}/comments",
            "statuses_url": f"{api}/statuses/{pull.head_sha}",
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.account(pull.author),
            "body": pull.body,
            "labels": [self.label(label, repo) for label in pull.labels],
            "draft": pull.draft,
            "created_at": iso(pull.created_ms),
            "updated_at": iso(pull.updated_ms),
            "closed_at": None if pull.closed_ms is None else iso(pull.closed_ms),
            "merged_at": None if pull.merged_ms is None else iso(pull.merged_ms),
            "merge_commit_sha": pull.merge_commit,
            "head": self._side(pull.head_repo, pull.head_owner, pull.head_ref, pull.head_sha),
            "base": self._side(repo, repo.owner, pull.base_ref, pull.base_sha),
            "author_association": "NONE",
            "_links": {
                "self": {"href": own},
                "html": {"href": html},
                "issue": {"href": issue},
                "comments": {"href": f"{issue}/comments"},
                "review_comments": {"href": f"{own}/comments"},
                "review_comment": {"href": f"{api}/pulls/comments{{/number}}"},
                "commits": {"href": f"{own}/commits"},
                "statuses": {"href": f"{api}/statuses/{pull.head_sha}"},
            },
        }
        return of_component("pull-request-simple", known)

    def pull(self, pull: Pull, repo: Repo, mergeable: bool | None, state: str) -> Json:
        """A pull request with what is computed in the background."""
        comments = sum(comment.pull == pull.number for comment in repo.comments.values())
        known = self.pull_simple(pull, repo) | {
            "merged": pull.merged,
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": state,
            "merged_by": None if pull.merged_by is None else self.account(pull.merged_by),
            "comments": comments,
            "maintainer_can_modify": False,
        }
        return of_component("pull-request", known)

    def issue(self, pull: Pull, repo: Repo) -> Json:
        """The issue that every pull request also is."""
        api = f"{self.api}/repos/{repo.full_name}"
        html = f"{self.web}/{repo.full_name}/pull/{pull.number}"
        own = f"{api}/pulls/{pull.number}"
        return {
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "number": pull.number,
            "url": f"{api}/issues/{pull.number}",
            "repository_url": api,
            "html_url": html,
            "title": pull.title,
            "body": pull.body,
            "state": pull.state,
            "locked": False,
            "user": self.account(pull.author),
            "labels": [self.label(label, repo) for label in pull.labels],
            "assignees": [],
            "comments": 0,
            "created_at": iso(pull.created_ms),
            "updated_at": iso(pull.updated_ms),
            "closed_at": None if pull.closed_ms is None else iso(pull.closed_ms),
            "author_association": "NONE",
            "draft": pull.draft,
            "pull_request": {
                "url": own,
                "html_url": html,
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "merged_at": None if pull.merged_ms is None else iso(pull.merged_ms),
            },
        }

    def comment(self, comment: Comment, repo: Repo) -> Json:
        """A comment on a pull request."""
        issue = f"{self.api}/repos/{repo.full_name}/issues"
        page = f"{self.web}/{repo.full_name}/pull/{comment.pull}#issuecomment-{comment.id}"
        known = {
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "url": f"{issue}/comments/{comment.id}",
            "html_url": page,
            "issue_url": f"{issue}/{comment.pull}",
            "body": comment.body,
            "user": self.account(comment.author),
            "created_at": iso(comment.created_ms),
            "updated_at": iso(comment.updated_ms),
            "author_association": "NONE",
        }
        return of_component("issue-comment", known)

    def review(self, review: Review, pull: Pull, repo: Repo) -> Json:
        """A review."""
        own = f"{self.api}/repos/{repo.full_name}/pulls/{pull.number}"
        html = f"{self.web}/{repo.full_name}/pull/{pull.number}#pullrequestreview-{review.id}"
        known = {
            "id": review.id,
            "node_id": node_id("PRR", review.id),
            "user": self.account(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": html,
            "pull_request_url": own,
            "_links": {"html": {"href": html}, "pull_request": {"href": own}},
            "submitted_at": iso(review.at_ms),
            "commit_id": review.commit,
            "author_association": "NONE",
        }
        return of_component("pull-request-review", known)

    def remark(self, remark: Remark, repo: Repo) -> Json:
        """A comment on a line."""
        api = f"{self.api}/repos/{repo.full_name}/pulls"
        html = f"{self.web}/{repo.full_name}/pull/{remark.pull}#discussion_r{remark.id}"
        own, pull = f"{api}/comments/{remark.id}", f"{api}/{remark.pull}"
        known = {
            "id": remark.id,
            "node_id": node_id("PRRC", remark.id),
            "pull_request_review_id": remark.review,
            "url": own,
            "html_url": html,
            "pull_request_url": pull,
            "_links": {
                "self": {"href": own},
                "html": {"href": html},
                "pull_request": {"href": pull},
            },
            "diff_hunk": f"@@ -{remark.line} +{remark.line} @@",
            "path": remark.path,
            "position": 1,
            "original_position": 1,
            "line": remark.line,
            "original_line": remark.line,
            "side": "RIGHT",
            "commit_id": remark.commit,
            "original_commit_id": remark.commit,
            "user": self.account(remark.author),
            "body": remark.body,
            "created_at": iso(remark.created_ms),
            "updated_at": iso(remark.updated_ms),
            "author_association": "NONE",
        }
        return of_component("pull-request-review-comment", known)

    def issue_event(self, event: IssueEvent, repo: Repo) -> Json:
        """An entry of a pull request's timeline."""
        known: Json = {
            "id": event.id,
            "node_id": node_id("EV", event.id),
            "url": f"{self.api}/repos/{repo.full_name}/issues/events/{event.id}",
            "actor": self.account(event.actor),
            "event": event.kind,
            "commit_id": None,
            "commit_url": None,
            "created_at": iso(event.at_ms),
            "performed_via_github_app": None,
        }
        if event.label is not None:
            known["label"] = {"name": event.label.name, "color": event.label.color}
        return known

    def installation(self, held: Installation) -> Json:
        """An installation of an App."""
        known = {
            "id": held.id,
            "account": self.account(held.account),
            "app_id": held.app.id,
            "app_slug": held.app.slug,
            "target_id": held.account.id,
            "target_type": held.account.kind,
            "repository_selection": "selected",
            "permissions": dict(held.permissions),
            "events": list(held.app.events),
            "access_tokens_url": f"{self.api}/app/installations/{held.id}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/settings/installations/{held.id}",
            "created_at": iso(held.created_ms),
            "updated_at": iso(held.created_ms),
            "single_file_name": None,
            "suspended_at": None if held.suspended_ms is None else iso(held.suspended_ms),
            "suspended_by": None if held.suspended_by is None else self.account(held.suspended_by),
        }
        return of_component("installation", known)

    def commit(self, commit: Commit, repo: Repo) -> Json:
        """A commit as the repository's history shows it."""
        api = f"{self.api}/repos/{repo.full_name}"
        known = {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{api}/commits/{commit.sha}",
            "html_url": f"{self.web}/{repo.full_name}/commit/{commit.sha}",
            "comments_url": f"{api}/commits/{commit.sha}/comments",
            "commit": self.git_commit_part(commit, repo),
            "author": None,
            "committer": None,
            "parents": [
                {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{api}/commits/{sha}"}
                for sha in commit.parents
            ],
        }
        return of_component("commit", known)

    def git_commit_part(self, commit: Commit, repo: Repo) -> Json:
        """What git says of a commit."""
        api = f"{self.api}/repos/{repo.full_name}/git"
        return {
            "url": f"{api}/commits/{commit.sha}",
            "author": signature(commit.author),
            "committer": signature(commit.committer),
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": f"{api}/trees/{commit.tree}"},
            "comment_count": 0,
        }

    def git_commit(self, commit: Commit, repo: Repo) -> Json:
        """A commit as the git database shows it."""
        api = f"{self.api}/repos/{repo.full_name}"
        known = self.git_commit_part(commit, repo) | {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "html_url": f"{self.web}/{repo.full_name}/commit/{commit.sha}",
            "parents": [
                {"sha": sha, "url": f"{api}/git/commits/{sha}", "html_url": f"{api}/commits/{sha}"}
                for sha in commit.parents
            ],
        }
        del known["comment_count"]
        unsigned = {"verified": False, "reason": "unsigned", "signature": None, "payload": None}
        known["verification"] = unsigned | {"verified_at": None}
        return of_component("git-commit", known)

    def ref(self, name: str, sha: str, repo: Repo) -> Json:
        """A ref."""
        api = f"{self.api}/repos/{repo.full_name}/git"
        return {
            "ref": name,
            "node_id": f"REF_{base64.urlsafe_b64encode(name.encode()).decode()}",
            "url": f"{api}/{name}",
            "object": {"sha": sha, "type": "commit", "url": f"{api}/commits/{sha}"},
        }


def signature(who: Signature) -> Json:
    """Who wrote a commit."""
    return {"name": who.name, "email": who.email, "date": who.date}

"""What the model remembers: plain values that its rooms change. No JSON, no HTTP, no git."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.github_model.bare import Bare

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")
"""Weakest first."""

PASSING = frozenset({"success", "neutral", "skipped"})
"""The conclusions that fulfil a required check."""


@dataclass
class Account:
    """A person, an organisation or an App's bot."""

    id: int
    login: str
    kind: Literal["User", "Organization", "Bot"] = "User"


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"


@dataclass
class IssueEvent:
    """Something that happened to a pull request, as the timeline lists it."""

    id: int
    kind: str
    """labeled, unlabeled, closed, reopened, merged, renamed, head_ref_force_pushed, …"""
    actor: Account
    at_ms: int
    label: Label | None = None


@dataclass
class Comment:
    """A comment on a pull request."""

    id: int
    pull: int
    author: Account
    body: str
    created_ms: int
    updated_ms: int


@dataclass
class Review:
    """A submitted review."""

    id: int
    author: Account
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED"]
    body: str
    commit: str
    at_ms: int


@dataclass
class Remark:
    """A comment on a line of a pull request."""

    id: int
    review: int
    pull: int
    author: Account
    path: str
    line: int
    body: str
    commit: str
    created_ms: int
    updated_ms: int


@dataclass
class Pull:
    """A pull request. `head_sha` is what GitHub has recorded, `base_sha` the base at that time."""

    id: int
    number: int
    author: Account
    title: str
    body: str | None
    head_repo: Repo | None
    head_owner: Account
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    created_ms: int
    updated_ms: int
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    closed_ms: int | None = None
    merged_ms: int | None = None
    merged_by: Account | None = None
    merge_commit: str | None = None
    labels: list[Label] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    unknown_reads: float = 1
    """How often `mergeable` will be answered with null before it is known."""

    @property
    def merged(self) -> bool:
        """Whether GitHub shows it as merged."""
        return self.merged_ms is not None


@dataclass
class CheckRun:
    """A check run. `suite` is its check suite's id."""

    id: int
    suite: int
    app: App
    name: str
    sha: str
    status: str
    conclusion: str | None
    started_ms: int
    completed_ms: int | None = None
    external_id: str = ""
    details_url: str | None = None
    output: dict[str, Any] = field(default_factory=dict)


@dataclass
class Suite:
    """The check runs of one App at one commit."""

    id: int
    app: App
    sha: str
    branch: str | None
    created_ms: int


@dataclass
class Status:
    """A commit status, the older kind of check."""

    id: int
    sha: str
    context: str
    state: Literal["error", "failure", "pending", "success"]
    description: str | None
    target_url: str | None
    creator: Account
    at_ms: int


@dataclass
class Rule:
    """What protects branches: classic protection, or a ruleset."""

    branches: tuple[str, ...]
    """Patterns of shell style."""
    checks: tuple[str, ...] = ()
    strict: bool = False
    pull_request: bool = False
    linear: bool = False
    allow_force: bool = False
    allow_delete: bool = False
    bypass: frozenset[str] = frozenset()
    """Logins that it does not bind."""
    ruleset: int | None = None
    """The ruleset's id; None for classic protection."""


@dataclass
class Repo:
    """A repository before its bare git repository."""

    id: int
    owner: Account
    name: str
    bare: Bare
    created_ms: int
    private: bool = False
    default_branch: str = "main"
    parent: Repo | None = None
    deleted: bool = False
    archived: bool = False
    """Everything may be read, and nothing changed."""
    roles: dict[int, Role] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    remarks: dict[int, Remark] = field(default_factory=dict)
    runs: dict[int, CheckRun] = field(default_factory=dict)
    suites: dict[int, Suite] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    """Where the branches and tags stood when last something followed from them."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while refs move: pushes and API calls come one after the other."""

    @property
    def full_name(self) -> str:
        """owner/name."""
        return f"{self.owner.login}/{self.name}"

    def role(self, account: Account) -> Role:
        """What the account may do; everybody may read what is public."""
        if account is self.owner:
            return "admin"
        return self.roles.get(account.id, "none" if self.private else "read")


@dataclass
class App:
    """A GitHub App."""

    id: int
    slug: str
    owner: Account
    bot: Account
    permissions: dict[str, str]
    events: list[str]
    created_ms: int


@dataclass
class Installation:
    """An App on an account's repositories."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    repos: list[Repo]
    created_ms: int
    suspended_ms: int | None = None
    suspended_by: Account | None = None

    @property
    def suspended(self) -> bool:
        """Whether it may do nothing for now."""
        return self.suspended_ms is not None


@dataclass(frozen=True)
class Actor:
    """Who makes a request, and what the credentials allow."""

    account: Account
    installation: Installation | None = None
    app: App | None = None
    """Set when the App speaks for itself, with a JWT."""
    permissions: dict[str, str] = field(default_factory=dict)
    token: str = ""


ANYBODY = Actor(Account(0, ""))
"""Without credentials."""

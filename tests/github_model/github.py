"""The whole of the model's state, and telling the world what changed. Serves nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.github_model.access import Access
from tests.github_model.bare import Bare, Move
from tests.github_model.clock import Clock, RealClock
from tests.github_model.faults import Faults
from tests.github_model.hooks import Hooks
from tests.github_model.limits import Limits
from tests.github_model.records import Account, App, Installation, Label, Pull, Repo, Rule
from tests.github_model.shapes import Json, Shapes

PERMISSIONS = {
    "administration": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "read",
}
EVENTS = [
    "check_run", "check_suite", "issue_comment", "pull_request", "pull_request_review",
    "pull_request_review_comment", "push", "status", "merge_group", "repository", "workflow_run",
]  # fmt: skip


class NoSuch(Exception):
    """There is nothing of that name or number: 404."""


@dataclass
class GitHub:
    """Accounts, repositories, Apps, what is to go wrong, and what clients have broken."""

    folder: Path
    git: str
    clock: Clock = field(default_factory=RealClock)
    accounts: dict[str, Account] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    renamed: dict[str, Repo] = field(default_factory=dict)
    """Repositories by the names that they had: git finds them there, the API says where to ask."""
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    violations: list[str] = field(default_factory=list)
    """Messages that broke GitHub's descriptions: the model's answers, and clients' requests."""
    shapes: Shapes = field(default_factory=lambda: Shapes("http://unserved", "http://unserved"))
    unknown_reads: float = 1
    """How often `mergeable` is null after a pull request's head or base moved; inf: for ever."""
    on_move: list[Callable[[Repo, Move], Awaitable[None]]] = field(default_factory=list)
    """Called for every ref that moved: how the tiny CI learns of pushes."""
    _number: int = 1_000

    def __post_init__(self) -> None:
        self.access = Access(self.clock)
        self.hooks = Hooks(self.clock, violations=self.violations)

    def new_id(self) -> int:
        """A number that nothing has yet. Never below 1,001."""
        self._number += 1
        return self._number

    def account(self, login: str, kind: str = "User") -> Account:
        """The account of that login, made where there is none."""
        if login not in self.accounts:
            made = Account(self.new_id(), login)
            if kind == "Organization":
                made.kind = "Organization"
            elif kind == "Bot":
                made.kind = "Bot"
            self.accounts[login] = made
        return self.accounts[login]

    async def new_repo(
        self, owner: Account, name: str, *, private: bool = False, parent: Repo | None = None
    ) -> Repo:
        """An empty repository; a copy of `parent` where it is a fork."""
        bare = Bare(self.folder / owner.login / f"{name}.git", self.git)
        await bare.init()
        repo = Repo(
            self.new_id(), owner, name, bare, self.clock.now_ms(), private=private, parent=parent
        )
        if parent is not None:
            heads = "refs/heads/*:refs/heads/*"
            await bare.run("fetch", "-q", "--no-tags", str(parent.bare.path), heads)
            repo.seen = await bare.refs("refs/heads/")
        self.repos[repo.full_name] = repo
        return repo

    def new_app(self, slug: str, owner: Account) -> App:
        """An App with the permissions and events that the model knows."""
        bot = self.account(f"{slug}[bot]", "Bot")
        app = App(
            self.new_id(), slug, owner, bot, dict(PERMISSIONS), list(EVENTS), self.clock.now_ms()
        )
        self.access.apps[app.id] = app
        return app

    def install(self, app: App, repo: Repo) -> Installation:
        """Install an App on a repository, with all that it asks for."""
        held = Installation(
            self.new_id(), app, repo.owner, dict(app.permissions), [repo], self.clock.now_ms()
        )
        self.access.installations[held.id] = held
        return held

    def repo(self, owner: str, name: str) -> Repo:
        """The repository of that name. Raises NoSuch."""
        held = self.repos.get(f"{owner}/{name}", self.renamed.get(f"{owner}/{name}"))
        if held is None or held.deleted:
            raise NoSuch
        return held

    def pull(self, repo: Repo, number: int) -> Pull:
        """The pull request of that number. Raises NoSuch."""
        if number not in repo.pulls:
            raise NoSuch
        return repo.pulls[number]

    def label(self, repo: Repo, name: str) -> Label:
        """The label of that name, made where there is none."""
        if name not in repo.labels:
            repo.labels[name] = Label(self.new_id(), name)
        return repo.labels[name]

    def rules(self, repo: Repo, branch: str) -> list[Rule]:
        """What protects a branch."""
        return [
            rule
            for rule in repo.rules
            if any(fnmatchcase(branch, pattern) for pattern in rule.branches)
        ]

    def tell(self, event: str, action: str, repo: Repo, sender: Account, known: Json) -> None:
        """Tell every App that is installed on the repository and asked for the event."""
        for held in self.access.installations.values():
            here = any(one is repo for one in held.repos)
            if held.suspended or not here or event not in held.app.events:
                continue
            common = {
                "repository": self.shapes.repo(repo),
                "sender": self.shapes.account(sender),
                "installation": {"id": held.id, "node_id": f"I_{held.id}"},
            }
            self.hooks.emit(event, action, common | known, held.id, repo.id)

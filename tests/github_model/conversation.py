"""The words of scenario tests: people who open, push, comment and merge; a CI; what became of it.

async with hub_at(tmp_path, git) as hub:
pull = await hub.alice.opens({"a.txt": "A"})
hub.bob.comments(pull, "@oya r+")
await hub.ci.passes()
assert await hub.target() == …
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.github_model import pulls
from tests.github_model.access import key_pair
from tests.github_model.bare import Move, Signature
from tests.github_model.clock import Clock, RealClock, iso
from tests.github_model.github import GitHub
from tests.github_model.judge import HEADS
from tests.github_model.moves import changes, move, moved
from tests.github_model.owner import Owner
from tests.github_model.records import (
    Account,
    Actor,
    Comment,
    Installation,
    Pull,
    Remark,
    Repo,
    Review,
    Role,
    Rule,
)
from tests.github_model.server import Server
from tests.github_model.tiny_ci import TinyCi

OWNER, NAME = "acme", "widget"
FIRST = {"README": "A project.\n"}


@dataclass
class Person:
    """Somebody with an account, and what they do."""

    hub: Hub
    account: Account
    token: str

    @property
    def _actor(self) -> Actor:
        return Actor(self.account, token=self.token)

    async def commits(
        self, files: Mapping[str, str | None], *, on: str | None, message: str, repo: Repo
    ) -> str:
        """A commit in a repository, on no branch yet."""
        date = iso(self.hub.github.clock.now_ms())
        who = Signature(self.account.login, f"{self.account.login}@github.test", date)
        return await repo.bare.write(files, on=on, message=message, who=who)

    async def moves(
        self, branch: str, sha: str | None, *, repo: Repo | None = None, force: bool = False
    ) -> None:
        """Push a commit to a branch, or delete it. Raises moves.Refused."""
        where, ref = repo or self.hub.repo, f"{HEADS}{branch}"
        async with where.writing:
            one = Move(ref, await where.bare.ref(ref), sha)
            await move(self.hub.github, where, self._actor, [one], force=[force])

    async def pushes_to(
        self, branch: str, files: Mapping[str, str | None], *, message: str = "A push"
    ) -> str:
        """Push a commit of these files on top of a branch of the repository; its id."""
        repo = self.hub.repo
        on = await repo.bare.ref(f"{HEADS}{branch}")
        sha = await self.commits(files, on=on, message=message, repo=repo)
        await self.moves(branch, sha)
        return sha

    async def forks(self) -> Repo:
        """Their fork of the repository, made where there is none."""
        name = f"{self.account.login}/{NAME}"
        if name in self.hub.github.repos:
            return self.hub.github.repos[name]
        fork = await self.hub.github.new_repo(self.account, NAME, parent=self.hub.repo)
        fork.roles[self.account.id] = "admin"
        return fork

    async def opens(
        self,
        files: Mapping[str, str | None],
        *,
        branch: str = "",
        base: str = "main",
        title: str = "",
        body: str = "",
        draft: bool = False,
        fork: bool = False,
        on: str | None = None,
    ) -> Pull:
        """Open a pull request with these files changed on top of `base`, or of the commit `on`."""
        repo = self.hub.repo
        where = await self.forks() if fork else repo
        title = title or f"Change {', '.join(files)}"
        branch = branch or f"change-{max(repo.pulls, default=0) + 1}"
        on = on or await repo.bare.ref(f"{HEADS}{base}")
        if fork:
            await where.bare.run("fetch", "-q", str(repo.bare.path), f"+{HEADS}*:refs/upstream/*")
        sha = await self.commits(files, on=on, message=title, repo=where)
        await self.moves(branch, sha, repo=where)
        head = f"{self.account.login}:{branch}" if fork else branch
        return await pulls.open_pull(
            self.hub.github,
            repo,
            self.account,
            head=head,
            base=base,
            title=title,
            body=body,
            draft=draft,
        )

    async def pushes(
        self, pull: Pull, files: Mapping[str, str | None], *, force: bool = False
    ) -> str:
        """Push to a pull request's branch: one commit more, or by force one in their place."""
        assert pull.head_repo is not None
        on = pull.base_sha if force else pull.head_sha
        repo = pull.head_repo
        sha = await self.commits(files, on=on, message="One more", repo=repo)
        await self.moves(pull.head_ref, sha, repo=repo, force=force)
        return sha

    def comments(self, pull: Pull, text: str) -> Comment:
        """Comment."""
        return pulls.comment(self.hub.github, self.hub.repo, pull, self.account, text)

    def edits(self, comment: Comment, text: str) -> None:
        """Edit a comment."""
        pulls.edit_comment(self.hub.github, self.hub.repo, comment, self.account, text)

    async def rewrites(
        self, pull: Pull, *, title: str | None = None, body: str | None = None
    ) -> None:
        """Edit a pull request's title or body."""
        edit = pulls.edit(
            self.hub.github, self.hub.repo, pull, self.account, title=title, body=body
        )
        await edit

    async def retargets(self, pull: Pull, base: str) -> None:
        """Change the base of a pull request."""
        await pulls.edit(self.hub.github, self.hub.repo, pull, self.account, base=base)

    def labels(self, pull: Pull, *names: str) -> None:
        """Add labels."""
        pulls.add_labels(self.hub.github, self.hub.repo, pull, self.account, list(names))

    def unlabels(self, pull: Pull, name: str) -> None:
        """Take a label off."""
        pulls.remove_label(self.hub.github, self.hub.repo, pull, self.account, name)

    def reviews(self, pull: Pull, verdict: str, text: str = "") -> Review:
        """Review: APPROVE, REQUEST_CHANGES or COMMENT."""
        return pulls.review(self.hub.github, self.hub.repo, pull, self.account, verdict, text)

    def remarks(self, pull: Pull, path: str, text: str, *, line: int = 1) -> Remark:
        """Comment on a line."""
        hub = self.hub
        return pulls.remark(hub.github, hub.repo, pull, self.account, path, line, text)

    def closes(self, pull: Pull) -> None:
        """Close a pull request without merging it."""
        pulls.close(self.hub.github, self.hub.repo, pull, self.account)

    async def reopens(self, pull: Pull) -> None:
        """Open it again."""
        await pulls.reopen(self.hub.github, self.hub.repo, pull, self.account)

    def drafts(self, pull: Pull, *, draft: bool = True) -> None:
        """Make it a draft, or ready."""
        pulls.set_draft(self.hub.github, self.hub.repo, pull, self.account, draft=draft)

    async def merges(self, pull: Pull) -> str:
        """Merge by hand, with a merge commit; its id."""
        repo = self.hub.repo
        base = await repo.bare.ref(f"{HEADS}{pull.base_ref}")
        tree = await repo.bare.merge_tree(base or "", pull.head_sha)
        assert base is not None, f"{pull.base_ref} is gone"
        assert tree is not None, f"#{pull.number} conflicts"
        message = f"Merge pull request #{pull.number}"
        sha = await repo.bare.commit_tree(tree, message, base, pull.head_sha)
        await self.moves(pull.base_ref, sha)
        return sha

    def renames(self, login: str) -> None:
        """Take another login, which nobody has; the old one is anybody's from now on."""
        accounts = self.hub.github.accounts
        assert login not in accounts, f"{login} is taken"
        del accounts[self.account.login]
        self.account.login = login
        accounts[login] = self.account

    def deletes_fork(self) -> None:
        """Delete their fork: pull requests from it stay open, with no head repository."""
        fork = self.hub.github.repos[f"{self.account.login}/{NAME}"]
        fork.deleted = True


class Hub:
    """A repository on the model, its people, its CI and the App that is under test."""

    def __init__(self, github: GitHub, server: Server, port: int, repo: Repo) -> None:
        self.github = github
        self.server = server
        self.repo = repo
        self.url = f"http://127.0.0.1:{port}"
        self.git_url = f"{self.url}/{repo.full_name}.git"
        self.faults, self.hooks = github.faults, github.hooks
        self.app = github.new_app("oya", repo.owner)
        self.private_key, _ = key_pair()
        ci_app = github.new_app("tiny-ci", repo.owner)
        ci_app.events.clear()
        self.ci = TinyCi(github, ci_app)
        self.ann = self.person("ann", "admin")
        self.alice = self.person("alice", "write")
        self.bob = self.person("bob", "write")
        self.mallory = self.person("mallory", "read")
        installed = github.install(self.app, repo)
        self.owner = Owner(github, self.ann.account, repo, self.app, installed)

    @property
    def installation(self) -> Installation:
        """The App's installation on the repository: the newest."""
        return self.owner.installation

    def person(self, login: str, role: Role = "read") -> Person:
        """Somebody with a role in the repository."""
        account = self.github.account(login)
        self.repo.roles[account.id] = role
        return Person(self, account, self.github.access.token_of(account))

    def protects(self, *branches: str, ruleset: bool = False, **how: object) -> Rule:
        """Protect branches, by classic protection or a ruleset; `how` as records.Rule."""
        number = self.github.new_id() if ruleset else None
        rule = Rule(branches or ("main",), ruleset=number, **how)  # type: ignore[arg-type]
        self.repo.rules.append(rule)
        return rule

    async def notices(self, *, by: Person | None = None) -> None:
        """Follow what somebody has written to the bare repository itself."""
        async with self.repo.writing:
            actor = (by or self.ann).account
            await moved(self.github, self.repo, actor, await changes(self.repo))

    def pings(self) -> None:
        """GitHub tries the webhook, as when it is set up."""
        hook = {"id": 1, "type": "App", "app_id": self.app.id, "active": True}
        hook |= {"events": self.app.events, "config": {"content_type": "json"}}
        known = {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": hook}
        self.hooks.emit("ping", "", known, self.installation.id, None)

    async def target(self, branch: str = "main") -> str:
        """Where a branch stands. Fails where it is gone."""
        sha = await self.repo.bare.ref(f"{HEADS}{branch}")
        assert sha is not None, f"{branch} is gone"
        return sha

    async def tree(self, revision: str) -> str:
        """The tree of a commit."""
        return (await self.repo.bare.commit(revision)).tree

    async def files(self, revision: str = "refs/heads/main") -> dict[str, str]:
        """The files of a commit."""
        return await self.repo.bare.files(revision)

    def said(self, pull: Pull, *, by: str = "oya[bot]") -> list[str]:
        """What somebody has commented on a pull request, oldest first."""
        every = self.repo.comments.values()
        return [one.body for one in every if (one.pull, one.author.login) == (pull.number, by)]

    async def settled(self) -> None:
        """Wait until the CI and the deliveries that take no time are done."""
        await self.ci.settled()
        if self.hooks.url is not None:
            await self.hooks.settled()
        await self.ci.settled()

    async def close(self) -> None:
        """Serve no more. Fails with all that broke GitHub's descriptions."""
        await self.ci.close()
        await self.hooks.close()
        await self.server.stop()
        broken = sorted(set(self.github.violations))
        assert not broken, "messages that GitHub would not know:\n  " + "\n  ".join(broken)


@asynccontextmanager
async def hub_at(folder: Path, git: str, clock: Clock | None = None) -> AsyncIterator[Hub]:
    """A model of GitHub with one repository, acme/widget, whose main holds FIRST."""
    github = GitHub(folder, git, clock or RealClock())
    repo = await github.new_repo(github.account(OWNER, "Organization"), NAME)
    server = Server(github)
    hub = Hub(github, server, await server.start(), repo)
    try:
        await hub.ann.pushes_to("main", FIRST, message="First")
        yield hub
    finally:
        await hub.close()

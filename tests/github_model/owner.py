"""The owner of a repository: where the App is installed, and what becomes of the repository itself.

Knows no pull request and no check.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.github_model.github import GitHub
from tests.github_model.records import Account, App, Installation, Repo
from tests.github_model.shapes import Json, node_id


@dataclass
class Owner:
    """Somebody who may do anything with the repository; `installation` is where the App is."""

    github: GitHub
    account: Account
    repo: Repo
    app: App
    installation: Installation

    def suspends(self, *, suspended: bool = True) -> None:
        """Suspend the App's installation, or take that back."""
        held = self.installation
        held.suspended_ms = self.github.clock.now_ms() if suspended else None
        held.suspended_by = self.account if suspended else None
        self._tells("installation", "suspend" if suspended else "unsuspend", {})

    def uninstalls(self) -> None:
        """Take the App away: its tokens end, and it is told nothing more."""
        held = self.installation
        del self.github.access.installations[held.id]
        self.github.access.revoke(lambda actor: actor.installation is held)
        self._tells("installation", "deleted", {"repositories": [self._named()]})

    def installs(self) -> None:
        """Install the App again, which is another installation."""
        self.installation = self.github.install(self.app, self.repo)
        self._tells("installation", "created", {"repositories": [self._named()]})

    def withholds(self, *, withheld: bool = True) -> None:
        """Take the repository out of the installation, or put it back."""
        held = self.installation
        held.repos[:] = [] if withheld else [self.repo]
        names = [self._named()]
        known: Json = {
            "repository_selection": "selected",
            "repositories_added": [] if withheld else names,
            "repositories_removed": names if withheld else [],
            "requester": None,
        }
        self._tells("installation_repositories", "removed" if withheld else "added", known)

    def archives(self, *, archived: bool = True) -> None:
        """Make the repository read-only, or take that back."""
        self.repo.archived = archived
        action = "archived" if archived else "unarchived"
        self.github.tell("repository", action, self.repo, self.account, {})

    def renames(self, name: str) -> None:
        """Give the repository another name; who asks for the old one is told to ask elsewhere."""
        before = self.repo.name
        del self.github.repos[self.repo.full_name]
        self.github.renamed[self.repo.full_name] = self.repo
        self.repo.name = name
        self.github.repos[self.repo.full_name] = self.repo
        known: Json = {"changes": {"repository": {"name": {"from": before}}}}
        self.github.tell("repository", "renamed", self.repo, self.account, known)

    def deletes(self) -> None:
        """Delete the repository."""
        self.github.tell("repository", "deleted", self.repo, self.account, {})
        self.repo.deleted = True

    def _tells(self, event: str, action: str, known: Json) -> None:
        held, shapes = self.installation, self.github.shapes
        whole = {
            "installation": shapes.installation(held),
            "sender": shapes.account(self.account),
            **known,
        }
        self.github.hooks.emit(event, action, whole, held.id, None)

    def _named(self) -> Json:
        repo = self.repo
        return {
            "id": repo.id,
            "node_id": node_id("R", repo.id),
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
        }

"""A request on its way through the model, and the table of what answers it."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.github_model.access import allow
from tests.github_model.github import GitHub, NoSuch
from tests.github_model.records import Account, Actor, App, Pull, Repo

PER_PAGE = 30
PER_PAGE_MAX = 100
REPO = "/repos/{owner}/{repo}"

Item = TypeVar("Item")


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An answer of 4xx with GitHub's message."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message} | more)


@dataclass
class Call:
    """A request whose sender is known."""

    github: GitHub
    operation: str
    """ "METHOD /path/{template}" as GitHub's description names it."""
    path: str
    actor: Actor
    params: dict[str, str]
    query: dict[str, str]
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    """What the answer will carry: filled by `page`."""

    @property
    def account(self) -> Account:
        """Who asks."""
        return self.actor.account

    @property
    def said(self) -> dict[str, Any]:
        """The body as an object."""
        return self.body if isinstance(self.body, dict) else {}

    def repo(self, *needed: str) -> Repo:
        """The repository of the path, for somebody with one of the permissions."""
        repo = self.github.repo(self.params["owner"], self.params["repo"])
        allow(self.actor, repo, *needed)
        return repo

    def pull(self, repo: Repo) -> Pull:
        """The pull request of the path."""
        text = self.params.get("pull_number") or self.params.get("issue_number") or ""
        if not text.isdecimal():
            raise NoSuch
        return self.github.pull(repo, int(text))

    def number(self, name: str) -> int:
        """A number of the path. Raises NoSuch."""
        text = self.params[name]
        if not text.isdecimal():
            raise NoSuch
        return int(text)

    def own_app(self) -> App:
        """The App that asks, by an installation. Raises Refusal: people cannot do this."""
        if self.actor.installation is None:
            raise Refusal(403, "You must authenticate via a GitHub App.")
        return self.actor.installation.app

    def page(self, items: list[Item]) -> list[Item]:
        """The page of `items` that was asked for, and the Link header to the others."""
        size = max(1, min(int(self.query.get("per_page") or PER_PAGE), PER_PAGE_MAX))
        at = max(1, int(self.query.get("page") or 1))
        last = max(1, math.ceil(len(items) / size))
        others = {"prev": at - 1, "next": at + 1, "last": last, "first": 1}
        if at <= 1:
            del others["prev"], others["first"]
        if at >= last:
            del others["next"], others["last"]
        links = [f'<{self._url(page)}>; rel="{rel}"' for rel, page in others.items()]
        if links:
            self.headers["Link"] = ", ".join(links)
        return items[(at - 1) * size : at * size]

    def _url(self, page: int) -> str:
        query = "&".join(
            f"{key}={text}" for key, text in (self.query | {"page": str(page)}).items()
        )
        return f"{self.github.shapes.api}{self.path}?{query}"


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """An operation and what answers it."""

    operation: str
    pattern: re.Pattern[str]
    handler: Handler


class Routes:
    """The operations, each found by method and path."""

    def __init__(self) -> None:
        self.by_method: dict[str, list[Route]] = {}

    def on(self, operation: str) -> Callable[[Handler], Handler]:
        """Let a function answer an operation: "METHOD /path/{template}"."""
        method, _, template = operation.partition(" ")
        pattern = re.sub(r"\\{(ref|basehead|branch)\\}", r"(?P<\1>.+)", re.escape(template))
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)

        def keep(handler: Handler) -> Handler:
            route = Route(operation, re.compile(pattern), handler)
            self.by_method.setdefault(method, []).append(route)
            return handler

        return keep

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation of a request, and what stands in its path. The most specific wins."""
        found = []
        for route in self.by_method.get(method, ()):
            match = route.pattern.fullmatch(path)
            if match:
                found.append((route, match.groupdict()))
        if not found:
            return None
        return max(found, key=lambda one: len(re.sub(r"\{\w+\}", "", one[0].operation)))


ROUTES = Routes()
"""Filled by the modules named rest_*.py."""

"""Who people are, and what they may do: asked at the time, and by number, for names change hands.

Must not know what somebody wants to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from oya_vcs.adapters.github.client import Github
from oya_vcs.core.pulls import Account, Level


@dataclass(frozen=True, slots=True)
class Person:
    """An account; `id` 0 is nobody that can be named."""

    id: int = 0
    login: str = ""


async def by_number(api: Github, number: int) -> Person:
    """The account of this number, under its name of now. Raises GithubFailed."""
    found = await api.find(f"/user/{number}")
    return Person() if found is None else _person(found)


async def by_name(api: Github, login: str) -> Account:
    """Whose this login is now: number 0 where it is nobody's. Raises GithubFailed."""
    found = await api.find(f"/users/{quote(login, safe='')}")
    return Account(login, 0 if found is None else _person(found).id)


async def who_labelled(api: Github, pull: int, label: str, *, removed: bool) -> Person:
    """Who set (or removed) a label last; nobody, where it was not so. Raises GithubFailed."""
    kind = "unlabeled" if removed else "labeled"
    last = Person()
    async for event in api.each(api.here(f"/issues/{pull}/events")):
        about = (event.get("label") or {}).get("name", "")
        if event.get("event") == kind and about.lower() == label.lower():
            last = _person(event.get("actor"))
    return last


async def level_of(api: Github, person: Person) -> Level:
    """What a person may do in the repository, now. Raises GithubFailed.

    GitHub is asked by name: an answer about another account, which has that name by now, gives no
    right. `role_name` tells triage and maintain, which `permission` folds into read and write.
    """
    if not person.id:
        return Level.NONE
    path = api.here(f"/collaborators/{quote(person.login, safe='')}/permission")
    found = await api.find(path)
    if found is None or _person(found.get("user")).id != person.id:
        return Level.NONE
    for said in (found.get("role_name"), found.get("permission")):
        if said in set(Level):
            return Level(said)
    return Level.NONE


async def ourselves(api: Github, slug: str) -> Person:
    """The account that our own comments have: the bot of the App `slug`, or with a token (empty)
    the token's user. Raises GithubFailed."""
    path = f"/users/{quote(f'{slug}[bot]')}" if slug else "/user"
    return _person(await api.get(path))


def _person(account: Any) -> Person:
    if not isinstance(account, dict) or not isinstance(account.get("id"), int):
        return Person()
    return Person(account["id"], str(account.get("login") or ""))

"""What is said on a pull request: replies, the one living comment, the check on its head, labels.

Each comment carries a mark, invisible to people, with the key of what asked for it; it is looked
for before anything is said again. The words are made elsewhere, and so is every decision.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.adapters.github.people import Person
from oya_vcs.adapters.github.verdict import OWN_CHECK
from oya_vcs.core.ids import Key
from oya_vcs.core.marks import key_in, mark
from oya_vcs.core.pulls import Replied, Reply, StatusTold, TellStatus

Render = Callable[[str, Mapping[str, object]], str]
"""The text of a template with its fields."""
STATE_LABELS = "oya:is/"
"""What the names of the labels begin with that we set ourselves; those that people set do not."""
ENDED = {"merged": "success", "landed": "success", "failed": "failure", "rejected": "failure"}
"""States after which our check is over, and with what."""
SUMMARY_MAX = 60_000
"""Characters of a check's summary: GitHub takes 65,535."""


class Notices:
    """Speaks as `who`, in the words of `render`. Only an App (`own_app`) may show a check.
    `page` is where people find ours (empty: nowhere)."""

    def __init__(
        self,
        api: Github,
        render: Render,
        *,
        who: Callable[[], Awaitable[Person]],
        own_app: int,
        home_tag: str,
        page: str = "",
    ) -> None:
        self._api = api
        self._render = render
        self._who = who
        self._own_app = own_app
        self._home_tag = home_tag
        self._page = page

    async def reply(self, key: Key, effect: Reply) -> Replied:
        """Say it, unless it is said. Raises GithubFailed."""
        if await self._find(effect.number, key) is None:
            fields = {**{one.name: one.value for one in effect.fields}, "faults": effect.faults}
            await self._say(effect.number, key, self._render(effect.template, fields))
        return Replied(key=key, bead=effect.bead, repo=effect.repo, number=effect.number)

    async def find_reply(self, key: Key, effect: Reply) -> Replied | None:
        """That it was said, if it was. Raises GithubFailed."""
        if await self._find(effect.number, key) is None:
            return None
        return Replied(key=key, bead=effect.bead, repo=effect.repo, number=effect.number)

    async def tell(self, key: Key, effect: TellStatus) -> StatusTold:
        """Let comment, check and labels say this. Can be repeated. Raises GithubFailed; what the
        repository does not let us do to labels or checks takes nothing from the rest."""
        text = self._render("status", _fields(effect, self._page))
        name = f"status:{self._home_tag}"
        said = await self._find(effect.number, name)
        if said is None:
            await self._say(effect.number, name, text)
        elif said["body"] != (body := _marked(name, text)):
            path = self._api.here(f"/issues/comments/{said['id']}")
            await self._api.send("PATCH", path, {"body": body})
        for step in (self._label, self._check):
            try:
                await step(key, effect)
            except GithubFailed as error:
                if error.why not in {Why.UNAUTHORISED, Why.MISSING, Why.INVALID}:
                    raise
        return StatusTold(
            key=key,
            bead=effect.bead,
            repo=effect.repo,
            number=effect.number,
            round=effect.round,
        )

    async def _find(self, number: int, name: str) -> Any:
        """The comment of ours with this mark, or None. Another's copy of a mark is none."""
        us = await self._who()
        async for comment in self._comments(number):
            author = (comment.get("user") or {}).get("id")
            if author == us.id and key_in(comment.get("body") or "") == name:
                return comment
        return None

    def _comments(self, number: int) -> AsyncIterator[Any]:
        return self._api.each(self._api.here(f"/issues/{number}/comments"))

    async def _say(self, number: int, name: str, text: str) -> None:
        path = self._api.here(f"/issues/{number}/comments")
        await self._api.send("POST", path, {"body": _marked(name, text)})

    async def _label(self, _key: Key, effect: TellStatus) -> None:
        """Our one state label, and none of our others."""
        path = self._api.here(f"/issues/{effect.number}/labels")
        wanted = f"{STATE_LABELS}{effect.state}"
        there = [one["name"] async for one in self._api.each(path)]
        for name in there:
            if name.startswith(STATE_LABELS) and name != wanted:
                await _gone(self._api, f"{path}/{quote(name, safe='')}")
        if wanted not in there:
            await self._api.send("POST", path, {"labels": [wanted]})

    async def _check(self, key: Key, effect: TellStatus) -> None:
        """Our check on the head, one for each head; only an App can show one."""
        if not self._own_app:
            return
        shown: dict[str, object] = {
            "name": OWN_CHECK,
            "external_id": key,
            "output": {"title": effect.state, "summary": effect.sentence[:SUMMARY_MAX]},
        }
        ended = ENDED.get(effect.state)
        shown |= {"status": "in_progress"} if ended is None else {"conclusion": ended}
        path = self._api.here(f"/commits/{effect.head}/check-runs")
        async for run in self._api.each(path, "check_runs", check_name=OWN_CHECK):
            if (run.get("app") or {}).get("id") == self._own_app and run["name"] == OWN_CHECK:
                await self._api.send("PATCH", self._api.here(f"/check-runs/{run['id']}"), shown)
                return
        await self._api.send(
            "POST", self._api.here("/check-runs"), {**shown, "head_sha": effect.head}
        )


def _marked(name: str, text: str) -> str:
    return f"{mark(name)}\n{text}"


def _fields(effect: TellStatus, page: str) -> dict[str, object]:
    """What the template of the living comment may name."""
    return {
        "state": effect.state,
        "sentence": effect.sentence,
        "head": effect.head,
        "by": effect.by,
        "place": effect.place,
        "length": effect.length,
        "priority": effect.priority,
        "candidate": effect.candidate or "",
        "log": effect.log,
        "checks": (),
        "page": page and f"{page}/#graph/{quote(effect.bead)}",
    }


async def _gone(api: Github, path: str) -> None:
    try:
        await api.send("DELETE", path)
    except GithubFailed as error:
        if error.why is not Why.MISSING:
            raise

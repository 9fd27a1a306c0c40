"""Pull requests of beads: a branch of ours, and the pull request that is opened from it.

A person's pull request is there already; of it only the commits are brought here. Must not know
what a bead is worth, nor what the queue does with it.
"""

from __future__ import annotations

from typing import Any

from oya_vcs.adapters.github.branches import bead_branch, put, refused
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.core.effects import OpenChange
from oya_vcs.core.ids import CommitId, Key
from oya_vcs.core.marks import key_in, mark
from oya_vcs.core.neutral import neutral
from oya_vcs.core.outcomes import ChangeOpened
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Refused, Remote, Repository

TITLE_MAX = 256
"""Characters of a title that GitHub takes."""


class Opening:
    """Opens and updates pull requests into `target`."""

    def __init__(self, api: Github, remote: Remote, repository: Repository, target: str) -> None:
        self._api = api
        self._remote = remote
        self._repository = repository
        self._target = target

    async def open(self, key: Key, effect: OpenChange) -> ChangeOpened:
        """Have the head on its branch, and one open pull request from there that says what it is.

        Raises WorldFailed; a retryable one leaves what `find` understands.
        """
        branch = bead_branch(effect.bead)
        await put(self._remote, branch, effect.head)
        text = {"title": _title(effect.title), "body": await self._body(key, effect)}
        pull = await opened_from(self._api, branch)
        if pull is None:
            where = {"head": branch, "base": self._target}
            pull = await self._created({**where, **text}, branch)
        if pull["title"] != text["title"] or pull["body"] != text["body"]:
            path = self._api.here(f"/pulls/{pull['number']}")
            pull = await self._api.send("PATCH", path, text)
        return _opened(key, effect, int(pull["number"]))

    async def find(self, key: Key, effect: OpenChange) -> ChangeOpened | None:
        """The pull request that the effect opened, where all of it is done. Raises WorldFailed."""
        pull = await opened_from(self._api, bead_branch(effect.bead))
        if pull is None or pull["head"]["sha"] != effect.head:
            return None
        done = key_in(pull["body"] or "") == key and pull["title"] == _title(effect.title)
        return _opened(key, effect, int(pull["number"])) if done else None

    async def bring(self, number: int, head: CommitId) -> None:
        """Fetch the commits of a pull request, from a fork too: GitHub shows them in this
        repository. Raises WorldFailed, not retryable where its head is another one by now."""
        if await self._is_here(head):
            return
        found = await self._remote.fetch(f"refs/pull/{number}/head")
        if isinstance(found, Refused):
            raise refused(f"Pull request {number} could not be fetched", found)
        if not await self._is_here(head):
            raise WorldFailed(
                f"Pull request {number} is at {found} and not at {head} any more.",
                hint="It was pushed to meanwhile; approve it as it is now.",
            )

    async def _is_here(self, commit: CommitId) -> bool:
        said = await self._repository.git("cat-file", "--batch-check", stdin=f"{commit}\n")
        return said.split(" ")[1:2] == ["commit"]

    async def _created(self, asked: dict[str, str], branch: str) -> Any:
        """A new pull request. Asked for again after no answer, there may be one already."""
        try:
            return await self._api.send("POST", self._api.here("/pulls"), asked)
        except GithubFailed as error:
            if error.why not in {Why.INVALID, Why.UNKNOWN}:
                raise
            pull = await opened_from(self._api, branch)
            if pull is None:
                raise
            return pull

    async def _body(self, key: Key, effect: OpenChange) -> str:
        """What the bead asks for, what the commit says below its first line, and where it comes
        from."""
        message = await self._repository.git("log", "-1", "--format=%b", effect.head)
        trailers = [line for line in message.splitlines() if line.startswith("Oya-")]
        prose = [line for line in message.splitlines() if not line.startswith("Oya-")]
        words = [neutral(one).strip() for one in (effect.text, "\n".join(prose))]
        return "\n\n".join(part for part in (mark(key), *words, "\n".join(trailers)) if part)


async def opened_from(api: Github, branch: str) -> Any:
    """The open pull request from a branch of the repository, or None. Raises GithubFailed."""
    rows = await api.get(api.here("/pulls"), state="open", head=f"{api.owner}:{branch}")
    return next((one for one in rows if one["head"]["ref"] == branch), None)


async def open_pull(api: Github, number: int) -> Any:
    """The pull request of that number, or None where it is not open. Raises GithubFailed."""
    pull = await api.find(api.here(f"/pulls/{number}"))
    return pull if pull is not None and pull["state"] == "open" else None


def _title(title: str) -> str:
    line = neutral(" ".join(title.split()))
    return line if len(line) <= TITLE_MAX else line[: TITLE_MAX - 1] + "…"


def _opened(key: Key, effect: OpenChange, number: int) -> ChangeOpened:
    return ChangeOpened(
        key=key,
        bead=effect.bead,
        attempt=effect.attempt,
        change=effect.change,
        head=effect.head,
        number=number,
    )

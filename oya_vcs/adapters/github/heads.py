"""The heads of pull requests that land squashed or rebased.

GitHub shows a pull request as merged when the target comes to hold its head. Where something else
than the head lands, the head is moved there first: from what was approved, or what we put there
before, and from nothing else. Must not know how anything lands, and never stands in its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.opening import open_pull
from oya_vcs.adapters.github.outcomes import GithubFailed
from oya_vcs.core.effects import BuildCandidate, Land, LandedPull
from oya_vcs.core.ids import BeadId, CommitId
from oya_vcs.core.outcomes import CandidateBuilt
from oya_vcs.ports import Clock, Remote, Repository

KEPT = "refs/oya/heads"
"""Where it is kept, in our clone, which head a candidate was made of: below it a folder a home and
a candidate, and in that a ref named after the bead."""
LOOKS_MAX = 10
LOOK_MS = 500
"""GitHub takes a moment until it has seen that a head moved: this is how long that is waited for,
after which the landing goes on without."""


@dataclass(frozen=True, slots=True)
class _Made:
    candidate: CommitId
    bead: BeadId
    head: CommitId


class Heads:
    """Remembers what candidates were made of, and moves heads."""

    def __init__(self, api: Github, remote: Remote, repository: Repository, clock: Clock) -> None:
        self._api = api
        self._remote = remote
        self._repository = repository
        self._clock = clock
        self._folder = f"{KEPT}/{repository.home_tag}/"

    async def remember(self, effect: BuildCandidate, built: CandidateBuilt) -> None:
        """Keep what a candidate was made of, where it is not a merge with that in it."""
        if effect.method == "merge":
            return
        ref = f"{self._folder}{built.commit}/{effect.bead}"
        await self._repository.git("update-ref", ref, effect.head)

    async def forget(self, beads: Iterable[BeadId]) -> None:
        """Let go of what is remembered of these beads."""
        gone = set(beads)
        rows = [one for one in await self._made() if one.bead in gone]
        lines = [f"delete {self._folder}{one.candidate}/{one.bead}\n" for one in rows]
        if lines:
            await self._repository.git("update-ref", "--stdin", stdin="".join(lines))

    async def landing(self, effect: Land) -> list[LandedPull]:
        """The pull requests that land with `effect` as something else than their heads."""
        made = {one.candidate for one in await self._made()} if effect.pulls else set[CommitId]()
        return [one for one in effect.pulls if one.commit in made]

    async def move(self, effect: Land) -> None:
        """Move the heads of all that lands with `effect` as something else, and wait until GitHub
        has seen it."""
        lands = await self.landing(effect)
        made = await self._made() if lands else []
        moved = [one for one in lands if await self._move(one, made)]
        for one in moved:
            await self._seen(one)

    async def close(self, effect: Land) -> None:
        """Close what has landed and is not shown as merged: from a fork, whose branch is not ours
        to move, or because GitHub was too slow. Nothing of it is remembered any more."""
        landed = await self.landing(effect)
        for one in landed:
            try:
                if await open_pull(self._api, one.number) is not None:
                    path = self._api.here(f"/pulls/{one.number}")
                    await self._api.send("PATCH", path, {"state": "closed"})
            except GithubFailed:
                continue  # a landing is not held up by how it is shown; the next poll sees it open
        commits = {one.commit for one in landed}
        await self.forget({one.bead for one in await self._made() if one.candidate in commits})

    async def _made(self) -> list[_Made]:
        said = await self._repository.git(
            "for-each-ref", "--format=%(refname) %(objectname)", self._folder
        )
        rows = (re.fullmatch(r"\S+/([0-9a-f]{40})/(\S+) (\S+)", line) for line in said.splitlines())
        return [_Made(CommitId(r[1]), BeadId(r[2]), CommitId(r[3])) for r in rows if r is not None]

    async def _move(self, one: LandedPull, made: Iterable[_Made]) -> bool:
        """Move one head, if it stands where we may take it from."""
        try:
            pull = await open_pull(self._api, one.number)
        except GithubFailed:
            return False
        if pull is None or _repository_of(pull["head"]) != _repository_of(pull["base"]):
            return False
        beads = {each.bead for each in made if each.candidate == one.commit}
        known = [each for each in made if each.bead in beads]
        stands = CommitId(pull["head"]["sha"])
        if stands not in {each.head for each in known} | {each.candidate for each in known}:
            return False
        return await self._remote.push(pull["head"]["ref"], stands, one.commit) is None

    async def _seen(self, one: LandedPull) -> None:
        for _ in range(LOOKS_MAX):
            try:
                pull = await open_pull(self._api, one.number)
            except GithubFailed:
                return
            if pull is None or pull["head"]["sha"] == one.commit:
                return
            await self._clock.sleep(LOOK_MS)


def _repository_of(side: Mapping[str, Any]) -> str:
    """Where the head or the base of a pull request is; empty where that was deleted."""
    return str((side.get("repo") or {}).get("full_name") or "")

"""How the target is moved on GitHub: a compare-and-swap, and a read after whatever is not clear.

A `ports.Remote` like the one by git that it stands on, which still fetches: what was landed is read
back, and its tree compared with the tested one, from the objects that come from there. Must not
know what lands, or why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from oya_vcs.adapters.github.branches import place
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.core.ids import CommitId
from oya_vcs.ports import Clock, Refusal, Refused, Remote

MOVES_MAX = 3
"""How often one push asks for the move: each time after a read that found the branch at base."""
PAUSE_MS = 1_000
PAUSE_MS_MAX = 60_000
"""Between two looks at a GitHub that does not answer: doubled each time, up to this."""
OUTAGE_MS_MAX = 6 * 3_600_000
"""A GitHub that does not answer is waited for; after so long the queue says that it does not. No
outage of its was longer in years."""

UPDATE = """mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }"""

_REFUSALS = {
    Why.UNKNOWN: Refusal.UNREACHABLE,
    Why.LIMITED: Refusal.UNREACHABLE,
    Why.NOT_FORWARD: Refusal.STALE,
    Why.CONFLICT: Refusal.UNREACHABLE,
    Why.UNAUTHORISED: Refusal.UNAUTHORISED,
    Why.MISSING: Refusal.MISSING,
    Why.INVALID: Refusal.DECLINED,
}


class GithubRemote:
    """A `ports.Remote`: GitHub's own way of moving a branch, over `git` for the rest."""

    def __init__(self, api: Github, git: Remote, clock: Clock) -> None:
        self._api = api
        self._git = git
        self._clock = clock
        self._id = ""
        self._silent_ms: int | None = None
        """Since when GitHub does not answer."""

    @property
    def name(self) -> str:
        """What the repository calls it."""
        return self._git.name

    async def tip(self, branch: str) -> CommitId | Refused | None:
        """Where the branch stands there now."""
        return await self._git.tip(branch)

    async def fetch(self, branch: str) -> CommitId | Refused | None:
        """As `tip`, with the commits; a GitHub that does not answer is waited for."""

        async def fetched() -> CommitId | Refused | None:
            return await self._git.fetch(branch)

        return await self._patiently(fetched)

    async def push(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        """Move the branch from exactly `base` to `commit`.

        Where the answer does not tell whether that was done, the branch is read; only where it
        still stands at `base` is the same asked again.
        """
        for turn in range(MOVES_MAX):
            refused = await self._move(branch, base, commit)
            if refused is None or refused.why is not Refusal.UNREACHABLE:
                return refused
            if turn + 1 == MOVES_MAX:
                return refused
            await self._clock.sleep(PAUSE_MS * 2**turn)
            now = await self._where(branch)
            if isinstance(now, Refused):
                return now
            if now != base:
                return self._elsewhere(branch, now, commit)
        raise AssertionError

    async def _move(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        """One try. GraphQL compares and swaps, all or nothing, but says in words only what was in
        the way; where it did not do it, and the branch is still at base, PATCH tells by its status
        (or does it, on a server that has no `updateRefs`): forwards only, and after a read."""
        update = {
            "name": f"refs/heads/{branch}",
            "beforeOid": base,
            "afterOid": commit,
            "force": False,
        }
        try:
            where = {"repositoryId": await self._repository(), "refUpdates": [update]}
            await self._api.graphql(UPDATE, input=where)
        except GithubFailed as error:
            if error.why in {Why.UNKNOWN, Why.LIMITED}:
                return _refused(error)
        else:
            return None
        now = await self._where(branch)
        if isinstance(now, Refused):
            return now
        if now != base:
            return self._elsewhere(branch, now, commit)
        path = self._api.here(f"/git/refs/heads/{quote(branch)}")
        try:
            await self._api.send("PATCH", path, {"sha": commit, "force": False})
        except GithubFailed as error:
            return _refused(error)
        return None

    def _elsewhere(self, branch: str, now: CommitId | None, commit: CommitId) -> Refused | None:
        if now == commit:
            return None
        return Refused(Refusal.STALE, f"`{branch}` on GitHub stands at {now}.")

    async def _where(self, branch: str) -> CommitId | Refused | None:
        async def read() -> CommitId | Refused | None:
            try:
                return await place(self._api, branch)
            except GithubFailed as error:
                return _refused(error)

        return await self._patiently(read)

    async def _patiently(
        self, look: Callable[[], Awaitable[CommitId | Refused | None]]
    ) -> CommitId | Refused | None:
        """Look until GitHub answers, or has been silent for too long."""
        pause_ms = PAUSE_MS
        while True:
            found = await look()
            if not isinstance(found, Refused) or found.why is not Refusal.UNREACHABLE:
                self._silent_ms = None
                return found
            now_ms = self._clock.now_ms()
            if self._silent_ms is None:
                self._silent_ms = now_ms
            if now_ms - self._silent_ms >= OUTAGE_MS_MAX:
                return found
            await self._clock.sleep(pause_ms)
            pause_ms = min(2 * pause_ms, PAUSE_MS_MAX)

    async def _repository(self) -> str:
        """GraphQL's own name of the repository."""
        if not self._id:
            self._id = (await self._api.get(self._api.here("")))["node_id"]
        return self._id


def _refused(error: GithubFailed) -> Refused:
    """As a remote says it. What is refused for a moment only, is asked again like what got no
    answer."""
    why = Refusal.UNREACHABLE if error.retryable else _REFUSALS[error.why]
    return Refused(why, error.message)

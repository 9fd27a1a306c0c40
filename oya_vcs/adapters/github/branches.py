"""The branches of ours on GitHub: their names, and how they are made, moved and removed.

All of them are below `oya/`, and carry the tag of the home that made them: what another home, or a
person, put there is never touched. Must not know what a branch is for.
"""

from __future__ import annotations

from urllib.parse import quote

from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.core.ids import BeadId, ChangeId, CommitId
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Refusal, Refused, Remote

NONE = CommitId("")
"""How `Remote.push` is told that there is no branch: before it, or after it."""


def bead_branch(bead: BeadId) -> str:
    """The branch that a bead's pull request is opened from."""
    return f"oya/bead/{bead}"


def queue_folder(home_tag: str, change: ChangeId | None = None) -> str:
    """Where the candidates of a home, or of one of its changes, are."""
    return f"oya/queue/{home_tag}/" + ("" if change is None else f"{change}/")


def queue_branch(home_tag: str, change: ChangeId, candidate: CommitId) -> str:
    """The branch that a candidate is tested on. No two candidates share one, so that none is ever
    moved, and nobody's run of another one is cancelled."""
    return f"{queue_folder(home_tag, change)}{candidate[:16]}"


async def put(remote: Remote, branch: str, commit: CommitId) -> None:
    """Have the branch at `commit`, wherever it was. Raises WorldFailed, retryable where GitHub did
    not answer or somebody else was faster."""
    before = await remote.tip(branch)
    if before == commit:
        return
    if not isinstance(before, Refused):
        before = await remote.push(branch, before or NONE, commit)
        if before is None:
            return
    raise refused(f"`{branch}` could not be pushed to {remote.name}", before)


def refused(what: str, why: Refused) -> WorldFailed:
    """The error of a push or a fetch that was refused."""
    passes = why.why in {Refusal.UNREACHABLE, Refusal.STALE}
    hint = "" if passes else "Run `oya-vcs doctor --repo REPO`: it says what is missing."
    return WorldFailed(f"{what}: {why.said}", hint=hint, retryable=passes)


async def place(api: Github, branch: str) -> CommitId | None:
    """Where a branch stands, as the API has it; None where there is none. Raises GithubFailed."""
    found = await api.find(api.here(f"/git/ref/heads/{quote(branch)}"))
    return None if found is None else CommitId(found["object"]["sha"])


async def listed(api: Github, folder: str) -> list[str]:
    """The branches in a folder of ours. Raises GithubFailed."""
    rows = await api.get(api.here(f"/git/matching-refs/heads/{quote(folder)}"))  # one page
    return [row["ref"].removeprefix("refs/heads/") for row in rows]


async def remove(api: Github, branch: str) -> None:
    """Remove a branch; none need be there. Raises GithubFailed."""
    try:
        await api.send("DELETE", api.here(f"/git/refs/heads/{quote(branch)}"))
    except GithubFailed as error:
        # GitHub says 422, "Reference does not exist", of a branch that is not there.
        gone = error.why is Why.MISSING or (error.status == 422 and "exist" in error.message)
        if not gone:
            raise

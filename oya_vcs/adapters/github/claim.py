"""Which home works on a repository on GitHub: one does, and any other says so before it begins.

Two would answer every comment twice, and push to the same branches. So the first writes its name to
a ref there, by a push that fails where somebody was faster, and keeps it: who it is must not hang
on whether it runs at the moment. Must not know what is worked on.
"""

from __future__ import annotations

import logging
import uuid

from oya_vcs.adapters.github.branches import NONE, refused
from oya_vcs.core.ids import CommitId
from oya_vcs.errors import Locked
from oya_vcs.ports import Clock, Refusal, Refused, Remote, Repository

log = logging.getLogger(__name__)

CLAIM = "refs/oya/home"
"""The ref there: a commit without files or parents, which only the home that made it knows before.
No branch, so that nothing is built for it and nobody sees it in a list."""
AGAIN_MS = 1_000
AGAIN_MS_MAX = 60_000
"""Between two looks at a GitHub that does not answer: doubled each time, up to this."""


async def claim(remote: Remote, repository: Repository, clock: Clock) -> None:
    """Have the repository at the remote for this home. Waits for a GitHub that does not answer.

    Raises Locked where it is another home's, WorldFailed where GitHub refuses us.
    """
    ours = await _ours(repository, clock)
    pause_ms = AGAIN_MS
    while True:
        found = await remote.fetch(CLAIM)
        if found is None:
            found = await remote.push(CLAIM, NONE, ours) or ours
        if found == ours:
            return
        if not isinstance(found, Refused):
            raise await _taken(repository, remote, found)
        if found.why is not Refusal.STALE:
            if found.why is not Refusal.UNREACHABLE:
                raise refused(f"{remote.name} could not be taken for this home", found)
            log.warning("%s does not answer: %s; it is asked again", remote.name, found.said)
        await clock.sleep(pause_ms)
        pause_ms = min(2 * pause_ms, AGAIN_MS_MAX)


async def _ours(repository: Repository, clock: Clock) -> CommitId:
    """The commit that stands for this home, made once and kept by a ref of the clone: what a home
    is called is its path, which another machine may have as well."""
    kept = f"{CLAIM}s/{repository.home_tag}"
    known = await repository.git("for-each-ref", "--format=%(objectname)", kept)
    if not known:
        tree = await repository.git("mktree")
        who = f"oya-vcs <oya-vcs@localhost> {clock.now_ms() // 1_000} +0000"
        text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nA home of oya-vcs: {uuid.uuid4()}\n"
        known = await repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text)
        await repository.git("update-ref", kept, known, "")
    return CommitId(known)


async def _taken(repository: Repository, remote: Remote, theirs: CommitId) -> Locked:
    since = await repository.git("log", "-1", "--format=%cs", theirs)
    return Locked(
        f"Another home of oya-vcs works on {remote.name} since {since}; two would do all twice.",
        f"Work there, or if that home is gone, run `git push {remote.name} :{CLAIM}` first.",
    )

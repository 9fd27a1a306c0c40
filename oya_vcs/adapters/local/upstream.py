"""The target at a remote: where there is one, that one counts, and the bookmark here follows it.

Landing is a push from exactly the tested base, then a fetch, by which the remote's own word is read
back. The network is never waited for with the repository's lock held. This module must not know how
a remote is reached, nor how a candidate was made or tested.
"""

from __future__ import annotations

from collections import Counter

from oya_vcs.adapters.local.candidates import pins_of
from oya_vcs.adapters.local.landing import blocked_by, landed, untested
from oya_vcs.adapters.local.target import LOOKS_MAX, Blocked, Ref, Target, Tip
from oya_vcs.core.effects import BuildCandidate, Land
from oya_vcs.core.events import Event, LandingStale, Reason, TargetBlocked
from oya_vcs.core.ids import ChangeId, CommitId, Key
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Refusal, Refused, Remote, Repository, Turn

TRIES_MAX = 3
"""How often one landing meets a remote that does not answer before the queue waits for it. Fewer
than the outbox tries, after which the change would be held though nothing is wrong with it."""

NOWHERE = "0" * 40
"""How git writes that there is no ref yet."""


class Upstream:
    """The target of a repository, as `remote` has it."""

    def __init__(self, repository: Repository, target: Target, remote: Remote) -> None:
        self._repository = repository
        self._target = target
        self._remote = remote
        self._unanswered = Counter[Key]()

    async def meet(self, key: Key, effect: BuildCandidate) -> TargetBlocked | None:
        """Bring the target here to where the remote has it, before something is built on it.

        A remote that does not answer is no reason not to build and test: landing will tell.
        """
        tip = await self._remote.tip(self._target.name)
        if isinstance(tip, Refused) and tip.why is Refusal.UNREACHABLE:
            return None
        if isinstance(tip, str):
            async with self._repository.lock(Turn.LANDING):
                if await self._target.bookmark() == tip:
                    return None
            tip = await self._remote.fetch(self._target.name)
        if isinstance(tip, Refused):
            return self._shut(key, effect, tip)
        if tip is None:
            return self._no_branch(key, effect)
        async with self._repository.lock(Turn.LANDING):
            blocked = await self._follow(tip)
        return None if blocked is None else blocked_by(key, effect, blocked)

    async def land(self, key: Key, effect: Land) -> Event:
        """Move the remote's branch from base to commit, or find out why not.

        Raises WorldFailed: not retryable where the commit is not what was tested, or the remote
        declines it; retryable where it did not answer.
        """
        async with self._repository.lock(Turn.LANDING):
            blocked = await self._ready(effect)
        refused: Refused | None = None
        if blocked is None:
            refused = await self._remote.push(self._target.name, effect.base, effect.commit)
        event = await self.conclude(key, effect)
        if event is not None:
            return event
        if blocked is not None:
            return blocked_by(key, effect, blocked)
        return self._not_moved(key, effect, refused)

    async def conclude(self, key: Key, effect: Land) -> Event | None:
        """What the remote, asked anew, says of the landing; None where its branch stands at base.

        The target here follows it. Raises WorldFailed, retryable, where it does not answer.
        """
        tip = await self._remote.fetch(self._target.name)
        if isinstance(tip, Refused):
            return self._shut(key, effect, tip)
        if tip is None:
            return self._no_branch(key, effect)
        if tip == effect.base:
            return None
        self._unanswered.pop(key, None)
        done = tip == effect.commit or await self._target.contains(tip, effect.commit)
        if done and (tree := await self._target.tree(effect.commit)) != effect.tree:
            raise untested(effect, tree)
        async with self._repository.lock(Turn.LANDING):
            if tip == effect.commit:
                self._target.landed(tip)
            # What stands in the way here is told when the next candidate is to be built.
            await self._follow(tip, effect.change if done else None)
        if done:
            return landed(key, effect)
        return LandingStale(key=key, bead=effect.bead, change=effect.change, found=tip)

    async def _ready(self, effect: Land) -> Blocked | None:
        """Why the target here could not follow, before it is too late; None where it can."""
        tree = await self._target.tree(effect.commit)
        if tree != effect.tree:
            raise untested(effect, tree)
        if not await self._target.contains(effect.commit, effect.base):
            raise WorldFailed(
                f"Commit {effect.commit} of change {effect.change} does not stand on "
                f"{effect.base}: it must not land.",
                hint="Have the change queued again.",
            )
        here = await self._target.agreed()
        if isinstance(here, Blocked):
            return here
        # Also where that is the very commit: it was landed, unheard, and set back by somebody.
        if not await self._target.contains(effect.base, here.commit):
            return self._apart(here.commit, effect.base)
        branch = await self._target.branch()
        return None if branch is None else await self._target.in_the_way(branch)

    async def _follow(self, tip: CommitId, change: ChangeId | None = None) -> Blocked | None:
        """Move branch, bookmark and remote-tracking ref here to `tip`, forwards only, and let go of
        the candidates of the change that landed; returns why the target cannot follow, if so.

        Nothing of the remote's is shown to jj that would leave the bookmark conflicted.
        """
        self._target.met(tip)
        tracking = f"refs/remotes/{self._remote.name}/{self._target.name}"
        asked = [self._target.ref, tracking]
        asked += [] if change is None else [pins_of(self._target, change)]
        for _ in range(LOOKS_MAX):
            here = await self._target.agreed()
            seen = await self._target.refs(*asked)
            refs = {one.name: one for one in seen}
            branch, tracked = refs.pop(self._target.ref, None), refs.pop(tracking, None)
            lines = [f"delete {pin.name}\0{pin.commit}\0" for pin in refs.values()]
            blocked = await self._in_the_way(here, branch, tip)
            if blocked is None and (tracked is None or tracked.commit != tip):
                before = NOWHERE if tracked is None else tracked.commit
                lines.append(f"update {tracking}\0{tip}\0{before}\0")
            try:
                done = await self._carry_out(lines, None if blocked else branch, tip)
            except WorldFailed:
                if await self._target.refs(*asked) == seen:
                    raise
                continue  # somebody else, who fetched, was faster
            if done:
                after = blocked or await self._target.agreed()
                return after if isinstance(after, Blocked) else None
        raise self._target.restless()

    async def _in_the_way(
        self, here: Tip | Blocked, branch: Ref | None, tip: CommitId
    ) -> Blocked | None:
        """Why the target here cannot go forwards to `tip`."""
        if isinstance(here, Blocked):
            return here
        if not await self._target.contains(tip, here.commit):
            return self._apart(here.commit, tip)
        if branch is None or branch.commit == tip:
            return None
        return await self._target.in_the_way(branch)

    async def _carry_out(self, lines: list[str], branch: Ref | None, tip: CommitId) -> bool:
        """The ref transaction, with the branch moved if there is one; False where that was
        elsewhere."""
        if branch is not None and branch.commit != tip:
            note = f"oya-vcs: follow {self._remote.name}"
            return await self._target.advance(branch, tip, *lines, note=note)
        if lines:
            await self._target.change_refs(*lines)
        return True

    def _not_moved(self, key: Key, effect: Land, refused: Refused | None) -> Event:
        """What it means that the remote's branch is still at base."""
        where = f"`{self._target.name}` at {self._remote.name}"
        match refused:
            case Refused(Refusal.UNAUTHORISED | Refusal.MISSING | Refusal.UNREACHABLE):
                return self._shut(key, effect, refused)
            case Refused(Refusal.DECLINED, said):
                raise WorldFailed(
                    f"{where} may not be moved to change {effect.change}: {said}",
                    hint="Look at the rules and hooks there; the next run tries again.",
                )
            case _:
                raise WorldFailed(
                    f"{where} was said to move, and stands where it was; it is tried again.",
                    retryable=True,
                )

    def _shut(self, key: Key, effect: Land | BuildCandidate, refused: Refused) -> TargetBlocked:
        """The remote does not let us in, or does not answer; the latter is tried a few times."""
        name = self._remote.name
        if refused.why is not Refusal.UNREACHABLE:
            detail = (
                f"The remote {name} does not let us in: {refused.said}\n"
                "Git asks nobody here: let it find what it needs (an ssh agent, a credential "
                "helper), then run again."
            )
            return blocked_by(key, effect, Blocked(Reason.REMOTE_REFUSED, detail))
        detail = f"The remote {name} does not answer: {refused.said}"
        self._unanswered[key] += 1
        if self._unanswered[key] < TRIES_MAX:
            raise WorldFailed(detail, retryable=True)
        del self._unanswered[key]
        detail += "\nWhat was tested is kept. Run again when it does."
        return blocked_by(key, effect, Blocked(Reason.REMOTE_UNREACHABLE, detail))

    def _no_branch(self, key: Key, effect: Land | BuildCandidate) -> TargetBlocked:
        branch, name = self._target.name, self._remote.name
        detail = (
            f"There is no branch `{branch}` at {name}. "
            f"Run `jj git push --bookmark {branch} --remote {name}`, then run again."
        )
        return blocked_by(key, effect, Blocked(Reason.TARGET_MISSING, detail))

    def _apart(self, here: CommitId, there: CommitId) -> Blocked:
        branch, name = self._target.name, self._remote.name
        return Blocked(
            Reason.TARGET_CONFLICTED,
            f"`{branch}` here ({here[:12]}) has what `{branch}` at {name} ({there[:12]}) has not. "
            f"Run `jj git push --bookmark {branch} --remote {name}` to publish it, or "
            f"`jj git fetch --remote {name}` and `jj bookmark set {branch} -r {branch}@{name} "
            "--allow-backwards` to do without it; then run again.",
        )

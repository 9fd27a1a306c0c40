"""The local forge: change requests that live in the jj repository itself.

`target` reads the bookmark that lands, `candidates` build on it, `checks` try them in a `checkout`
as the `judge` says, `landing` moves it, here or `upstream` at a remote. Knows the repository, the
remote and the runner through their ports only, and nothing of queues, workers or the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from oya_vcs.adapters.local.candidates import build, drop, find
from oya_vcs.adapters.local.capacity import checks_that_fit
from oya_vcs.adapters.local.checkout import Checkouts
from oya_vcs.adapters.local.checks import Checks
from oya_vcs.adapters.local.gates import Gates, files_of
from oya_vcs.adapters.local.judge import ChecksAt
from oya_vcs.adapters.local.landing import conclude, land
from oya_vcs.adapters.local.target import Target
from oya_vcs.adapters.local.upstream import Upstream
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import Key
from oya_vcs.errors import Bug
from oya_vcs.ports import Probe, Remote, Report, Repository, Runner, Turn

__all__ = ["ChecksAt", "Gates", "LocalForge", "checks_that_fit"]


class LocalForge:
    """A `ports.Performer` for the life of a change request.

    `target` is the bookmark that lands; `checks_at` tells the checks from the text of oya.toml (see
    `ChecksAt`); `checkouts` and `logs` are the home's folders of these names; `check_ms_max` is the
    wall time of one check; `environ` is the daemon's environment, of which checks see little.
    `checks_slots` checks may run at once, and of one candidate `checks_parallel`. Where there is a
    `remote`, the target there is the one that counts. `gates` look at what is about to be queued.
    """

    def __init__(
        self,
        repository: Repository,
        runner: Runner,
        *,
        target: str,
        checks_at: ChecksAt,
        checkouts: Path,
        logs: Path,
        check_ms_max: int,
        environ: Mapping[str, str],
        checks_slots: int = 1,
        checks_parallel: int = 1,
        remote: Remote | None = None,
        gates: Gates | None = None,
    ) -> None:
        self._repository = repository
        self._gates = gates
        self._target = Target(repository, target)
        self._upstream = None if remote is None else Upstream(repository, self._target, remote)
        self._checks = Checks(
            repository,
            runner,
            checks_at=checks_at,
            checkouts=Checkouts(repository, checkouts / repository.id, checks_slots),
            parallel=checks_parallel,
            logs=logs,
            check_ms_max=check_ms_max,
            environ=environ,
            files=files_of("pre_land"),
        )

    @property
    def kinds(self) -> tuple[type[f.Effect], ...]:
        """Everything between a collected result and its landing."""
        return (f.OpenChange, f.BuildCandidate, f.RunChecks, f.Land, f.DropCandidates)

    async def do(self, key: Key, effect: f.Effect, report: Report) -> e.Event:
        """Carry the effect out; whatever touches refs is done under the repository's lock.

        Reports `TargetMoved` where it met a target that somebody else had moved.
        """
        if isinstance(effect, f.OpenChange):
            return await self._open(key, effect)
        if isinstance(effect, f.RunChecks):
            return await self._checks.run(key, effect)
        event = await self._change(key, effect)
        if (moved := self._target.moved()) is not None:
            await report(e.TargetMoved(repo=effect.repo, commit=moved))
        return await self._on_disk(event)

    async def _change(self, key: Key, effect: f.Effect) -> e.Event:
        upstream = self._upstream
        if upstream is not None and isinstance(effect, f.Land):
            return await upstream.land(key, effect)
        if upstream is not None and isinstance(effect, f.BuildCandidate) and effect.onto is None:
            blocked = await upstream.meet(key, effect)
            if blocked is not None:
                return blocked
        async with self._repository.lock(Turn.LANDING):
            match effect:
                case f.BuildCandidate():
                    return await build(self._target, key, effect)
                case f.Land():
                    return await land(self._target, key, effect)
                case f.DropCandidates():
                    return await drop(self._target, key, effect)
                case _:
                    raise _foreign(effect)

    async def probe(self, key: Key, effect: f.Effect) -> e.Event | Probe:
        """Find checks by their runs, a candidate by its pin, a landing by the target's history.

        A landing whose process died after moving the branch is finished here.
        """
        if isinstance(effect, f.OpenChange | f.DropCandidates):
            return Probe.ABSENT  # harmless to repeat
        if isinstance(effect, f.RunChecks):
            return await self._checks.find(key, effect)
        if self._upstream is not None and isinstance(effect, f.Land):
            event = await self._upstream.conclude(key, effect)
            return Probe.ABSENT if event is None else await self._on_disk(event)
        async with self._repository.lock(Turn.LANDING):
            if isinstance(effect, f.BuildCandidate):
                event = await find(self._target, key, effect)
            elif isinstance(effect, f.Land):
                event = await conclude(self._target, key, effect)
            else:
                raise _foreign(effect)
        return Probe.ABSENT if event is None else await self._on_disk(event)

    async def stopped(self, key: Key, effect: f.Effect, reason: e.Reason) -> e.Event | None:
        """What checks said that were to be stopped for `reason`: their own result, where they had
        come to one."""
        if not isinstance(effect, f.RunChecks):
            raise _foreign(effect)
        return await self._checks.stopped(key, effect, reason)

    async def _open(self, key: Key, effect: f.OpenChange) -> e.Event:
        """A local change request is its record: all there is to do is to see that the head is
        there, and that the gate has nothing against it. Raises WorldFailed where it is not."""
        await self._target.tree(effect.head)
        if self._gates is not None:
            look = self._gates.look
            said = await look("pre_enqueue", key, effect.bead, effect.change, effect.head)
            if said is not None:
                return e.ResultRefused(
                    key=key,
                    bead=effect.bead,
                    attempt=effect.attempt,
                    reason=e.Reason.HOOK_REFUSED,
                    detail=said.detail,
                )
        return e.ChangeOpened(
            key=key,
            bead=effect.bead,
            attempt=effect.attempt,
            change=effect.change,
            head=effect.head,
        )

    async def _on_disk(self, event: e.Event) -> e.Event:
        """The event, once what it tells is on disk: the record must not run ahead of the
        objects."""
        if isinstance(event, e.CandidateBuilt | e.Landed):
            await self._repository.sync()
        return event


def _foreign(effect: f.Effect) -> Bug:
    return Bug(f"{type(effect).__name__} was given to the local forge, which does not do it.")

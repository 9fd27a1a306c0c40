"""Checks: the judge's commands, each run in a clean checkout of the candidate.

One after the other, or several at once; the first that does not pass decides and the others stop.
Every check starts from the same files: what an earlier one built or broke is gone, so that a result
depends on the candidate and on nothing else. This module must not know how a candidate is made or
landed, nor what follows from a result.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from oya_vcs.adapters.local.checkout import Checkout, Checkouts
from oya_vcs.adapters.local.judge import ChecksAt, Judge, judge
from oya_vcs.core.effects import RunChecks
from oya_vcs.core.events import ChecksFinished, Reason
from oya_vcs.core.ids import Key, execution_key
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Finished, Order, Probe, Repository, Runner

STOP_MS = 5_000
"""Between SIGTERM and SIGKILL, when a check is stopped (as `worker.stop_ms`)."""
OUTPUT_BYTES_MAX = 50_000_000
"""Where a check's log ends, and the check with it (as `worker.output_bytes_max`)."""
TAIL_CHARS = 4_000
"""How much of a failed check's output goes back to the bead's next worker."""
UNTOLD = (Reason.INTERRUPTED, Reason.INFRASTRUCTURE, Reason.WORKER_MISSING)
"""Ends of a run that say nothing of the candidate: the check is run again, under another key."""
ALLOWED = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_CACHE_HOME|XDG_RUNTIME_DIR"
)
"""What checks see of the daemon's environment: enough to find programs and caches, no secret. What
they run was written by workers."""


class Checks:
    """The checks of one repository, of any number of candidates at once: each running check has a
    checkout of its own, and waits for it. Of one candidate, at most `parallel` run at once."""

    def __init__(
        self,
        repository: Repository,
        runner: Runner,
        *,
        checks_at: ChecksAt,
        checkouts: Checkouts,
        parallel: int,
        logs: Path,
        check_ms_max: int,
        environ: Mapping[str, str],
        files: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`files` name commands that count where the target has that file; `more` are variables
        that they get besides."""
        self._repository = repository
        self._files = files
        self._runner = runner
        self._checks_at = checks_at
        self._checkouts = checkouts
        self._parallel = parallel
        self._logs = logs
        self._check_ms_max = check_ms_max
        self._env = {name: environ[name] for name in environ if ALLOWED.fullmatch(name)}
        self._env.update(more or {})

    async def run(self, key: Key, effect: RunChecks) -> ChecksFinished:
        """Run the checks that have told nothing yet, up to the first that does not pass.

        Cancelled: what runs is stopped, and gone, before this raises. Raises WorldFailed where the
        candidate is gone, and, mostly retryable, where a run ended without saying anything of it.
        """
        who, runs = await self._look(key, effect)
        if (event := self._decided(key, effect, runs)) is not None:
            return event
        todo = {}
        for name, (run, ended) in runs.items():
            if ended is Probe.UNKNOWN:
                raise WorldFailed(
                    f"An earlier run of the check `{name}` is still being stopped.",
                    retryable=True,
                )
            if ended is Probe.ABSENT:
                todo[name] = run
        told = await self._race(key, effect, who, todo)
        runs |= {name: (todo[name], ended) for name, ended in told.items()}
        return self._decided(key, effect, runs) or _passed(key, effect, who)

    async def find(self, key: Key, effect: RunChecks) -> ChecksFinished | Probe:
        """The result, where the recorded runs of a dead process tell it; ABSENT where a check was
        interrupted or never began, so that the rest has to be run."""
        who, runs = await self._look(key, effect)
        if (event := self._decided(key, effect, runs)) is not None:
            return event
        untold = [ended for _, ended in runs.values() if isinstance(ended, Probe)]
        if untold:
            return Probe.UNKNOWN if Probe.UNKNOWN in untold else Probe.ABSENT
        return _passed(key, effect, who)

    async def stopped(self, key: Key, effect: RunChecks, reason: Reason) -> ChecksFinished | None:
        """The result of checks that were to be stopped: that which the recorded runs tell, else
        `reason`. None while one is still being stopped."""
        found = await self.find(key, effect)
        if found is Probe.UNKNOWN:
            return None
        if isinstance(found, ChecksFinished):
            return found
        return ChecksFinished(
            key=key,
            bead=effect.bead,
            change=effect.change,
            candidate=effect.candidate,
            reason=reason,
            check="",
            detail="The checks were stopped before their end.",
        )

    async def _look(
        self, key: Key, effect: RunChecks
    ) -> tuple[Judge, dict[str, tuple[Key, Finished | Probe]]]:
        """The judge, and of each of its checks the run that counts, as far as it has come."""
        who = await judge(
            self._repository,
            effect.candidate,
            self._checks_at,
            base=effect.base,
            files=self._files,
        )
        runs = {
            name: await self._last(key, effect, name, command)
            for name, command in who.commands.items()
        }
        return who, runs

    def _decided(
        self, key: Key, effect: RunChecks, runs: Mapping[str, tuple[Key, Finished | Probe]]
    ) -> ChecksFinished | None:
        """The failure, if there is one: in the order of the configuration, if there are several."""
        for name, (_, ended) in runs.items():
            if isinstance(ended, Finished) and ended.reason is not None:
                return self._failed(key, effect, name, ended)
        return None

    async def _race(
        self, key: Key, effect: RunChecks, who: Judge, todo: Mapping[str, Key]
    ) -> Mapping[str, Finished]:
        """Run these until all have passed or one has not, and stop the others then; returns those
        that ended."""
        waiting, ended = deque(todo), dict[str, Finished]()

        async def lane() -> bool:
            """Take one after the other in a checkout; returns whether no more are needed."""
            async with self._checkouts.one() as checkout:
                while waiting:
                    name = waiting.popleft()
                    ended[name] = await self._run(key, todo[name], effect, who, name, checkout)
                    if ended[name].reason is not None:
                        return True
            return len(ended) == len(todo)

        lanes = [asyncio.create_task(lane()) for _ in range(min(self._parallel, len(todo)))]
        try:
            for one in asyncio.as_completed(lanes):
                if await one:
                    break
        finally:
            for each in lanes:
                each.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        for name in todo.keys() - ended.keys():  # one may have ended while it was being stopped
            last = await self._runner.outcome(todo[name])
            if isinstance(last, Finished) and last.reason not in UNTOLD:
                ended[name] = last
        return ended

    async def _last(
        self, key: Key, effect: RunChecks, name: str, command: str
    ) -> tuple[Key, Finished | Probe]:
        """The first run of a check that told something or is yet to tell.

        The command is part of a run's key: what another command said is nothing this check says.
        """
        what = {"effect": key, "check": name, "command": command}
        number = 0
        while True:
            run = execution_key(effect.bead, {**what, "run": number})
            ended = await self._runner.outcome(run)
            if isinstance(ended, Probe) or ended.reason not in UNTOLD:
                return run, ended
            number += 1

    async def _run(
        self, key: Key, run: Key, effect: RunChecks, who: Judge, name: str, checkout: Checkout
    ) -> Finished:
        await checkout.prepare(effect.candidate)
        log = self._log(run, effect, name)
        await asyncio.to_thread(log.parent.mkdir, parents=True, exist_ok=True)
        order = Order(
            key=run,
            argv=("/bin/sh", "-c", who.commands[name]),
            cwd=checkout.tree,
            env={**self._env, **_about(effect, who, name)},
            log=log,
            heartbeat=None,
            lease_ms=0,
            wall_ms_max=self._check_ms_max,
            stop_ms=STOP_MS,
            output_bytes_max=OUTPUT_BYTES_MAX,
            part_of=key,
        )
        ended = await self._runner.run(order, _unrecorded)
        if ended.reason in UNTOLD:
            raise WorldFailed(
                f"The check `{name}` ended without a result: {ended.detail}",
                command=order.argv,
                stderr=ended.tail,
                retryable=ended.reason is not Reason.WORKER_MISSING,
            )
        return ended

    def _log(self, run: Key, effect: RunChecks, name: str) -> Path:
        plain = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:40]
        return self._logs / effect.bead / f"check-{plain}-{run[:8]}.log"

    def _failed(self, key: Key, effect: RunChecks, name: str, ended: Finished) -> ChecksFinished:
        late = ended.reason is Reason.WALL_TIME
        what = f"did not end within {self._check_ms_max} ms" if late else "failed"
        sentence = f"The check `{name}` {what}: {ended.detail}"
        return ChecksFinished(
            key=key,
            bead=effect.bead,
            change=effect.change,
            candidate=effect.candidate,
            reason=Reason.CHECK_TIMEOUT if late else Reason.CHECK_FAILED,
            check=name,
            detail=f"{sentence}\n{ended.tail[-TAIL_CHARS:]}".rstrip(),
        )


def _passed(key: Key, effect: RunChecks, who: Judge) -> ChecksFinished:
    """All passed; but none named is a refusal, never a pass."""
    return ChecksFinished(
        key=key,
        bead=effect.bead,
        change=effect.change,
        candidate=effect.candidate,
        reason=None if who.commands else Reason.NO_CHECKS,
        check="",
        detail=who.refusal,
    )


def _about(effect: RunChecks, who: Judge, name: str) -> dict[str, str]:
    """What a check is told of itself."""
    return {
        "CI": "true",
        "OYA_BEAD_ID": effect.bead,
        "OYA_CHANGE": effect.change,
        "OYA_CANDIDATE": effect.candidate,
        "OYA_BASE": who.base,
        "OYA_CHECK": name,
    }


async def _unrecorded(pid: int, started: int) -> None:
    """A check's process need not be journalled: its outcome is found by its key."""

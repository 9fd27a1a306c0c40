"""The commands of oya.toml that run in a workspace, before its worker and after it: `[workspace]
setup` prepares a new one (installs packages, builds), `[worker] verify` looks at a result before
its change is opened.

Both come from the target's own oya.toml, as checks do, and run under the reaper with a key of their
own: one that was cut off is never taken for one that succeeded, and is not run again under that
key. Where workers have a sandbox they run in the same one: what they run (an install script of a
package, the tests that a worker wrote) was written by strangers too. Must not know jj, workers, or
how processes are run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from oya_vcs.config import WorkerConfig, WorkspaceConfig
from oya_vcs.core.effects import Effect, SetUpWorkspace, VerifyResult
from oya_vcs.core.events import Event, Reason, ResultVerified, WorkspaceSetUp
from oya_vcs.core.ids import Key
from oya_vcs.errors import Bug
from oya_vcs.ports import Box, Finished, Order, Probe, Report, Runner

PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ")
"""What it sees of the daemon's environment, as a worker does."""
STOP_MS = 5_000
"""Between SIGTERM and SIGKILL (as `worker.stop_ms`)."""
OUTPUT_BYTES_MAX = 50_000_000
"""Where its log ends, and it with it (as `worker.output_bytes_max`)."""


class SetupCommand:
    """`ports.Performer` for `SetUpWorkspace` and `VerifyResult`. `runs` and `logs` are folders of
    the home; `environ` is the daemon's environment; `box` is the sandbox. No more results are
    verified at once than workers run."""

    def __init__(
        self,
        runner: Runner,
        settings: WorkspaceConfig,
        worker: WorkerConfig | None = None,
        *,
        runs: Path,
        logs: Path,
        environ: Mapping[str, str],
        box: Box,
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._worker = worker or WorkerConfig()
        self._places = asyncio.Semaphore(self._worker.slots)
        self._runs = runs
        self._logs = logs
        self._box = box
        passed = {
            name: text for name, text in environ.items() if name in PASSED or name[:3] == "LC_"
        }
        self._env = {"PATH": os.defpath, **passed}

    @property
    def kinds(self) -> tuple[type[Effect], ...]:
        """Setting up workspaces, and verifying what was done in them."""
        return (SetUpWorkspace, VerifyResult)

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        """Run the command until its process tree is gone."""
        work = _expect(effect)
        log = self._log(key, work)
        await asyncio.to_thread(log.parent.mkdir, parents=True, exist_ok=True)
        place = self._places if isinstance(work, VerifyResult) else contextlib.nullcontext()
        async with place:
            order = await asyncio.to_thread(self._boxed, self._order(key, work, log))
            return _settled(key, work, await self._runner.run(order, _unrecorded), log)

    def _order(self, key: Key, work: _Work, log: Path) -> Order:
        command, limit_ms = self._settings.setup, self._settings.setup_ms_max
        if isinstance(work, VerifyResult):
            command, limit_ms = self._worker.verify, self._worker.verify_ms_max
        return Order(
            key=key,
            argv=("/bin/sh", "-c", command),
            cwd=Path(work.path),
            env={
                **self._env,
                "OYA_BEAD_ID": work.bead,
                "OYA_ATTEMPT": str(work.attempt),
                "OYA_WORKSPACE": work.path,
            },
            log=log,
            heartbeat=None,
            lease_ms=0,
            wall_ms_max=limit_ms,
            stop_ms=STOP_MS,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )

    def _boxed(self, order: Order) -> Order:
        folder = (self._runs / order.key / "setup").absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._box(order, folder)

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """What became of a command that a dead daemon started."""
        work = _expect(effect)
        found = await self._runner.outcome(key)
        if isinstance(found, Probe):
            return found
        return _settled(key, work, found, self._log(key, work))

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        """How a command ended that was to be stopped for `reason`. What it ended with by itself
        stands."""
        work = _expect(effect)
        found = await self._runner.outcome(key)
        if found is Probe.UNKNOWN:
            return None
        name = "verification" if isinstance(work, VerifyResult) else "setup"
        if isinstance(found, Probe):
            detail = f"The {name} was stopped before it began."
            found = Finished(reason=reason, exit_code=None, detail=detail, tail="")
        elif found.reason is Reason.INTERRUPTED:
            found = replace(found, reason=reason, detail=f"The {name} was stopped before its end.")
        return _settled(key, work, found, self._log(key, work))

    def _log(self, key: Key, work: _Work) -> Path:
        name = "verify" if isinstance(work, VerifyResult) else "setup"
        return self._logs / work.bead / f"{name}-{work.attempt}-{key[:8]}.log"


_Work = SetUpWorkspace | VerifyResult


def _expect(effect: Effect) -> _Work:
    if not isinstance(effect, _Work):
        raise Bug(f"SetupCommand was given a {type(effect).__name__} to carry out.")
    return effect


def _settled(key: Key, work: _Work, ended: Finished, log: Path) -> WorkspaceSetUp | ResultVerified:
    if isinstance(work, VerifyResult):
        said = "The result was not verified ([worker] verify in oya.toml)"
        return ResultVerified(
            key=key,
            bead=work.bead,
            attempt=work.attempt,
            round=work.round,
            reason=ended.reason,
            detail=_detail(ended, said, log),
        )
    said = "The workspace was not set up ([workspace] setup in oya.toml), and no worker was started"
    return WorkspaceSetUp(
        key=key,
        bead=work.bead,
        attempt=work.attempt,
        workspace=work.workspace,
        reason=ended.reason,
        detail=_detail(ended, said, log),
    )


def _detail(ended: Finished, said: str, log: Path) -> str:
    if ended.reason is None:
        return ""
    detail = f"{said}: {ended.detail} Its whole output is in {log}."
    tail = ended.tail.strip()
    return f"{detail}\n\nThe end of its output:\n{tail}" if tail else detail


async def _unrecorded(pid: int, started: int) -> None:
    """Its process need not be journalled: its outcome is found by its key."""

"""SetUpWorkspace: the command that prepares a new workspace (installs packages, builds) before its
worker starts.

It comes from the target's own oya.toml, as checks do, and runs under the reaper with a key of its
own: one that was cut off is never taken for one that succeeded, and is not run again in the same
workspace. Where workers have a sandbox it runs in the same one: what it runs (an install script of
a package) was written by strangers too. Must not know jj, workers, or how processes are run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from oya_vcs.config import WorkspaceConfig
from oya_vcs.core.effects import Effect, SetUpWorkspace
from oya_vcs.core.events import Event, Reason, WorkspaceSetUp
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
    """`ports.Performer` for `SetUpWorkspace`. `runs` and `logs` are folders of the home; `environ`
    is the daemon's environment; `box` is the sandbox."""

    def __init__(
        self,
        runner: Runner,
        settings: WorkspaceConfig,
        *,
        runs: Path,
        logs: Path,
        environ: Mapping[str, str],
        box: Box,
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._runs = runs
        self._logs = logs
        self._box = box
        passed = {
            name: text for name, text in environ.items() if name in PASSED or name[:3] == "LC_"
        }
        self._env = {"PATH": os.defpath, **passed}

    @property
    def kinds(self) -> tuple[type[Effect], ...]:
        """Only setting up workspaces."""
        return (SetUpWorkspace,)

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        """Run the command until its process tree is gone."""
        work = _expect(effect)
        log = self._log(key, work)
        await asyncio.to_thread(log.parent.mkdir, parents=True, exist_ok=True)
        order = await asyncio.to_thread(self._boxed, self._order(key, work, log))
        return _settled(key, work, await self._runner.run(order, _unrecorded), log)

    def _order(self, key: Key, work: SetUpWorkspace, log: Path) -> Order:
        return Order(
            key=key,
            argv=("/bin/sh", "-c", self._settings.setup),
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
            wall_ms_max=self._settings.setup_ms_max,
            stop_ms=STOP_MS,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )

    def _boxed(self, order: Order) -> Order:
        folder = (self._runs / order.key / "setup").absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._box(order, folder)

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """What became of a setup that a dead daemon started."""
        work = _expect(effect)
        found = await self._runner.outcome(key)
        if isinstance(found, Probe):
            return found
        return _settled(key, work, found, self._log(key, work))

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        """How a setup ended that was to be stopped for `reason`. What it ended with by itself
        stands."""
        work = _expect(effect)
        found = await self._runner.outcome(key)
        if found is Probe.UNKNOWN:
            return None
        if isinstance(found, Probe):
            detail = "The setup was stopped before it began."
            found = Finished(reason=reason, exit_code=None, detail=detail, tail="")
        elif found.reason is Reason.INTERRUPTED:
            found = replace(found, reason=reason, detail="The setup was stopped before its end.")
        return _settled(key, work, found, self._log(key, work))

    def _log(self, key: Key, work: SetUpWorkspace) -> Path:
        return self._logs / work.bead / f"setup-{work.attempt}-{key[:8]}.log"


def _expect(effect: Effect) -> SetUpWorkspace:
    if not isinstance(effect, SetUpWorkspace):
        raise Bug(f"SetupCommand was given a {type(effect).__name__} to carry out.")
    return effect


def _settled(key: Key, work: SetUpWorkspace, ended: Finished, log: Path) -> WorkspaceSetUp:
    detail = ""
    if ended.reason is not None:
        detail = (
            "The workspace was not set up ([workspace] setup in oya.toml), and no worker was "
            f"started: {ended.detail} Its whole output is in {log}."
        )
        if ended.tail.strip():
            detail = f"{detail}\n\nThe end of its output:\n{ended.tail.strip()}"
    return WorkspaceSetUp(
        key=key,
        bead=work.bead,
        attempt=work.attempt,
        workspace=work.workspace,
        reason=ended.reason,
        detail=detail,
    )


async def _unrecorded(pid: int, started: int) -> None:
    """Its process need not be journalled: its outcome is found by its key."""

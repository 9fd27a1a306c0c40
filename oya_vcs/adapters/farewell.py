"""The command of a repository that runs in a workspace before that is removed: to end what its
worker had begun there (containers, servers), and to keep what is worth it elsewhere.

It is a courtesy: the workspace goes, whatever the command makes of it, and is pinned first as ever.
It comes from the target, runs under the reaper, once, and where workers have a sandbox in the same
one. Must not know jj, workers, or how a workspace is removed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from oya_vcs.core.effects import Effect, RemoveWorkspace
from oya_vcs.core.events import Event, Reason
from oya_vcs.core.ids import Key, execution_key
from oya_vcs.errors import WorldFailed
from oya_vcs.ports import Box, Order, Performer, Probe, Report, Runner

log = logging.getLogger(__name__)

PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ")
"""What it sees of the daemon's environment, as a worker does."""
STOP_MS = 5_000
"""Between SIGTERM and SIGKILL (as `worker.stop_ms`)."""
WALL_MS_MAX = 300_000
"""No courtesy takes longer: an effect that shows no progress for six minutes counts as stuck."""
OUTPUT_BYTES_MAX = 50_000_000
"""Where its log ends, and it with it (as `worker.output_bytes_max`)."""


class Farewell:
    """A `ports.Performer` around the one for workspaces: before a removal it runs `command` (a
    shell's) in the workspace, a folder of `folder`. `runs` and `logs` are folders of the home."""

    def __init__(
        self,
        spaces: Performer,
        runner: Runner,
        command: str,
        *,
        folder: Path,
        runs: Path,
        logs: Path,
        environ: Mapping[str, str],
        box: Box,
        wall_ms_max: int,
    ) -> None:
        self._spaces = spaces
        self._runner = runner
        self._command = command
        self._folder = folder
        self._runs = runs
        self._logs = logs
        self._box = box
        self._wall_ms_max = min(wall_ms_max, WALL_MS_MAX)
        passed = {
            name: text for name, text in environ.items() if name in PASSED or name[:3] == "LC_"
        }
        self._env = {"PATH": os.defpath, **passed}

    @property
    def kinds(self) -> tuple[type[Effect], ...]:
        """Those of the performer for workspaces."""
        return self._spaces.kinds

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        """Carry the effect out; a removal after the command has ended, however it did."""
        if isinstance(effect, RemoveWorkspace):
            await self._bid(key, effect)
        return await self._spaces.do(key, effect, report)

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """What the performer for workspaces finds."""
        return await self._spaces.probe(key, effect)

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        """What the performer for workspaces finds."""
        return await self._spaces.stopped(key, effect, reason)

    async def _bid(self, key: Key, work: RemoveWorkspace) -> None:
        place = self._folder / work.workspace
        run = execution_key(work.bead, {"effect": key, "hook": "pre_remove"})
        if not await asyncio.to_thread((place / ".jj").is_dir):
            return
        try:
            if await self._runner.outcome(run) is not Probe.ABSENT:
                return
            order = await asyncio.to_thread(self._order, key, run, work, place)
            ended = await self._runner.run(order, _unrecorded)
        except WorldFailed as error:
            log.warning("The hook pre_remove of %s could not be run: %s", work.workspace, error)
            return
        if ended.reason is not None:
            log.warning(
                "The hook pre_remove of %s did not end well: %s", work.workspace, ended.detail
            )

    def _order(self, key: Key, run: Key, work: RemoveWorkspace, place: Path) -> Order:
        output = self._logs / work.bead / f"pre-remove-{run[:8]}.log"
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = (self._runs / run / "hook").absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        order = Order(
            key=run,
            argv=("/bin/sh", "-c", self._command),
            cwd=place,
            env={
                **self._env,
                "OYA_BEAD_ID": work.bead,
                "OYA_WORKSPACE": str(place),
                "OYA_LANDED": "true" if work.landed else "",
            },
            log=output,
            heartbeat=None,
            lease_ms=0,
            wall_ms_max=self._wall_ms_max,
            stop_ms=STOP_MS,
            output_bytes_max=OUTPUT_BYTES_MAX,
            part_of=key,
        )
        return self._box(order, folder)


async def _unrecorded(pid: int, started: int) -> None:
    """Its process need not be journalled: its outcome is found by its key."""

"""Workers that are a program: one run of it under the reaper is one attempt, and its end decides.

`CommandWorkers` carries out `RunWorker`. Must not know jj, the journal, or how processes are run:
that is the `Runner`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from oya_vcs.adapters.agents import opencode
from oya_vcs.adapters.agents.brief import Brief, environment
from oya_vcs.adapters.agents.escorting import Told, escorted, manner_of, told, tongue_of
from oya_vcs.adapters.agents.granting import Nothing
from oya_vcs.adapters.agents.presets import PRESETS, command_of, filled
from oya_vcs.config import OpencodeConfig, WorkerConfig
from oya_vcs.core.effects import Effect, RunWorker
from oya_vcs.core.events import Event, Reason, WorkerFinished, WorkerSpawned
from oya_vcs.core.ids import Key
from oya_vcs.core.spec import BeadSpec
from oya_vcs.core.usage import UsageCounted
from oya_vcs.errors import Bug, ConfigurationInvalid, OyaError, WorldFailed
from oya_vcs.ports import Box, Finished, Grants, Order, Probe, Report, Runner


def unboxed(order: Order, _folder: Path) -> Order:
    """No sandbox."""
    return order


COUNT_MS = 5_000
"""How often it is looked whether an agent says that it used more: at most so often it is recorded.
"""
EXIT_DEFERRED = 75
"""EX_TEMPFAIL of sysexits.h: the worker asks to be tried again later."""


class CommandWorkers:
    """`ports.Performer` for `RunWorker`: the configured command, or the bead's own.

    `runs` and `logs` are folders of the home; `environ` is the daemon's environment; `box` is the
    sandbox; `grants` says what else a worker may reach; `server` is for those that are sessions on
    an opencode server.
    """

    def __init__(
        self,
        runner: Runner,
        settings: WorkerConfig,
        *,
        runs: Path,
        logs: Path,
        environ: Mapping[str, str],
        box: Box = unboxed,
        grants: Grants | None = None,
        server: OpencodeConfig | None = None,
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._box = box
        self._grants = grants or Nothing()
        self._server = server or OpencodeConfig()
        self._runs = runs
        self._logs = logs
        self._environ = environ

    @property
    def kinds(self) -> tuple[type[Effect], ...]:
        """Only running workers."""
        return (RunWorker,)

    async def do(self, key: Key, effect: Effect, report: Report) -> Event:
        """Run the worker until its process tree is gone. `WorkerSpawned` comes before its start."""
        work = expect(effect)
        try:
            argv = command(work.spec, self._settings)
        except ConfigurationInvalid as error:
            missing = Finished(
                reason=Reason.WORKER_MISSING, exit_code=None, detail=error.message, tail=""
            )
            return settled(key, work, missing)

        async def spawned(pid: int, started: int) -> None:
            await report(
                WorkerSpawned(
                    run=key, bead=work.bead, attempt=work.attempt, pid=pid, started=started
                )
            )

        async with self._grants.granted(key, work, report) as granted:
            order = await asyncio.to_thread(self._prepared, key, work, argv, granted)
            count = asyncio.ensure_future(self._count(key, work, report))
            try:
                finished = await self._runner.run(order, spawned)
            finally:
                count.cancel()
                await asyncio.wait({count})
        return settled(key, work, finished, await asyncio.to_thread(self._told, key, work))

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """What became of a worker that a dead daemon started."""
        found = await self._runner.outcome(key)
        if isinstance(found, Probe):
            return found
        work = expect(effect)
        return settled(key, work, found, await asyncio.to_thread(self._told, key, work))

    async def stopped(self, key: Key, effect: Effect, reason: Reason) -> Event | None:
        """How a worker ended that was to be stopped for `reason`. What it ended with by itself
        stands."""
        found = await self._runner.outcome(key)
        if found is Probe.UNKNOWN:
            return None
        if isinstance(found, Probe):
            detail = "The worker was stopped before it began."
            found = Finished(reason=reason, exit_code=None, detail=detail, tail="")
        elif found.reason is Reason.INTERRUPTED:
            found = replace(found, reason=reason, detail="The worker was stopped before its end.")
        work = expect(effect)
        return settled(key, work, found, await asyncio.to_thread(self._told, key, work))

    async def _count(self, key: Key, work: RunWorker, report: Report) -> None:
        """Say what the agent says that it used, while it runs. Who hears of it may be gone; that
        the run has to learn elsewhere."""
        before = None
        with contextlib.suppress(OyaError):
            while self._tongue(work):
                await asyncio.sleep(COUNT_MS / 1000)
                usage = (await asyncio.to_thread(self._told, key, work)).usage
                if usage is not None and usage != before:
                    before = usage
                    await report(
                        UsageCounted(run=key, bead=work.bead, attempt=work.attempt, usage=usage)
                    )

    def _tongue(self, work: RunWorker) -> str:
        return tongue_of(self._settings, own=bool(work.spec.worker.strip()))

    def _told(self, key: Key, work: RunWorker) -> Told:
        """What its escort says; a worker that has none says nothing, whatever it writes there."""
        return told(self._brief(key)) if self._tongue(work) else Told()

    def _brief(self, key: Key) -> Brief:
        return Brief((self._runs / key / "worker").absolute())

    def _prepared(
        self, key: Key, work: RunWorker, argv: tuple[str, ...], granted: Mapping[str, str]
    ) -> Order:
        """The order, with all that it needs on disk. Raises WorldFailed (retryable)."""
        settings, brief = self._settings, self._brief(key)
        tongue = self._tongue(work)
        brief.write(work, settings.lease_ms, manner_of(settings, tongue))
        try:
            if tongue:
                argv = filled(argv, brief.prompt, work.spec.files)
            order = self._order(key, work, argv, granted)
            if settings.home == "private":
                brief.home.mkdir(mode=0o700, exist_ok=True)
                order = replace(order, env={**order.env, "HOME": str(brief.home)})
            if tongue == opencode.TONGUE:
                more = opencode.variables(self._server, granted, self._environ)
                order = replace(order, env={**order.env, **more})
            if opencode.attached(settings, self._server):
                order = replace(order, argv=())  # no program: there is nothing to be boxed
            else:
                order = self._box(order, brief.folder)
            if not tongue:
                return order
            fed = tongue in PRESETS and PRESETS[tongue].fed
            return escorted(order, brief, work, tongue, settings, fed=fed, server=self._server)
        except OSError as error:
            raise WorldFailed(
                f"The worker's files cannot be written to {brief.folder}: {error}.",
                hint="Is the disk full, or the folder not writable? The work is tried again.",
                retryable=True,
            ) from error

    def _order(
        self, key: Key, work: RunWorker, argv: tuple[str, ...], granted: Mapping[str, str]
    ) -> Order:
        settings, brief = self._settings, self._brief(key)
        return Order(
            key=key,
            argv=argv,
            cwd=Path(work.path),
            env={**environment(self._environ, key, work, brief, settings.env), **granted},
            log=self._logs / work.bead / f"{work.attempt}-{key[:8]}.log",
            heartbeat=brief.heartbeat,
            lease_ms=settings.lease_ms,
            wall_ms_max=min(settings.wall_ms_max, work.left_ms or settings.wall_ms_max),
            stop_ms=settings.stop_ms,
            output_bytes_max=settings.output_bytes_max,
            rss_bytes_max=settings.rss_bytes_max,
            processes_max=settings.processes_max,
        )


def expect(effect: Effect) -> RunWorker:
    """The effect as the one kind carried out here. Raises Bug for any other."""
    if not isinstance(effect, RunWorker):
        raise Bug(f"CommandWorkers was given a {type(effect).__name__} to carry out.")
    return effect


def command(spec: BeadSpec, settings: WorkerConfig) -> tuple[str, ...]:
    """The argv of a bead's worker: its own, else the configured one. Raises ConfigurationInvalid
    where there is none that can be read."""
    try:
        argv = tuple(shlex.split(spec.worker)) if spec.worker.strip() else command_of(settings)
    except ValueError as error:
        raise ConfigurationInvalid(
            f"The bead's own worker command {spec.worker!r} cannot be read: {error}.",
            hint="Correct metadata.oya.worker of the bead.",
        ) from error
    if not argv:
        raise ConfigurationInvalid(
            "No worker is configured.", hint="Set worker.command in oya.toml, or give --worker."
        )
    return argv


def settled(
    key: Key, work: RunWorker, finished: Finished, said: Told | None = None
) -> WorkerFinished:
    """The worker's end as the event that settles its effect; `said` is what its escort reported."""
    said = said or Told()
    reason, detail = finished.reason, finished.detail
    if reason is Reason.WORKER_FAILED and said.reason is not None:
        reason, detail = said.reason, said.detail
    elif finished.exit_code == EXIT_DEFERRED and reason is Reason.WORKER_FAILED:
        reason = Reason.WORKER_DEFERRED
        detail = f"The worker exited with status {EXIT_DEFERRED}: it asks to be tried again later."
    elif detail.startswith("The program "):
        detail = "The worker " + detail.removeprefix("The program ")
    if finished.tail.strip() and reason is not None:
        detail = f"{detail}\n\nThe end of its output:\n{finished.tail.strip()}"
    return WorkerFinished(
        key=key,
        bead=work.bead,
        attempt=work.attempt,
        reason=reason,
        exit_code=finished.exit_code,
        detail=detail,
        usage=said.usage,
        session=said.session,
    )

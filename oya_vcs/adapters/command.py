"""Workers that are a command: what a bead's worker is given, and what its end means.

`CommandWorkers` carries out `RunWorker`. It writes the bead, the prompt and the feedback beside the
run and never into the workspace, where they would be committed. Must not know jj, the journal, or
how processes are run: that is the `Runner`'s. Of the daemon's environment only `PASSED`, `LC_*` and
what `[worker] env` names reach a worker; the daemon's own OYA_ variables do not, since some are
secrets.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oya_vcs.config import WorkerConfig
from oya_vcs.core.effects import Effect, RunWorker
from oya_vcs.core.events import Event, Reason, WorkerFinished, WorkerSpawned
from oya_vcs.core.ids import Key
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import Bug, ConfigurationInvalid, WorldFailed
from oya_vcs.ports import Box, Finished, Order, Probe, Report, Runner

PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "TZ")


def unboxed(order: Order, _folder: Path) -> Order:
    """No sandbox."""
    return order


EXIT_DEFERRED = 75
"""EX_TEMPFAIL of sysexits.h: the worker asks to be tried again later."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The files a worker is given, in a folder of its run."""

    folder: Path

    @property
    def bead(self) -> Path:
        """The bead as JSON."""
        return self.folder / "bead.json"

    @property
    def prompt(self) -> Path:
        """What is asked, in words."""
        return self.folder / "prompt.md"

    @property
    def feedback(self) -> Path:
        """Why the last attempt was sent back; empty on the first."""
        return self.folder / "feedback.txt"

    @property
    def heartbeat(self) -> Path:
        """Touching it is a beat."""
        return self.folder / "heartbeat"

    def write(self, effect: RunWorker, lease_ms: int) -> None:
        """Write all four. Raises WorldFailed (retryable) where the disk refuses."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.bead.write_text(bead_json(effect.spec), encoding="utf-8")
            self.prompt.write_text(prompt(effect, lease_ms), encoding="utf-8")
            self.feedback.write_text(effect.feedback, encoding="utf-8")
            self.heartbeat.touch()
        except OSError as error:
            raise WorldFailed(
                f"The worker's files cannot be written to {self.folder}: {error}.",
                hint="Is the disk full, or the folder not writable? The work is tried again.",
                retryable=True,
            ) from error


class CommandWorkers:
    """`ports.Performer` for `RunWorker`: the configured command, or the bead's own.

    `runs` and `logs` are folders of the home; `environ` is the daemon's environment; `box` is the
    sandbox.
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
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._box = box
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
        order = self._order(key, work, argv)
        brief = self._brief(key)
        await asyncio.to_thread(brief.write, work, self._settings.lease_ms)
        order = await asyncio.to_thread(self._box, order, brief.folder)

        async def spawned(pid: int, started: int) -> None:
            await report(
                WorkerSpawned(
                    run=key, bead=work.bead, attempt=work.attempt, pid=pid, started=started
                )
            )

        return settled(key, work, await self._runner.run(order, spawned))

    async def probe(self, key: Key, effect: Effect) -> Event | Probe:
        """What became of a worker that a dead daemon started."""
        found = await self._runner.outcome(key)
        return found if isinstance(found, Probe) else settled(key, expect(effect), found)

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
        return settled(key, expect(effect), found)

    def _brief(self, key: Key) -> Brief:
        return Brief((self._runs / key / "worker").absolute())

    def _order(self, key: Key, work: RunWorker, argv: tuple[str, ...]) -> Order:
        settings = self._settings
        brief = self._brief(key)
        return Order(
            key=key,
            argv=argv,
            cwd=Path(work.path),
            env=environment(self._environ, key, work, brief, settings.env),
            log=self._logs / work.bead / f"{work.attempt}-{key[:8]}.log",
            heartbeat=brief.heartbeat,
            lease_ms=settings.lease_ms,
            wall_ms_max=settings.wall_ms_max,
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
        argv = tuple(shlex.split(spec.worker)) if spec.worker.strip() else settings.command
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


def environment(
    environ: Mapping[str, str],
    key: Key,
    work: RunWorker,
    brief: Brief,
    named: Collection[str] = (),
) -> dict[str, str]:
    """Exactly what a worker's environment holds: what is passed on, by rule or because it is named,
    and the OYA_ variables."""
    passed = {
        name: text
        for name, text in environ.items()
        if name in PASSED or name.startswith("LC_") or name in named
    }
    passed.setdefault("PATH", os.defpath)
    return passed | {
        "OYA_BEAD_ID": work.bead,
        "OYA_BEAD_FILE": str(brief.bead),
        "OYA_PROMPT_FILE": str(brief.prompt),
        "OYA_FEEDBACK_FILE": str(brief.feedback),
        "OYA_HEARTBEAT": str(brief.heartbeat),
        "OYA_ATTEMPT": str(work.attempt),
        "OYA_EXECUTION_KEY": key,
        "OYA_WORKSPACE": work.path,
    }


def bead_json(spec: BeadSpec) -> str:
    """The bead in the dialect of the beads file, with a newline at its end."""
    ours = {
        "tenant": spec.tenant,
        "sticky": spec.sticky,
        "files": spec.files,
        "worker": spec.worker,
        "allow_empty": spec.allow_empty,
    }
    bead = {
        "id": spec.id,
        "title": spec.title,
        "description": spec.description,
        "acceptance_criteria": spec.acceptance,
        "status": "in_progress",
        "priority": spec.priority,
        "issue_type": spec.kind,
        "labels": spec.labels,
        "dependencies": [{"depends_on_id": need, "type": "blocks"} for need in spec.needs],
        "metadata": {"oya": ours},
    }
    return json.dumps(bead, ensure_ascii=False, indent=2) + "\n"


def prompt(work: RunWorker, lease_ms: int) -> str:
    """What is asked of the worker, in words; a section without content is left out."""
    spec = work.spec
    files = "\n".join(f"- {file}" for file in spec.files)
    sections = (
        ("What is asked", spec.description),
        ("It is finished when", spec.acceptance),
        ("Files", f"Change these and no others:\n\n{files}" if files else ""),
        ("Why it came back", work.feedback),
        ("Rules", rules(work, lease_ms)),
    )
    text = [f"# {spec.title}"]
    text += [f"## {name}\n\n{body.strip()}" for name, body in sections if body.strip()]
    return "\n\n".join(text) + "\n"


def rules(work: RunWorker, lease_ms: int) -> str:
    """What every worker has to keep to."""
    lines = [
        f"You work on bead {work.bead}, attempt {work.attempt}.",
        f"The folder {work.path} is a copy of the repository for you alone.",
        "Change files there and nowhere else. As you leave them they are your result.",
        "The result is committed, checked and merged for you.",
        "Do not run jj. Do not commit, branch, fetch or push with git.",
        "Do not leave processes running: they are stopped when you end.",
        "Exit with status 0 when you have finished, with 75 to be started again later.",
        "Any other status means that this attempt failed.",
    ]
    if not work.spec.allow_empty:
        lines.append("An attempt that changes no file has failed.")
    if lease_ms:
        lines.append(
            "Write to standard output, or touch the file named by OYA_HEARTBEAT, at least every"
            f" {lease_ms / 1000:g} seconds; who is silent for longer is stopped."
        )
    return "\n".join(f"- {line}" for line in lines)


def settled(key: Key, work: RunWorker, finished: Finished) -> WorkerFinished:
    """The worker's end as the event that settles its effect."""
    reason, detail = finished.reason, finished.detail
    if finished.exit_code == EXIT_DEFERRED and reason is Reason.WORKER_FAILED:
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
    )


def relative_program(argv: Sequence[str]) -> str:
    """The program's path in the repository, where the command names one (`./agent.sh`); else
    empty."""
    name = argv[0] if argv else ""
    return name if "/" in name and not name.startswith("/") else ""


def require_program(argv: Sequence[str], path: str) -> None:
    """Make sure that a command can be run before any bead is started with it.

    A name is searched on `path` (the value of PATH); whether the repository holds a relative one is
    for the caller to ask. Raises ConfigurationInvalid with the mend.
    """
    if not argv or not argv[0]:
        raise ConfigurationInvalid(
            "No worker is configured.",
            hint="Set worker.command in oya.toml, or give --worker.",
        )
    name = argv[0]
    if "/" not in name:
        if shutil.which(name, path=path) is None:
            raise ConfigurationInvalid(
                f"The worker's program {name} is not on PATH ({path}).",
                hint="Install it, or give its path with --worker or worker.command in oya.toml.",
            )
        return
    program = Path(name)
    if not program.is_absolute():
        return
    if not program.is_file():
        raise ConfigurationInvalid(
            f"The worker's program {name} is not there.",
            hint="Correct --worker, or worker.command in oya.toml.",
        )
    if not os.access(program, os.X_OK):
        raise ConfigurationInvalid(
            f"The worker's program {program} is not executable.", hint=f"Run chmod +x {program}."
        )

"""`oya-vcs doctor`: looks at what the work stands on and says the mend for each thing that is
wrong.

Reads only; `--fix` also does what is safe (a cure can lose nobody's work), and says what it did.
The checks are in `health_machine.py`, `health_home.py` and `health_repos.py`; those of the
configuration and of a repository that is named are here.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.process.survivors import memory_bytes
from oya_vcs.adapters.sandbox import Bubblewrap, find_sandbox
from oya_vcs.bootstrap import find_plan
from oya_vcs.cli.health import Check, Finding, Patient
from oya_vcs.cli.health_home import HOME
from oya_vcs.cli.health_machine import MACHINE
from oya_vcs.cli.health_repos import REPOSITORIES
from oya_vcs.cli.output import Output, table
from oya_vcs.config import WorkerConfig, environment, load
from oya_vcs.errors import ExitCode, OyaError


@dataclass(frozen=True, slots=True)
class Line:
    """What a check found, and what `--fix` did about it (empty: nothing)."""

    check: str
    found: Finding
    fixed: str = ""

    @property
    def grade(self) -> str:
        """The finding's, or fixed."""
        return "fixed" if self.fixed else self.found.grade


def doctor(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Run every check. 0 without errors, else 1 (warnings, and what was mended, do not count)."""
    patient = Patient(arguments, output.say)
    lines = [line for check in CHECKS for line in _looked(check, patient, cure=arguments.fix)]
    errors = sum(one.grade == "error" for one in lines)
    rows = [(one.grade, one.check, one.found.what) for one in lines]
    text = table(("", "", ""), rows).splitlines()[1:]
    shown = []
    for row, one in zip(text, lines, strict=True):
        more = one.fixed or one.found.mend
        shown += [row, *([f"         {more}"] if more else [])]
    curable = sum(one.grade != "ok" and one.found.cure is not None for one in lines)
    if curable and not arguments.fix:
        shown.append(f"`oya-vcs doctor --fix` mends {curable} of these.")
    shown.append("All is well." if not errors else f"{errors} things need mending.")
    data = [
        {
            "check": one.check,
            "grade": one.grade,
            "what": one.found.what,
            "mend": one.found.mend,
            "fixed": one.fixed,
        }
        for one in lines
    ]
    output.answer("doctor", data, "\n".join(shown), ok=not errors)
    return ExitCode.WORK_FAILED if errors else ExitCode.DONE


def _looked(check: Check, patient: Patient, *, cure: bool) -> Iterator[Line]:
    """A check whose subject is broken reports that instead of ending the others; a cure that fails
    leaves the finding as it was, with the reason."""
    try:
        for found in check.look(patient):
            yield _cured(check, found) if cure and found.cure else Line(check.name, found)
    except (OyaError, OSError) as error:
        message = error.message if isinstance(error, OyaError) else str(error)
        hint = error.hint if isinstance(error, OyaError) else ""
        yield Line(check.name, Finding("error", message, hint))


def _cured(check: Check, found: Finding) -> Line:
    if found.grade == "ok" or found.cure is None:
        return Line(check.name, found)
    try:
        return Line(check.name, found, found.cure())
    except (OyaError, OSError) as error:
        mend = f"{found.mend} This could not be done by itself: {error}"
        return Line(check.name, Finding(found.grade, found.what, mend))


def _configuration(patient: Patient) -> Iterator[Finding]:
    config = load(patient.config_file, None, "", patient.environ, {})
    yield Finding("ok", f"is {patient.config_file or 'the defaults'} and the environment")
    if not patient.arguments.repo:
        home = patient.home.root
        yield from _workers(config.worker, find_sandbox(config.worker, patient.environ, {}, home))


def _repository(patient: Patient) -> Iterator[Finding]:
    """The repository that was named, as a daemon would plan it."""
    arguments = patient.arguments
    if not arguments.repo:
        return
    plan = asyncio.run(
        find_plan(
            patient.home,
            Path(arguments.repo),
            config_file=patient.config_file,
            flags={},
            working=False,
        )
    )
    yield Finding("ok", f"{plan.root} is a jj repository; {plan.config.repo.target} is its target")
    yield from _workers(plan.config.worker, plan.sandbox)
    if plan.config.repo.forge == "github":
        from oya_vcs.bootstrap.github import diagnose  # noqa: PLC0415 - heavy, and seldom needed

        for one in asyncio.run(diagnose(plan)):
            yield Finding(one.grade, f"GitHub: {one.what}", one.mend)
    elif plan.config.checks:
        yield Finding("ok", f"checks: {', '.join(plan.config.checks)}")
    else:
        mend = "Name your tests under [checks] in oya.toml and commit it to the target."
        yield Finding("error", "no checks are configured, so nothing may land", mend)


def _workers(settings: WorkerConfig, sandbox: Bubblewrap | None) -> Iterator[Finding]:
    """The limits of workers, what they are given, and whether the sandbox can be made here."""
    missing = [name for name in settings.env if not environment().get(name)]
    if missing:
        mend = "Set it, or take it out of worker.env."
        yield Finding("warning", f"worker.env names {', '.join(missing)}, which is not set.", mend)
    limits = f"{settings.wall_ms_max // 1000} s, {settings.output_bytes_max:,} bytes of output"
    limits += f", {settings.processes_max or 'any number of'} processes"
    memory = f"{settings.rss_bytes_max:,} bytes" if settings.rss_bytes_max else "any amount"
    yield Finding("ok", f"limits of an attempt: {limits}, {memory} of memory")
    enough = memory_bytes()
    if settings.rss_bytes_max and 0 < enough < settings.rss_bytes_max * settings.slots:
        mend = "Lower worker.rss_bytes_max or worker.slots."
        what = f"{settings.slots} workers may take more memory than this machine has ({enough:,})."
        yield Finding("warning", what, mend)
    if sandbox is None:
        yield Finding("ok", "workers run without a sandbox, with the rights of whoever runs this")
        return
    asyncio.run(sandbox.require(settings.command, environment()))
    for path in sandbox.missing():
        mend = "Correct worker.reads or worker.writes, or make it."
        yield Finding("warning", f"{path} is not there and will not be in the sandbox.", mend)
    yield Finding("ok", f"workers run in a sandbox ({sandbox.program}, network {settings.network})")


CHECKS: tuple[Check, ...] = (
    *MACHINE,
    Check("configuration", _configuration),
    *HOME,
    *REPOSITORIES,
    Check("repository", _repository),
)
"""Every check, in the order in which it is shown."""

"""`oya-vcs doctor`: looks at what the work stands on and says the mend for each thing that is
wrong.

Reads only, but for `--fix`, which installs jj and git into the private tool folder and says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.process.survivors import memory_bytes
from oya_vcs.adapters.sandbox import Bubblewrap, find_sandbox
from oya_vcs.adapters.toolbox import find_tools, provision
from oya_vcs.bootstrap import find_plan
from oya_vcs.cli.asking import ask
from oya_vcs.cli.connections import connections
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.config import (
    WorkerConfig,
    environment,
    load,
    templates_folder,
    tools_folder,
    user_config,
)
from oya_vcs.core.world import Keep
from oya_vcs.errors import ExitCode, JournalCorrupt, NoDaemon, NotFound, OyaError
from oya_vcs.journal.checkpoint import marks
from oya_vcs.journal.driver import sqlite_warning
from oya_vcs.journal.lock import holder
from oya_vcs.journal.reader import open_reader
from oya_vcs.journal.replay import replay
from oya_vcs.journal.verify import verify

FREE_BYTES_MIN = 1_000_000_000
"""Below a gigabyte a few checkouts and logs may fill the disk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `grade` is ok, warning or error."""

    grade: str
    what: str
    mend: str = ""


Check = Callable[[argparse.Namespace], Iterator[Finding]]


def doctor(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Run every check. 0 without errors, else 1 (warnings do not count)."""
    if arguments.fix:
        provision(tools_folder(), output.say)
    findings = [finding for check in CHECKS for finding in _guarded(check, arguments)]
    errors = sum(one.grade == "error" for one in findings)
    lines = [
        f"{one.grade:>7}  {one.what}" + (f"\n         {one.mend}" if one.mend else "")
        for one in findings
    ]
    lines.append("All is well." if not errors else f"{errors} things need mending.")
    data = [{"grade": one.grade, "what": one.what, "mend": one.mend} for one in findings]
    output.answer("doctor", data, "\n".join(lines), ok=not errors)
    return ExitCode.WORK_FAILED if errors else ExitCode.DONE


def _guarded(check: Check, arguments: argparse.Namespace) -> Iterator[Finding]:
    """A check whose subject is broken reports that instead of ending the others."""
    try:
        yield from check(arguments)
    except OyaError as error:
        yield Finding("error", error.message, error.hint)


def _python(_arguments: argparse.Namespace) -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]}")
    warning = sqlite_warning()
    yield Finding("warning", warning) if warning else Finding("ok", "SQLite without known faults")


def _tools(_arguments: argparse.Namespace) -> Iterator[Finding]:
    tools = find_tools(tools_folder(), environment())
    yield Finding("ok", f"jj is {tools.jj}")
    yield Finding("ok", f"git is {tools.git}")


def _installation(_arguments: argparse.Namespace) -> Iterator[Finding]:
    if (templates_folder() / "oya.toml").is_file():
        yield Finding("ok", "templates are installed")
    else:
        yield Finding("error", f"{templates_folder()} is incomplete.", "Install oya-vcs again.")


def _configuration(arguments: argparse.Namespace) -> Iterator[Finding]:
    file = Path(arguments.config) if arguments.config else user_config()
    config = load(file, None, "", environment(), {})
    yield Finding("ok", f"configuration from {file or 'the defaults'} and the environment")
    if not arguments.repo:
        home = home_of(arguments).root
        yield from _workers(config.worker, find_sandbox(config.worker, environment(), {}, home))


def _home(arguments: argparse.Namespace) -> Iterator[Finding]:
    root = home_of(arguments).root
    if not root.exists():
        yield Finding("ok", f"home {root} will be made by the first run")
        return
    mode = root.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("warning", f"{root} can be read by others.", f"Run `chmod 700 {root}`.")
    if not os.access(root, os.W_OK):
        yield Finding("error", f"{root} cannot be written.", "Change its owner, or use --home.")
    pid = holder(home_of(arguments).lock)
    if pid is None:
        yield Finding("ok", f"home {root} is free")
        return
    try:
        about = ask(home_of(arguments), "about")
    except NoDaemon:
        yield Finding("ok", f"process {pid} works on {root} and takes no commands")
    else:
        yield Finding("ok", f"process {pid} works on {root}, oya-vcs {about['version']}")
        web, github = (ask(home_of(arguments), what) for what in ("web", "github"))
        for one in connections(web, github, SystemClock().now_ms()):
            yield Finding(one.grade, one.words)


def _disk(arguments: argparse.Namespace) -> Iterator[Finding]:
    folder = home_of(arguments).root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    grade = "ok" if free >= FREE_BYTES_MIN else "warning"
    mend = "" if grade == "ok" else "Make room: workspaces, checkouts and logs need it."
    yield Finding(grade, f"{free // 1_000_000} MB are free for {home_of(arguments).root}", mend)


def _journal(arguments: argparse.Namespace) -> Iterator[Finding]:
    home = home_of(arguments)
    try:
        found = verify(home.journal, remembered=marks(home.checkpoints))
    except NotFound:
        yield Finding("ok", "no journal yet")
        return
    yield from (Finding("error", f"journal: {one.what}", one.mend) for one in found.problems)
    if found.ok:
        yield Finding("ok", f"the journal verifies ({found.rows} events)")


def _record(arguments: argparse.Namespace) -> Iterator[Finding]:
    try:
        with open_reader(home_of(arguments).journal) as reader:
            world = replay(reader.read())
    except (NotFound, JournalCorrupt):
        return
    ahead_ms = world.now_ms - SystemClock().now_ms()
    if ahead_ms > 60_000:
        mend = "Check the machine's clock; order does not depend on it, waits do."
        yield Finding("warning", f"the journal's last event is {ahead_ms // 1000} s ahead", mend)
    if world.open and holder(home_of(arguments).lock) is None:
        what = f"{len(world.open)} steps were left open by a run that ended early"
        yield Finding("warning", what, "Run `oya-vcs run` on the same file again to go on.")
    kept = [one for one in world.workspaces.values() if one.keep is Keep.KEPT]
    if kept:
        mend = "`oya-vcs workspace clean --dry-run` shows those older than a day."
        yield Finding("ok", f"{len(kept)} workspaces of failed attempts are kept. {mend}")


def _repository(arguments: argparse.Namespace) -> Iterator[Finding]:
    if not arguments.repo:
        return
    plan = asyncio.run(
        find_plan(
            home_of(arguments),
            Path(arguments.repo),
            config_file=Path(arguments.config) if arguments.config else None,
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
    _python,
    _tools,
    _installation,
    _configuration,
    _home,
    _disk,
    _journal,
    _record,
    _repository,
)
"""Every check, in the order in which it is shown."""

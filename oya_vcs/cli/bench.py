"""`oya-vcs bench`: what oya-vcs costs beyond what it stands on, both measured in one run.

Times are of this machine and this hour; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock, stopwatch
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.adapters.tracker import read_beads
from oya_vcs.bootstrap import find_plan, open_daemon
from oya_vcs.cli.demo import make_repository, user_environment
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.run import worker_flags
from oya_vcs.config import Home, environment, tools_folder
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, RepoId
from oya_vcs.core.policy import Policy
from oya_vcs.core.spec import BeadSpec, spec_key
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal.measure import bench_raw_append
from oya_vcs.journal.store import SqliteJournal
from oya_vcs.runtime.engine import Engine

FILES = 500
"""Files of the repository that beads are measured on."""
PRODUCERS = 64
"""Tasks that offer facts at once."""
WORKER = 'echo "$OYA_BEAD_ID" > "bench-$OYA_BEAD_ID.txt"'
"""The no-op worker: the least that can land."""
MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")
"""What `--write` replaces in a file lies between these."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing beside its baseline. `ratio` above 1 means that ours is slower."""

    what: str
    ours: str
    bare: str
    ratio: float


def bench(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Measure, print a table, and put it into a file where `--write` says so."""
    if arguments.beads < 2 or arguments.steps < PRODUCERS:
        message = "Too few to measure."
        raise ConfigurationInvalid(message, f"Give --beads from 2, --steps from {PRODUCERS}.")
    tools = find_tools(tools_folder(), environment())
    folder = Path(tempfile.mkdtemp(prefix="oya-vcs-bench-"))
    try:
        figures = [
            *asyncio.run(_overhead(folder, tools, arguments.beads, output.say)),
            *asyncio.run(_steps(folder, arguments.steps, output.say)),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [(one.what, one.ours, one.bare, f"{one.ratio:.2f}") for one in figures]
    head = ("what", "ours", "bare", "ratio")
    if arguments.write:
        _write(Path(arguments.write), head, rows, arguments)
    data = [
        {"what": one.what, "ours": one.ours, "bare": one.bare, "ratio": round(one.ratio, 3)}
        for one in figures
    ]
    output.answer("bench", data, table(head, rows))
    return ExitCode.DONE


async def _overhead(
    folder: Path, tools: Tools, beads: int, say: Callable[[str], None]
) -> list[Figure]:
    """Seconds a bead with 1 and with 4 slots, against the same jj, git and process calls in a
    row."""
    say(f"{beads} no-op beads on {FILES} files: the bare calls, then 1 slot, then 4 slots")
    bare = await _bare(folder / "bare", tools, beads)
    figures = []
    for slots in (1, 4):
        spent = await _ours(folder / f"slots-{slots}", tools, beads, slots)
        figures.append(
            Figure(
                f"a no-op bead, {slots} slot{'s' * (slots > 1)}",
                f"{1000 * spent / beads:.0f} ms",
                f"{1000 * bare / beads:.0f} ms",
                spent / bare,
            )
        )
    return figures


async def _ours(folder: Path, tools: Tools, count: int, slots: int) -> float:
    repo = folder / "repo"
    await make_repository(repo, tools, files=FILES, check="true")
    beads = folder / "beads.jsonl"
    lines = [json.dumps({"id": f"n{number}", "title": f"N {number}"}) for number in range(count)]
    beads.write_text("\n".join(lines) + "\n", encoding="utf-8")
    script = folder / "worker.sh"
    script.write_text(f"#!/bin/sh\n{WORKER}\n", encoding="utf-8")
    script.chmod(0o755)
    flags = worker_flags(str(script), slots)
    plan = await find_plan(Home(folder / "home"), repo, config_file=None, flags=flags)
    async with open_daemon(plan) as daemon:
        begin = stopwatch()
        await daemon.submit(read_beads(beads).beads)
        world = await daemon.rest()
        spent = stopwatch() - begin
    if not all(bead.landed for bead in world.beads.values()):
        message = "The benchmark's beads did not land, so there is nothing to compare."
        raise ConfigurationInvalid(message, "Run `oya-vcs doctor`.")
    return spent


async def _bare(folder: Path, tools: Tools, count: int) -> float:
    """The calls that a bead needs whoever makes them: one after the other, nothing recorded."""
    repo = folder / "repo"
    await make_repository(repo, tools, files=FILES, check="true")
    env = user_environment(repo, tools)
    jj = [str(tools.jj), "--no-pager", "--quiet", "--color=never"]
    git = [str(tools.git), "--git-dir", str(repo / ".git")]
    checkout = folder / "checkout"
    tree = [*git, "--work-tree", str(checkout)]
    checkout.mkdir()
    env["GIT_INDEX_FILE"] = str(folder / "index")
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "A Person", f"GIT_{who}_EMAIL": "person@example.org"}

    async def call(*argv: str) -> str:
        return (await run_program(argv, env=env)).out.strip()

    begin = stopwatch()
    for number in range(count):
        space = folder / f"w{number}"
        at = ["-R", str(space)]
        await call(
            *jj, "-R", str(repo), "workspace", "add", "--no-colocate", "-r", "main", str(space)
        )
        await call("/bin/sh", "-c", f"echo {number} > {space}/bench-{number}.txt")
        await call(*jj, *at, "describe", "-m", f"N {number}")
        head = await call(*jj, *at, "log", "--no-graph", "-r", "@", "-T", "commit_id")
        base = await call(*git, "rev-parse", "refs/heads/main")
        merged = await call(*git, "merge-tree", "--write-tree", base, head)
        commit = await call(
            *git, "commit-tree", merged, "-p", base, "-p", head, "-m", f"N {number}"
        )
        await call(*tree, "read-tree", "--reset", "-u", commit)
        await call("/bin/sh", "-c", "true")
        await call(*git, "update-ref", "refs/heads/main", commit, base)
        await call(*jj, "-R", str(repo), "git", "import")
        await call(*jj, "-R", str(repo), "workspace", "forget", f"w{number}")
        shutil.rmtree(space)
    return stopwatch() - begin


async def _steps(folder: Path, count: int, say: Callable[[str], None]) -> list[Figure]:
    """Steps a second through engine and journal, against the same rows in a plain loop."""
    say(f"{count} steps from {PRODUCERS} tasks, then the same rows in a plain SQLite loop")
    here = RepoId("bench")
    journal = SqliteJournal(folder / "steps.db")
    world = World()
    policy = Policy(repo=here, slots=1, attempts_max=1, backoff_ms=1, idle=True)
    engine = Engine(world=world, journal=journal, clock=SystemClock(), policy=policy)
    await engine.offer(e.RepoRegistered(repo=here, path=str(folder), target="main"))
    facts = [_fact(here, number) for number in range(count)]

    async def produce(first: int) -> None:
        for fact in facts[first::PRODUCERS]:
            await engine.offer(fact)

    commits = journal.commits
    begin = stopwatch()
    await asyncio.gather(*(produce(first) for first in range(PRODUCERS)))
    spent = stopwatch() - begin
    batch = max(1, round(count / (journal.commits - commits)))
    journal.close()
    bare = bench_raw_append(folder / "bare.db", facts, stopwatch, batch=batch)
    return [
        Figure(
            f"a step ({batch} rows an fsync)",
            f"{count / spent:,.0f} steps/s",
            f"{bare.per_second:,.0f} rows/s",
            bare.per_second * spent / count,
        )
    ]


def _fact(repo: RepoId, number: int) -> e.Event:
    spec = BeadSpec(id=BeadId(f"n{number}"), title=f"N {number}", description="d" * 100)
    return e.BeadAdded(repo=repo, bead=spec.id, key=spec_key(spec), spec=spec)


def _write(
    path: Path, head: Sequence[str], rows: Sequence[Sequence[str]], arguments: argparse.Namespace
) -> None:
    """Put the table between the marks of a Markdown file, or at its end."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    said = (
        f"`oya-vcs bench --beads {arguments.beads} --steps {arguments.steps}`, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}:"
    )
    block = "\n".join([MARKS[0], said, "", *lines, MARKS[1]])
    text = path.read_text("utf-8") if path.exists() else ""
    before, begun, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2] if begun else "\n"
    path.write_text(f"{before}{block}{after}", encoding="utf-8")

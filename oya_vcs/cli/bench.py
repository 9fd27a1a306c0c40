"""`oya-vcs bench [all|PART]`: what oya-vcs costs beyond what it stands on.

Each figure stands beside a baseline that was measured in the same run. Times are of this machine
and this hour; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.adapters.tracker import read_beads
from oya_vcs.bench import (
    appends,
    candidates,
    figures,
    following,
    load,
    parts,
    planning,
    pool,
    replays,
    scheduling,
    story,
    wishes,
    workflow,
)
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bootstrap import Plan, find_plan, open_daemon
from oya_vcs.cli.bench_workspaces import workspaces
from oya_vcs.cli.demo import make_repository, user_environment
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.run import worker_flags
from oya_vcs.config import Home, environment, tools_folder
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal.measure import fill

FILES = 500
"""Files of the repository that beads are measured on."""
WORKER = 'echo "$OYA_BEAD_ID" > "bench-$OYA_BEAD_ID.txt"'
"""The no-op worker: the least that can land."""
WISHES = 8
"""Beads that run, are paused and cancelled."""
LEAST = {
    "beads": 2,
    "load": 2,
    "steps": 640,
    "events": 20_000,
    "rows": 1,
    "graph": 1_000,
    "rounds": 1,
    "deliveries": 64,
}
"""What can be measured at all."""


def bench(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Measure, print a table, put it into a file where `--write` says so, judge it with `--gate`.

    Exit code 1 where the gate found a regression.
    """
    for name, least in LEAST.items():
        if getattr(arguments, name) < least:
            raise ConfigurationInvalid("Too few to measure.", f"Give --{name} from {least:,}.")
    chosen = tuple(_PARTS) if arguments.what == "all" else (arguments.what,)
    found: list[Figure] = []
    folder = Path(tempfile.mkdtemp(prefix="oya-vcs-bench-", dir=arguments.dir))
    try:
        for part in chosen:
            measured = list(_PARTS[part](folder, arguments, output.say))
            if arguments.write:
                rows = [figures.HEAD, *(one.cells() for one in measured)]
                figures.put(Path(arguments.write), part, _said(part, arguments), rows)
            found += measured
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    worse = figures.regressed(found, Path(arguments.gate)) if arguments.gate else []
    text = table(figures.HEAD, [one.cells() for one in found])
    data = {"figures": [one.data() for one in found], "regressed": worse}
    output.answer("bench", data, "\n".join([text, *worse]), ok=not worse)
    return ExitCode.WORK_FAILED if worse else ExitCode.DONE


def _said(part: str, arguments: argparse.Namespace) -> str:
    flags = " ".join(f"--{name} {getattr(arguments, name)}" for name in _FLAGS[part])
    return (
        f"`oya-vcs bench {part} {flags}{' ' * bool(flags)}--rounds {arguments.rounds}`, Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} processors, load average {os.getloadavg()[1]:.1f} over 5 minutes:"
    )


def _run(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    tools = find_tools(tools_folder(), environment())
    yield from asyncio.run(_overhead(folder, tools, arguments.beads, arguments.rounds, say))
    say(f"{WISHES} running beads are paused and cancelled")
    yield from asyncio.run(_wishes(folder / "wishes", tools))
    say(f"{arguments.rounds} rounds of {arguments.steps} steps from {workflow.IN_FLIGHT} tasks")
    yield from workflow.steps(folder, arguments.steps, arguments.rounds)


def _load(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    tools = find_tools(tools_folder(), environment())
    say(f"{arguments.load} beads at once with {load.SLOTS} slots, and a user at work")
    yield from asyncio.run(_loaded(folder / "load", tools, arguments.load))


def _queue(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    say(f"{arguments.beads} candidates, beside git alone")
    tools = find_tools(tools_folder(), environment())
    yield from asyncio.run(_candidates(folder / "candidates", tools, arguments.beads))
    say(f"{arguments.rounds} rounds of {planning.PLANS:,} plans")
    yield from planning.planned(arguments.rounds)
    yield from planning.green()


def _pool(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    say(f"{arguments.rounds} rounds of {pool.ALONE} runs alone and {pool.AT_ONCE} at once")
    yield from pool.pool(folder, arguments.rounds)


def _journal(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    rounds = arguments.rounds
    say("a story of beads, to have real events")
    told = asyncio.run(story.record())
    say(f"appends: {rounds} rounds of {appends.GROUPED:,} events")
    yield from appends.grouped(folder, told, rounds)
    yield from appends.single(folder, told, rounds)
    say(f"workflows: {rounds} rounds")
    yield from workflow.workflows(folder, workflow.COUNT, rounds)
    say(f"replay: {rounds} rounds of {arguments.events:,} events")
    path = folder / "replay.db"
    fill(path, told.rows(arguments.events))
    yield from replays.replayed(path, rounds)
    yield from replays.looked_up(path, told)
    yield from replays.restarted(folder, path, rounds)
    yield from replays.checkpointed(folder, told, rounds)
    path.unlink()
    say(f"appends behind {arguments.rows:,} events")
    yield from appends.behind(folder, told, rounds, arguments.rows)


def _core(
    _folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    count, rounds = arguments.graph, arguments.rounds
    say(f"a graph of {count:,} beads: {rounds} rounds of landing, taking in, ordering, queueing")
    yield from scheduling.finished(count, rounds)
    yield from scheduling.taken_in(count, rounds)
    yield from scheduling.sorted_out(count, rounds)
    yield from scheduling.queued(count, rounds)


def _runtime(
    _folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    say(f"messages: {arguments.rounds} rounds of {parts.MESSAGES:,}")
    yield from parts.messages(arguments.rounds)
    say(f"{parts.CRASHES:,} injected crashes")
    yield from parts.restarts()


def _workspace(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    yield from workspaces(folder, find_tools(tools_folder(), environment()), arguments.rounds, say)


def _webhook(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    from oya_vcs.bench import webhooks  # noqa: PLC0415 - the web framework is slow to import

    say(f"webhooks: {arguments.rounds} rounds, and {arguments.deliveries:,} for the memory")
    yield from webhooks.webhooks(folder, arguments.rounds, arguments.deliveries)


def _watch(
    folder: Path, arguments: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Figure]:
    tools = find_tools(tools_folder(), environment())
    say(f"{arguments.rounds} rounds of {following.OPERATIONS} operations and a burst; then nothing")
    yield from asyncio.run(_followed(folder, tools, arguments.rounds))


_PARTS = {
    "run": _run,
    "load": _load,
    "queue": _queue,
    "pool": _pool,
    "journal": _journal,
    "core": _core,
    "runtime": _runtime,
    "workspace": _workspace,
    "webhook": _webhook,
    "watch": _watch,
}
_FLAGS = {
    "run": ("beads", "steps"),
    "load": ("load",),
    "queue": ("beads",),
    "pool": (),
    "journal": ("events", "rows"),
    "core": ("graph",),
    "runtime": (),
    "workspace": (),
    "webhook": ("deliveries",),
    "watch": (),
}
"""Of each part the flags that say how much of it is measured."""


async def _followed(folder: Path, tools: Tools, rounds: int) -> list[Figure]:
    many = []
    for number in range(following.REPOS):
        repo = folder / f"watched-{number}" / "repo"
        await make_repository(repo, tools, files=1, check="true")
        environ = user_environment(repo, tools)
        many.append(await following.opened(repo, repo.parent / "home", tools, environ))
    person = following.Person(many[0].root, tools.jj, user_environment(many[0].root, tools))
    return [
        *await following.noticed(folder / "seen", many[0], person, rounds),
        await following.idle(folder / "idle", many, following.IDLE_S),
    ]


async def _candidates(folder: Path, tools: Tools, count: int) -> list[Figure]:
    repo = folder / "repo"
    await make_repository(repo, tools, files=FILES, check="true")
    environ = user_environment(repo, tools)
    return await candidates.built(repo, folder / "home", tools, environ, count)


async def _overhead(
    folder: Path, tools: Tools, beads: int, rounds: int, say: Callable[[str], None]
) -> list[Figure]:
    """Seconds a bead with 1 and with 4 slots, against the same jj, git and process calls in a row,
    turn by turn."""
    count = max(LEAST["beads"], beads // rounds)
    say(f"{rounds} rounds of {count} no-op beads on {FILES} files: bare calls, 1 slot, 4 slots")
    spent: dict[int, list[float]] = {0: [], 1: [], 4: []}
    for number in range(rounds):
        spent[0].append(await _bare(folder / f"bare-{number}", tools, count))
        for slots in (1, 4):
            place = folder / f"slots-{slots}-{number}"
            spent[slots].append(await _ours(place, tools, count, slots))
    bare = median(spent[0])
    return [
        Figure(
            name=f"bead-{slots}",
            what=f"a no-op bead, {slots} slot{'s' * (slots > 1)} (time)",
            ours=f"{1000 * median(spent[slots]) / count:.0f} ms",
            baseline=f"{1000 * bare / count:.0f} ms",
            ratio=median([one / other for one, other in zip(spent[slots], spent[0], strict=True)]),
        )
        for slots in (1, 4)
    ]


async def _loaded(folder: Path, tools: Tools, count: int) -> list[Figure]:
    plan, beads = await _prepared(folder, tools, WORKER, count, load.SLOTS)
    repo = folder / "repo"
    user = load.User(repo, tools.jj, user_environment(repo, tools))
    half = max(1, count // 2)
    before = await _bare(folder / "before", tools, half)
    seen = await load.run(plan, beads, user)
    after = await _bare(folder / "after", tools, half)
    return [*load.figures(seen, (before + after) / (2 * half))]


async def _wishes(folder: Path, tools: Tools) -> list[Figure]:
    plan, beads = await _prepared(folder, tools, wishes.WORKER, WISHES, WISHES)
    return await wishes.wishes(plan, beads)


async def _prepared(
    folder: Path, tools: Tools, worker: str, count: int, slots: int
) -> tuple[Plan, Sequence[BeadSpec]]:
    """A repository, and beads for it with a worker of one line of sh."""
    repo = folder / "repo"
    await make_repository(repo, tools, files=FILES, check="true")
    beads = folder / "beads.jsonl"
    lines = [json.dumps({"id": f"n{number}", "title": f"N {number}"}) for number in range(count)]
    beads.write_text("\n".join(lines) + "\n", encoding="utf-8")
    script = folder / "worker.sh"
    script.write_text(f"#!/bin/sh\n{worker}\n", encoding="utf-8")
    script.chmod(0o755)
    flags = worker_flags(str(script), slots)
    plan = await find_plan(Home(folder / "home"), repo, config_file=None, flags=flags)
    return plan, read_beads(beads).beads


async def _ours(folder: Path, tools: Tools, count: int, slots: int) -> float:
    plan, beads = await _prepared(folder, tools, WORKER, count, slots)
    async with open_daemon(plan) as daemon:
        begin = stopwatch()
        await daemon.submit(beads)
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

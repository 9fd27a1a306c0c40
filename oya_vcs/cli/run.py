"""`oya-vcs run`: a beads file and a repository go in, landed commits come out."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
from collections.abc import Mapping
from pathlib import Path

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.tracker import BeadsFile, read_beads
from oya_vcs.bootstrap import Plan, find_plan, open_daemon
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.cli.progress import Progress
from oya_vcs.cli.reading import world_or_empty
from oya_vcs.cli.signals import until_signalled
from oya_vcs.cli.summary import summary
from oya_vcs.core.world import World
from oya_vcs.errors import ExitCode, InputInvalid
from oya_vcs.runtime.outbox import Gate, no_gate

NOTHING = 'Give it lines such as {"id": "a", "title": "Do a"}; closed beads are done.'
"""What to do with a file in which there is nothing to do."""


def run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Submit, work, land; end when nothing more can be done. 0 when every bead of the file has
    landed, else 1."""
    known = world_or_empty(arguments).beads
    file = read_beads(Path(arguments.beads), known=known, now_ms=SystemClock().now_ms())
    for warning in file.warnings:
        output.say(f"warning: {warning}")
    if not file.beads:
        raise InputInvalid(f"{arguments.beads} holds no bead to work on.", NOTHING)
    plan = asyncio.run(
        find_plan(
            home_of(arguments),
            Path(arguments.repo),
            config_file=Path(arguments.config) if arguments.config else None,
            flags=worker_flags(arguments.worker, arguments.slots),
        )
    )
    try:
        world = asyncio.run(work(plan, file, output))
    finally:
        faulthandler.cancel_dump_traceback_later()
    answer = summary(world, [spec.id for spec in file.beads], plan.policy.repo, plan.tools.jj)
    output.answer("run", answer.data, answer.text, ok=answer.ok)
    return ExitCode.DONE if answer.ok else ExitCode.WORK_FAILED


def worker_flags(worker: str | None, slots: int | None) -> Mapping[str, object]:
    """The configuration that the command line overrides."""
    return {"worker.command": worker, "worker.slots": slots}


async def work(plan: Plan, file: BeadsFile, output: Output, gate: Gate = no_gate) -> World:
    """Run a daemon on the plan until the file's beads are at rest, and show how it goes. Ends and
    fails on signals as `until_signalled` does."""
    return await until_signalled(_work(plan, file, output, gate))


async def _work(plan: Plan, file: BeadsFile, output: Output, gate: Gate) -> World:
    progress = Progress([spec.id for spec in file.beads], output)
    async with open_daemon(
        plan, feeds=[progress], gate=gate, show=progress.show, say=progress.say
    ) as daemon:
        with progress:
            if daemon.resumed:
                output.say(f"Taking up what an earlier run left open ({daemon.resumed}).")
            taken = await daemon.submit(file.beads)
            for note in daemon.notes:
                output.say(f"note: {note}")
            if not taken and not daemon.resumed and _is_finished(daemon.world, file):
                output.say("Every bead of this file has landed already; there is nothing to do.")
                return daemon.world
            return await daemon.rest()


def _is_finished(world: World, file: BeadsFile) -> bool:
    return all(world.bead(spec.id).landed is not None for spec in file.beads)

"""`oya-vcs run` that kills itself with SIGKILL at the first boundary of a chosen kind of effect.

python -m tests.chaos.gated BOUNDARY EFFECT BEADS REPO WORKER
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from oya_vcs.adapters.tracker import read_beads
from oya_vcs.bootstrap import find_plan
from oya_vcs.cli.output import Output
from oya_vcs.cli.run import work, worker_flags
from oya_vcs.config import default_home
from oya_vcs.core.effects import Effect


async def main(boundary: str, kind: str, beads: str, repo: str, worker: str) -> None:
    """Work on the beads and die at the gate."""

    async def gate(at: str, effect: Effect) -> None:
        if (at, type(effect).__name__) == (boundary, kind):
            os.kill(os.getpid(), signal.SIGKILL)

    keys = {"SetUpWorkspace": "workspace.setup", "VerifyResult": "worker.verify"}
    flags = {**worker_flags(worker, 2), **({keys[kind]: "true"} if kind in keys else {})}
    plan = await find_plan(default_home(), Path(repo), config_file=None, flags=flags)
    await work(plan, read_beads(Path(beads)), Output(json=True), gate)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

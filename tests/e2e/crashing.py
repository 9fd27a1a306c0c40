"""`oya-vcs run` in which a task of the tree is killed, again and again, once a worker is at work.

python -m tests.e2e.crashing TASK TIMES BEADS REPO WORKER MARK: MARK is a file that a worker makes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from oya_vcs.cli import main
from oya_vcs.runtime.tree import Tree


async def strike(name: str, times: int, mark: Path) -> None:
    """Kill the task of that name so often, each time another one."""
    struck: set[asyncio.Task[object]] = set()
    while len(struck) < times:
        for task in asyncio.all_tasks():
            if task.get_name() == name and task not in struck and mark.exists():
                struck.add(task)
                task.cancel()
        await asyncio.sleep(0.05)


def run(name: str, times: str, beads: str, repo: str, worker: str, mark: str) -> int:
    """Run the command with the killer beside it."""
    begin, striking = Tree.__aenter__, []

    async def enter(tree: Tree) -> Tree:
        entered = await begin(tree)
        striking.append(asyncio.create_task(strike(name, int(times), Path(mark))))
        return entered

    Tree.__aenter__ = enter  # type: ignore[method-assign,assignment]
    return main(["run", beads, "--repo", repo, "--worker", worker, "--slots", "2"])


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))

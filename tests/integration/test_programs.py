"""How jj and git are started and ended, with other programs in their place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from oya_vcs.adapters.jj.program import run_to_end
from oya_vcs.adapters.process.children import watched_by_descriptor
from tests.processes import until

SLEEPS = "import time; print(1, flush=True); time.sleep(60)"


def children(*argv: str) -> list[int]:
    """The children of this process with these last arguments."""
    found = []
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        if words[-len(argv) :] == list(argv):
            found.append(int(pid))
    return found


@pytest.mark.parametrize("alone", [True, False])
async def test_a_program_that_ended_before_the_loop_heard_of_it_is_cancelled(
    tmp_path: Path, *, alone: bool
) -> None:
    """Its process is gone and was waited for, and the loop has yet to be told: the cancellation
    stays one, and does not turn into an error of ours that would count as the work's outcome."""
    mark = str(tmp_path)
    argv = (sys.executable, "-c", SLEEPS, mark)
    with watched_by_descriptor():
        running = asyncio.create_task(run_to_end(argv, env=os.environ, alone=alone))
        await until(lambda: children(mark))
        (pid,) = children(mark)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222 - the loop is not to hear of it
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert children(mark) == []


async def test_a_cancelled_program_is_gone_with_its_session(tmp_path: Path) -> None:
    """One that is alone takes what it started with it, which holds its pipes open."""
    mark = str(tmp_path)
    script = f"{sys.executable} -c '{SLEEPS}' {mark} & wait"
    running = asyncio.create_task(run_to_end(("sh", "-c", script), env=os.environ, alone=True))
    pids = Path("/proc")

    def there() -> list[str]:
        needle = f"\0{mark}\0".encode()
        found = []
        for one in pids.glob("[0-9]*"):
            try:
                if (one / "cmdline").read_bytes().endswith(needle):
                    found.append(one.name)
            except OSError:
                continue
        return found

    await until(there)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not there())

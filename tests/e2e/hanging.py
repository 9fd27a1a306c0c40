"""`oya-vcs run` that blocks its event loop for ever when it is to stop.

python -m tests.e2e.hanging BEADS REPO WORKER
"""

from __future__ import annotations

import sys
import threading

from oya_vcs.cli import main, signals
from oya_vcs.runtime.outbox import Outbox


async def hang(_outbox: Outbox, *_args: object, **_options: object) -> None:
    """What nobody can cancel."""
    threading.Event().wait()


if __name__ == "__main__":
    signals.STOP_S_MAX = 1
    Outbox.close = hang  # type: ignore[assignment,method-assign]
    beads, repo, worker = sys.argv[1:]
    sys.exit(main(["run", beads, "--repo", repo, "--worker", worker]))

"""`oya-vcs hook push` (what `jj push` calls) and `hook pre-push` (what git calls): the daemon's
gate looks at every commit that is about to be pushed, and blocks the push.

`jj git push` runs no hook of git's, and nothing can stand in its way: the gate is for those who go
through it. Starts at once: what only few need is imported when they do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from oya_vcs.cli.asking import ask
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import folder_of, home_of
from oya_vcs.config import environment
from oya_vcs.errors import ExitCode, InputInvalid, NoDaemon

GATE = "pre_push"
WITHIN = "OYA_CHECK"
"""What the environment of checks and gates names: a push of theirs would wait for itself."""


def pre_push(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Git's pre-push (githooks(5)): a line `LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID` a ref on the
    input; 0 lets it push."""
    rows = [line.split(" ") for line in sys.stdin.read().splitlines() if line.strip()]
    if any(len(row) != 4 for row in rows):
        raise InputInvalid("The input is not what git says to a pre-push hook.")
    return _gated(arguments, output, [row[1] for row in rows if row[1].strip("0")])


def push(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """`jj git push` with the words after `--`, of exactly what the gate has looked at: as of the
    operation at which that was read."""
    from oya_vcs.adapters.toolbox import find_tools  # noqa: PLC0415 - git's hook needs no jj
    from oya_vcs.adapters.users.jj import UsersJj  # noqa: PLC0415 - the same
    from oya_vcs.config import tools_folder  # noqa: PLC0415 - the same

    environ = environment()
    jj = UsersJj(find_tools(tools_folder(), environ).jj, folder_of(arguments), environ)
    said, commits = jj.push(arguments.words)
    if "--dry-run" in arguments.words:
        output.say(said)
        return ExitCode.DONE
    operation = jj.operation()
    _gated(arguments, output, commits)
    return ExitCode.DONE if jj.pushes(arguments.words, operation) == 0 else ExitCode.WORLD


def _gated(arguments: argparse.Namespace, output: Output, commits: Sequence[str]) -> ExitCode:
    """Wait for the gate. Raises InputInvalid, with what it said, where it blocks, and NoDaemon
    where nobody runs it and the configuration does not let that pass."""
    if _is_waited_for(environment().get(WITHIN, "")):
        message = "A check or a gate may push nothing: the push would wait for the gate itself."
        raise InputInvalid(message, f"The variable {WITHIN} says that this is one.")
    if not commits:
        return ExitCode.DONE
    fields = {
        "run": os.urandom(16).hex(),
        "gate": GATE,
        "path": str(folder_of(arguments)),
        "commits": list(dict.fromkeys(commits)),
    }
    home, waits = home_of(arguments), False
    try:
        while not (said := ask(home, "hook.gate", **fields))["ended"]:
            if not waits:
                output.say(f"The gate {GATE} looks at {len(commits)} commits …")
            waits = True
    except NoDaemon as error:
        return _without(arguments, output, error)
    if not said["ok"]:
        hint = "Nothing was pushed. It is [hooks] and hooks/ of the target that say so."
        raise InputInvalid(said["said"], hint)
    return ExitCode.DONE


def _is_waited_for(check: str) -> bool:
    """Whether it is a check or a gate, and not a hook that observes, which may push."""
    return bool(check) and not check.startswith(("hooks.post_", "hooks/post-"))


def _without(arguments: argparse.Namespace, output: Output, error: NoDaemon) -> ExitCode:
    """What the target's configuration says of a push that nobody looks at."""
    import asyncio  # noqa: PLC0415 - only where there is no daemon

    from oya_vcs.bootstrap.plan import find_plan  # noqa: PLC0415 - the same

    config_file = Path(arguments.config).absolute() if arguments.config else None
    home, folder = home_of(arguments), folder_of(arguments)
    plan = asyncio.run(find_plan(home, folder, config_file=config_file, flags={}, working=False))
    if GATE not in plan.hooked.gated:
        return ExitCode.DONE
    if plan.config.hooks.without_daemon == "open":
        output.say(f"{error.message} The gate {GATE} was not run; [hooks] lets that pass.")
        return ExitCode.DONE
    raise NoDaemon(
        f"{error.message} Without it the gate {GATE} is closed, and nothing was pushed.",
        f'{error.hint} [hooks] without_daemon = "open" would let a push pass.',
    )

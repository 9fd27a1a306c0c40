"""The grammar of `oya-vcs simulate`. Standard library only."""

from __future__ import annotations

from oya_vcs.cli.grammar import Commands, add


def simulating(commands: Commands) -> None:
    """Put the command into the grammar."""
    simulate = add(commands, "simulate", "play the whole daemon on virtual time, by seeds", _ABOUT)
    for flag, default, what in (
        ("--seeds", 100, "how many stories"),
        ("--seed", 0, "the first of them; with --seeds 1 it is told"),
        ("--steps", 6, "what may go wrong in each, at most"),
    ):
        simulate.add_argument(
            flag, type=int, default=default, metavar="N", help=f"{what} ({default})"
        )


_ABOUT = """\
Daemon, journal format and supervision are the real ones; disk, workers, repository and forge are
in memory and fail as the seed says, and the daemon dies at any moment and starts again. Where a
rule does not hold, the smallest story that breaks it is told, and the exit code is 1; the same seed
tells the same story. `queue simulate` is something else: how fast the merge queue lands."""

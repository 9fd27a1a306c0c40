"""`oya-vcs bead import`, and the registration of a repository: what a daemon is to work on.

The daemon that works on the home is asked; where there is none, the record itself is changed, under
the home's lock, and the next daemon takes it up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.jj import find_root
from oya_vcs.adapters.tracker import read_beads
from oya_vcs.bootstrap.keeper import registration
from oya_vcs.cli.daemon import is_up
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import world_or_empty
from oya_vcs.cli.wishes import asked
from oya_vcs.config import Home, TrackerConfig
from oya_vcs.core.spec import BeadSpec
from oya_vcs.errors import ExitCode
from oya_vcs.housekeeping import take
from oya_vcs.runtime.daemon import in_order

REQUEST_BYTES_MAX = 500_000
"""Of beads in one request: the daemon hears lines of twice that."""


def import_beads(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Put the beads of a file on record, and say how many are new."""
    home, root = home_of(arguments), find_root(Path(arguments.repo))
    known = world_or_empty(arguments).beads
    path = Path(arguments.file) if arguments.file else root / TrackerConfig().file
    file = read_beads(path, known=known, now_ms=SystemClock().now_ms())
    for warning in file.warnings:
        output.say(f"warning: {warning}")
    row = register(arguments, root)
    count, notes = 0, list[str]()
    for beads in portions(in_order(file.beads)):
        told = _handed_in(arguments, home, root, str(row["repo"]), beads)
        count += told["count"]
        notes += told["notes"]
    for note in notes:
        output.say(f"note: {note}")
    data = {"repo": row["repo"], "taken": count, "known": len(file.beads) - count, "notes": notes}
    after = "" if is_up(home) else " `oya-vcs up` begins to work on them."
    text = f"{count} new or revised, {data['known']} known already.{after}"
    output.answer("bead-import", data, text)
    return ExitCode.DONE


def register(arguments: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Put the repository on record where it is not, and return what is known of it. Raises Locked
    where `oya-vcs run` works on the home."""
    home, config_file = home_of(arguments), _config_of(arguments)
    is_up(home)

    def directly() -> dict[str, Any]:
        fact = registration(home, root, config_file)
        asyncio.run(take(home, fact, ()))
        return {"repo": fact.repo, "path": fact.path, "target": fact.target, "serving": None}

    return dict(asked(home, "repo.add", {"path": str(root)}, directly))


def _handed_in(
    arguments: argparse.Namespace, home: Home, root: Path, repo: str, beads: Sequence[BeadSpec]
) -> dict[str, Any]:
    def directly() -> dict[str, Any]:
        fact = registration(home, root, _config_of(arguments))
        return asdict(asyncio.run(take(home, fact, beads)))

    fields = {"repo": repo, "beads": msgspec.to_builtins(beads)}
    return dict(asked(home, "bead.import", fields, directly))


def portions(beads: Sequence[BeadSpec]) -> Iterator[list[BeadSpec]]:
    """The beads in their order, so many at once as fit into a request."""
    portion, size = list[BeadSpec](), 0
    for bead in beads:
        more = len(json.dumps(msgspec.to_builtins(bead)))
        if portion and size + more > REQUEST_BYTES_MAX:
            yield portion
            portion, size = [], 0
        portion.append(bead)
        size += more
    if portion:
        yield portion


def _config_of(arguments: argparse.Namespace) -> Path | None:
    return Path(arguments.config).absolute() if arguments.config else None

"""`oya-vcs status`: whether a daemon works on this home, what it does, what waits and why."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.cli.asking import ask
from oya_vcs.cli.connections import connections
from oya_vcs.cli.daemon import repository_lines
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import world_or_empty
from oya_vcs.cli.running import clocks_of
from oya_vcs.cli.tree import drawn
from oya_vcs.config import Home
from oya_vcs.core.budget import closed
from oya_vcs.core.explain import explain
from oya_vcs.core.ordering import critical_path
from oya_vcs.core.slots import pool_of
from oya_vcs.core.world import Repo, World, unfinished
from oya_vcs.errors import ExitCode, OyaError
from oya_vcs.journal.lock import holder

SHOWN_MAX = 20
"""Unfinished beads that people are shown; `bead list` shows all."""
ENDS_SHOWN = 3
"""Beads of each end of a long chain that people are shown."""


def status(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Print it. A home without a journal is empty, which is no error."""
    home = home_of(arguments)
    if arguments.tree:
        return _tree(home, output)
    pid = holder(home.lock)
    world = world_or_empty(arguments)
    counts = Counter(str(bead.state) for bead in world.beads.values())
    waiting = unfinished(world)
    daemon = _daemon(home) if pid else None
    lines = [
        f"Home {home.root}: "
        + (f"process {pid} works on it." if pid else "no daemon works on it now."),
        *(_heard(daemon) if daemon else ()),
        *repository_lines(daemon["repos"] if daemon else ()),
        ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "No beads yet.",
    ]
    clocks = clocks_of(home, world)
    for bead in waiting[:SHOWN_MAX]:
        lines.append(f"  {bead.id}: {explain(world, bead, live=pid is not None)}")
        if bead.id in clocks:
            lines.append("    " + ", ".join(": ".join(one) for one in clocks[bead.id].items()))
    if len(waiting) > SHOWN_MAX:
        lines.append(f"  and {len(waiting) - SHOWN_MAX} more (`oya-vcs bead list`)")
    chain = critical_path(world.graph.unfinished())
    if len(chain) > 1:
        lines.append(f"The longest chain left has {len(chain)} beads: {_ends(chain)}.")
    pools = {one.id: pool_of(one, one.total, world.now_ms) for one in world.repos.values()}
    lines += [
        f"Worker slots of {world.repos[name].path}: {pool.total}, of them {pool.claimed} claimed,"
        f" {pool.idle} idle, {pool.unhealthy} unhealthy."
        for name, pool in pools.items()
        if world.repos[name].rules is not None
    ]
    lines += _waiting_for_people(world)
    data = {
        "home": str(home.root),
        "pid": pid,
        "daemon": daemon,
        "beads": dict(counts),
        "open_effects": len(world.open),
        "waiting": {bead.id: explain(world, bead, live=pid is not None) for bead in waiting},
        "longest_chain": chain,
        "clocks": clocks,
        "repos": {
            repo.id: {
                "path": repo.path,
                "paused": repo.queue.paused,
                "conflicted_bookmarks": repo.conflicts,
                "slots": asdict(pools[repo.id]),
                "closed": _closed(world, repo),
            }
            for repo in world.repos.values()
        },
    }
    output.answer("status", data, "\n".join(lines))
    return ExitCode.DONE


def _closed(world: World, repo: Repo) -> str:
    """Why no attempt may begin in a repository, though workers may be free."""
    if repo.rules is None:
        return ""
    return closed(world, repo, repo.rules.budget, SystemClock().now_ms())


def _waiting_for_people(world: World) -> list[str]:
    """What stands still, or is torn, until somebody does something."""
    paused = [
        f"The merge queue of {repo.path} is paused: {repo.queue.paused}"
        for repo in world.repos.values()
        if repo.queue.paused
    ]
    paused += [
        f"No attempt begins in {repo.path}. {why}"
        for repo in world.repos.values()
        if (why := _closed(world, repo))
    ]
    return paused + [
        f"The bookmark {name} of {repo.path} is conflicted, between"
        f" {' and '.join(one[:12] for one in commits)}: run `jj bookmark set {name} -r REVISION`"
        " there."
        for repo in world.repos.values()
        for name, commits in sorted(repo.conflicts.items())
    ]


def _daemon(home: Home) -> dict[str, Any] | None:
    """What the daemon says of itself and, where it is one for the whole home, of its repositories;
    None where it does not answer."""
    try:
        about = ask(home, "about")
        return {
            **about,
            "repos": ask(home, "repos") if about["kind"] == "up" else [],
            "web": ask(home, "web"),
            "github": ask(home, "github"),
        }
    except OyaError:
        return None


def _heard(daemon: Mapping[str, Any]) -> list[str]:
    now_ms = SystemClock().now_ms()
    return [f"  {one}" for one in connections(daemon["web"], daemon["github"], now_ms)]


def _ends(chain: Sequence[str]) -> str:
    """A chain in the order of work; of a long one its two ends."""
    if len(chain) <= 2 * ENDS_SHOWN:
        return ", ".join(chain)
    return f"{', '.join(chain[:ENDS_SHOWN])}, … {', '.join(chain[-ENDS_SHOWN:])}"


def _tree(home: Home, output: Output) -> ExitCode:
    """The parts of the running daemon. Raises NoDaemon where there is none."""
    data = ask(home, "tree")
    output.answer("status-tree", data, drawn(data, SystemClock().now_ms()))
    return ExitCode.DONE

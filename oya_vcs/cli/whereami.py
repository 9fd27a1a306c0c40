"""`oya-vcs whereami`: which repository, home, workspace and bead a folder belongs to, and whether a
daemon works there. Changes nothing, and starts neither jj nor git."""

from __future__ import annotations

import argparse
from pathlib import Path

from oya_vcs.adapters.jj import find_root, repo_id
from oya_vcs.adapters.jj.places import find_store
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.places import home_of
from oya_vcs.cli.reading import world_or_empty
from oya_vcs.config import Home
from oya_vcs.core.ids import WorkspaceName
from oya_vcs.core.world import Workspace, World
from oya_vcs.errors import ExitCode
from oya_vcs.journal.lock import holder


def whereami(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Say it. Raises NotFound where the folder is in no jj repository."""
    here = find_root(Path(arguments.folder))
    main, _ = find_store(here)
    home = _home(arguments, here)
    world = world_or_empty(arguments)
    repo = world.repos.get(repo_id(main))
    ours = _workspace(home, world, here)
    bead = None if ours is None else world.beads.get(ours.bead)
    pid = holder(home.lock)
    rows = [
        ("repository", f"{main}" + ("" if repo else f" (`oya-vcs init {main}` registers it)")),
        ("workspace", _said(here, main, ours)),
    ]
    if ours is not None and bead is not None:
        rows.append(("bead", f"{bead.id}: {bead.spec.title} ({bead.state})"))
    rows.append(("home", str(home.root)))
    rows.append(("daemon", f"process {pid}" if pid else "none works on this home now"))
    data = {
        "repo": {"id": repo_id(main), "path": str(main), "registered": repo is not None},
        "target": repo.target if repo else None,
        "workspace": {
            "path": str(here),
            "name": None if ours is None else ours.name,
            "attempt": None if ours is None else ours.attempt,
            "main": here == main,
        },
        "bead": None
        if bead is None
        else {"id": bead.id, "title": bead.spec.title, "state": str(bead.state)},
        "home": str(home.root),
        "daemon": pid,
    }
    first, *rest = rows
    output.answer("whereami", data, table(first, rest))
    return ExitCode.DONE


def _home(arguments: argparse.Namespace, here: Path) -> Home:
    """The home that was named; else the one whose workspace this is; else the usual one."""
    around = Home(here.parents[2] if len(here.parents) > 2 else here)
    is_its_own = around.workspaces == here.parent.parent and around.journal.exists()
    if arguments.home is None and is_its_own:
        arguments.home = str(around.root)
    return home_of(arguments)


def _workspace(home: Home, world: World, here: Path) -> Workspace | None:
    """The workspace of ours that this folder is, by the record."""
    if here.parent.parent.resolve() != home.workspaces.resolve():
        return None
    return world.workspaces.get(WorkspaceName(here.name))


def _said(here: Path, main: Path, ours: Workspace | None) -> str:
    if ours is not None:
        return f"{ours.name}: attempt {ours.attempt} of bead {ours.bead}"
    return f"{here} " + ("(the repository's first)" if here == main else "(not one of oya-vcs)")

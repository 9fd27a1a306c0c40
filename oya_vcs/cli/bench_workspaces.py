"""What `oya-vcs bench workspace` measures: one attempt's workspace made, collected and removed,
beside the bare jj and git calls for it, in repositories of two sizes, whole and sparse.

Bare calls verify nothing: no look for what a killed one left, no comparison of the disk with the
commit, no wait for the disk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.clock import stopwatch
from oya_vcs.adapters.jj import open_repository
from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.adapters.workspaces import JjWorkspaces
from oya_vcs.bench.figures import Figure, median
from oya_vcs.bootstrap import programs_of, workspaces_of
from oya_vcs.cli.demo import make_repository, user_environment
from oya_vcs.config import Home
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.ids import BeadId, WorkspaceName
from oya_vcs.errors import Bug

SIZES = (500, 20_000)
"""Files of the repositories."""
SHOWN = ("docs/1",)
"""What a sparse workspace shows: twenty files."""
STEPS = ("make", "collect", "remove")

Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class _Scene:
    """A repository, and who works on it."""

    folder: Path
    repo: Path
    tools: Tools
    spaces: JjWorkspaces
    name: str
    sparse: bool


def workspaces(
    folder: Path, tools: Tools, rounds: int, say: Callable[[str], None]
) -> Iterator[Figure]:
    """Figures of every size, whole and sparse, step by step."""
    for size in SIZES:
        repo = folder / f"repo-{size}"
        say(f"workspaces of a repository of {size:,} files: {rounds} rounds")
        asyncio.run(make_repository(repo, tools, files=size, check="true"))
        for sparse in (False, True):
            yield from asyncio.run(_measured(folder, repo, tools, size, rounds, sparse=sparse))
        shutil.rmtree(repo)


async def _measured(
    folder: Path, repo: Path, tools: Tools, size: int, rounds: int, *, sparse: bool
) -> list[Figure]:
    home = Home(folder / f"home-{size}-{sparse}")
    environ = {**user_environment(repo, tools), "PATH": os.defpath}
    programs = programs_of(home, tools, environ)
    repository = await open_repository(repo, workspaces=home.workspaces, programs=programs)
    await repository.prepare()
    spaces = workspaces_of(home, repository, "main", sparse=sparse)
    bare: Times = {step: [] for step in STEPS}
    ours: Times = {step: [] for step in STEPS}
    for number in range(rounds):
        scene = _Scene(folder, repo, tools, spaces, f"bench{number}", sparse)
        await _bare(scene, bare)
        await _ours(scene, ours)
    shape = "sparse" if sparse else "whole"
    return [
        Figure(
            name=f"workspace-{step}-{shape}-{size}",
            what=f"{step} a {shape} workspace of {size:,} files (time)",
            ours=f"{1000 * median(ours[step]):,.0f} ms",
            baseline=f"{1000 * median(bare[step]):,.0f} ms",
            ratio=median([mine / its for mine, its in zip(ours[step], bare[step], strict=True)]),
        )
        for step in STEPS
    ]


async def _bare(scene: _Scene, times: Times) -> None:
    """The calls that the same result needs whoever makes them."""
    env = user_environment(scene.repo, scene.tools)
    jj = (str(scene.tools.jj), "--no-pager", "--quiet", "--color=never")
    git = (str(scene.tools.git), "--git-dir", str(scene.repo / ".git"))
    space = scene.folder / f"bare-{scene.name}"
    at = (*jj, "-R", str(space))

    async def call(*argv: str) -> str:
        return (await run_program(argv, env=env)).out.strip()

    begin = stopwatch()
    shown = ("--sparse-patterns", "empty" if scene.sparse else "full")
    add = ("workspace", "add", "--no-colocate", "-r", "main", *shown, str(space))
    await call(*jj, "-R", str(scene.repo), *add)
    if scene.sparse:
        await call(*at, "sparse", "set", *(f"--add={one}" for one in SHOWN))
    times["make"].append(stopwatch() - begin)
    await asyncio.to_thread((space / "new.txt").write_text, "work\n")
    begin = stopwatch()
    await call(*at, "describe", "-m", "A result")
    head = await call(*at, "log", "--no-graph", "-r", "@", "-T", "commit_id")
    await call(*git, "update-ref", f"refs/bench/{scene.name}", head)
    times["collect"].append(stopwatch() - begin)
    begin = stopwatch()
    await call(*jj, "-R", str(scene.repo), "workspace", "forget", space.name)
    await asyncio.to_thread(shutil.rmtree, space)
    times["remove"].append(stopwatch() - begin)


async def _ours(scene: _Scene, times: Times) -> None:
    """The three effects, as the daemon carries them out."""
    bead = BeadId(scene.name)
    name = WorkspaceName(f"{scene.name}-a1-0123abcd")
    creation = f.CreateWorkspace(
        repo=scene.spaces.repo,
        bead=bead,
        attempt=1,
        workspace=name,
        files=SHOWN if scene.sparse else (),
    )
    made = await _timed(scene, creation, times["make"])
    if not isinstance(made, e.WorkspaceCreated):
        raise Bug(f"The benchmark's workspace was not made: {made}.")
    await asyncio.to_thread((Path(made.path) / "new.txt").write_text, "work\n")
    collection = f.CollectResult(
        repo=scene.spaces.repo,
        bead=bead,
        attempt=1,
        workspace=name,
        base=made.base,
        message=f"A result\n\nOya-Key: {scene.name}\n",
        allow_empty=False,
    )
    collected = await _timed(scene, collection, times["collect"])
    if not isinstance(collected, e.ResultCollected):
        raise Bug(f"The benchmark's result was not collected: {collected}.")
    removal = f.RemoveWorkspace(
        repo=scene.spaces.repo, bead=bead, workspace=name, round=1, kept_as=collected.commit
    )
    await _timed(scene, removal, times["remove"])


async def _timed(scene: _Scene, effect: f.Effect, times: list[float]) -> e.Event:
    begin = stopwatch()
    event = await scene.spaces.do(f.effect_key(effect), effect, _unheard)
    times.append(stopwatch() - begin)
    return event


async def _unheard(_event: e.Event) -> None:
    """Nothing is told before an effect settles."""

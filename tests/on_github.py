"""A project whose main is on a model of GitHub, and the `oya-vcs run` that works there, as a
process of which the model may be the end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.github_model.conversation import Hub, hub_at
from tests.projects import Project, Ran, agent

LIMIT_S = 250.0
"""Far more than a run here takes, on a busy machine too."""

Kill = Callable[[int, str, str], bool]
"""Whether to kill at a boundary: the number of the request (from 1; what is read again has the
number of the first time), "before" or "after" it is done, and its operation."""


def never(_number: int, _boundary: str, _operation: str) -> bool:
    """Nothing is killed."""
    return False


def as_app(hub: Hub, folder: Path) -> str:
    """`[github]` for the App of the model; its key goes into the folder."""
    key = folder / "app.pem"
    key.write_text(hub.private_key, encoding="ascii")
    return f'app_id = {hub.app.id}\nprivate_key_file = "{key}"\n'


def put_on_github(project: Project, hub: Hub, let_in: str, *, more: str = "") -> None:
    """Have the project's main on GitHub, with an oya.toml that says so."""
    toml = project.root / "oya.toml"
    github = f'api_url = "{hub.url}"\nrepo = "{hub.repo.full_name}"\n{let_in}poll_ms = 200\n'
    toml.write_text(f'[repo]\nforge = "github"\n[github]\n{github}[worker]\nslots = 2\n{more}')
    dirty = project.root / "dirty.txt"
    dirty.rename(project.folder / "dirty.txt")
    project.commit_all("The target is on GitHub")
    (project.folder / "dirty.txt").rename(dirty)
    project.jj("git", "remote", "add", "origin", hub.git_url)
    project.jj("git", "export")
    bare = str(hub.repo.bare.path)
    project.git("push", "-q", "--force", bare, "refs/heads/main:refs/heads/main")


@dataclass
class Siege:
    """A project on a model, and the runs of `oya-vcs` on it; one ends where `kill` says."""

    project: Project
    hub: Hub
    kill: Kill = never
    fell: str = ""
    """Where it was killed."""
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _count: int = 0
    _victim: asyncio.subprocess.Process | None = None

    def _cut(self, boundary: str, operation: str, path: str) -> bool:
        asked = (operation, path)
        again = operation.startswith("GET") and asked in self._numbers
        if boundary == "before" and not again:
            self._count += 1
            self._numbers[asked] = self._count
        number, victim = self._numbers[asked], self._victim
        if self.fell or victim is None or victim.returncode is not None:
            return False
        if not self.kill(number, boundary, operation):
            return False
        self.fell = f"{boundary} request {number}, {operation}"
        os.kill(victim.pid, signal.SIGKILL)
        return True

    async def run(self, beads: Path, *more: str, env: Mapping[str, str] | None = None) -> Ran:
        """`oya-vcs run` on the project, to its end or to where it is killed."""
        argv = ("run", str(beads), "--repo", str(self.project.root), *more)
        worker = ("--worker", agent("honest"))
        process = await asyncio.create_subprocess_exec(
            *self.project.command(*argv, *worker),
            env={**self.project.environ, **(env or {})},
            cwd=self.project.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.hub.server.cut, self._victim = self._cut, process
        try:
            async with asyncio.timeout(LIMIT_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            self._victim = None
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def besieged(project: Project, folder: Path, *, more: str = "") -> AsyncIterator[Siege]:
    """A model whose main is the project's (`more` in its oya.toml), which requires the check
    `test`, with our App."""
    async with hub_at(folder, str(project.tools.git)) as hub:
        hub.protects(checks=("test",))
        let_in = as_app(hub, project.folder)
        await asyncio.to_thread(put_on_github, project, hub, let_in, more=more)
        yield Siege(project, hub)

"""A tiny CI: an App of its own that checks what is pushed to the queue's branches."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from fnmatch import fnmatchcase

from tests.github_model.bare import Move
from tests.github_model.checks import create_run, update_run
from tests.github_model.github import GitHub
from tests.github_model.judge import HEADS
from tests.github_model.records import App, CheckRun, Repo
from tests.github_model.workflows import tell_run


class Way(StrEnum):
    """What the CI makes of a commit."""

    GREEN = "passes, unless the commit holds the bad file"
    RED = "fails"
    NEVER = "never starts: there is no check run at all"
    FLAKY = "fails at the first commit of each tree, and passes at the next"
    HELD = "waits until the test says"


class TinyCi:
    """The CI. `jobs` are its check runs, `branches` the patterns that it builds."""

    def __init__(self, github: GitHub, app: App) -> None:
        self._github = github
        self._app = app
        self.jobs = ["test"]
        self.branches = ["oya/queue/*"]
        self.way = Way.GREEN
        self.bad_file = "bad.txt"
        self.duration_ms = 0
        self.built: list[str] = []
        """Every commit that was pushed to it, in order."""
        self._trees: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[tuple[Repo, CheckRun]] = []
        github.on_move.append(self._moved)

    async def _moved(self, repo: Repo, one: Move) -> None:
        branch = one.ref.removeprefix(HEADS)
        if one.new is None or not one.ref.startswith(HEADS) or self.way is Way.NEVER:
            return
        if not any(fnmatchcase(branch, pattern) for pattern in self.branches):
            return
        self.built.append(one.new)
        runs = [
            await create_run(self._github, repo, self._app, one.new, job, {"status": "queued"})
            for job in self.jobs
        ]
        await tell_run(self._github, repo, self._app, one.new, branch, None)
        self._held += [(repo, run) for run in runs]
        if self.way is not Way.HELD:
            task = asyncio.create_task(self._build(repo, one.new, runs, self.way))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _build(self, repo: Repo, sha: str, runs: list[CheckRun], way: Way) -> None:
        tree = (await repo.bare.commit(sha)).tree
        bad = way is Way.RED or self.bad_file in await repo.bare.files(sha)
        bad = bad or (way is Way.FLAKY and tree not in self._trees)
        self._trees.add(tree)
        for run in runs:
            await update_run(self._github, repo, run, {"status": "in_progress"})
        if self.duration_ms:
            await self._github.clock.sleep(self.duration_ms)
        for run in runs:
            if run.status != "completed":
                await self._conclude(repo, run, "failure" if bad else "success")

    async def _conclude(self, repo: Repo, run: CheckRun, conclusion: str) -> None:
        said = {"conclusion": conclusion, "output": {"title": conclusion, "summary": conclusion}}
        await update_run(self._github, repo, run, said)
        self._held = [held for held in self._held if held[1] is not run]
        if not any(other.sha == run.sha for _, other in self._held):
            await tell_run(self._github, repo, self._app, run.sha, "", conclusion)

    def waiting(self) -> list[CheckRun]:
        """The check runs that have no conclusion."""
        return [run for _, run in self._held]

    async def passes(self, job: str | None = None, *, sha: str | None = None) -> None:
        """Let what waits pass: all of it, one job, or one commit's."""
        await self._let(job, sha, "success")

    async def fails(self, job: str | None = None, *, sha: str | None = None) -> None:
        """Let what waits fail."""
        await self._let(job, sha, "failure")

    async def concludes(
        self, conclusion: str, job: str | None = None, *, sha: str | None = None
    ) -> None:
        """Let what waits end so: cancelled, timed_out, skipped, neutral."""
        await self._let(job, sha, conclusion)

    async def _let(self, job: str | None, sha: str | None, conclusion: str) -> None:
        chosen = [
            (repo, run)
            for repo, run in self._held
            if job in {None, run.name} and sha in {None, run.sha}
        ]
        assert chosen, f"no check run waits: {job or 'any job'} at {sha or 'any commit'}"
        for repo, run in chosen:
            await self._conclude(repo, run, conclusion)

    async def checks(self, sha: str, conclusion: str, job: str = "test") -> CheckRun:
        """A finished check run at any commit, wherever it stands."""
        repo = next(iter(self._github.repos.values()))
        return await create_run(self._github, repo, self._app, sha, job, {"conclusion": conclusion})

    async def settled(self) -> None:
        """Wait for the builds that take no time."""
        while self._tasks and not self.duration_ms:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Build no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

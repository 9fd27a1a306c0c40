"""Changes for the tests of the local forge: heads made with git plumbing, and effects for them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from oya_vcs.adapters.clock import SystemClock
from oya_vcs.adapters.local import ChecksAt, LocalForge
from oya_vcs.adapters.process import ReaperRunner
from oya_vcs.core import effects as f
from oya_vcs.core import events as e
from oya_vcs.core.effects import effect_key
from oya_vcs.core.ids import BeadId, ChangeId, CommitId, Key, RepoId, TreeId
from oya_vcs.ports import (
    Finished,
    Order,
    Probe,
    Refused,
    Remote,
    Repository,
    Runner,
    Spawned,
    Turn,
    UsersRepository,
)
from tests.integration.conftest import UserRepo

MADE_AT_MS = 1_700_000_123_456
MESSAGE = "Land the change\n\nOya-Bead: b1\n"


async def no_report(event: e.Event) -> None:
    """Nothing of the local forge is told before its effect settles."""
    raise AssertionError(event)


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory is below the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if where.is_relative_to(folder):
            found.append(entry.name)
    return found


@dataclass
class Moves:
    """Hears, as the engine would, that somebody else moved the target; of nothing else."""

    seen: list[CommitId] = field(default_factory=list)

    async def __call__(self, event: e.Event) -> None:
        assert isinstance(event, e.TargetMoved)
        self.seen.append(event.commit)


@dataclass(frozen=True)
class Changes:
    """A user's repository, seen by whoever tests the forge."""

    user: UserRepo
    repository: UsersRepository
    home: Path
    target: str = "main"
    remote: Remote | None = None

    def runner(self) -> ReaperRunner:
        return ReaperRunner(self.home / "runs", SystemClock())

    def forge(
        self,
        checks: Mapping[str, str] | None = None,
        *,
        repository: Repository | None = None,
        runner: Runner | None = None,
        checks_at: ChecksAt | None = None,
        check_ms_max: int = 20_000,
        environ: Mapping[str, str] | None = None,
        slots: int = 1,
        parallel: int = 1,
    ) -> LocalForge:
        """A forge, as a new daemon would make it; `checks` count whatever oya.toml says."""
        return LocalForge(
            repository or self.repository,
            runner or self.runner(),
            target=self.target,
            checks_at=checks_at or (lambda text: checks or {}),
            checkouts=self.home / "checkouts",
            logs=self.home / "logs",
            check_ms_max=check_ms_max,
            environ=environ or {"PATH": self.user.environ["PATH"]},
            checks_slots=slots,
            checks_parallel=parallel,
            remote=self.remote,
        )

    def git(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> str:
        """Git on the store, with an index of its own where one is needed."""
        git_dir = self.user.peek("git", "root").strip()
        env = {**self.user.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "Wanda Worker", f"GIT_{who}_EMAIL": "wanda@example.org"}
        ran = subprocess.run(
            [self.user.tools.git, f"--git-dir={git_dir}", *args],
            input=stdin,
            env=env,
            cwd="/",
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, (args, ran.stderr)
        return ran.stdout.decode().strip()

    def head(
        self, files: Mapping[str, str | None], *, on: str = "main", message: str = "Work"
    ) -> CommitId:
        """A commit that changes these files (None deletes), as a worker's result would be."""
        base = self.commit(on)
        index = self.home / "index"
        index.unlink(missing_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self.git("read-tree", base, index=index)
        for path, content in files.items():
            entry = f"0 {'0' * 40}\t{path}\0"
            if content is not None:
                blob = self.git("hash-object", "-w", "--stdin", stdin=content.encode())
                entry = f"100644 {blob}\t{path}\0"
            self.git("update-index", "-z", "--index-info", stdin=entry.encode(), index=index)
        tree = self.git("write-tree", index=index)
        return CommitId(self.git("commit-tree", tree, "-p", base, "-m", message))

    def commit(self, name: str) -> CommitId:
        """The commit that a bookmark or a commit id names, in jj's eyes."""
        if len(name) == 40:
            return CommitId(name)
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return CommitId(self.user.commit(f'bookmarks(exact:"{quoted}")'))

    def branch(self, name: str = "") -> str:
        """Where git has the target, or nothing."""
        ref = f"refs/heads/{name or self.target}"
        return self.git("for-each-ref", "--format=%(objectname)", ref)

    def tree(self, commit: str) -> TreeId:
        return TreeId(self.git("rev-parse", f"{commit}^{{tree}}"))

    def files(self, commit: str) -> list[str]:
        return self.git("ls-tree", "-r", "-z", "--name-only", commit).rstrip("\0").split("\0")

    def contains(self, tip: str, commit: str) -> bool:
        return not self.git("rev-list", "-n1", commit, f"^{tip}")

    def pins(self) -> list[str]:
        """The names of the refs that keep candidates, below our home's folder of them."""
        kept = f"refs/oya/candidates/{self.repository.home_tag}/"
        return self.git("for-each-ref", "--format=%(refname:lstrip=4)", kept).split()

    def operations(self) -> list[str]:
        """The descriptions in the op log, newest first."""
        shown = self.user.peek("op", "log", "--no-graph", "-T", 'description ++ "\\n"')
        return shown.splitlines()

    def whole(self) -> None:
        """Assert that git and jj find the repository sound."""
        self.git("-c", "fsck.badHeadTarget=ignore", "fsck", "--strict", "--no-dangling")
        assert "conflict" not in self.user.peek("bookmark", "list", "--all-remotes")
        self.user.peek("log", "-r", "all()")

    def build(
        self,
        head: CommitId,
        *,
        number: int = 1,
        message: str = MESSAGE,
        change: str = "c1",
        onto: CommitId | None = None,
        method: str = "merge",
    ) -> tuple[Key, f.BuildCandidate]:
        effect = f.BuildCandidate(
            repo=RepoId("r"),
            bead=BeadId("b1"),
            change=ChangeId(change),
            head=head,
            round=number,
            message=message,
            made_at_ms=MADE_AT_MS,
            onto=onto,
            method=method,
        )
        return effect_key(effect), effect

    def opening(self, head: CommitId) -> tuple[Key, f.OpenChange]:
        effect = f.OpenChange(
            repo=RepoId("r"),
            bead=BeadId("b1"),
            attempt=1,
            change=ChangeId("c1"),
            head=head,
            title="A change",
        )
        return effect_key(effect), effect

    def land(self, built: e.CandidateBuilt) -> tuple[Key, f.Land]:
        effect = f.Land(
            repo=RepoId("r"),
            bead=built.bead,
            change=built.change,
            round=1,
            base=built.base,
            commit=built.commit,
            tree=built.tree,
        )
        return effect_key(effect), effect

    def check(self, candidate: CommitId) -> tuple[Key, f.RunChecks]:
        effect = f.RunChecks(
            repo=RepoId("r"),
            bead=BeadId("b1"),
            change=ChangeId("c1"),
            round=1,
            candidate=candidate,
        )
        return effect_key(effect), effect

    async def built(self, head: CommitId) -> e.CandidateBuilt:
        """The candidate of a head that merges."""
        event = await self.forge().do(*self.build(head), no_report)
        assert isinstance(event, e.CandidateBuilt)
        return event


Told = TypeVar("Told")
Step = Callable[[int], Awaitable[None]]


@dataclass
class Watched:
    """A repository that counts its calls, and lets a test act before each of them."""

    inner: Repository
    before: Step | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)
    synced: list[int] = field(default_factory=list)

    @property
    def id(self) -> RepoId:
        return self.inner.id

    def lock(self, turn: Turn = Turn.REST) -> AbstractAsyncContextManager[None]:
        return self.inner.lock(turn)

    @property
    def home_tag(self) -> str:
        return self.inner.home_tag

    @property
    def control(self) -> Path:
        return self.inner.control

    async def operation(self) -> str:
        return await self.inner.operation()

    async def jj(self, *args: str, workspace: Path | None = None, stdin: str = "") -> str:
        answer = self.inner.jj(*args, workspace=workspace, stdin=stdin)
        return await self.call(("jj", *args), answer)

    async def git(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        return await self.call(("git", *args), self.inner.git(*args, env=env, stdin=stdin))

    async def sync(self) -> None:
        await self.inner.sync()
        self.synced.append(len(self.calls))

    async def call(self, call: tuple[str, ...], answer: Awaitable[Told]) -> Told:
        """Count the call, let the test act, and give the answer."""
        self.calls.append(call)
        if self.before is not None:
            await self.before(len(self.calls))
        return await answer


@dataclass
class WatchedRemote:
    """A remote whose calls count with those of the watched repository."""

    inner: Remote
    watched: Watched

    @property
    def name(self) -> str:
        return self.inner.name

    async def tip(self, branch: str) -> CommitId | Refused | None:
        return await self.watched.call(("remote", "tip"), self.inner.tip(branch))

    async def fetch(self, branch: str) -> CommitId | Refused | None:
        return await self.watched.call(("remote", "fetch"), self.inner.fetch(branch))

    async def push(self, branch: str, base: CommitId, commit: CommitId) -> Refused | None:
        return await self.watched.call(("remote", "push"), self.inner.push(branch, base, commit))


@dataclass
class Ended:
    """A runner that runs nothing: every run ends, or ended, as a test says."""

    finished: Finished
    earlier: list[Finished | Probe] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    asked: list[Key] = field(default_factory=list)

    async def run(self, order: Order, spawned: Spawned) -> Finished:
        await spawned(os.getpid(), 1)
        self.orders.append(order)
        return self.finished

    async def outcome(self, key: Key) -> Finished | Probe:
        self.asked.append(key)
        return self.earlier.pop(0) if self.earlier else Probe.ABSENT

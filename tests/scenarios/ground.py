"""The ground that scenarios are played on: a jj repository, and a bare one that is its remote.

Made once and copied for each scenario. People here act with git and jj, as themselves; the forge
is the real one. Must not know what is played.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oya_vcs.adapters.jj import Programs, open_remote, open_repository
from oya_vcs.adapters.local import LocalForge
from oya_vcs.adapters.memory import Commit
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.core.ids import CommitId, Key, TreeId
from oya_vcs.ports import Finished, Order, Probe, Remote, Repository, Spawned

NOTE = "A project.\n"
OLGA = ("Olga Outsider", "olga@example.org")
"""Who pushes to the target beside the queue."""
WANDA = ("Wanda Worker", "wanda@example.org")


@dataclass(frozen=True, slots=True)
class Moved:
    """A line of a repository's own record of its main."""

    old: CommitId
    new: CommitId
    who: str


class NoRunner:
    """Nothing is run here: tests end as the scenario says."""

    async def run(self, order: Order, spawned: Spawned) -> Finished:
        """Never."""
        raise AssertionError(order)

    async def outcome(self, key: Key) -> Finished | Probe:
        """Never."""
        raise AssertionError(key)


class Reader:
    """Reads commits with one `git cat-file`, so that looking costs no program a time."""

    def __init__(self, git: Path, git_dir: Path, env: Mapping[str, str]) -> None:
        self._git = subprocess.Popen(
            [git, f"--git-dir={git_dir}", "cat-file", "--batch"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._seen: dict[CommitId, Commit] = {}

    def _object(self, name: str) -> bytes:
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        self._git.stdin.write(f"{name}\n".encode())
        self._git.stdin.flush()
        _, kind, size = self._git.stdout.readline().decode().split()
        content = self._git.stdout.read(int(size) + 1)[:-1]
        assert kind in {"commit", "tree", "blob"}, name
        return content

    def commit(self, name: CommitId) -> Commit:
        """Its files (all at the root), parents and message."""
        if name not in self._seen:
            head, _, message = self._object(name).decode().partition("\n\n")
            parents = [line[7:] for line in head.splitlines() if line.startswith("parent ")]
            self._seen[name] = Commit(self._files(name), tuple(map(CommitId, parents)), message)
        return self._seen[name]

    def _files(self, name: CommitId) -> dict[str, str]:
        left, files = self._object(f"{name}^{{tree}}"), dict[str, str]()
        while left:
            entry, _, rest = left.partition(b"\0")
            blob, left = rest[:20].hex(), rest[20:]
            files[entry.partition(b" ")[2].decode()] = self._object(blob).decode()
        return files

    def close(self) -> None:
        """End it."""
        self._git.communicate()


@dataclass
class Ground:
    """`folder` holds the project, `origin.git`, and the `home` of whoever plays daemon. The target
    is at that remote, or `here`, where there is none."""

    folder: Path
    tools: Tools
    home: str = "home"
    here: bool = False
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    heads: int = 0

    # --- Making it --------------------------------------------------------------------------------

    def make(self) -> None:
        """A project of one commit, whose main is pushed to a bare repository that keeps a record of
        who moved it."""
        jj = (str(self.tools.jj), "--quiet", "--no-pager")
        self.folder.mkdir(parents=True)
        self.run(*jj, "git", "init", "--colocate", str(self.root))
        (self.root / "README").write_text(NOTE)
        self.run(*jj, "-R", str(self.root), "commit", "-m", "The first commit")
        self.run(*jj, "-R", str(self.root), "bookmark", "create", "main", "-r", "@-")
        git = str(self.tools.git)
        self.run(git, "init", "-q", "--bare", "-b", "main", str(self.bare))
        self.at_remote("config", "core.logAllRefUpdates", "always")
        self.at_remote("config", "receive.denyDeleteCurrent", "ignore")
        for config in (self.git, self.at_remote):  # nothing goes on behind anybody's back
            config("config", "gc.auto", "0")
            config("config", "maintenance.auto", "false")
            config("config", "receive.autogc", "false")
        self.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        self.git("push", "-q", str(self.bare), "refs/heads/main", who=OLGA)

    def copy_to(self, folder: Path, *, here: bool = False) -> Ground:
        """The same, in a place of its own."""
        shutil.copytree(self.folder, folder, symlinks=True)
        copy = Ground(folder, self.tools, here=here)
        copy.git("config", "remote.origin.url", str(copy.bare))
        return copy

    def beside(self, home: str) -> Ground:
        """The same project and remote, for a daemon with another home."""
        return Ground(
            self.folder, self.tools, home, self.here, heads=1_000
        )  # commits have names of their own

    async def open(self) -> tuple[Repository, Remote | None]:
        """What the daemon has of it."""
        programs = Programs(
            jj=self.tools.jj,
            git=self.tools.git,
            path=self.environ["PATH"],
            home=self.folder / self.home / "jj",
            user=self.environ,
        )
        workspaces = self.folder / self.home / "workspaces"
        repository = await open_repository(self.root, workspaces=workspaces, programs=programs)
        await repository.prepare()
        if self.here:
            return repository, None
        return repository, await open_remote(repository, "origin", self.environ)

    def forge(self, repository: Repository, remote: Remote | None) -> LocalForge:
        """A forge, as a new daemon makes it."""
        return LocalForge(
            repository,
            NoRunner(),
            target="main",
            checks_at=lambda _text: {},
            checkouts=self.folder / self.home / "checkouts",
            logs=self.folder / self.home / "logs",
            check_ms_max=1,
            environ={},
            remote=remote,
        )

    # --- Programs ---------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The user's workspace."""
        return self.folder / "project"

    @property
    def bare(self) -> Path:
        """The remote."""
        return self.folder / "origin.git"

    @property
    def _store(self) -> Path:
        """The git folder with the main that counts."""
        return self.root / ".git" if self.here else self.bare

    @property
    def environ(self) -> dict[str, str]:
        """The user's environment."""
        return {
            "PATH": f"{self.tools.git.parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "JJ_USER": "Uma User",
            "JJ_EMAIL": "uma@example.org",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *argv: str, stdin: str = "", who: tuple[str, str] = WANDA) -> str:
        """Run a program as somebody, and return what it said, stripped."""
        env = self.environ
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": who[0], f"GIT_{role}_EMAIL": who[1]}
        ran = subprocess.run(
            argv, input=stdin, env=env, cwd="/", capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, (argv, ran.stderr)
        return ran.stdout.strip()

    def git(self, *args: str, stdin: str = "", who: tuple[str, str] = WANDA) -> str:
        """Git in the project."""
        argv = (str(self.tools.git), f"--git-dir={self.root / '.git'}", *args)
        return self.run(*argv, stdin=stdin, who=who)

    def at_remote(self, *args: str) -> str:
        """Git in the bare repository."""
        return self.run(str(self.tools.git), f"--git-dir={self.bare}", *args)

    def jj(self, *args: str) -> str:
        """Jj as the user, who is not disturbed at work."""
        argv = (str(self.tools.jj), "--quiet", "--no-pager", "--ignore-working-copy")
        return self.run(*argv, "-R", str(self.root), *args)

    def reader(self) -> Reader:
        """Reads the project's commits."""
        return Reader(self.tools.git, self.root / ".git", self.environ)

    # --- What people do ---------------------------------------------------------------------------

    def commit(
        self,
        files: Mapping[str, str | None],
        *parents: CommitId,
        message: str = "Work",
        who: tuple[str, str] = WANDA,
    ) -> CommitId:
        """A commit that changes these files of its first parent (None deletes)."""
        self.heads += 1
        ref = f"refs/made/{self.heads}"
        lines = [f"commit {ref}", f"author {who[0]} <{who[1]}> 1700000000 +0000"]
        lines += [f"committer {who[0]} <{who[1]}> 1700000000 +0000"]
        lines += [f"data {len(message.encode())}", message, f"from {parents[0]}"]
        lines += [f"merge {one}" for one in parents[1:]]
        for path, content in files.items():
            if content is None:
                lines.append(f"D {path}")
            else:
                lines += [f"M 100644 inline {path}", f"data {len(content.encode())}", content]
        self.git("fast-import", "--quiet", "--force", stdin="\n".join([*lines, ""]))
        return CommitId(self.git("rev-parse", ref))

    def tree(self, commit: CommitId) -> TreeId:
        """The tree of a commit."""
        return TreeId(self.git("rev-parse", f"{commit}^{{tree}}"))

    def main(self) -> CommitId | None:
        """Where main is."""
        ref = self._store / "refs" / "heads" / "main"
        return CommitId(ref.read_text().strip()) if ref.exists() else None

    def put(self, commit: CommitId | None) -> None:
        """Olga moves main to wherever she likes, or deletes it."""
        if self.here:
            move = ("refs/heads/main", commit) if commit else ("-d", "refs/heads/main")
            self.git("update-ref", "-m", "Olga", *move, who=OLGA)
            return
        what = f"{commit or ''}:refs/heads/main"
        self.git("push", "-q", "--force", str(self.bare), what, who=OLGA)

    def hook(self, text: str) -> None:
        """Let a pre-receive hook judge what is pushed to the remote."""
        hook = self.bare / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{text}\n")
        hook.chmod(0o755)

    def moves(self) -> list[Moved]:
        """The record of main that git keeps where main is, oldest first, from the second move
        on."""
        log = self._store / "logs" / "refs" / "heads" / "main"
        rows = [line.partition("\t")[0].split(" ", 2) for line in log.read_text().splitlines()]
        lines = [Moved(CommitId(a), CommitId(b), who.partition(" <")[0]) for a, b, who in rows]
        return lines[1:]

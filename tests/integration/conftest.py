"""Real jj repositories for the integration tests, colocated and not, with a user at work in them.

The fixtures: `repo_kind`, `user_repo` (whoever uses it runs once a kind), `repository`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from oya_vcs.adapters.jj import JjRepository, Programs, open_repository
from oya_vcs.adapters.toolbox import Tools

DIRTY = b"not committed yet\n"


@dataclass(frozen=True, slots=True)
class UserRepo:
    """A repository as its user sees it: `main` at @-, a file in @ that no jj command has seen.

    `jj` and `git` run as the user would, with the user's own configuration.
    """

    root: Path
    tools: Tools
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        """The user's environment."""
        return {
            "PATH": f"{self.tools.git.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "JJ_CONFIG": str(self.home / ".jjconfig.toml"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }

    def jj(self, *args: str, at: Path | None = None) -> str:
        """Run jj in the user's workspace (or another), and return its stdout."""
        where = ("-R", at or self.root)
        quiet = ("--no-pager", "--color=never", "--quiet")
        return self.run(self.tools.jj, *quiet, *where, *args)

    def peek(self, *args: str) -> str:
        """Run jj without looking at, or changing, any working copy."""
        return self.jj("--ignore-working-copy", *args)

    def git(self, *args: str) -> str:
        """Run git on the store behind the repository, and return its stdout, stripped."""
        git_dir = self.peek("git", "root").strip()
        return self.run(self.tools.git, f"--git-dir={git_dir}", *args).strip()

    def blob(self, name: str) -> bytes:
        """What git has under a name such as `COMMIT:PATH`, byte for byte."""
        git_dir = self.peek("git", "root").strip()
        argv = [str(self.tools.git), f"--git-dir={git_dir}", "cat-file", "blob", name]
        return subprocess.run(argv, env=self.environ, check=True, capture_output=True).stdout

    def commit(self, revision: str) -> str:
        """The full commit id of a revision."""
        return self.peek("log", "--no-graph", "-r", revision, "-T", "commit_id")

    def run(self, *argv: str | Path) -> str:
        """Run a program as the user, and return its stdout."""
        ran = subprocess.run(
            argv, env=self.environ, cwd="/", capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{argv}: {ran.stderr}"
        return ran.stdout


@pytest.fixture(params=["colocated", "plain"])
def repo_kind(request: pytest.FixtureRequest) -> str:
    """Whether the user's repository shares its folder with git."""
    return str(request.param)


@pytest.fixture
def user_repo(tmp_path: Path, tools: Tools, repo_kind: str) -> UserRepo:
    """A repository of either kind, with three committed files and one that is only on disk."""
    home = tmp_path / "user-home"
    home.mkdir()
    (home / ".jjconfig.toml").write_text('[user]\nname = "Uma User"\nemail = "uma@example.org"\n')
    repo = UserRepo(root=tmp_path / "project", tools=tools, home=home)
    colocation = "--colocate" if repo_kind == "colocated" else "--no-colocate"
    repo.run(tools.jj, "--quiet", "git", "init", colocation, str(repo.root))
    (repo.root / "README").write_text("A project.\n")
    (repo.root / ".gitignore").write_text("*.o\nbuild/\n")
    (repo.root / "src").mkdir()
    (repo.root / "src" / "main.py").write_text("print('hello')\n")
    repo.jj("commit", "-m", "The first commit")
    repo.jj("bookmark", "create", "main", "-r", "@-")
    (repo.root / "dirty.txt").write_bytes(DIRTY)
    return repo


@pytest.fixture
def programs(tmp_path: Path, user_repo: UserRepo) -> Programs:
    """jj and git with a private configuration, and where the user's own is."""
    return Programs(
        jj=user_repo.tools.jj,
        git=user_repo.tools.git,
        path=os.environ["PATH"],
        home=tmp_path / "oya-home" / "jj",
        user={"HOME": str(user_repo.home), "JJ_CONFIG": user_repo.environ["JJ_CONFIG"]},
    )


@pytest.fixture
async def repository(tmp_path: Path, user_repo: UserRepo, programs: Programs) -> JjRepository:
    """The user's repository as the daemon drives it, its control workspace ready."""
    opened = await open_repository(
        user_repo.root, workspaces=tmp_path / "oya-home" / "workspaces", programs=programs
    )
    await opened.prepare()
    return opened

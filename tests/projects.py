"""A user's project for end-to-end tests: a real jj repository, a beads file, and the `oya-vcs`
command as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.toolbox import Tools

AGENTS = Path(__file__).parents[1] / "fixtures" / "agents"
DIRTY = "somebody is writing this\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, object]:
        """The `data` of a `--json` answer."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        found = answer["data"]
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True, slots=True)
class Project:
    """A repository with `main`, an `oya.toml`, and a file that its user has not committed."""

    folder: Path
    tools: Tools

    @property
    def root(self) -> Path:
        """The user's workspace."""
        return self.folder / "project"

    @property
    def home(self) -> Path:
        """The home of the daemon."""
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the user's shell."""
        return {
            "PATH": f"{self.tools.git.parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "OYA_HOME": str(self.home),
            "OYA_WEB__LISTEN": "",  # one address for all tests would be in their way
            "OYA_JJ": str(self.tools.jj),
            "OYA_GIT": str(self.tools.git),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "LC_ALL": "C.UTF-8",
        }

    def oya(self, *args: str, timeout_s: float = 100, env: Mapping[str, str] | None = None) -> Ran:
        """Run `oya-vcs` to its end, with `env` added to the user's environment."""
        ran = subprocess.run(
            self.command(*args),
            env={**self.environ, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def command(self, *args: str) -> list[str]:
        """The argv of an `oya-vcs` command."""
        return [sys.executable, "-m", "oya_vcs", *args]

    def run(
        self,
        beads: Path,
        worker: str,
        *more: str,
        timeout_s: float = 100,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """`oya-vcs run` on this project with one of the fake agents."""
        argv = ["run", str(beads), "--repo", str(self.root), "--worker", agent(worker), *more]
        return self.oya(*argv, "--json", timeout_s=timeout_s, env=env)

    def beads(self, *beads: dict[str, object], name: str = "beads.jsonl") -> Path:
        """Write a beads file."""
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(bead)}\n" for bead in beads), encoding="utf-8")
        return path

    def jj(self, *args: str) -> str:
        """Run jj as the user, without looking at the working copy."""
        return self._run(
            *(str(self.tools.jj), "--no-pager", "--color=never", "--quiet"),
            *("--ignore-working-copy", "-R", str(self.root), *args),
        )

    def git(self, *args: str) -> str:
        """Run git on the store behind the repository."""
        git_dir = self.jj("git", "root").strip()
        return self._run(str(self.tools.git), f"--git-dir={git_dir}", *args).strip()

    def init(self, *, colocate: bool, files: int, checks: str) -> None:
        """Make it."""
        self.root.mkdir(parents=True)
        jj = [str(self.tools.jj), "--no-pager", "--quiet"]
        config = self.folder / ".jjconfig.toml"
        config.write_text('[user]\nname = "Uma User"\nemail = "uma@example.org"\n')
        for number in range(files):
            path = self.root / f"d{number % 20}" / f"f{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"file {number}\n")
        (self.root / "shared.txt").write_text("first line\n")
        (self.root / "oya.toml").write_text(f"[worker]\nbackoff_ms = 50\n{checks}")
        kind = "--colocate" if colocate else "--no-colocate"
        self._run(*jj, "git", "init", kind, str(self.root))
        self._run(*jj, "-R", str(self.root), "commit", "-m", "start")
        self._run(*jj, "-R", str(self.root), "bookmark", "create", "main", "-r", "@-")
        (self.root / "dirty.txt").write_text(DIRTY)

    def commit_all(self, message: str) -> None:
        """Commit what is in the user's workspace and move main there, as its user."""
        jj = (str(self.tools.jj), "--no-pager", "--quiet", "-R", str(self.root))
        self._run(*jj, "commit", "-m", message)
        self._run(*jj, "bookmark", "set", "main", "-r", "@-")

    def _run(self, *argv: str) -> str:
        ran = subprocess.run(
            argv, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{argv}: {ran.stderr}"
        return ran.stdout

    def files(self, revision: str = "refs/heads/main") -> set[str]:
        """The paths of a commit."""
        return set(self.git("ls-tree", "-r", "--name-only", revision).splitlines())

    def trailers(self, name: str) -> list[str]:
        """The values of a trailer over the target's whole history, oldest first."""
        form = f"--format=%(trailers:key={name},valueonly,separator=%x2C)"
        lines = self.git("log", "--reverse", "--topo-order", form, "refs/heads/main").splitlines()
        return [line for line in lines if line]

    def processes(self) -> list[str]:
        """Command lines of live processes that were started for this home's runs."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environ = (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                ours = b"OYA_EXECUTION_KEY=" in environ and str(self.home).encode() in environ
                if ours and state != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def assert_user_untouched(self) -> None:
        """The user's uncommitted file is as it was, and nothing of ours ever looked at it."""
        assert (self.root / "dirty.txt").read_text() == DIRTY
        listed = self.jj("log", "--no-graph", "-r", "default@", "-T", "description ++ empty")
        assert listed == "true"
        assert self.jj("file", "list", "-r", "default@").count("dirty.txt") == 0

    def assert_healthy(self) -> None:
        """jj and git find nothing to complain about, the bookmark is one, and the journal
        verifies."""
        self.jj("op", "log", "-n", "1")
        self._fsck()
        bookmark = self.jj("bookmark", "list", "main", "-T", 'if(conflict, "conflict", "one")')
        assert "conflict" not in bookmark
        verified = self.oya("journal", "verify")
        assert verified.code == 0, verified.out

    def _fsck(self) -> None:
        """`git fsck` finds nothing, but that jj points a plain HEAD at no branch."""
        git_dir = self.jj("git", "root").strip()
        ran = subprocess.run(
            [str(self.tools.git), f"--git-dir={git_dir}", "fsck", "--connectivity-only"],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in ran.stderr.splitlines() if "HEAD points to non-branch" not in line]
        assert not any("error" in line or "missing" in line for line in said), said
        assert "missing" not in ran.stdout

    def assert_no_leaks(self) -> None:
        """No process is left, and every workspace is the user's, the control one, or kept on
        record."""
        assert self.processes() == []
        listed = self.oya("workspace", "list", "--json")
        recorded = {str(one["name"]) for one in json.loads(listed.out)["data"]}
        names = set(self.jj("workspace", "list", "-T", 'name ++ "\n"').split())
        control = next((name for name in names if name.startswith("oya-control-")), "")
        tag = control.removeprefix("oya-control-")
        assert names - {"default", control} == {f"{name}-{tag}" for name in recorded}
        folders = {
            path.name for path in self.home.glob("workspaces/*/*") if not path.name.startswith(".")
        }
        assert folders == recorded
        assert not any(self.home.glob("trash/*"))

    def assert_no_needless_pins(self) -> None:
        """What has landed is kept by the target alone."""
        pins = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/oya/results")
        on_target = set(self.git("rev-list", "refs/heads/main").splitlines())
        left = [pin for pin in pins.splitlines() if pin.split()[1] in on_target]
        assert not left, left

    def assert_landed_trees_were_tested(self, *, began_with: int = 1) -> None:
        """Every commit that was ever the tip of the target after those it began with was tested
        with that very tree; the others of its first-parent line landed with one on top of them."""
        tail = self.oya("journal", "tail", "-n", "100000", "--json")
        rows = json.loads(tail.out)["data"]
        tested = {
            row["data"]["candidate"]
            for row in rows
            if row["type"] == "ChecksFinished" and row["data"]["reason"] is None
        }
        built = {
            row["data"]["commit"]: row["data"]["tree"]
            for row in rows
            if row["type"] == "CandidateBuilt"
        }
        landed = {row["data"]["commit"] for row in rows if row["type"] == "Landed"}
        beneath = {row["data"]["commit"] for row in rows if row["type"] == "LandedWith"}
        line = self.git("log", "--first-parent", "--format=%H %T", "refs/heads/main").splitlines()
        for commit, tree in (entry.split() for entry in line[:-began_with]):
            assert commit in (tested if commit in landed else beneath)
            assert built[commit] == tree


def agent(name: str) -> str:
    """The command of a fake agent."""
    return f"{sys.executable} {AGENTS / name}.py"


def plan_beads(count: int, streams: int = 4) -> list[dict[str, object]]:
    """The dependency shape of a plan in `streams` streams: chains, diamonds between neighbours, one
    fan-in."""
    beads: list[dict[str, object]] = []
    for number in range(count - 1):
        deps = [f"b{number - streams}"] if number >= streams else []
        if number >= streams and number % 3 == 0:
            deps.append(f"b{number - streams + 1}")
        beads.append({"id": f"b{number}", "title": f"Bead {number}", "deps": deps})
    ends = [f"b{number}" for number in range(max(0, count - 1 - streams), count - 1)]
    return [*beads, {"id": "end", "title": "The fan-in", "deps": ends}]


def assert_order(landed: Sequence[str], beads: Sequence[dict[str, object]]) -> None:
    """Each bead stands once, after everything it needs."""
    assert sorted(landed) == sorted(str(bead["id"]) for bead in beads)
    place = {name: at for at, name in enumerate(landed)}
    for bead in beads:
        deps = bead["deps"]
        assert isinstance(deps, list)
        assert all(place[need] < place[str(bead["id"])] for need in deps)

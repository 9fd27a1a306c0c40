"""`oya-vcs workspace` beside everything that may be left of workspaces, while a daemon works and
while none does: what it says, what it takes, what it never touches, and the way back."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewProject
from tests.e2e.full_disk import Watched
from tests.projects import Project, Ran

FAILS = '#!/bin/sh\necho work > "$OYA_BEAD_ID.txt"\nexit 3\n'
GOES = {
    "unknown": "orphan",
    "entry": "entry_only",
    "folder": "folder_only",
    "half": "half_made",
    "damaged": "half_made",
    "gone": "git_worktree",
    "trash": "trash",
}
"""What nobody expects and may be removed, and what it is told as."""
STAYS = {"moved": "moved", "there": "git_worktree", "old": "other_home", "link": "not_ours"}
STAYS |= {"notes": "not_ours"}
"""What is only explained."""
HELD = ("unknown", "folder", "damaged")
"""What holds work that is nowhere else."""


@dataclass(frozen=True)
class Ruin:
    """A project after its failed beads, with whatever people, workers and crashes leave."""

    project: Project

    @property
    def folder(self) -> Path:
        """Where the workspaces of its repository are."""
        (found,) = (self.project.home / "workspaces").iterdir()
        return found

    @property
    def tag(self) -> str:
        """What jj's names of our workspaces end with."""
        names = self.project.jj("workspace", "list", "-T", 'name ++ "\n"').split()
        prefix = "oya-control-"
        return next(one.removeprefix(prefix) for one in names if one.startswith(prefix))

    def name(self, word: str) -> str:
        """A workspace's name, as an attempt's is made."""
        return f"{word}-a1-{sum(map(ord, word)):08x}"

    def add(self, word: str, *, at: str = "main", to: Path | None = None, tag: str = "") -> Path:
        """`jj workspace add`, as a killed daemon or an older record leaves it."""
        path = to or self.folder / self.name(word)
        entry = f"{self.name(word)}-{tag or self.tag}"
        jj = (str(self.project.tools.jj), "--quiet", "-R", str(self.project.root))
        where = ("--no-colocate", "--name", entry, "-r", at, str(path))
        self.project._run(*jj, "workspace", "add", *where)
        return path

    def make(self) -> None:
        """All of it, each with work where it can have some."""
        project, folder = self.project, self.folder
        for word in HELD:
            (self.add(word) / "new.txt").write_text(f"work of {word}\n")
        project.jj("workspace", "forget", f"{self.name('folder')}-{self.tag}")
        shutil.rmtree(folder / self.name("damaged") / ".jj" / "working_copy")
        shutil.rmtree(self.add("entry"))
        self.add("half", at="root()")
        for word in ("gone", "there"):
            project.git("worktree", "add", "--detach", str(folder / self.name(word)), "main")
        shutil.rmtree(folder / self.name("gone"))
        (project.home / "trash" / self.name("trash")).mkdir(parents=True)
        self.add("moved", to=project.folder / "elsewhere")
        other = project.folder / "other" / "workspaces"
        other.mkdir(parents=True)
        self.add("old", to=other / "old", tag="ffffff")
        shutil.rmtree(other.parent)
        (folder / self.name("link")).symlink_to(project.root)
        (folder / "notes").mkdir()
        (folder / "notes" / "todo.txt").write_text("mine\n")

    def clean(self, *more: str) -> Ran:
        """`workspace clean` of everything, however new."""
        return self.project.oya("workspace", "clean", "--older-than", "0", *more)

    def word(self, found: dict[str, Any]) -> str:
        """Which of ours a finding is."""
        return str(found["name"]).partition("-")[0]


@pytest.fixture
def ruin(new_project: NewProject) -> Ruin:
    """Two beads failed in their only attempt, and more is left than their workspaces."""
    project = new_project(files=10)
    toml = project.root / "oya.toml"
    toml.write_text(toml.read_text().replace("[worker]", "[worker]\nattempts_max = 1"))
    (project.root / "dirty.txt").unlink()
    project.commit_all("One attempt")
    worker = project.folder / "fails.sh"
    worker.write_text(FAILS)
    worker.chmod(0o755)
    beads = project.beads({"id": "bad", "title": "Fail"}, {"id": "worse", "title": "Fail"})
    argv = ("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    assert project.oya(*argv).code == 1
    made = Ruin(project)
    made.make()
    return made


def _last(project: Project) -> int:
    """The number of the last event."""
    tail = json.loads(project.oya("journal", "tail", "-n", "1", "--json").out)["data"]
    return int(tail[-1]["seq"])


def _kinds(ruin: Ruin, found: object) -> dict[str, str]:
    assert isinstance(found, list)
    return {ruin.word(one): one["kind"] for one in found}


@pytest.mark.timeout(300)
def test_every_kind_is_explained_and_what_may_go_goes(ruin: Ruin) -> None:
    """Young, nothing goes but what no time can be told of; `--max` counts; the dry run changes
    nothing; then all goes that may, its work comes back by its name, and the rest is as it was."""
    project = ruin.project
    before = project.jj("op", "log", "--no-graph", "-n1", "-T", "id")
    young = project.oya("workspace", "clean", "--dry-run")
    assert "younger than 1d (--older-than)" in young.out
    few = ruin.clean("--max", "3", "--dry-run").out
    assert "beyond 3 (--max)" in few
    dry = ruin.clean("--dry-run", "--json").data
    assert project.jj("op", "log", "--no-graph", "-n1", "-T", "id") == before
    assert _kinds(ruin, dry["orphans"]) == GOES
    assert _kinds(ruin, dry["explained"]) == {**STAYS, "old": "other_home"}
    said = ruin.clean("--dry-run").out
    for text in (few, said):
        names = [
            line.split()[0] for line in text.splitlines() if line[:3].strip() and line[0] == " "
        ]
        assert len(names) == len(set(names)) == len(GOES) + len(STAYS) + 2, text
    done = ruin.clean("--json")
    assert done.code == 0, done.err
    orphans, announced = done.data["orphans"], dry["orphans"]
    assert isinstance(orphans, list)
    assert isinstance(announced, list)
    removed = {one["name"]: one["removed"] for one in orphans}
    assert removed == {one["name"]: True for one in announced}
    assert ruin.clean().out.startswith("Nothing to remove.\nLeft for you to look at")
    assert {path.name for path in ruin.folder.iterdir() if path.name[0] != "."} == {
        *("notes", ruin.name("link"), ruin.name("there"))
    }
    assert (ruin.folder / "notes" / "todo.txt").read_text() == "mine\n"
    assert (project.folder / "elsewhere" / "shared.txt").is_file()
    for word in HELD:
        back = project.oya("workspace", "restore", ruin.name(word), "--json").data
        assert (Path(str(back["path"])) / "new.txt").read_text() == f"work of {word}\n"
    for word in ("entry", "half", "gone", "trash"):
        assert project.oya("workspace", "restore", ruin.name(word)).code in {0, 3}
    project.assert_healthy()
    assert project.processes() == []


@pytest.mark.timeout(300)
def test_beside_a_daemon_everything_can_be_looked_at_and_brought_back(ruin: Ruin) -> None:
    """`list`, `show`, `clean --dry-run` and `restore` work while a worker does, and its workspace
    is never among what would go; `clean` is the daemon's own business, and says so. None of them
    writes an event; the daemon itself has swept, at its start, what no time can be told of."""
    project = ruin.project
    assert ruin.clean("--max", "1").code == 0
    worker = project.folder / "waits.sh"
    worker.write_text("#!/bin/sh\necho begun > begun.txt\nsleep 300\n")
    worker.chmod(0o755)
    beads = project.beads({"id": "long", "title": "Wait"}, name="more.jsonl")
    argv = ("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    watched = Watched(project, *argv)
    watched.until("  running ")
    deadline = time.monotonic() + 60
    while "WorkspaceSwept" not in project.oya("journal", "tail").out:
        assert time.monotonic() < deadline
    listed = json.loads(project.oya("workspace", "list", "--json").out)["data"]
    states = {one["bead"]: one["state"] for one in listed}
    assert states == {"worse": "kept", "long": "live"}
    text = project.oya("workspace", "list").out
    assert text.splitlines()[0] == f"{ruin.folder}:"
    before = _last(project)
    shown = project.oya("workspace", "show", "long", "--json").data
    assert (shown["there"], shown["trouble"]) == (True, "")
    assert project.oya("workspace", "show", "worse").code == 0
    dry = ruin.clean("--dry-run", "--json").data
    assert {**_kinds(ruin, dry["orphans"]), "gone": "git_worktree"} == GOES
    assert [one["bead"] for one in dry["chosen"]] == ["worse"]  # type: ignore[attr-defined]
    back = project.oya("workspace", "restore", "bad", "--json").data
    assert (Path(str(back["path"])) / "bad.txt").read_text() == "work\n"
    refused = ruin.clean()
    assert refused.code == 5
    assert f"process {watched.process.pid}" in refused.err
    assert "Traceback" not in refused.err
    assert _last(project) == before
    assert watched.process.poll() is None
    watched.process.send_signal(signal.SIGTERM)
    assert watched.process.wait(60) == 130
    assert ruin.clean().code == 0
    assert project.processes() == []
    project.assert_healthy()

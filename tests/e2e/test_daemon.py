"""`up`, `status`, `bead import`, `down`: the daemon of a whole home as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools
from tests.conftest import NewProject
from tests.projects import Project, Ran, agent

LIMIT_S = 90.0
"""How long a test waits for what must happen; far more than it takes."""


class Town:
    """Two repositories of one user in one home."""

    def __init__(self, folder: Path, tools: Tools) -> None:
        self.first = Project(folder, tools)
        self.second = folder / "second"

    def oya(self, *args: str) -> Ran:
        """A command with the worker that all beads get."""
        env = {"OYA_WORKER__COMMAND": json.dumps(agent("honest").split())}
        return self.first.oya(*args, env=env)

    def answer(self, *args: str) -> dict[str, object]:
        """The data of a command that must succeed."""
        ran = self.oya(*args, "--json")
        assert ran.code == 0, (args, ran.err, self.log())
        return ran.data

    def log(self) -> str:
        """The daemon's own log."""
        path = self.first.home / "logs" / "daemon.log"
        return path.read_text() if path.exists() else ""

    def until(self, is_so: Callable[[], object]) -> None:
        """Return when it is so; fail, with the daemon's log, after LIMIT_S."""
        deadline = time.monotonic() + LIMIT_S
        while not is_so():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def landed(self, *names: str) -> bool:
        """Whether all these beads have landed."""
        rows = json.loads(self.oya("bead", "list", "--state", "landed", "--json").out)["data"]
        return {row["id"] for row in rows} >= set(names)

    def repos(self) -> dict[str, dict[str, object]]:
        """What the running daemon says of each repository, by its path."""
        daemon = self.answer("status")["daemon"]
        assert isinstance(daemon, dict)
        return {row["path"]: row for row in daemon["repos"]}


@pytest.fixture
def town(new_project: NewProject, tmp_path: Path, tools: Tools) -> Iterator[Town]:
    """Two registered repositories, and no daemon left behind."""
    project = new_project(files=2)
    shutil.copytree(project.root, tmp_path / "second", symlinks=True)
    town = Town(tmp_path, tools)
    for root in (project.root, town.second):
        assert town.oya("init", str(root)).code == 0
    try:
        yield town
    finally:
        pid = json.loads(town.oya("status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def test_two_repositories_are_worked_on_and_one_that_is_gone_stands_aside(town: Town) -> None:
    """`up` returns when the daemon answers; beads handed in before and while it runs land, each in
    its repository; a repository that goes away stands aside with a sentence and stops nobody, one
    that comes back is worked on; a second `up` is refused with the pid; `down` leaves nothing."""
    root, second = str(town.first.root), str(town.second)
    early = town.first.beads({"id": "early", "title": "Early"}, name="early.jsonl")
    assert town.answer("bead", "import", str(early), "--repo", root)["taken"] == 1
    up = town.answer("up")
    assert [row["serving"] for row in up["repos"]] == [True, True]  # type: ignore[attr-defined]
    again = town.oya("up", "--json")
    assert (again.code, str(up["pid"]) in again.err) == (5, True)
    other = town.first.beads({"id": "other", "title": "Other"}, name="other.jsonl")
    town.answer("bead", "import", str(other), "--repo", second)
    town.until(lambda: town.landed("early", "other"))

    town.second.rename(town.second.with_name("elsewhere"))
    town.until(lambda: not town.repos()[second]["serving"])
    assert "no jj repository" in str(town.repos()[second]["error"])
    assert f"{second} stands aside: " in town.oya("status").out
    more = town.first.beads({"id": "more", "title": "More"}, name="more.jsonl")
    town.answer("bead", "import", str(more), "--repo", root)
    town.until(lambda: town.landed("more"))
    town.second.with_name("elsewhere").rename(town.second)
    town.until(lambda: town.repos()[second]["serving"])

    assert town.answer("down")["pid"] == up["pid"]
    assert town.answer("status")["pid"] is None
    assert not town.first.processes()
    assert town.oya("down").code == 6
    assert town.oya("journal", "verify").code == 0


@pytest.mark.chaos
def test_a_killed_daemon_is_followed_by_one_that_goes_on(town: Town) -> None:
    """After SIGKILL `status` says that nobody works, `up` starts anew from the record, and what was
    handed in lands once."""
    specs: list[dict[str, object]] = [{"id": f"b{n}", "title": f"Bead {n}"} for n in range(3)]
    beads = town.first.beads(*specs)
    first = town.answer("up")
    town.answer("bead", "import", str(beads), "--repo", str(town.first.root))
    os.kill(int(str(first["pid"])), signal.SIGKILL)
    town.until(lambda: town.answer("status")["pid"] is None)
    assert town.answer("up")["pid"] != first["pid"]
    town.until(lambda: town.landed("b0", "b1", "b2"))
    assert sorted(town.first.trailers("Oya-Bead")) == ["b0", "b1", "b2"]
    town.answer("down")


@pytest.mark.chaos
def test_a_wrong_configuration_is_told_and_the_last_good_one_counts(town: Town) -> None:
    """A configuration that becomes wrong on the target is told in `status` while its repository is
    worked on as before; one that is right again counts without a new start."""
    project, root = town.first, str(town.first.root)
    right = (project.root / "oya.toml").read_text()

    def commit(text: str) -> None:
        (project.root / "oya.toml").write_text(text)
        project.commit_all("configuration")

    def slots() -> object:
        repos = town.answer("status")["repos"]
        assert isinstance(repos, dict)
        return next(one["slots"]["total"] for one in repos.values() if one["path"] == root)

    town.answer("up")
    commit(f"{right}[workers]\nslots = 7\n")
    town.until(lambda: town.repos()[root]["error"])
    told = town.repos()[root]
    assert (told["serving"], "workers" in str(told["error"])) == (True, True)
    assert f"{root} goes on as it was configured before: " in town.oya("status").out
    assert slots() != 7
    commit(right.replace("[worker]\n", "[worker]\nslots = 7\n"))
    town.until(lambda: slots() == 7)
    assert town.repos()[root]["error"] == ""


def test_what_keeps_a_daemon_from_starting_is_said(town: Town) -> None:
    """`up` fails with the daemon's own error and exit code, and nobody is left running."""
    config = town.first.folder / "config.toml"
    config.write_text("[worker]\nslots = 'many'\n")
    ran = town.oya("--config", str(config), "up", "--json")
    assert (ran.code, "slots" in ran.err, "config.toml" in ran.err) == (2, True, True)
    assert town.answer("status")["pid"] is None


def test_a_github_that_does_not_answer_holds_up_nobody(town: Town) -> None:
    """Its repository stands aside under `up`, which says so, and nothing of it lands here; another
    one is worked on."""
    project = town.first
    project.jj("git", "remote", "add", "origin", "https://127.0.0.1:1/owner/name.git")
    text = (project.root / "oya.toml").read_text()
    github = '[repo]\nforge = "github"\n[github]\nrepo = "owner/name"\ntoken_env = "PATH"\n'
    github += 'api_url = "http://127.0.0.1:1"\n'
    (project.root / "oya.toml").write_text(text + github)
    project.commit_all("configuration")
    rows = town.answer("up")["repos"]
    assert isinstance(rows, list)
    said = {row["path"]: row for row in rows}
    assert said[str(town.second)]["serving"]
    assert not said[str(project.root)]["serving"]
    why = said[str(project.root)]["error"]
    assert "owner/name" in why
    assert "answer" in why

"""A real daemon beside somebody who works in the same repository with jj."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import NewProject
from tests.op_oracle import Oracle
from tests.projects import Project, agent

LIMIT_S = 60
"""How long a test waits for what must happen; far more than it takes."""


class House:
    """A daemon for one repository, and its user."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def answer(self, *args: str) -> Any:
        """The data of a command that must succeed."""
        env = {"OYA_WORKER__COMMAND": json.dumps(agent("honest").split())}
        ran = self.project.oya(*args, "--json", env=env)
        assert ran.code == 0, (args, ran.err)
        return json.loads(ran.out)["data"]

    def rows(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types."""
        rows = self.answer("journal", "tail", "-n", "100000")
        return [row["data"] for row in rows if row["type"] in types]

    def seen(self) -> list[str]:
        """The operations that are on record."""
        return [row["operation"] for row in self.rows("OperationSeen")]

    def until(self, is_so: Callable[[], object]) -> None:
        """Return when it is so; fail, with what is on record, after LIMIT_S."""
        deadline = time.monotonic() + LIMIT_S
        while not is_so():
            assert time.monotonic() < deadline, self.rows("OperationSeen", "OperationsPassed")
            time.sleep(0.05)

    def by_user(self) -> list[str]:
        """The user's operations, oldest first."""
        every = Oracle(self.project.jj).operations()
        return [one["id"] for one in every if one["username"] not in ("", "oya-vcs")]


@pytest.fixture
def house(new_project: NewProject) -> Iterator[House]:
    """A registered repository, and no daemon left behind."""
    house = House(new_project(files=2))
    house.answer("init", str(house.project.root))
    try:
        yield house
    finally:
        pid = house.answer("status")["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def test_what_the_user_does_is_on_record_while_the_daemon_runs_and_after_it_was_away(
    house: House,
) -> None:
    """A burst, a kill, more while nobody watches: each of the user's operations once, in order, and
    none of the daemon's own; `journal tail` tells them in sentences, `status` names a bookmark that
    was moved in two ways."""
    project = house.project
    house.answer("up")
    house.until(lambda: house.rows("OperationsPassed"))
    before = len(house.by_user())
    for number in range(12):
        project.jj("describe", "-m", f"word {number}")
    house.until(lambda: len(house.seen()) >= 12)
    os.kill(house.answer("status")["pid"], signal.SIGKILL)
    house.until(lambda: house.answer("status")["pid"] is None)
    project.jj("bookmark", "create", "mine", "-r", "main")
    house.answer("up")
    project.jj("new", "-m", "after")
    house.until(lambda: len(house.seen()) >= 14)
    assert house.seen() == house.by_user()[before:]
    assert [row["why"] for row in house.rows("OperationsPassed")] == ["first"]
    said = project.oya("journal", "tail").out
    assert "did: create bookmark mine pointing to commit" in said
    assert "    The bookmark mine was created at " in said
    at = house.by_user()[-1]
    for place in ("main", "@"):
        project.jj("--at-op", at, "bookmark", "set", "mine", "-r", place, "--allow-backwards")
    project.jj("--at-op", at, "bookmark", "delete", "mine")
    project.jj("log", "-r", "@")
    house.until(lambda: "bookmark mine of" in project.oya("status").out)
    house.answer("down")
    assert project.oya("journal", "verify").code == 0


@pytest.mark.chaos
def test_a_conflicted_target_is_told_and_a_queue_that_waited_for_it_goes_on(
    house: House,
) -> None:
    """Moved in two ways, the target stops the queue, as `status` says; when its user sets it, the
    queue goes on by itself, and what waited lands."""
    project = house.project
    house.answer("up")
    house.until(lambda: house.rows("OperationsPassed"))
    tip = project.jj("log", "--no-graph", "-r", "main", "-T", "commit_id")
    for word in ("one", "two"):
        project.jj("new", tip, "--no-edit", "-m", word)
    at = Oracle(project.jj).operations()[-1]["id"]
    for word in ("one", "two"):
        project.jj("--at-op", at, "bookmark", "set", "main", "-r", f'subject("{word}")')
    project.jj("log", "-r", "@")
    house.until(lambda: "bookmark main of" in project.oya("status").out)
    said = project.oya("status").out
    assert f"The bookmark main of {project.root} is conflicted, between " in said
    beads = project.beads({"id": "b", "title": "Bead"})
    house.answer("bead", "import", str(beads), "--repo", str(project.root))
    house.until(lambda: any(one["paused"] for one in house.answer("status")["repos"].values()))
    project.jj("bookmark", "set", "main", "-r", 'subject("one")', "--allow-backwards")
    house.until(lambda: house.answer("bead", "list", "--state", "landed"))
    (repo,) = house.answer("status")["repos"].values()
    assert repo["conflicted_bookmarks"] == {}
    assert "b.txt" in project.files() or "Oya-Bead: b" in project.git("log", "-1", "main")
    house.answer("down")

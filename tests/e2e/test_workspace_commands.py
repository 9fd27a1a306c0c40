"""`oya-vcs workspace` on a real project: what failed beads left, what nobody expects, and the way
back to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewProject
from tests.projects import Project

FAILS = """#!/bin/sh
echo "unfinished work of $OYA_BEAD_ID" > "$OYA_BEAD_ID.txt"
echo built > made.o
exit 3
"""


@pytest.fixture(params=[True, False], ids=["colocated", "plain"])
def failed(new_project: NewProject, request: pytest.FixtureRequest) -> Project:
    """A project with one bead that failed in its only attempt, its workspace kept."""
    project = new_project(colocate=request.param)
    worker = project.folder / "fails.sh"
    worker.write_text(FAILS)
    worker.chmod(0o755)
    toml = project.root / "oya.toml"
    toml.write_text(toml.read_text().replace("[worker]", "[worker]\nattempts_max = 1"))
    (project.root / "dirty.txt").unlink()
    (project.root / ".gitignore").write_text("*.o\n")
    project.commit_all("One attempt")
    beads = project.beads({"id": "bad", "title": "Fail"})
    argv = ("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    assert project.oya(*argv).code == 1
    return project


def listed(project: Project, *more: str) -> list[dict[str, Any]]:
    """What `workspace list` says."""
    ran = project.oya("workspace", "list", "--json", *more)
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)["data"]
    assert isinstance(data, list)
    return data


def clean(project: Project, *more: str, code: int = 0) -> dict[str, Any]:
    """What `workspace clean` of everything, however new, says."""
    ran = project.oya("workspace", "clean", "--older-than", "0", "--json", *more)
    assert ran.code == code, ran.err
    return dict(ran.data)


def test_where_is_my_work(failed: Project) -> None:
    """The way of a person whose bead failed: list, show, clean, list --all, restore."""
    (kept,) = listed(failed)
    assert (kept["state"], kept["bead"]) == ("kept", "bad")
    shown = failed.oya("workspace", "show", "bad", "--json").data
    assert shown["name"] == kept["name"]
    assert (shown["there"], shown["unsaved"]) == (True, ["bad.txt"])
    assert shown["base"] == failed.jj("log", "--no-graph", "-r", "main", "-T", "commit_id")
    text = failed.oya("workspace", "show", str(kept["name"])).out
    assert "not recorded yet: 1 file\n" in text

    dry = clean(failed, "--dry-run")
    assert [one["name"] for one in dry["chosen"]] == [kept["name"]]
    assert Path(str(kept["path"])).is_dir()
    done = clean(failed)
    assert [one["state"] for one in done["chosen"]] == ["removed"]
    assert not Path(str(kept["path"])).exists()
    assert listed(failed) == []
    (gone,) = listed(failed, "--all")
    assert gone["pinned"]

    back = failed.oya("workspace", "restore", "bad", "--json").data
    into = Path(str(back["path"]))
    assert into.is_relative_to(failed.home)
    assert (into / "bad.txt").read_text() == "unfinished work of bad\n"
    assert (into / "shared.txt").is_file()
    assert not (into / "made.o").exists()
    again = failed.oya("workspace", "restore", str(kept["name"]), "--json").data
    assert again["path"] != back["path"]
    failed.assert_healthy()
    failed.assert_no_leaks()


def test_restoring_writes_over_nothing(failed: Project) -> None:
    """Nor into the repository, nor what is still there, nor what never was: each a sentence, and
    nothing made."""
    name = str(listed(failed)[0]["name"])
    still = failed.oya("workspace", "restore", name)
    assert still.code == 2
    assert "still there" in still.err
    clean(failed)
    taken = failed.folder / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine\n")
    for to, why in ((taken, "there already"), (failed.root / "inner" / "x", "workspace of the")):
        ran = failed.oya("workspace", "restore", name, "--to", str(to))
        assert ran.code == 2
        assert why in ran.err
    assert [path.name for path in taken.iterdir()] == ["mine"]
    assert not (failed.root / "inner").exists()
    assert failed.oya("workspace", "restore", "nobody").code == 3
    assert failed.oya("workspace", "show", "nobody").code == 3
    ran = failed.oya("workspace", "restore", name, "--to", str(failed.folder / "new" / "place"))
    assert ran.code == 0, ran.err
    assert (failed.folder / "new" / "place" / "bad.txt").is_file()


def test_what_nobody_expects_is_found_explained_and_cleaned(failed: Project) -> None:
    """A workspace that came back after its removal, an entry without its folder, a stranger's
    folder: the first two go and are on record, the third is explained; a young one stays."""
    name = str(listed(failed)[0]["name"])
    path = Path(str(listed(failed)[0]["path"]))
    clean(failed)
    tag = next(
        one.removeprefix("oya-control-")
        for one in failed.jj("workspace", "list", "-T", 'name ++ "\n"').split()
        if one.startswith("oya-control-")
    )
    for one in (name, "lost-a1-0123abcd"):
        place = str(path.parent / one)
        how = ("--no-colocate", "-r", "main", "--name", f"{one}-{tag}", place)
        _add(failed, *how)
    (path / "again.txt").write_text("brought back\n")
    shutil.rmtree(path.parent / "lost-a1-0123abcd")
    stranger = path.parent / "notes"
    stranger.mkdir()
    (stranger / "todo.txt").write_text("mine\n")

    young = failed.oya("workspace", "clean", "--dry-run", "--json").data
    assert young["orphans"] == []
    dry = clean(failed, "--dry-run")
    kinds = {one["name"]: one["kind"] for one in dry["orphans"]}
    assert kinds == {name: "orphan", "lost-a1-0123abcd": "entry_only"}
    (left,) = dry["explained"]
    assert (left["kind"], left["path"]) == ("not_ours", str(stranger))
    first = clean(failed, "--max", "1")
    assert [found["removed"] for found in first["orphans"]] == [True]
    clean(failed)
    assert not path.exists()
    assert (stranger / "todo.txt").read_text() == "mine\n"
    tail = failed.oya("journal", "tail", "-n", "100", "--json")
    swept = [row["data"] for row in json.loads(tail.out)["data"] if row["type"] == "WorkspaceSwept"]
    assert {row["workspace"] for row in swept} == {name, "lost-a1-0123abcd"}
    assert all(row["why"].endswith(".") for row in swept)
    back = failed.oya("workspace", "restore", name, "--json").data
    assert (Path(str(back["path"])) / "again.txt").read_text() == "brought back\n"
    shutil.rmtree(stranger)
    failed.assert_healthy()
    failed.assert_no_leaks()


def _add(project: Project, *how: str) -> None:
    """`jj workspace add` as the user."""
    project._run(
        str(project.tools.jj), "--quiet", "-R", str(project.root), "workspace", "add", *how
    )


def test_a_repository_that_is_gone_is_said_so(failed: Project) -> None:
    """Nothing of it is touched, and the command does not fail for it."""
    shutil.move(failed.root, failed.folder / "moved")
    done = clean(failed)
    assert done["chosen"] == []
    assert "could not be looked at" in done["problems"][0]["problem"]


# --- A workspace as oya.toml wants it -------------------------------------------------------------


def test_a_workspace_is_made_as_configured(new_project: NewProject) -> None:
    """`show = "files"`, a setup, and `.worktreeinclude` from oya.toml on main, in a real run: the
    worker sees its files, what was set up and the environment file, and the whole result lands."""
    project = new_project(files=40)
    toml = project.root / "oya.toml"
    toml.write_text(
        f'{toml.read_text()}[workspace]\nshow = "files"\nalways = ["d2"]\n'
        "setup = 'echo ready > setup.o; echo said'\n"
    )
    (project.root / ".gitignore").write_text("*.o\n.env\n")
    (project.root / ".worktreeinclude").write_text(".env\n")
    dirty = (project.root / "dirty.txt").read_text()
    (project.root / "dirty.txt").unlink()
    project.commit_all("Workspaces")
    (project.root / "dirty.txt").write_text(dirty)
    (project.root / ".env").write_text("TOKEN=1\n")
    worker = project.folder / "worker.sh"
    worker.write_text(
        "#!/bin/sh\nset -e\ntest -f setup.o; grep -q TOKEN .env; test -d d1; test -d d2\n"
        "test ! -e d3; test ! -e shared.txt\necho new > d1/new.txt; echo more > elsewhere.txt\n"
    )
    worker.chmod(0o755)
    before = project.files()
    files = {"files": ["d1/*.txt", "elsewhere.txt"]}
    beads = project.beads({"id": "a", "title": "A", "metadata": {"oya": files}})
    argv = ("run", str(beads), "--repo", str(project.root), "--worker", str(worker))
    ran = project.oya(*argv)
    assert ran.code == 0, ran.err
    assert project.files() == before | {"d1/new.txt", "elsewhere.txt"}
    (log,) = (project.home / "logs" / "a").glob("setup-*.log")
    assert log.read_text() == "said\n"
    project.assert_healthy()
    project.assert_no_leaks()
    project.assert_no_needless_pins()


def test_a_setup_that_fails_is_told_as_such(new_project: NewProject) -> None:
    """No worker starts; the bead's story says what failed, and shows the end of its output."""
    project = new_project()
    toml = project.root / "oya.toml"
    text = toml.read_text().replace("[worker]", "[worker]\nattempts_max = 1")
    toml.write_text(f"{text}[workspace]\nsetup = 'echo no network; exit 4'\n")
    dirty = (project.root / "dirty.txt").read_text()
    (project.root / "dirty.txt").unlink()
    project.commit_all("A setup")
    (project.root / "dirty.txt").write_text(dirty)
    ran = project.run(project.beads({"id": "a", "title": "A"}), "honest")
    assert ran.code == 1
    shown = project.oya("bead", "show", "a").out
    assert "The workspace was not set up" in shown
    assert "no network" in shown
    assert "WorkerSpawned" not in shown

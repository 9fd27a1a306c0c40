"""Agents at work for a user: real jj, the real daemon, real processes, fake agents."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import NewProject
from tests.projects import AGENTS, Project

KEY = "sk-ant-api03-" + "pl4nted" * 8


def configured(project: Project, *lines: str) -> None:
    """Let oya.toml on main say this of the worker, as its user."""
    toml = project.root / "oya.toml"
    text = toml.read_text().replace("[worker]\n", "[worker]\n" + "\n".join((*lines, "")), 1)
    toml.write_text(text)
    dirty = (project.root / "dirty.txt").read_text()
    (project.root / "dirty.txt").unlink()
    project.commit_all("Agents")
    (project.root / "dirty.txt").write_text(dirty)


def acp(character: str) -> str:
    """The configuration of one of the fake ACP agents."""
    return f'kind = "acp"\ncommand = ["{AGENTS / "acp_agent.py"}", "{character}"]'


def run(project: Project, *beads: dict[str, object], **env: str) -> dict[str, dict[str, object]]:
    """`oya-vcs run` on these beads; what became of each."""
    argv = ("run", str(project.beads(*beads)), "--repo", str(project.root), "--json")
    answer = json.loads(project.oya(*argv, env=env).out)
    return {one["id"]: one for one in answer["data"]["beads"]}


def holding(folder: Path, secret: str) -> list[Path]:
    """The files below a folder that hold the text."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_an_agent_that_knows_all_secrets_tells_none(new_project: NewProject) -> None:
    """It is handed a key, prints its whole environment on both outputs, and its work lands. The key
    is in no file of the home and of the repository: journal, logs, reports, workspaces, objects;
    nor is it in what `bead show` says. jj, git, checks and the verify command do not get it."""
    blind = "! env | grep -q MODEL_API_KEY"
    project = new_project(check=blind)
    named = ('env = ["MODEL_API_KEY"]', f"verify = '{blind}'", 'home = "private"')
    configured(project, acp("thief"), *named)
    [bead] = run(project, {"id": "it", "title": "Do it"}, MODEL_API_KEY=KEY).values()
    assert bead["state"] == "landed"
    shown = project.oya("bead", "show", "it").out
    assert "used: 35 tokens read, 7 written, $0.01, by the agent's word" in shown
    logs = [*(project.home / "logs" / "it").iterdir()]
    assert any("MODEL_API_KEY" in path.read_text() for path in logs)
    assert KEY not in shown + "".join(path.read_text() for path in logs)
    assert holding(project.home, KEY) == []
    assert holding(project.root, KEY) == []
    project.assert_user_untouched()
    project.assert_healthy()
    project.assert_no_leaks()


def test_what_an_agent_left_is_judged_by_us(new_project: NewProject) -> None:
    """It says that it is done, and wrote a file that it was not to touch; nothing of that lands,
    and the next attempt is told, in the same session. Within its files it lands."""
    project = new_project()
    configured(project, acp("honest"), "attempts_max = 2")
    found = run(
        project,
        {"id": "out", "title": "Out", "metadata": {"oya": {"files": ["src/**"]}}},
        {"id": "in", "title": "In", "metadata": {"oya": {"files": ["*.txt"]}}},
    )
    assert (found["in"]["state"], found["out"]["state"]) == ("landed", "failed")
    assert found["out"]["reason"] == "other_files"
    assert "in.txt" in project.files()
    assert "out.txt" not in project.files()
    rows = json.loads(project.oya("journal", "tail", "-n", "500", "--json").out)["data"]
    asked = [row["data"] for row in rows if row["type"] == "Requested"]
    runs = [one["effect"] for one in asked if "feedback" in one["effect"]]
    [again] = [one for one in runs if (one["bead"], one["attempt"]) == ("out", 2)]
    assert "files that the bead does not name: out.txt" in again["feedback"]
    assert again["session"] == "s-1"
    project.assert_no_leaks()


def test_a_preset_is_all_that_has_to_be_said(new_project: NewProject) -> None:
    """No command: a program of that name on PATH is found, is given its task in its own way, and is
    read as it speaks; what is not on PATH is an error before any bead begins."""
    project = new_project()
    configured(project, 'preset = "codex"')
    refused = project.oya("run", str(project.beads({"id": "it"})), "--repo", str(project.root))
    assert refused.code == 2
    assert "The worker's program codex is not on PATH" in refused.err
    programs = project.folder / "programs"
    programs.mkdir()
    codex = programs / "codex"
    codex.write_text(f'#!/bin/sh\nexec "{AGENTS / "cli.py"}" codex honest "$@"\n')
    codex.chmod(0o755)
    path = f"{programs}:{project.environ['PATH']}"
    [bead] = run(project, {"id": "it", "title": "Do it"}, PATH=path).values()
    assert bead["state"] == "landed"
    assert "# Do it" in project.git("show", "refs/heads/main:it.txt")
    assert "used: 100 tokens read, 20 written" in project.oya("bead", "show", "it").out
    project.assert_no_leaks()

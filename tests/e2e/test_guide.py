"""docs/GUIDE.md, command by command, as somebody would who types it: a shell, a fresh home, real
jj, the real command, and the model in place of GitHub."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oya_vcs.adapters.toolbox import Tools
from tests.github_model.conversation import Hub, hub_at
from tests.projects import Project

GUIDE = Path(__file__).parents[2] / "docs" / "GUIDE.md"
GITHUB = "\n## With a team"
LIMIT_S = 250.0
"""Far more than the guide takes, on a busy machine too."""


def commands(text: str) -> str:
    """What is to be typed, as one script that ends at the first command that fails."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "set -euxo pipefail\n" + "".join(blocks)


@contextmanager
def person(folder: Path, tools: Tools) -> Iterator[Project]:
    """Somebody with a home of their own and the command on PATH; no daemon of theirs is left."""
    project = Project(folder, tools)
    programs = {
        "oya-vcs": [sys.executable, "-m", "oya_vcs"],
        "jj": [str(tools.jj)],
        "git": [str(tools.git)],
    }
    (folder / "bin").mkdir()
    for name, argv in programs.items():
        path = folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        path.chmod(0o755)
    try:
        yield project
    finally:
        pid = json.loads(project.oya("status", "--json").out)["data"]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


async def typed(project: Project, script: str, env: dict[str, str]) -> str:
    """What a shell said, which must end with 0."""
    own = {**project.environ, **env}
    own["PATH"] = f"{project.folder / 'bin'}:{own['PATH']}"
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        env=own,
        cwd=project.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            out, _ = await shell.communicate()
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGKILL)
            await shell.wait()
    assert shell.returncode == 0, out.decode()[-6000:]
    return out.decode()


def let_in(folder: Path, hub: Hub) -> None:
    """What the guide takes for granted on GitHub's side, and the worker of its first part."""
    (folder / ".gitconfig").write_text(
        f'[credential "{hub.url}"]\n'
        f'helper = "!echo username=x; echo password={hub.ann.token}; true"\n'
    )
    (folder / ".jjconfig.toml").write_text('[user]\nname = "Uma User"\nemail = "uma@example.org"\n')
    key = folder / ".config" / "oya-vcs" / "app.pem"
    key.parent.mkdir(parents=True)
    key.write_text(hub.private_key, encoding="ascii")
    key.chmod(0o600)
    worker = folder / "calc" / "agent.sh"
    worker.parent.mkdir()
    worker.write_text('#!/bin/sh\necho done > "$OYA_BEAD_ID.txt"\n')
    worker.chmod(0o755)


@pytest.mark.timeout(300)
async def test_the_guide_leads_from_nothing_to_a_queue(tmp_path: Path, tools: Tools) -> None:
    """Every command of it ends with 0 on this machine alone; the beads, the one that was added to
    the daemon, and the person's own commit are on main."""
    alone, _, _ = GUIDE.read_text("utf-8").partition(GITHUB)
    with person(tmp_path, tools) as uma:
        await typed(uma, commands(alone), {})
        landed = await typed(uma, "cd ~/calc && git ls-tree --name-only main", {})
    assert {"parser.txt", "printer.txt", "cli.txt", "manual.txt", "notes.txt"} <= {*landed.split()}


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_the_guide_leads_to_a_teams_queue(tmp_path: Path, tools: Tools) -> None:
    """Its second part, with the address and the App of the model: doctor is content, and the bead
    is a merged pull request."""
    _, _, team = GUIDE.read_text("utf-8").partition(GITHUB)
    script = commands(team)
    assert "123456" in script
    async with hub_at(tmp_path / "hub", str(tools.git)) as hub:
        let_in(tmp_path, hub)
        script = script.replace("https://github.com/acme/widget.git", hub.git_url)
        script = script.replace("123456", str(hub.app.id))
        env = {"OYA_GITHUB__API_URL": hub.url, "OYA_GITHUB__POLL_MS": "200"}
        with person(tmp_path, tools) as uma:
            first, begin, rest = script.partition("oya-vcs doctor")
            await typed(uma, first, env)
            hub.protects(checks=("test",))
            await typed(uma, f"set -euxo pipefail\ncd ~/widget\n{begin}{rest}", env)
        (pull,) = hub.repo.pulls.values()
        assert (pull.head_ref, pull.merged) == ("oya/bead/readme", True)

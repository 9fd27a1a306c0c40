"""The real opencode as an agent of the Agent Client Protocol, and by its command line, with a model
that follows a script.

Runs where opencode is: named by OYA_OPENCODE, or on PATH (`make agents` brings it).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.integration import test_opencode_real as real
from tests.integration.test_opencode_real import OPENCODE, calls, folder_of, says
from tests.integration.test_sandbox import REAL
from tests.projects import Project
from tests.provider import KEY, Heard, Provider, Said, served

pytestmark = real.pytestmark
ASKS = {
    "autoupdate": False,
    "share": "disabled",
    "model": "local/small",
    "enabled_providers": ["local"],
    "permission": {"edit": "ask", "bash": "ask"},
    "provider": {
        "local": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "{env:LOCAL_BASE_URL}", "apiKey": "{env:LOCAL_API_KEY}"},
            "models": {"small": {"name": "small", "cost": {"input": 1, "output": 10}}},
        }
    },
}
WORKERS = {
    "acp": f'kind = "acp"\ncommand = ["{OPENCODE}", "acp"]\npermissions = ["edit"]\n',
    "boxed": f'kind = "acp"\ncommand = ["{OPENCODE}", "acp"]\npermissions = ["edit"]\n'
    f'sandbox = "bwrap"\nreads = ["{Path(OPENCODE or "/").parent}"]\n',
    "command": f'preset = "opencode"\ncommand = ["{OPENCODE}", "run", "--format", "json", '
    '"{prompt}"]\n',
}


def script(heard: Heard) -> Said:
    """A file; then a shell command, which is refused. There opencode ends its turn."""
    if not heard.body.get("tools"):
        return says({"content": "A title"}, why="stop")
    answers = [one for one in heard.body["messages"] if one["role"] == "tool"]
    if answers:
        return calls("bash", command="touch by-shell.txt", description="Touch a file")
    return calls("write", filePath=f"{folder_of(heard)}/by-opencode.txt", content="Hello.\n")


def configured(project: Project, url: str, kind: str) -> dict[str, str]:
    """The user's configuration: opencode behind the gateway, which asks before it does anything."""
    folder = project.folder / "config" / "oya-vcs"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'[gateway]\nkeys = ["local=env:LOCAL_KEY"]\nurls = ["local={url}/v1"]\n'
        f'[worker]\n{WORKERS[kind]}home = "private"\nlease_ms = 120000\n'
        'env = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_DISABLE_AUTOUPDATE"]\n'
    )
    return {
        "XDG_CONFIG_HOME": str(folder.parent),
        "LOCAL_KEY": KEY,
        "OPENCODE_CONFIG_CONTENT": json.dumps(
            {**ASKS, "permission": {"edit": "allow", "bash": "ask"}} if kind == "command" else ASKS
        ),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }


@pytest.mark.parametrize("kind", ["acp", pytest.param("boxed", marks=REAL), "command"])
async def test_what_opencode_writes_lands(new_project: NewProject, kind: str) -> None:
    """It writes its file, and is refused a shell, which nobody allowed; its tools are the log;
    what it used is counted; nothing of it is left. In the sandbox all of it is the same."""
    project = new_project()
    beads = project.beads({"id": "b1", "title": "Greet", "description": "Write by-opencode.txt."})
    provider = Provider(script)
    async with served(provider) as url:
        env = configured(project, url, kind)
        argv = ("run", str(beads), "--repo", str(project.root), "--json")
        ran = await asyncio.to_thread(project.oya, *argv, env=env, timeout_s=250)
    log = "".join(path.read_text() for path in (project.home / "logs" / "b1").glob("*.log"))
    assert ran.code == 0, ran.out + log
    assert project.git("show", "refs/heads/main:by-opencode.txt") == "Hello."
    assert "by-shell.txt" not in project.files()
    if kind != "command":
        assert "refused: touch by-shell.txt: [worker] permissions does not hold 'execute'" in log
        assert "allowed: " in log
    rows = json.loads(project.oya("journal", "tail", "-n", "1000", "--json").out)["data"]
    [told] = [row["data"]["usage"] for row in rows if row["type"] == "WorkerFinished"]
    assert told["tokens_in"] >= 50
    assert (told["cost_micros"] > 0) is (kind == "command")
    project.assert_healthy()
    project.assert_no_leaks()

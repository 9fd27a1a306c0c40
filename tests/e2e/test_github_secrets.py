"""No secret of a run on GitHub is where somebody might read it."""

from __future__ import annotations

import base64
import socket
from pathlib import Path

import pytest

from tests.conftest import NewProject
from tests.github_model.access import Access
from tests.github_model.records import Actor
from tests.on_github import besieged

SECRET = "whsec-0c5b7f51d0a94f3e"
VARIABLE = "OYA_GITHUB_WEBHOOK_SECRET"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _parts(header: str) -> set[str]:
    """What of an Authorization header lets somebody in."""
    kind, _, words = header.partition(" ")
    plain = base64.b64decode(words).decode().partition(":")[2] if kind == "Basic" else words
    return {words, plain}


def _command_lines() -> set[bytes]:
    """Of all processes that there are now."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes())
        except OSError:
            continue
    return found


@pytest.mark.timeout(600)
async def test_a_whole_story_shows_no_secret(
    new_project: NewProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An App with webhooks lands a bead: no token, JWT, key nor webhook secret is in a file of the
    home or the project, in the record, in jj's operations, in a commit, in anything said on GitHub,
    printed, or on any command line at the time of any request."""
    seen, lines, asked = set[str](), set[bytes](), Access.actor

    def actor(access: Access, header: str | None) -> Actor:
        seen.update(_parts(header) if header else ())
        lines.update(_command_lines())
        return asked(access, header)

    monkeypatch.setattr(Access, "actor", actor)
    project, port = new_project(files=1), _free_port()
    async with besieged(project, tmp_path / "hub") as siege:
        hub = siege.hub
        hub.hooks.secret, hub.hooks.url = SECRET, f"http://127.0.0.1:{port}/github/webhook"
        beads = project.beads({"id": "b0", "title": "B"})
        ran = await siege.run(beads, env={VARIABLE: SECRET, "OYA_WEB__LISTEN": f"127.0.0.1:{port}"})
        assert ran.code == 0, ran.err
        assert 202 in {one.status_code for one in hub.hooks.log}, "no webhook was taken"
        (pull,) = hub.repo.pulls.values()
        said = [*hub.said(pull), pull.title, pull.body or ""]
        said += [str(run.output) for run in hub.repo.runs.values()]
        hub.hooks.url = None
    kinds = {one.partition("_")[0] for one in seen if one.startswith("ghs_")}
    assert kinds, "no token of the installation was seen"
    assert any(one.count(".") == 2 for one in seen), "no JWT was seen"
    secrets = {SECRET, *seen, *siege.hub.private_key.splitlines()[1:-1]}
    said += [ran.out, ran.err, project.oya("journal", "tail", "-n", "100000", "--json").out]
    said += [project.jj("op", "log"), project.git("log", "--all", "--format=%B")]
    said += [str(line) for line in lines]
    assert any(b"push" in line and b"oya/queue" in line for line in lines), "no push was seen"
    files = [
        path for path in project.folder.rglob("*") if path.is_file() and path.name != "app.pem"
    ]
    assert project.home / "journal.db" in files
    for secret in secrets:
        assert not [text for text in said if secret in text]
        assert not [path for path in files if secret.encode() in path.read_bytes()]

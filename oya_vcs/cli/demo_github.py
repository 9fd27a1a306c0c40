"""The GitHub of `oya-vcs demo --github`: the model that the tests use, as a process beside the
demo. Knows how to start it and to put a repository there, and nothing of beads."""

from __future__ import annotations

import base64
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.process.beside import beside
from oya_vcs.adapters.toolbox import Tools
from oya_vcs.config import environment, templates_folder
from oya_vcs.core.world import World
from oya_vcs.errors import ConfigurationInvalid

MODEL = "tests.github_model"
LAST = "token of mallory"
"""The last line of what the model says of itself."""
OWNER = "token of ann"


@dataclass(frozen=True, slots=True)
class Model:
    """A model of GitHub that runs. `toml` is what an oya.toml says to work there."""

    card: dict[str, str]
    tools: Tools

    @property
    def toml(self) -> str:
        """The sections of an oya.toml."""
        card = self.card
        return (
            '\n[repo]\nforge = "github"\n\n[github]\n'
            f"api_url = {json.dumps(card['api_url'])}\nrepo = {json.dumps(card['repo'])}\n"
            f"app_id = {card['app_id']}\npoll_ms = 500\n"
            f"private_key_file = {json.dumps(card['private_key_file'])}\n"
        )

    @property
    def pulls_url(self) -> str:
        """Where its pull requests can be looked at, as JSON."""
        return f"{self.card['api_url']}/repos/{self.card['repo']}/pulls?state=all"

    async def take(self, repo: Path, env: dict[str, str]) -> None:
        """Have the repository's main there, and it as the repository's remote `origin`."""
        url, words = self.card["git"], f"x-access-token:{self.card[OWNER]}"
        header = f"Authorization: Basic {base64.b64encode(words.encode()).decode()}"
        let_in = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.card['api_url']}/.extraHeader",
            "GIT_CONFIG_VALUE_0": header,
        }
        for argv in (
            (str(self.tools.jj), "--quiet", "-R", str(repo), "git", "remote", "add", "origin", url),
            (str(self.tools.git), "-C", str(repo), "push", "--quiet", "--force", url, "main:main"),
        ):
            await run_program(argv, env={**env, **let_in})


@contextmanager
def model_at(folder: Path, tools: Tools) -> Iterator[Model]:
    """A model of GitHub while the block runs; its repositories and its App's key are in `folder`.

    Raises ConfigurationInvalid where this installation has none, WorldFailed where it does not
    start.
    """
    checkout = templates_folder().parent
    if not checkout.joinpath(*MODEL.split("."), "__main__.py").is_file():
        raise ConfigurationInvalid(
            "The model of GitHub is no part of an installed oya-vcs: it is in its source.",
            "Run `make setup` and `.venv/bin/oya-vcs demo --github` in a checkout of it.",
        )
    folder.mkdir()
    path = f"{tools.git.parent}:{environment().get('PATH', '')}"
    argv = (sys.executable, "-m", MODEL, str(folder), "--until-eof")
    env = {"PATH": path, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with beside(argv, env=env, cwd=checkout, log=folder / "model.log", last=LAST) as card:
        yield Model(card, tools)


def pulls_text(world: World) -> str:
    """The pull requests that were worked on, a line each."""
    ours = sorted(world.pulls.values(), key=lambda pull: pull.number)
    lines = [
        f"#{pull.number}  {pull.bead}: {world.bead(pull.bead).state}"
        for pull in ours
        if pull.bead is not None
    ]
    return "\n".join(["Pull requests:", *lines])


def wait_for_ctrl_c() -> None:
    """Return when somebody has had enough: at Ctrl-C, or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        signal.pause()

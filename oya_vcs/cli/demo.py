"""`oya-vcs demo`: the main job on a generated repository, with a scripted worker. Nothing of it is
a shortcut. With `--github` changes are pull requests, on a model of GitHub (`demo_github.py`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from oya_vcs.adapters.jj.program import run_program
from oya_vcs.adapters.toolbox import Tools, find_tools
from oya_vcs.adapters.tracker import read_beads
from oya_vcs.bootstrap import find_plan
from oya_vcs.cli.demo_github import Model, model_at, pulls_text, wait_for_ctrl_c
from oya_vcs.cli.output import Output
from oya_vcs.cli.run import work, worker_flags
from oya_vcs.cli.summary import summary
from oya_vcs.config import Home, environment, templates_folder, tools_folder
from oya_vcs.errors import ConfigurationInvalid, ExitCode
from oya_vcs.journal.checkpoint import marks
from oya_vcs.journal.verify import verify

FILES = 60
"""Files of the generated repository beside those that matter: a checkout that has something to
do."""
BEADS, BEADS_ON_GITHUB = 12, 5
"""How many beads there are where nobody says: GitHub is asked to change one thing a second, and
each pull request is a handful of those."""
STREAMS = 4
"""The beads form so many chains, with a bridge between neighbours at every third, and one bead that
needs them all."""


def demo(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Generate, run, verify. 0 only if every bead landed and the journal verifies."""
    if arguments.beads is None:
        arguments.beads = BEADS_ON_GITHUB if arguments.github else BEADS
    if arguments.beads < 1:
        message = f"A demo of {arguments.beads} beads has nothing to show."
        raise ConfigurationInvalid(message, "Give --beads a number from 1.")
    if not 1 <= arguments.slots <= 1_000:
        raise ConfigurationInvalid(f"{arguments.slots} slots are not from 1 to 1000.")
    tools = find_tools(tools_folder(), environment())
    folder = _folder(arguments.dir)
    kept = bool(arguments.keep or arguments.dir)
    try:
        output.say(f"A jj repository with {arguments.beads} beads in {folder}:")
        return _demo(folder, arguments, output, tools, kept=kept)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _demo(
    folder: Path, arguments: argparse.Namespace, output: Output, tools: Tools, *, kept: bool
) -> ExitCode:
    repo = folder / "repo"
    with ExitStack() as held:
        model: Model | None = None
        if arguments.github:
            model = held.enter_context(model_at(folder / "github", tools))
        asyncio.run(make_repository(repo, tools, more="" if model is None else model.toml))
        if model is not None:
            asyncio.run(model.take(repo, user_environment(repo, tools)))
            output.say(f"A model of GitHub serves meanwhile; its pull requests: {model.pulls_url}")
        code = _land(folder, repo, arguments, output, tools, kept=kept)
        if model is not None and arguments.keep:
            output.say("The model of GitHub goes on until Ctrl-C.")
            wait_for_ctrl_c()
        return code


def _land(
    folder: Path,
    repo: Path,
    arguments: argparse.Namespace,
    output: Output,
    tools: Tools,
    *,
    kept: bool,
) -> ExitCode:
    beads = folder / "beads.jsonl"
    beads.write_text(beads_text(arguments.beads), encoding="utf-8")
    file = read_beads(beads)
    worker = shlex.join([sys.executable, str(templates_folder() / "demo" / "worker.py")])
    flags = worker_flags(worker, arguments.slots)
    home = Home(folder / "home")
    plan = asyncio.run(find_plan(home, repo, config_file=None, flags=flags))
    world = asyncio.run(work(plan, file, output))
    answer = summary(world, [spec.id for spec in file.beads], plan.policy.repo, tools.jj)
    record = verify(home.journal, remembered=marks(home.checkpoints))
    ok = answer.ok and record.ok
    lines = [
        answer.text,
        *([pulls_text(world)] if arguments.github else []),
        f"The journal {'verifies' if record.ok else 'DOES NOT VERIFY'}: {record.rows} events.",
    ]
    if kept:
        lines.append(f"Look around: `oya-vcs --home {home.root} bead list`.")
    data = {**answer.data, "journal_ok": record.ok, "events": record.rows, "dir": str(folder)}
    output.answer("demo", data, "\n".join(lines), ok=ok)
    return ExitCode.DONE if ok else ExitCode.WORK_FAILED


def _folder(wanted: str | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="oya-vcs-demo-"))
    folder = Path(wanted).absolute()
    if folder.exists() and any(folder.iterdir()):
        message = f"{folder} is not empty."
        raise ConfigurationInvalid(message, "Name a folder that is new or empty.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def make_repository(
    repo: Path, tools: Tools, *, files: int = FILES, check: str = "", more: str = ""
) -> None:
    """A jj repository with an app, a check, an `oya.toml` (with `more` at its end) and bookmark
    `main`; no user's configuration is asked."""
    app = repo / "app"
    app.mkdir(parents=True)
    for number in range(files):
        filler = repo / "docs" / f"{number // 20}" / f"page{number}.md"
        filler.parent.mkdir(parents=True, exist_ok=True)
        filler.write_text(f"# Page {number}\n", encoding="utf-8")
    (app / "__init__.py").write_text('"""The app."""\n', encoding="utf-8")
    (app / "greeting.txt").write_text("hello\n", encoding="utf-8")
    shutil.copy(templates_folder() / "demo" / "check.py", repo / "check.py")
    command = check or f"PYTHONDONTWRITEBYTECODE=1 {shlex.quote(sys.executable)} check.py"
    toml = f"[checks]\ntest = {json.dumps(command)}\n{more}"
    (repo / "oya.toml").write_text(toml, encoding="utf-8")
    for args in (
        ("git", "init", "--colocate", str(repo)),
        ("-R", str(repo), "commit", "-m", "An app, a check and an oya.toml"),
        ("-R", str(repo), "bookmark", "create", "main", "-r", "@-"),
    ):
        await run_program(
            [str(tools.jj), "--no-pager", "--quiet", *args], env=user_environment(repo, tools)
        )


def user_environment(repo: Path, tools: Tools) -> dict[str, str]:
    """The environment in which a made-up person runs jj on the generated repository."""
    return {
        "PATH": f"{tools.git.parent}:{environment().get('PATH', '')}",
        "HOME": str(repo.parent),
        "JJ_CONFIG": "/dev/null",
        "JJ_USER": "A Person",
        "JJ_EMAIL": "person@example.org",
    }


def beads_text(count: int) -> str:
    """`count` beads in the short form of a beads file: chains, diamonds, a fan-in, and two that
    edit the same line."""
    greeters = ["greet-world", "greet-moon"] if count >= STREAMS + 3 else []
    chained = count - len(greeters) - (1 if count > STREAMS else 0)
    beads: list[dict[str, object]] = [
        {"id": name, "title": f"Greet the {name[6:]}, too", "deps": []} for name in greeters
    ]
    for number in range(chained):
        deps = [_name(number - STREAMS)] if number >= STREAMS else []
        if number >= STREAMS and number % 3 == 0:
            deps.append(_name(number - STREAMS + 1))
        title = f"Build part {number // STREAMS + 1} of stream {'abcd'[number % STREAMS]}"
        beads.append({"id": _name(number), "title": title, "deps": deps})
    if count > STREAMS:
        last = [_name(number) for number in range(max(0, chained - STREAMS), chained)]
        beads.append({"id": "release", "title": "Put the streams together", "deps": last})
    return "".join(f"{json.dumps(bead)}\n" for bead in beads)


def _name(number: int) -> str:
    return f"{'abcd'[number % STREAMS]}-{number // STREAMS + 1}"

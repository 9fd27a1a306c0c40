"""`oya-vcs hook submit` and `hook land`, which `jj submit` and `jj land` call: a commit of the
user's goes into the merge queue, and `land` waits until it has landed or comes back.

The revision is read in the user's own words by the user's own jj, without a snapshot; the user's
workspace is not touched, now or when it lands.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.adapters.users.jj import Revision, UsersJj
from oya_vcs.cli.asking import ask, person
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import folder_of, home_of
from oya_vcs.config import environment, tools_folder
from oya_vcs.errors import ConfigurationInvalid, ExitCode, InputInvalid, NoDaemon

SHORT = 12
"""Digits of a commit's id that people are shown."""
WITHIN = "OYA_EXECUTION_KEY"
"""What the environment of workers, checks and hooks names: they may submit nothing."""


def submit(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Put one commit into the merge queue; returns when that is on record."""
    data = _submitted(arguments, output)
    text = f"{data['bead']} at {data['head'][:SHORT]}: {data['said']}"
    output.answer("hook-submit", data, text)
    return ExitCode.DONE


def land(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """The same, and wait for its end: 0 where it has landed, 1 where it comes back with the reason.
    Raises NoDaemon, with nothing recorded, where nobody would land it."""
    home = home_of(arguments)
    ask(home, "about")
    data = _submitted(arguments, output)
    while not data["over"]:
        output.say(f"{data['bead']}: {data['said']}")
        data |= ask(home, "change.follow", bead=data["bead"], known=data["said"])
    landed = data["landed"] is not None
    text = f"{data['bead']}: {data['said']}"
    if landed:
        text = f"{text}\n`jj new {data['target']}` takes it up."
    else:
        text = f"{text}\n{data['detail'].strip()}\nSubmit it again when that is mended."
    output.answer("hook-land", data, text, ok=landed)
    return ExitCode.DONE if landed else ExitCode.WORK_FAILED


def _submitted(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Hand the revision in; what became of it."""
    home, environ = home_of(arguments), environment()
    if environ.get(WITHIN):
        message = "A worker, a check or a hook may submit nothing: what it calls would call it."
        raise InputInvalid(message, f"The variable {WITHIN} says that this is one.")
    jj = UsersJj(find_tools(tools_folder(), environ).jj, folder_of(arguments), environ)
    revision = jj.revision(arguments.revision)
    require(revision, arguments.revision)
    title, _, body = revision.description.strip().partition("\n")
    fields: dict[str, object] = {
        "repo": str(jj.root),
        "change": revision.change,
        "head": revision.commit,
        "title": title,
        "body": body.strip(),
        "who": person(),
        "priority": arguments.priority,
    }
    try:
        found = dict(ask(home, "change.submit", **fields))
    except NoDaemon:
        from oya_vcs.cli.wishes import asked  # noqa: PLC0415 - it knows the whole record

        directly = partial(_recorded, arguments, jj, fields)
        found = dict(asked(home, "change.submit", fields, directly))
    count = jj.count(f'bookmarks(exact:"{found["target"]}")..{revision.commit}')
    if count > 1:
        output.say(f"With it come {count - 1} commits that {found['target']} lacks.")
    return found


def _recorded(
    arguments: argparse.Namespace, jj: UsersJj, fields: Mapping[str, object]
) -> dict[str, object]:
    """Put it on record for the next daemon. Raises ConfigurationInvalid where that could not land
    it."""
    import asyncio  # noqa: PLC0415 - a daemon has read all that

    from oya_vcs.bootstrap.plan import find_plan  # noqa: PLC0415 - the same
    from oya_vcs.housekeeping import submit as record  # noqa: PLC0415 - the same
    from oya_vcs.runtime.submissions import BY_PULLS  # noqa: PLC0415 - the same

    config_file = Path(arguments.config).absolute() if arguments.config else None
    home = home_of(arguments)
    plan = asyncio.run(find_plan(home, jj.root, config_file=config_file, flags={}, working=False))
    if plan.config.repo.forge != "local":
        message = f"The changes of {jj.root} are pull requests."
        raise ConfigurationInvalid(message, BY_PULLS)
    if not plan.config.checks:
        message = f"Nothing lands on {plan.config.repo.target}: its oya.toml names no [checks]."
        raise ConfigurationInvalid(message, "Name your tests there, and commit it to the target.")
    found = asyncio.run(record(home, fields))
    if not found["over"]:
        found["said"] = "It is on record; `oya-vcs up` begins to work on it."
    return found


def require(revision: Revision, words: str) -> None:
    """Raise InputInvalid unless the revision is finished work."""
    if revision.root:
        raise InputInvalid(f"`{words}` is the root of all commits.", "Name a change of yours.")
    if revision.edited:
        raise InputInvalid(
            f"`{words}` is being edited: it is the working copy of a workspace, whose next snapshot"
            " makes another commit of it.",
            "`jj commit` finishes it; then submit @-.",
        )
    if revision.conflicted:
        message = f"`{words}` holds a conflict, and what holds one never lands."
        raise InputInvalid(message, "`jj resolve` resolves it.")
    if not revision.description.strip():
        message = f"`{words}` has no description, by which others would know it."
        raise InputInvalid(message, f"`jj describe {words}` gives it one.")

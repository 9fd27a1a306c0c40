"""`oya-vcs bead add`: one bead, from arguments, a pipe, or an editor.

As with an import, the daemon of the home is asked; where there is none, the record itself is
changed, and the next daemon takes it up.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from oya_vcs.adapters.editor import write_in_editor
from oya_vcs.adapters.jj import find_root
from oya_vcs.adapters.tracker import spec_of
from oya_vcs.bootstrap.keeper import registration
from oya_vcs.cli.daemon import is_up
from oya_vcs.cli.importing import REQUEST_BYTES_MAX, register
from oya_vcs.cli.output import Output
from oya_vcs.cli.places import home_of, make_home
from oya_vcs.cli.wishes import asked
from oya_vcs.config import Home, environment
from oya_vcs.core.ids import RepoId
from oya_vcs.core.intake import named_after
from oya_vcs.errors import ExitCode, InputInvalid, OyaError
from oya_vcs.housekeeping import add

HELP = """\
# The first line is the title of the bead, the rest its description.
# This line and all below it are left out. Leave nothing above, and nothing is added.
#
# It is for {root}, and lands on {target}.
"""
WHERE = "bead add"
"""What messages call a bead that stands in no file."""


def add_bead(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Put one bead on record, and say by which id."""
    home, root = home_of(arguments), find_root(Path(arguments.repo))
    fields = _fields(arguments)
    if fields["title"] is None and sys.stdin.isatty():
        data = _from_editor(arguments, home, root, fields)
    else:
        if fields["title"] is None:
            fields |= _split(_piped())
        elif fields["description"] == "-":
            fields["description"] = _piped().strip()
        data = _added(arguments, home, root, fields)
    after = "" if data["live"] else " `oya-vcs up` begins to work on it."
    output.answer("bead-add", data, f"Bead {data['bead']} is added, and {data['state']}.{after}")
    return ExitCode.DONE


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says, as a line of a beads file would."""
    oya = {"files": arguments.file, "tenant": arguments.tenant}
    oya["allow_empty"] = arguments.allow_empty or None
    return {
        "id": arguments.id,
        "title": None if arguments.title == "-" else arguments.title,
        "description": arguments.description,
        "acceptance_criteria": arguments.acceptance,
        "priority": arguments.priority,
        "issue_type": arguments.type,
        "labels": arguments.label,
        "deps": [need for text in arguments.deps for need in text.split(",") if need],
        "metadata": {"oya": oya},
    }


def _from_editor(
    arguments: argparse.Namespace, home: Home, root: Path, fields: dict[str, Any]
) -> dict[str, Any]:
    """As `_added`, of what a person writes; a text that cannot be taken stays in its file."""
    make_home(home)
    fact = registration(home, root, Path(arguments.config) if arguments.config else None)
    file = home.root / "bead.md"
    text = write_in_editor(file, HELP.format(root=root, target=fact.target), environment())
    with ExitStack() as done:
        done.callback(file.unlink, missing_ok=True)
        written = _split(text)
        try:
            return _added(arguments, home, root, {**fields, **written})
        except OyaError as error:
            done.pop_all()
            error.hint = f"{error.hint} What you wrote is in {file}.".strip()
            raise


def _added(
    arguments: argparse.Namespace, home: Home, root: Path, fields: dict[str, Any]
) -> dict[str, Any]:
    named = fields["id"] is not None
    spec = spec_of({**fields, "id": fields["id"] or named_after(fields["title"])}, WHERE)
    bead = msgspec.to_builtins(spec)
    if len(msgspec.json.encode(bead)) > REQUEST_BYTES_MAX:
        message = f"The bead is larger than {REQUEST_BYTES_MAX:,} bytes."
        raise InputInvalid(message, "Put what is long into a file of the repository, and name it.")
    repo = RepoId(str(register(arguments, root)["repo"]))

    def directly() -> dict[str, Any]:
        made = asyncio.run(add(home, repo, spec, named=named))
        return {"bead": made.id, "state": str(made.state)}

    told = asked(home, "bead.add", {"repo": repo, "bead": bead, "named": named}, directly)
    return {"repo": repo, **told, "live": is_up(home)}


def _split(text: str) -> dict[str, str]:
    """A text as title and description. Raises InputInvalid for one in which there is nothing."""
    title, _, rest = text.strip().partition("\n")
    if not title:
        message = "Nothing was added: there is no text."
        raise InputInvalid(message, "Give a title, or a text whose first line is one.")
    heading = re.sub(r"^#{1,6}\s+", "", title)
    return {"title": heading.strip(), "description": rest.strip()}


def _piped() -> str:
    """What is on standard input. Raises InputInvalid where that is no text."""
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"Standard input is not UTF-8, from byte {error.start + 1}."
        raise InputInvalid(message, "Nothing was added.") from error

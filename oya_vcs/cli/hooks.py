"""`oya-vcs hooks install|uninstall|list`: jj aliases in one repository's configuration, and git's
pre-push hook where jj and git share it. Shown first, and taken away without a trace."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from oya_vcs.adapters.jj import repo_id
from oya_vcs.adapters.toolbox import find_tools
from oya_vcs.adapters.users.installing import Item, Ledger, Stands, difference, require_room, rows
from oya_vcs.adapters.users.jj import UsersJj
from oya_vcs.adapters.users.places import Alias, GitHook, Place, hooks_folder
from oya_vcs.cli.output import Output, table
from oya_vcs.cli.places import folder_of, home_of
from oya_vcs.config import environment, tools_folder
from oya_vcs.errors import ExitCode

ALIASES = ("submit", "land", "push")
"""Names of `oya-vcs hook` that become words of jj's."""
SCRIPT = """\
#!/bin/sh
# Written by `oya-vcs hooks install`; `oya-vcs hooks uninstall` takes it away. A hook that was here
# before is beside it, and runs first.
refs=$(cat)
say() {{ [ -z "$refs" ] || printf '%s\\n' "$refs"; }}
if [ -x "$0.before-oya-vcs" ]; then
    say | "$0.before-oya-vcs" "$@" || exit $?
fi
say | {command} "$@"
"""
"""A git hook: what git says on its input is said to both."""


def hooks(arguments: argparse.Namespace, output: Output) -> ExitCode:
    """Install, uninstall or list."""
    ledger, items = _looked(arguments)
    return _VERBS[arguments.verb](arguments, output, ledger, items)


def _install(
    arguments: argparse.Namespace, output: Output, ledger: Ledger, items: list[Item]
) -> ExitCode:
    if not arguments.take_over:
        require_room(items)
    changes = "\n".join(difference(items)) or "Everything is installed."
    text = changes
    if not arguments.dry_run:
        output.say(changes)
        ledger.install(items)
        text = "Installed; `oya-vcs hooks uninstall` takes it away."
    data = {"applied": not arguments.dry_run, "hooks": rows(items)}
    output.answer("hooks-install", data, text)
    return ExitCode.DONE


def _uninstall(
    arguments: argparse.Namespace, output: Output, ledger: Ledger, items: list[Item]
) -> ExitCode:
    if not arguments.dry_run:
        ledger.uninstall(items)
    data = {"applied": not arguments.dry_run, "hooks": rows(items)}
    output.answer("hooks-uninstall", data, "\n".join(map(_taken, items)))
    return ExitCode.DONE


def _looked(arguments: argparse.Namespace) -> tuple[Ledger, list[Item]]:
    """What was there before us, and every place as it is."""
    home, environ = home_of(arguments), environment()
    tools = find_tools(tools_folder(), environ)
    jj = UsersJj(tools.jj, folder_of(arguments), environ)
    named = [f"--home={home.root}"] if arguments.home else []
    wanted: list[tuple[Place, str]] = [
        (
            Alias(jj, name),
            json.dumps(["util", "exec", "--", *command(name), *named, *_behind(name)]),
        )
        for name in ALIASES
    ]
    folder = None if arguments.no_git else hooks_folder(jj.root, tools.git, environ)
    if folder is not None:
        line = shlex.join([*command("pre-push"), *named, "--"])
        wanted.append((GitHook(folder, "pre-push"), SCRIPT.format(command=line)))
    ledger = Ledger(home.root / "hooks" / f"{repo_id(jj.root)}.json")
    return ledger, ledger.look(wanted)


def command(name: str) -> list[str]:
    """How a hook is called: by the program that installs it, wherever one is. What lies in the
    folder of who calls (-P) is no part of it."""
    program = Path(sys.executable).with_name("oya-vcs")
    called = [str(program)] if program.is_file() else [sys.executable, "-P", "-m", "oya_vcs"]
    return [*called, "hook", name]


def _behind(name: str) -> list[str]:
    """What stands before the words that a user adds."""
    return ["--"] if name == "push" else []


def _taken(item: Item) -> str:
    """What uninstalling does in a place."""
    if item.stands in {Stands.INSTALLED, Stands.OLDER}:
        return f"{item.place.name}: as it was before" + "; yours is back" * bool(item.before) + "."
    if item.stands is Stands.ABSENT:
        return f"{item.place.name}: was not installed."
    return f"{item.place.name}: is somebody else's by now, and is left as it is."


def _list(
    arguments: argparse.Namespace, output: Output, ledger: Ledger, items: list[Item]
) -> ExitCode:
    text = table(
        ("name", "kind", "", "where"),
        [
            (
                item.place.name,
                item.place.kind,
                str(item.stands),
                "" if item.found is None else item.found.where,
            )
            for item in items
        ],
    )
    output.answer("hooks-list", {"hooks": rows(items)}, text)
    return ExitCode.DONE


_VERBS: Mapping[str, Callable[[argparse.Namespace, Output, Ledger, list[Item]], ExitCode]] = {
    "install": _install,
    "uninstall": _uninstall,
    "list": _list,
}
